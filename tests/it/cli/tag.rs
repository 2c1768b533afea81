//! `tag`: edits definitions like `oc tag`.

use super::Stage;

const COMMENTED: &str = r#"
[tags]
"3.11" = "REGISTRY/python:3.11" # until May
"3.12" = "REGISTRY/python:3.12"
arm = { image = "REGISTRY/python:3.12", platform = "linux/arm64" }
latest = { follow = "3.12" }
"#;

/// A root whose `python:3.12` and its followers were updated once.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.stream(COMMENTED);
    stage.update();
    stage.move_upstream();
    stage.update();
    stage
}

/// Lists the lines of stream `python` that differ from [`COMMENTED`].
fn changed(stage: &Stage) -> String {
    let text = stage.sandbox.scrubbed(&stage.sandbox.read("streams/python.toml"));
    let new: Vec<&str> = text.lines().filter(|line| !COMMENTED.lines().any(|old| old == *line)).collect();
    new.join("\n")
}

#[test]
fn an_image_is_tracked_and_pinned_by_update() {
    let stage = stage();
    stage.check(
        &["tag", &format!("{}/python:3.11", stage.registry.host()), "python:3.12", "team-a/web:1.0"],
        r#"
--- out
python:3.12 = REGISTRY/python:3.11
team-a/web:1.0 = REGISTRY/python:3.11
wrote streams/python.toml
wrote streams/team-a/web.toml
next: run `pinstream update python:3.12 team-a/web:1.0`, then commit
--- exit 0
"#,
    );
    assert_eq!(changed(&stage), "\"3.12\" = \"REGISTRY/python:3.11\"");
    let new = stage.sandbox.scrubbed(&stage.sandbox.read("streams/team-a/web.toml"));
    assert_eq!(new, "[tags]\n\"1.0\" = \"REGISTRY/python:3.11\"");
    stage.update();
    assert_eq!(stage.digest("python:3.12"), stage.digest("python:3.11"));
    assert_eq!(stage.digest("team-a/web:1.0"), stage.digest("python:3.11"));
    // Options that are not given are removed from the tag, as in `oc`; comments stay.
    let image = format!("{}/python:3.11", stage.registry.host());
    for options in [&["--schedule", "0 3 * * 1", "--platform", "linux/arm64"][..], &[]] {
        let ran = stage.sandbox.run(&[&["tag", &image, "python:3.11"], options].concat());
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let expected = match options {
            [] => "\"3.11\" = { image = \"REGISTRY/python:3.11\" } # until May",
            _ => {
                "\"3.11\" = { image = \"REGISTRY/python:3.11\", platform = \"linux/arm64\", \
                 schedule = \"0 3 * * 1\" } # until May"
            }
        };
        assert!(changed(&stage).contains(expected), "{}", changed(&stage));
    }
}

#[test]
fn a_tag_is_copied_at_its_digest_or_followed_with_alias() {
    let stage = stage();
    let now = stage.digest("python:3.12");
    stage.sandbox.run(&["tag", "python:latest", "python:frozen", "web:frozen"]);
    assert_eq!(changed(&stage), format!("frozen = \"REGISTRY/python:3.12@{now}\""));
    stage.check(
        &["tag", "--alias", "python:3.12", "web:follows", "python:3.11"],
        r#"
--- out
web:follows -> python:3.12
python:3.11 -> python:3.12
wrote streams/python.toml
wrote streams/web.toml
next: run `pinstream update web:follows python:3.11`, then commit
--- exit 0
"#,
    );
    assert!(changed(&stage).contains("\"3.11\" = { follow = \"3.12\" } # until May"), "{}", changed(&stage));
    assert!(stage.sandbox.read("streams/web.toml").contains("follows = { follow = \"python:3.12\" }"));
    stage.registry.push("python", "3.12", &super::image(14, "3.12.6"));
    stage.update();
    assert_ne!(stage.digest("web:follows"), now);
    assert_eq!(stage.digest("web:frozen"), now);
    stage.check(
        &["tag", "--alias", "python:3.12", "web:follows"],
        r#"
--- out
web:follows -> python:3.12
already defined; nothing was written
--- exit 0
"#,
    );
}

