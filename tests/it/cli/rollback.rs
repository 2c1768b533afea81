//! `rollback`: restores an earlier digest, and later passes skip the rejected one.

use super::{Stage, image};
use crate::support::lane::slow;

const COMMENTED: &str = r#"
[tags]
"3.12" = "REGISTRY/python:3.12" # the usual one
latest = { follow = "3.12" }
prod = { follow = "latest" }
mine = { follow = "3.12", hold = "mine" }
"#;

/// A root whose `python:3.12` had three digests, each committed.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.stream(COMMENTED);
    stage.update();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Pin");
    for (seed, version) in [(13, "3.12.5"), (14, "3.12.6")] {
        stage.registry.push("python", "3.12", &image(seed, version));
        stage.update();
        stage.commit("Move");
    }
    for (name, revision) in [("FIRST", "HEAD~2"), ("SECOND", "HEAD~1"), ("THIRD", "HEAD")] {
        let lock = stage.sandbox.git(&["show", &format!("{revision}:pinstream.lock")]);
        let digest =
            lock.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_matches('"').to_owned();
        stage.sandbox.scrub(digest.clone(), &format!("sha256:{name}"));
        stage.sandbox.scrub(digest["sha256:".len()..][..12].to_owned(), name);
    }
    stage
}

/// Lists the version of each tag.
fn versions(stage: &Stage) -> Vec<String> {
    let list = stage.sandbox.run(&["list", "--no-headers"]).stdout;
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let version = words.iter().find(|word| word.starts_with("3.12.")).copied().unwrap_or("?");
        format!("{} {version}", words[0].trim_start_matches("python:"))
    };
    list.lines().map(row).collect()
}

/// Reads the scrubbed stream file.
fn stream(stage: &Stage) -> String {
    stage.sandbox.scrubbed(&stage.sandbox.read("streams/python.toml"))
}

#[test]
fn the_earlier_digest_is_restored_and_passes_adopt_newer_ones_only() {
    slow!();
    let stage = stage();
    stage.check(
        &["rollback", "python:3.12", "--reason", "it crashes at start"],
        r#"
--- out
python:3.12: THIRD (3.12.6) -> SECOND (3.12.5)
python:latest: THIRD (3.12.6) -> SECOND (3.12.5)
python:prod: THIRD (3.12.6) -> SECOND (3.12.5)
python:3.12 now rejects THIRD; newer digests are adopted
wrote streams/python.toml
wrote pinstream.lock
next: git add streams/python.toml pinstream.lock && git commit -m "Roll back python:3.12"
--- exit 0
"#,
    );
    let rejecting = "\"3.12\" = { image = \"REGISTRY/python:3.12\", reject = [\n  \
        \"sha256:THIRD\", # it crashes at start\n] } # the usual one";
    assert!(stream(&stage).contains(rejecting), "{}", stream(&stage));
    let after = ["3.12 3.12.5", "latest 3.12.5", "mine ?", "prod 3.12.5"];
    assert_eq!(versions(&stage), after);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    stage.sandbox.git(&["add", "streams/python.toml", "pinstream.lock"]);
    stage.sandbox.git(&["commit", "-q", "-m", "Roll back"]);
    // The registry still serves the rejected digest; no pass adopts it.
    let lock = stage.sandbox.read("pinstream.lock");
    for args in [&["update"][..], &["update", "python:prod"], &["update", "--offline"]] {
        assert_eq!(stage.sandbox.run(args).code, Some(0), "{args:?}");
        assert_eq!(stage.sandbox.read("pinstream.lock"), lock, "{args:?}");
    }
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD~1"]).code, Some(0));
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage), ["3.12 3.12.7", "latest 3.12.7", "mine ?", "prod 3.12.7"]);
}

