//! `get`, `list`, `schema`, `completions`, `man`: output for scripts and other programs.

use serde_json::Value;

use super::{PYTHON, Stage};
use crate::support::sandbox::Sandbox;
use crate::support::schema;

#[test]
fn one_reference_is_printed_for_scripts() {
    let stage = Stage::pinned();
    stage.check(
        &["get", "python:3.12"],
        r#"
--- out
REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
--- exit 0
"#,
    );
    stage.check(
        &["get", "python:latest", "-o", "digest"],
        r#"
--- out
sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
--- exit 0
"#,
    );
    stage.check(
        &["get", "python:arm", "--output", "repository"],
        r#"
--- out
REGISTRY/python@sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7
--- exit 0
"#,
    );
}

#[test]
fn an_unknown_or_unpinned_tag_prints_nothing_to_stdout() {
    let stage = Stage::pinned();
    stage.check(
        &["get", "python:3.13"],
        r#"
--- err
error: no tag named `python:3.13`
help: did you mean `python:3.11`?
--- exit 64
"#,
    );
    stage.check(
        &["get", "web"],
        r#"
--- err
error: invalid tag `web`
help: name one tag, e.g. `python:3.12`
--- exit 64
"#,
    );
    stage.check(
        &["get", "web:1"],
        r#"
--- err
error: no tag named `web:1`
help: run `pinstream list` for all tags
--- exit 64
"#,
    );
    stage.stream(&format!("{PYTHON}new = \"REGISTRY/python:new\"\n"));
    stage.check(
        &["get", "python:new"],
        r#"
--- err
error: `python:new` is not pinned yet
help: run `pinstream update python:new`
--- exit 1
"#,
    );
    stage.stream("");
    stage.check(
        &["get", "python:3.12"],
        r#"
--- err
error: no tag named `python:3.12`
help: run `pinstream list` for all tags
--- exit 64
"#,
    );
}

#[test]
fn all_tags_are_listed_in_a_table() {
    let stage = Stage::pinned();
    let definitions = PYTHON.replace("follow = \"3.12\"", "follow = \"3.11\"");
    stage.stream(&format!("{definitions}new = \"REGISTRY/python:new\"\n"));
    stage.check(
        &["list"],
        r#"
--- out
TAG             SOURCE                                      DIGEST         VERSION   CREATED      STATUS
python:3.11     REGISTRY/python:3.11                 e0660bcc5200   3.11.9    2026-10-01   pinned
python:3.12     REGISTRY/python:3.12                 346028a7044f   3.12.4    2026-10-01   pinned
python:arm      REGISTRY/python:3.12 (linux/arm64)   e7a589004cc2   3.12.4    2026-10-01   pinned
python:latest   -> python:3.11                              346028a7044f   3.12.4    2026-10-01   drifted
python:new      REGISTRY/python:new                                                        not pinned
--- exit 0
"#,
    );
    stage.check(
        &["list", "--no-headers", "python:3.*", "python:latest"],
        r#"
--- out
python:3.11     REGISTRY/python:3.11   e0660bcc5200   3.11.9   2026-10-01   pinned
python:3.12     REGISTRY/python:3.12   346028a7044f   3.12.4   2026-10-01   pinned
python:latest   -> python:3.11                346028a7044f   3.12.4   2026-10-01   drifted
--- exit 0
"#,
    );
    stage.check(
        &["list", "python:4"],
        r#"
--- err
error: no tag named `python:4`
help: run `pinstream list` for all tags
--- exit 64
"#,
    );
}