#[test]
fn a_digest_of_a_stream_is_named_by_prefix() {
    let stage = stage();
    let lock = stage.sandbox.read("pinstream.lock");
    let old = lock.lines().find_map(|line| line.strip_prefix("previous = [\"")).unwrap().trim_end_matches("\"]");
    for beginning in [&old[..15], &old["sha256:".len()..19], old] {
        stage.stream(COMMENTED);
        let ran = stage.sandbox.run(&["tag", &format!("python@{beginning}"), "python:old"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        assert_eq!(changed(&stage), format!("old = \"REGISTRY/python:3.12@{old}\""));
    }
    stage.update();
    assert_eq!(stage.digest("python:old"), old);
    stage.stream(COMMENTED);
    let ran = stage.sandbox.run(&["tag", "python@sha256:", "python:old"]);
    assert_eq!(ran.code, Some(64));
    assert!(ran.stderr.contains("error: `sha256:` matches several digests of `python`\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains(old), "{}", ran.stderr);
    for nothing in ["python@sha256:zz", "python@", "web@0a"] {
        let ran = stage.sandbox.run(&["tag", nothing, "python:old"]);
        assert_eq!((ran.code, ran.stderr.contains(" is or was pinned to ")), (Some(64), true), "{}", ran.stderr);
    }
    assert_eq!(changed(&stage), "");
}

#[test]
fn a_hold_is_kept_and_mentioned() {
    let stage = stage();
    stage.stream(&COMMENTED.replace(
        "\"3.12\" = \"REGISTRY/python:3.12\"",
        "\"3.12\" = { image = \"REGISTRY/python:3.12\", hold = \"CVE\" }",
    ));
    stage.check(
        &["tag", "python:3.11", "python:3.12"],
        r#"
--- out
python:3.12 = REGISTRY/python:3.11@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4
wrote streams/python.toml
python:3.12 is held: its pin stays until `hold` is removed
next: run `pinstream update python:3.12`, then commit
--- exit 0
"#,
    );
}

#[test]
fn tags_are_deleted_even_with_invalid_names() {
    let stage = stage();
    stage.check(
        &["tag", "-d", "python:latest", "python:arm"],
        r#"
--- out
deleted python:latest
deleted python:arm
wrote streams/python.toml
next: run `pinstream update` to remove the pin, then commit
--- exit 0
"#,
    );
    stage.update();
    assert!(!stage.sandbox.read("pinstream.lock").contains("latest"));
    // A tag with followers stays.
    stage.stream(COMMENTED);
    let ran = stage.sandbox.run(&["tag", "-d", "python:3.12"]);
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("`python:latest` follows `python:3.12`, which does not exist"), "{}", ran.stderr);
    assert_eq!(changed(&stage), "");
    // A broken root can be repaired.
    stage.stream(&format!("{COMMENTED}\"no name\" = 'x'\n\"two: words\" = 'y'\n"));
    for wrong in ["python:no name", "python:two: words"] {
        assert_eq!(stage.sandbox.run(&["tag", "-d", wrong]).code, Some(0));
    }
    assert_eq!(changed(&stage), "");
    stage.check(
        &["tag", "-d", "python:3.13"],
        r#"
--- err
error: no tag named `python:3.13`
help: did you mean `python:3.11`?
--- exit 64
"#,
    );
}

#[test]
fn invalid_definitions_are_not_written() {
    let stage = stage();
    let image = format!("{}/python:3.12", stage.registry.host());
    for (args, code, said) in [
        (&["tag", "--alias", "python:latest", "python:3.12"][..], 1, "follows itself"),
        (&["tag", &image, "python:3.12", "--schedule", "every day"], 1, "every day"),
        (&["tag", &image, "python:-x"], 64, "invalid tag name `-x`"),
        (&["tag", &image, "../python:x"], 64, "invalid stream name `../python`"),
        (&["tag", &image], 64, "no tag to define"),
        (&["tag", "--alias", &image, "python:x"], 64, "`--alias` requires a tag"),
        (&["tag", "--alias", "-d", "python:3.12"], 64, "cannot be used with"),
        (&["tag", "--alias", "--schedule", "never", "python:3.12", "a:b"], 64, "cannot be used with"),
        (&["tag", "--schedule", "never", "python:3.12", "a:b"], 64, "`--schedule` has no effect on a fixed digest"),
        (&["tag", "--alias", "platform//python:3.12", "python:x"], 1, "platform"),
        (
            &["tag", "platform//python:3.12", "python:x"],
            64,
            "cannot copy `platform//python:3.12`, a tag of another repository",
        ),
        (&["tag", "python:nope", "python:x"], 64, "no tag named `python:nope`"),
        (&["tag", "python", "python:x"], 64, "`python` is neither an image nor a tag"),
    ] {
        let ran = stage.sandbox.run(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(code), ""), "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{args:?}: {}", ran.stderr);
    }
    assert_eq!(changed(&stage), "");
    assert!(!stage.sandbox.work().join("streams/a.toml").exists());
    stage.stream(&format!("{COMMENTED}new = \"REGISTRY/python:new\"\n"));
    stage.check(
        &["tag", "python:new", "python:x"],
        r#"
--- err
error: cannot copy `python:new`, which is not pinned yet
help: run `pinstream update python:new` first, or follow it with `--alias`
--- exit 1
"#,
    );
}

#[test]
fn a_tag_of_another_repository_is_followed() {
    let stage = stage();
    stage.settings("[remote.platform]\nurl = \"https://git.example.com/platform\"\n");
    stage.check(
        &["tag", "--alias", "platform//python:3.12", "python:3.11"],
        r#"
--- out
python:3.11 -> platform//python:3.12
wrote streams/python.toml
next: run `pinstream update python:3.11`, then commit
--- exit 0
"#,
    );
    assert_eq!(changed(&stage), "\"3.11\" = { follow = \"platform//python:3.12\" } # until May");
}

#[test]
fn errors_for_options_of_oc_name_the_alternative() {
    let stage = stage();
    let mut said = String::new();
    for option in [
        "--scheduled",
        "--reference=true",
        "--insecure",
        "--reference-policy=local",
        "--import-mode=Legacy",
        "--source=istag",
    ] {
        let ran = stage.sandbox.run(&["tag", option, "python:3.12", "python:x"]);
        assert_eq!(ran.code, Some(64), "{option}");
        said.push_str(&ran.stderr);
    }
    crate::support::sandbox::same(
        &said,
        r#"
error: `--scheduled` of `oc tag` is not supported
help: omit it: every pass resolves every tag; use `--schedule '*/15 * * * *'` for passes with `--due`
error: `--reference` of `oc tag` is not supported
help: omit it: every tag is pinned to a digest; use `--schedule never` to resolve it on request only
error: `--insecure` of `oc tag` is not supported
help: set `plain-http = true` or `ca = "…"` in `[registry."host"]` of `pinstream.toml`
error: `--reference-policy` of `oc tag` is not supported
help: omit it: pins name the source; set `mirrors` in `[registry."host"]` of `pinstream.toml` for other hosts
error: `--import-mode` of `oc tag` is not supported
help: omit it: the index is pinned, as with `PreserveOriginal`; use `--platform linux/amd64` to pin one image, as with `Legacy`
error: `--source` of `oc tag` is not supported
help: omit it: the kind of SOURCE is recognized by its syntax
"#,
    );
}
