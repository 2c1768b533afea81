//! `describe`: streams in the layout of `oc describe is`, with commits and authors.

use super::{PYTHON, Stage};
use crate::support::sandbox::same;

const WHOLE: &str = r#"
description = "Python builders"
annotations = { "acme.example/owner" = "platform", "acme.example/tier" = "1" }

[tags]
"3.11" = { image = "REGISTRY/python:3.11", schedule = "0 3 * * 1" }
"3.12" = { image = "REGISTRY/python:3.12", annotations = { note = "the usual one" } }
stable = { follow = "latest" }
latest = { follow = "3.12" }
arm = { image = "REGISTRY/python:3.12", platform = "linux/arm64" }
base = { follow = "other:1" }
new = "REGISTRY/python:new"
"#;

/// A root with two commits, and a tag that is not pinned.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.sandbox.write("streams/other.toml", &format!("[tags]\n1 = \"{}/python:3.11\"\n", stage.registry.host()));
    stage.stream(&WHOLE.replace("new = ", "# new = "));
    stage.update();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Pin");
    stage.move_upstream();
    stage.update();
    stage.sandbox.git(&["add", "-A"]);
    stage.sandbox.git(&["commit", "-q", "-m", "Move", "--author", "B. Person <b@example.com>"]);
    stage.stream(WHOLE);
    for (name, revision) in [("COMMIT-1", "HEAD~1"), ("COMMIT-2", "HEAD")] {
        let id = stage.sandbox.git(&["rev-parse", "--short=9", revision]);
        stage.sandbox.scrub(id.trim(), name);
    }
    stage
}

#[test]
fn a_stream_is_described_like_in_oc() {
    let stage = stage();
    let ran = stage.sandbox.run(&["describe", "python"]);
    assert_eq!(ran.stderr, "");
    same(
        &stage.sandbox.scrubbed(&ran.stdout).replace('\t', "→"),
        r#"
Name:→→→python
Description:→→Python builders
Annotations:→→acme.example/owner=platform
→→→acme.example/tier=1
Unique Images:→→3
Tags:→→→7

3.12 (latest, stable)
  updates automatically from registry REGISTRY/python:3.12

  note=the usual one

  * REGISTRY/python@sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a
      version 3.12.5
      created 7 weeks ago
      About an hour ago, in COMMIT-2 by B. Person
    REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
      About an hour ago, in COMMIT-1 by A. Person

3.11
  updates automatically from registry REGISTRY/python:3.11
  schedule: 0 3 * * 1

  * REGISTRY/python@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
      version 3.11.9
      created 7 weeks ago
      About an hour ago, in COMMIT-1 by A. Person

arm
  updates automatically from registry REGISTRY/python:3.12 for linux/arm64

  * REGISTRY/python@sha256:688f172987f3be20e640262652795f8a88693947e79308d17736c90c5ab22d5c
      version 3.12.5
      created 7 weeks ago
      About an hour ago, in COMMIT-2 by B. Person
    REGISTRY/python@sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7
      About an hour ago, in COMMIT-1 by A. Person

base
  updates automatically from other:1

  * REGISTRY/python@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
      version 3.11.9
      created 7 weeks ago
      About an hour ago, in COMMIT-1 by A. Person

new
  updates automatically from registry REGISTRY/python:new

  ~ not pinned yet
"#,
    );
}

#[test]
fn values_of_the_head_start_at_column_24() {
    let stage = stage();
    let text = stage.sandbox.run(&["describe", "python"]).stdout;
    for line in text.lines().take_while(|line| !line.is_empty()) {
        let mut column = 0;
        for c in line[..line.rfind('\t').unwrap() + 1].chars() {
            column = if c == '\t' { column / 8 * 8 + 8 } else { column + 1 };
        }
        assert_eq!(column, 24, "{line:?}");
    }
}

#[test]
fn with_utc_the_output_does_not_depend_on_the_clock() {
    let mut stage = stage();
    let first = stage.sandbox.run(&["describe", "--utc"]).stdout;
    stage.sandbox.env("PINSTREAM_NOW", "2027-11-24T12:00:00Z");
    assert_eq!(stage.sandbox.run(&["describe", "--utc"]).stdout, first);
    assert!(first.contains("      2026-11-24T11:00:00Z, in "), "{first}");
    assert!(stage.sandbox.run(&["describe"]).stdout.contains("12 months ago, in "));
}

#[test]
fn an_uncommitted_digest_has_no_author() {
    let stage = Stage::pinned();
    stage.stream(PYTHON);
    stage.move_upstream();
    stage.update();
    let text = stage.sandbox.run(&["describe", "--utc"]).stdout;
    // One unchanged digest, and two earlier ones.
    assert_eq!(text.matches(" by A. Person").count(), 3, "{text}");
    for (line, next) in text.lines().zip(text.lines().skip(3)).filter(|(line, _)| line.starts_with("  * ")) {
        assert_eq!(next.contains(" by "), line.contains("sha256:e0660bcc"), "{text}");
    }
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    let text = stage.sandbox.run(&["describe", "--utc"]).stdout;
    assert_eq!(text.matches(" by ").count(), 0, "{text}");
}

#[test]
fn the_error_for_a_checkout_of_another_user_explains_how_to_trust_it() {
    let stage = Stage::pinned();
    for name in [".", ".git"] {
        std::os::unix::fs::chown(stage.sandbox.work().join(name), Some(4321), None).unwrap();
    }
    let said = "--- err\nerror: the repository `[SANDBOX]/work` belongs to another user\n\
        help: if you trust it, run `git config --global --add safe.directory [SANDBOX]/work`\n--- exit 1";
    stage.check(&["describe"], said);
    let work = stage.sandbox.work();
    stage.sandbox.git(&["config", "--global", "--add", "safe.directory", work.to_str().unwrap()]);
    assert_eq!(stage.sandbox.run(&["describe"]).code, Some(0));
}