#[test]
fn a_second_rollback_skips_rejected_digests() {
    let stage = stage();
    for _ in 0..2 {
        assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    }
    assert_eq!(versions(&stage)[0], "3.12 3.12.4");
    assert!(
        stream(&stage).contains("[\n  \"sha256:THIRD\", # bad\n  \"sha256:SECOND\", # bad\n]"),
        "{}",
        stream(&stage)
    );
    stage.check(
        &["rollback", "python:3.12", "--reason", "bad"],
        r#"
--- err
error: `python:3.12` has no earlier digest to return to (rejected ones do not count)
help: run `pinstream history python:3.12` to see its digests
--- exit 1
"#,
    );
}

#[test]
fn a_digest_is_named_by_number_or_prefix() {
    let stage = stage();
    let lock = stage.sandbox.read("pinstream.lock");
    let first = stage.sandbox.git(&["show", "HEAD~2:pinstream.lock"]);
    let first = first.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_matches('"').to_owned();
    for to in ["2", &first, &first["sha256:".len()..][..10], &first[..20]] {
        stage.sandbox.git(&["checkout", "-q", "."]);
        let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", to, "--reason", "bad"]);
        assert_eq!(ran.code, Some(0), "{to}: {}", ran.stderr);
        assert_eq!(versions(&stage)[0], "3.12 3.12.4");
    }
    stage.sandbox.git(&["checkout", "-q", "."]);
    let now = stage.digest("python:3.12");
    for (to, said) in [
        ("sha256:", "expected a number or the prefix of a digest"),
        ("0", "earlier digests are numbered from 1"),
        ("xyz", "expected a number or the prefix of a digest"),
        ("3", "`python:3.12` has only 2 earlier digests"),
        (
            "sha256:000000",
            "`python:3.12` was never pinned to `sha256:000000`\nhelp: earlier digests: `sha256:SECOND`, `sha256:FIRST`",
        ),
        (&now, "`python:3.12` is already pinned to `sha256:THIRD`"),
    ] {
        let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", to, "--reason", "bad"]);
        let shown = stage.sandbox.scrubbed(&ran.stderr);
        assert_eq!((ran.code, shown.contains(said)), (Some(64), true), "{to}: {shown}");
    }
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}

#[test]
fn an_ambiguous_prefix_lists_the_matches() {
    let stage = Stage::new();
    stage.stream(COMMENTED);
    // One more digest than hexadecimal digits, so that two share the first digit.
    for seed in 0..17 {
        stage.registry.push("python", "3.12", &image(100 + seed, &format!("3.12.{seed}")));
        stage.update();
        if seed == 0 {
            stage.sandbox.git(&["init", "-q"]);
        }
        stage.commit("Move");
    }
    let history = stage.sandbox.run(&["history", "python:3.12", "--format", "json"]).stdout;
    let digests: Vec<&str> = history.split('"').filter(|word| word.starts_with("sha256:")).collect();
    let twins = |beginning: &&str| digests.iter().filter(|digest| digest.starts_with(*beginning)).count() > 1;
    let beginning = digests.iter().map(|digest| &digest[..8]).find(twins).unwrap();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", beginning, "--reason", "bad"]);
    let said = format!(
        "error: `{beginning}` matches several digests of `python:3.12`\nhelp: use a longer prefix of one of `{beginning}"
    );
    assert_eq!((ran.code, ran.stderr.starts_with(&said)), (Some(64), true), "{}", ran.stderr);
}

#[test]
fn a_hold_replaces_the_rejection() {
    let stage = stage();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--hold", "--reason", "CVE \"1\""]);
    assert!(
        ran.stdout.contains("python:3.12 is held until `hold` is removed from streams/python.toml\n"),
        "{}",
        ran.stdout
    );
    let held = "\"3.12\" = { image = \"REGISTRY/python:3.12\", hold = \"CVE \\\"1\\\"\" } # the usual one";
    assert!(stream(&stage).contains(held), "{}", stream(&stage));
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage)[0], "3.12 3.12.5");
}

