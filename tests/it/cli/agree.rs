//! `check` without options: lock against definitions, from the files alone.

use super::{PYTHON, Stage};

#[test]
fn a_lock_that_agrees_is_said_in_a_line_without_any_request() {
    let stage = Stage::pinned();
    stage.registry.forget();
    stage.move_upstream();
    stage.check(
        &["check"],
        r#"
--- out
4 pins of 1 stream: lock and definitions agree
--- exit 0
"#,
    );
    assert_eq!(stage.registry.requests().len(), 0);
}

#[test]
fn a_tag_without_a_pin_is_drift() {
    Stage::new().check(
        &["check"],
        r#"
--- out
`python:3.11` is not pinned
`python:3.12` is not pinned
`python:arm` is not pinned
`python:latest` is not pinned

to mend it: pinstream update
--- exit 2
"#,
    );
}

#[test]
fn a_pin_without_a_tag_is_drift_that_needs_no_registry() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("arm = ", "# arm = "));
    stage.check(
        &["check"],
        r#"
--- out
`python:arm` is pinned, and no definition asks for it

--- pinstream.lock
+++ as it should be
@@ -22,14 +22,4 @@
 [[pin]]
 stream = "python"
-tag = "arm"
-image = "REGISTRY/python:3.12"
-digest = "sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7"
-index = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
-version = "3.12.4"
-created = "2026-10-01T08:12:44Z"
-platforms = ["linux/arm64"]
-
-[[pin]]
-stream = "python"
 tag = "latest"
 follow = "python:3.12"

to mend it: pinstream update --offline
--- exit 2
"#,
    );
    assert_eq!(stage.sandbox.run(&["update", "--offline"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn another_image_is_drift_that_has_to_be_imported() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("\"REGISTRY/python:3.11\"", "\"REGISTRY/python:3.12\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:3.11` is pinned for `REGISTRY/python:3.11`, and its definition says `REGISTRY/python:3.12`

to mend it: pinstream update
--- exit 2
"#,
    );
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_follower_out_of_step_is_mended_from_the_lock() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("follow = \"3.12\"", "follow = \"3.11\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:latest` does not stand where `python:3.11`, which it follows, stands

--- pinstream.lock
+++ as it should be
@@ -33,5 +33,6 @@
 stream = "python"
 tag = "latest"
-follow = "python:3.12"
-image = "REGISTRY/python:3.12"
-digest = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
+follow = "python:3.11"
+image = "REGISTRY/python:3.11"
+digest = "sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"
+previous = ["sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]

to mend it: pinstream update --offline
--- exit 2
"#,
    );
    stage.registry.fail("/v2/", 404);
    stage.check(
        &["update", "--offline"],
        r#"
--- out
moved  python:latest  346028a7044f → e0660bcc5200  3.12.4 → 3.11.9
1 moved, 3 not asked; `pinstream.lock` was written
--- exit 0
"#,
    );
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_follower_that_is_one_no_more_is_drift() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("{ follow = \"3.12\" }", "\"REGISTRY/python:3.12\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:latest` is pinned as if it followed another tag

to mend it: pinstream update
--- exit 2
"#,
    );
}

#[test]
fn a_digest_that_the_definition_fixes_is_held_against_the_lock() {
    let stage = Stage::new();
    let first = stage.registry.push("python", "3.11", &super::image(11, "3.11.9"));
    let fixed = |digest: &str| format!("[tags]\ngolden = \"REGISTRY/python@{digest}\"\n");
    stage.stream(&fixed(first.as_str()));
    stage.update();
    let second = stage.registry.push("python", "3.12", &super::image(12, "3.12.4"));
    stage.stream(&fixed(second.as_str()));
    stage.check(&["check"], r#"
--- out
`python:golden` is pinned for `REGISTRY/python@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`, and its definition says `REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`

to mend it: pinstream update
--- exit 2
"#);
}

#[test]
fn a_fixed_digest_that_the_lock_changed_is_drift_and_is_mended() {
    let stage = Stage::new();
    let digest = stage.registry.push("python", "3.11", &super::image(11, "3.11.9"));
    stage.stream(&format!("[tags]\ngolden = \"REGISTRY/python@{digest}\"\n"));
    stage.update();
    let other = stage.registry.push("python", "3.12", &super::image(12, "3.12.4"));
    stage.edit_lock(&format!("\ndigest = \"{digest}"), &format!("\ndigest = \"{other}"));
    stage.check(&["check"], r#"
--- out
`python:golden` is pinned to `sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`, and its definition says `sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`

to mend it: pinstream update
--- exit 2
"#);
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_platform_that_is_asked_for_and_not_there_is_drift() {
    let stage = Stage::pinned();
    stage.settings("[import]\nplatforms = [\"linux/amd64\", \"linux/s390x\"]\n");
    stage.stream("[tags]\n\"3.11\" = \"REGISTRY/python:3.11\"\n");
    stage.sandbox.run(&["update", "--offline"]);
    stage.check(
        &["check"],
        r#"
--- out
`python:3.11` is pinned to an image without `linux/s390x`

to mend it: pinstream update
--- exit 2
"#,
    );
    stage.check(
        &["update"],
        r#"
--- out
refused  python:3.11  `REGISTRY/python:3.11` has no `linux/s390x`
                      help: it has `linux/amd64`, `linux/arm64`
1 refused; nothing to write
--- exit 4
"#,
    );
}

#[test]
fn upstream_is_asked_on_request_and_its_drift_fails() {
    let stage = Stage::pinned();
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
4 unchanged; nothing was written
4 pins of 1 stream: lock and definitions agree
--- exit 0
"#,
    );
    stage.move_upstream();
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
moved  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
       patch; built 2026-10-01, at the same moment; 20 bytes; 0 of 1 layers kept, 1 new
moved  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
       patch; built 2026-10-01, at the same moment; 20 bytes; 0 of 1 layers kept, 1 new
moved  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
       as python:3.12
3 moved, 1 unchanged; nothing was written
--- exit 2
"#,
    );
    stage.registry.remove("python", "3.11");
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
failed  python:3.11    not-found: `REGISTRY/python:3.11` not found: `REGISTRY` returned 404
moved   python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
        patch; built 2026-10-01, at the same moment; 20 bytes; 0 of 1 layers kept, 1 new
moved   python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
        patch; built 2026-10-01, at the same moment; 20 bytes; 0 of 1 layers kept, 1 new
moved   python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
        as python:3.12
3 moved, 1 failed; nothing was written
--- exit 3
"#,
    );
}

#[test]
fn a_platform_that_came_into_a_definition_or_left_it_is_drift() {
    let stage = Stage::pinned();
    stage.stream(
        &PYTHON
            .replace(
                "\"3.11\" = \"REGISTRY/python:3.11\"",
                "\"3.11\" = { image = \"REGISTRY/python:3.11\", platform = \"linux/arm64\" }",
            )
            .replace(", platform = \"linux/arm64\" }\nlatest", " }\nlatest"),
    );
    stage.check(
        &["check"],
        r#"
--- out
`python:3.11` is not pinned for `linux/arm64` alone, as its definition says
`python:arm` is pinned for one platform, and its definition names none

to mend it: pinstream update
--- exit 2
"#,
    );
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn words_that_a_follower_has_of_its_own_are_drift() {
    let stage = Stage::pinned();
    let lock = stage.sandbox.read("pinstream.lock");
    stage.sandbox.write("pinstream.lock", &format!("{lock}version = \"9.9.9\"\n"));
    stage.check(
        &["check"],
        r#"
--- out
`python:latest` says of its image what only `python:3.12`, which it follows, may say

--- pinstream.lock
+++ as it should be
@@ -36,3 +36,2 @@
 image = "REGISTRY/python:3.12"
 digest = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
-version = "9.9.9"

to mend it: pinstream update --offline
--- exit 2
"#,
    );
    assert_eq!(stage.sandbox.run(&["update", "--offline"]).code, Some(0));
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}

#[test]
fn only_the_tags_that_are_named_are_checked() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("follow = \"3.12\"", "follow = \"3.11\"").replace("arm = ", "# arm = "));
    assert_eq!(stage.sandbox.run(&["check", "python:3.*"]).code, Some(0));
    let ran = stage.sandbox.run(&["check", "python:latest"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("+follow = \"python:3.11\"") && !ran.stdout.contains("arm"), "{}", ran.stdout);
    stage.check(
        &["check", "python:3.13"],
        r#"
--- err
error: no tag is named `python:3.13`
help: did you mean `python:3.12`?
--- exit 64
"#,
    );
}

#[test]
fn files_that_settings_name_have_to_be_there() {
    let stage = Stage::pinned();
    stage.settings(
        "[registry.\"quay.io\"]\nca = \"certs/corp.pem\"\n[[hook]]\nname = \"rollout\"\non = [\"python:latest\", \"web:*\"]\n\
         run = [\"./scripts/rollout.sh\"]\nfiles = [\"scripts/lib.sh\", \"scripts/there.sh\"]\n",
    );
    stage.sandbox.write("scripts/there.sh", "");
    stage.check(
        &["check"],
        r#"
--- err
error: `ca` of `[registry."quay.io"]` names `certs/corp.pem`, which is not there
 --> pinstream.toml:4:6
  |
4 | ca = "certs/corp.pem"
  |      ^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, counted from the folder of `pinstream.toml`

error: `run` of the hook `rollout` names `scripts/rollout.sh`, which is not there
 --> pinstream.toml:8:8
  |
8 | run = ["./scripts/rollout.sh"]
  |        ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, counted from the folder of `pinstream.toml`

error: `files` of the hook `rollout` names `scripts/lib.sh`, which is not there
 --> pinstream.toml:9:10
  |
9 | files = ["scripts/lib.sh", "scripts/there.sh"]
  |          ^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, counted from the folder of `pinstream.toml`
--- exit 1
"#,
    );
    // A pass says it of what it needs, at the same place.
    let ran = stage.sandbox.run(&["plan"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("pinstream.toml:4:6"), "{}", ran.stderr);
    for path in ["scripts/rollout.sh", "scripts/lib.sh"] {
        stage.sandbox.write(path, "");
    }
    std::fs::create_dir_all(stage.sandbox.work().join("certs")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", stage.sandbox.work().join("certs/corp.pem")).unwrap();
    let ran = stage.sandbox.run(&["check"]);
    assert!(ran.stderr.contains("it is a symbolic link"), "{}", ran.stderr);
    std::fs::remove_file(stage.sandbox.work().join("certs/corp.pem")).unwrap();
    stage.sandbox.write("certs/corp.pem", "");
    stage.check(
        &["check"],
        r#"
--- out
4 pins of 1 stream: lock and definitions agree
--- err
warning: `on` of the hook `rollout` means no tag: `web:*`
--- exit 0
"#,
    );
}