#[test]
fn a_stream_is_named_directly_or_by_a_tag_and_typos_get_a_suggestion() {
    let stage = stage();
    let shown = |words: &[&str]| stage.sandbox.run(&[&["describe"], words].concat()).stdout;
    for words in [&["other:1"][..], &["oth*"], &["other", "other:1", "o*:*"]] {
        assert_eq!(shown(words), shown(&["other"]), "{words:?}");
    }
    assert_eq!(shown(&["**"]), shown(&[]));
    for (word, near) in [("python:nope", "did you mean `python:base`?"), ("x*", "run `pinstream list` for all tags")] {
        let expected = format!("--- err\nerror: no tag named `{word}`\nhelp: {near}\n--- exit 64");
        stage.check(&["describe", word], &expected);
    }
    stage.check(
        &["describe", "pyton"],
        r#"
--- err
error: no stream is named `pyton`
help: did you mean `python`?
--- exit 64
"#,
    );
    stage.check(
        &["describe", "web"],
        r#"
--- err
error: no stream is named `web`
help: run `pinstream list` to see all tags
--- exit 64
"#,
    );
}

#[test]
fn drift_is_shown() {
    let stage = Stage::pinned();
    stage.stream("[tags]\n\"3.12\" = \"REGISTRY/python:3.13\"\nlatest = { follow = \"3.12\" }\n");
    stage.edit_lock("follow = \"python:3.12\"", "follow = \"python:3.11\"");
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    let ran = stage.sandbox.run(&["describe"]);
    same(
        &stage.sandbox.scrubbed(ran.stdout.split("\n\n").skip(1).collect::<Vec<_>>().join("\n\n").as_str()),
        r#"
3.12 (latest)
  updates automatically from registry REGISTRY/python:3.13

  ! `python:3.12` is pinned to image `REGISTRY/python:3.12`, but defined as `REGISTRY/python:3.13`
  ! `python:latest` follows `python:3.12`, but is pinned to another digest
  * REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
      version 3.12.4
      created 7 weeks ago

3.11
  not defined

  * REGISTRY/python@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
      version 3.11.9
      created 7 weeks ago

arm
  not defined

  * REGISTRY/python@sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7
      version 3.12.4
      created 7 weeks ago
"#,
    );
}

const RULES: &str = r#"
annotations = { a = "b" }

[tags]
"3.12" = { image = "REGISTRY/python:3.12", platforms = ["linux/amd64"], soak = "1d12h", ignore = ["attestation", "config"], allow = "minor", on-rollback = "warn" }
edge = { repository = "REGISTRY/python", semver = ">=3.11" }
latest = { follow = "3.12" }
prod = { follow = "latest", hold = { reason = "CVE regression", until = 2026-12-01 }, reject = ["sha256:0000000000000000000000000000000000000000000000000000000000000000"] }
far = { follow = "platform//base:1" }

[discover]
repository = "REGISTRY/python"
pattern = '^3\\.11$'
order = "alphabet"
limit = 3
"#;

#[test]
fn every_rule_has_a_line() {
    let stage = Stage::new();
    stage.settings("[remote.platform]\nurl = \"https://git.example/platform\"\n");
    stage.stream(&RULES.replace("\\\\", "\\"));
    stage
        .sandbox
        .write("streams/web.toml", "[tags]\n1 = { follow = \"python:latest\" }\n2 = { follow = \"python:3.12\" }\n");
    let ran = stage.sandbox.run(&["update", "python:3.12", "python:edge", "python:latest"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    // The image is unsigned; signatures are checked on updates only.
    let verify = "verify = { issuer = \"https://accounts.example.com\", identity = \"*@example.com\" }";
    let signed = RULES.replace("on-rollback = \"warn\"", &format!("on-rollback = \"warn\", {verify}"));
    stage.stream(&signed.replace("\\\\", "\\"));
    let ran = stage.sandbox.run(&["describe", "python", "--utc"]);
    same(&stage.sandbox.scrubbed(&ran.stdout).replace('\t', "→"), RULES_SHOWN);
}

const RULES_SHOWN: &str = r"
Name:→→→python
Annotations:→→a=b
Discovers:→→REGISTRY/python, last alphabetically matching /^3\.11$/, at most 3 tags
Unique Images:→→1
Tags:→→→5

3.12 (latest)
  updates automatically from registry REGISTRY/python:3.12
  requires platforms: linux/amd64
  requires a signature by `*@example.com` of `https://accounts.example.com`
  soaks for 1d12h
  ignores changes of class attestation, config
  allows minor version changes at most
  rollbacks are allowed with a warning
  followed by python:prod, web:1, web:2

  * REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
      version 3.12.4
      created 2026-10-01T08:12:44Z

edge
  updates automatically from registry REGISTRY/python, tag in >=3.11

  * REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
      tag 3.12
      version 3.12.4
      created 2026-10-01T08:12:44Z

far
  updates automatically from platform//base:1 of https://git.example/platform

  ~ not pinned yet

prod
  updates automatically from python:latest

  ! held until 2026-12-01T00:00:00Z: CVE regression
  ! rejects sha256:0000000000000000000000000000000000000000000000000000000000000000
  * REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
      version 3.12.4
      created 2026-10-01T08:12:44Z
";