#[test]
fn a_list_is_sorted_on_request() {
    let stage = Stage::new();
    stage.registry.push("python", "3.9", &super::image(9, "3.9.20"));
    let old = crate::support::registry::Image::new(1).version("main").created("2025-01-01T00:00:00Z");
    stage.registry.push("alpine", "3", &old);
    let tags = "\"3.9\" = \"REGISTRY/python:3.9\"\nalpine = \"REGISTRY/alpine:3\"\n";
    stage.stream(&format!("{PYTHON}{tags}"));
    stage.update();
    stage.stream(
        &format!("{PYTHON}{tags}new = \"REGISTRY/python:new\"\n").replace("follow = \"3.12\"", "follow = \"3.11\""),
    );
    let sorted = |by: &str| {
        let ran = stage.sandbox.run(&["list", "--no-headers", "--sort", by]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let tag = |line: &str| line.split([':', ' ']).nth(1).unwrap().to_owned();
        let json: Value =
            serde_json::from_str(&stage.sandbox.run(&["list", "--sort", by, "--format", "json"]).stdout).unwrap();
        let tags: Vec<String> = ran.stdout.lines().map(tag).collect();
        let told = json["tags"].as_array().unwrap().iter().map(|tag| tag["tag"].as_str().unwrap().to_owned());
        assert_eq!(told.collect::<Vec<_>>(), tags);
        tags.join(" ")
    };
    assert_eq!(sorted("tag"), "3.11 3.12 3.9 alpine arm latest new");
    assert_eq!(sorted("version"), "3.12 arm latest 3.11 3.9 alpine new");
    assert_eq!(sorted("created"), "3.11 3.12 3.9 arm latest alpine new");
    assert_eq!(sorted("status"), "latest new 3.11 3.12 3.9 alpine arm");
    assert_eq!(sorted("image"), "alpine 3.11 3.12 arm latest 3.9 new");
}

#[test]
fn json_output_matches_its_schema() {
    let stage = Stage::pinned();
    stage.stream(&format!("{PYTHON}new = \"REGISTRY/python:new\"\n"));
    let list_schema: Value = serde_json::from_str(&stage.sandbox.run(&["schema", "list"]).stdout).unwrap();
    let list: Value = serde_json::from_str(&stage.sandbox.run(&["list", "--format", "json"]).stdout).unwrap();
    schema::holds(&list_schema, &list);
    assert_eq!(list["tags"].as_array().unwrap().len(), 5);
    assert_eq!((&list["tags"][4]["pin"], &list["tags"][4]["status"]), (&Value::Null, &"not-pinned".into()));
    stage.check(
        &["list", "--format", "json", "python:arm"],
        r#"
--- out
{
  "schema": "pinstream.list/v1",
  "tags": [
    {
      "stream": "python",
      "tag": "arm",
      "image": "REGISTRY/python:3.12",
      "platform": "linux/arm64",
      "index": "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326",
      "pin": {
        "digest": "sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7",
        "version": "3.12.4"
      },
      "reference": "REGISTRY/python:3.12@sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7",
      "created": "2026-10-01T08:12:44Z",
      "status": "pinned"
    }
  ]
}
--- exit 0
"#,
    );
}

#[test]
fn a_root_without_tags_has_an_empty_list() {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", "");
    sandbox.check(
        &["list"],
        r#"
--- out
TAG   SOURCE   DIGEST   VERSION   CREATED   STATUS
--- exit 0
"#,
    );
    sandbox.check(
        &["check"],
        r#"
--- out
0 pins in 0 streams: lock matches the definitions
--- exit 0
"#,
    );
    sandbox.check(
        &["plan"],
        r#"
--- out
no tags; nothing was written
--- exit 0
"#,
    );
}

#[test]
fn each_schema_is_valid_json_with_a_title() {
    let sandbox = Sandbox::new();
    for kind in ["settings", "stream", "policy", "lock", "report", "check", "event", "list", "targets", "export"] {
        let ran = sandbox.run(&["schema", kind]);
        let schema: Value = serde_json::from_str(&ran.stdout).unwrap();
        assert!(schema["$schema"].is_string() && schema["properties"].is_object(), "{kind}: {schema}");
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_lock_matches_its_schema() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    let lock_schema: Value = serde_json::from_str(&stage.sandbox.run(&["schema", "lock"]).stdout).unwrap();
    let lock: Value = toml::from_str(&stage.sandbox.read("pinstream.lock")).unwrap();
    assert_eq!(lock["pin"].as_array().unwrap().len(), 4);
    schema::holds(&lock_schema, &lock);
}

#[test]
fn the_schema_has_required_keys_and_all_values() {
    let schema = |kind: &str| -> Value { serde_json::from_str(&Sandbox::new().run(&["schema", kind]).stdout).unwrap() };
    assert_eq!(schema("settings")["$defs"]["Hook"]["required"], serde_json::json!(["name", "run"]));
    for (kind, name, word) in [
        ("report", "OutcomeV1", "refreshed"),
        ("report", "EndV1", "planned"),
        ("report", "KindV1", "rate-limited"),
        ("report", "HookOutcomeV1", "pending"),
        ("event", "ChangeKindV1", "updated"),
        ("list", "StatusV1", "stale"),
    ] {
        let of = schema(kind)["$defs"][name]["oneOf"].clone();
        let is_known = of.as_array().unwrap().iter().any(|one| one["const"] == word);
        assert!(is_known, "{kind} {name}: {of}");
    }
}

#[test]
fn each_shell_can_parse_its_completion_script() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = sandbox.run(&["completions", shell]);
        assert!(ran.stdout.contains("reconcile") && ran.code == Some(0), "{shell}");
    }
    sandbox.write("script", &sandbox.run(&["completions", "bash"]).stdout);
    let mut bash = sandbox.command("bash");
    bash.args(["-c", "set -eu; . ./script; complete -p pinstream"]);
    let ran = sandbox.finish(bash);
    assert!(ran.stdout.contains("-F _pinstream"), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn each_command_has_a_manual_page() {
    let sandbox = Sandbox::new();
    let page = sandbox.run(&["man"]).stdout;
    assert!(
        page.contains(".TH pinstream 1 ")
            && page.contains(concat!("pinstream ", env!("CARGO_PKG_VERSION")))
            && page.contains("Exit codes"),
        "{page}"
    );
    for command in crate::readme::commands(&sandbox.run(&["--help"]).stdout) {
        let ran = sandbox.run(&["man", &command]);
        assert!(ran.stdout.contains(&format!(".TH pinstream-{command} 1")), "{}", ran.stdout);
        let ran = sandbox.run(&[&command, "--help"]);
        assert!(ran.stdout.contains(&format!("Usage: pinstream {command}")), "{}", ran.stdout);
    }
}