#[test]
fn a_follower_is_rolled_back_with_its_followers_only() {
    let stage = stage();
    stage.check(
        &["rollback", "python:latest", "--reason", "too new"],
        r#"
--- out
python:latest: THIRD (3.12.6) -> SECOND
python:prod: THIRD (3.12.6) -> SECOND
python:latest now rejects THIRD; newer digests are adopted
python:3.12, which it follows, is unchanged; to roll back all: pinstream rollback python:3.12
wrote streams/python.toml
wrote pinstream.lock
next: git add streams/python.toml pinstream.lock && git commit -m "Roll back python:latest"
--- exit 0
"#,
    );
    let lock = stage.sandbox.read("pinstream.lock");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    stage.update();
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage), ["3.12 3.12.7", "latest 3.12.7", "mine ?", "prod 3.12.7"]);
}

#[test]
fn an_uncommitted_digest_is_rejected_and_not_recorded() {
    let stage = stage();
    let committed = stage.sandbox.read("pinstream.lock");
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_ne!(stage.sandbox.read("pinstream.lock"), committed);
    assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    assert_eq!(stage.sandbox.read("pinstream.lock"), committed);
    stage.update();
    assert_eq!(stage.sandbox.read("pinstream.lock"), committed);
}

#[test]
fn without_history_the_registry_describes_previous_digests() {
    let stage = stage();
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    assert_eq!(versions(&stage)[0], "3.12 3.12.5");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_discovered_tag_gets_a_definition() {
    slow!();
    let stage = Stage::new();
    stage.stream("[discover]\nrepository = \"REGISTRY/python\"\nsemver = \">=3\"\n");
    stage.update();
    let bad = stage.digest("python:3.12");
    stage.move_upstream();
    stage.update();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(stage.digest("python:3.12"), bad);
    assert!(
        stream(&stage).contains("[tags]\n\"3.12\" = { image = \"REGISTRY/python:3.12\", reject = [\n"),
        "{}",
        stream(&stage)
    );
    stage.update();
    assert_eq!(stage.digest("python:3.12"), bad);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn impossible_rollbacks_explain_why() {
    let stage = stage();
    let now = stage.digest("python:3.12");
    for (args, code, said) in [
        (&["rollback", "python:nope", "--reason", "x"][..], 64, "no tag named `python:nope`"),
        (&["rollback", "python", "--reason", "x"], 64, "invalid tag `python`"),
        (&["rollback", "python:3.12", "--reason", " "], 64, "the reason is empty"),
        (&["rollback", "python:3.12"], 64, "--reason <TEXT>"),
    ] {
        let ran = stage.sandbox.run(args);
        assert_eq!((ran.code, ran.stderr.contains(said)), (Some(code), true), "{args:?}: {}", ran.stderr);
    }
    // Digests of a former image do not match the current definition.
    stage.stream(&COMMENTED.replace("REGISTRY/python:3.12", "REGISTRY/python:3.11"));
    stage.update();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "x"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("the earlier digest does not match the definition"), "{}", ran.stderr);
    stage.stream(&format!("[tags]\nfixed = \"REGISTRY/python@{now}\"\nnew = \"REGISTRY/python:new\"\n"));
    stage.sandbox.run(&["update"]);
    for (tag, said) in [("fixed", "has a fixed digest"), ("new", "is not pinned")] {
        let ran = stage.sandbox.run(&["rollback", &format!("python:{tag}"), "--reason", "x"]);
        assert_eq!((ran.code, ran.stderr.contains(said)), (Some(1), true), "{}", ran.stderr);
    }
}

#[test]
fn a_tag_without_a_pin_gets_a_hint() {
    let stage = Stage::new();
    stage.stream("[tags]\nnew = \"REGISTRY/python:3.12\"\n");
    stage.check(
        &["rollback", "python:new", "--reason", "x"],
        r#"
--- err
error: `python:new` is not pinned yet
help: run `pinstream update python:new`
--- exit 1
"#,
    );
}
