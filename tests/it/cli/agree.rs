//! `check` without options: compares the lock with the definitions, offline.

use super::{PYTHON, Stage};

#[test]
fn a_matching_lock_is_reported_without_any_request() {
    let stage = Stage::pinned();
    stage.registry.forget();
    stage.move_upstream();
    stage.check(
        &["check"],
        r#"
--- out
4 pins in 1 stream: lock matches the definitions
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

help: run `pinstream update`, then commit pinstream.lock
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
`python:arm` is pinned but not defined

--- pinstream.lock
+++ expected
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

help: run `pinstream update --offline`, then commit pinstream.lock
--- exit 2
"#,
    );
    assert_eq!(stage.sandbox.run(&["update", "--offline"]).code, Some(0));
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn another_image_is_drift_that_must_be_resolved() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("\"REGISTRY/python:3.11\"", "\"REGISTRY/python:3.12\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:3.11` is pinned to image `REGISTRY/python:3.11`, but defined as `REGISTRY/python:3.12`

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#,
    );
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_stale_follower_is_updated_from_the_lock() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("follow = \"3.12\"", "follow = \"3.11\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:latest` follows `python:3.11`, but is pinned to another digest

--- pinstream.lock
+++ expected
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

help: run `pinstream update --offline`, then commit pinstream.lock
--- exit 2
"#,
    );
    stage.registry.fail("/v2/", 404);
    stage.check(
        &["update", "--offline"],
        r#"
--- out
updated  python:latest  346028a7044f → e0660bcc5200  3.12.4 → 3.11.9
1 updated, 3 skipped; `pinstream.lock` was written
--- exit 0
"#,
    );
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_former_follower_is_drift() {
    let stage = Stage::pinned();
    stage.stream(&PYTHON.replace("{ follow = \"3.12\" }", "\"REGISTRY/python:3.12\""));
    stage.check(
        &["check"],
        r#"
--- out
`python:latest` is pinned as a follower, but defined by an image

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#,
    );
}

#[test]
fn a_fixed_digest_is_compared_with_the_lock() {
    let stage = Stage::new();
    let first = stage.registry.push("python", "3.11", &super::image(11, "3.11.9"));
    let fixed = |digest: &str| format!("[tags]\ngolden = \"REGISTRY/python@{digest}\"\n");
    stage.stream(&fixed(first.as_str()));
    stage.update();
    let second = stage.registry.push("python", "3.12", &super::image(12, "3.12.4"));
    stage.stream(&fixed(second.as_str()));
    stage.check(&["check"], r#"
--- out
`python:golden` is pinned to image `REGISTRY/python@sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`, but defined as `REGISTRY/python@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#);
}

#[test]
fn a_fixed_digest_changed_in_the_lock_is_drift_and_is_restored() {
    let stage = Stage::new();
    let digest = stage.registry.push("python", "3.11", &super::image(11, "3.11.9"));
    stage.stream(&format!("[tags]\ngolden = \"REGISTRY/python@{digest}\"\n"));
    stage.update();
    let other = stage.registry.push("python", "3.12", &super::image(12, "3.12.4"));
    stage.edit_lock(&format!("\ndigest = \"{digest}"), &format!("\ndigest = \"{other}"));
    stage.check(&["check"], r#"
--- out
`python:golden` is pinned to digest `sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`, but defined as `sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#);
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_missing_required_platform_is_drift() {
    let stage = Stage::pinned();
    stage.settings("[import]\nplatforms = [\"linux/amd64\", \"linux/s390x\"]\n");
    stage.stream("[tags]\n\"3.11\" = \"REGISTRY/python:3.11\"\n");
    stage.sandbox.run(&["update", "--offline"]);
    stage.check(
        &["check"],
        r#"
--- out
`python:3.11` is pinned to an image without platform `linux/s390x`

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#,
    );
    stage.check(
        &["update"],
        r#"
--- out
refused  python:3.11  `REGISTRY/python:3.11` has no `linux/s390x`
                      help: available: `linux/amd64`, `linux/arm64`
1 refused; nothing to write
--- exit 4
"#,
    );
}

#[test]
fn upstream_drift_fails_on_request() {
    let stage = Stage::pinned();
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
4 unchanged; nothing was written
4 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
    stage.move_upstream();
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         same change as python:3.12
3 updated, 1 unchanged; nothing was written
--- exit 2
"#,
    );
    stage.registry.remove("python", "3.11");
    stage.check(
        &["check", "--upstream"],
        r#"
--- out
failed   python:3.11    not-found: `REGISTRY/python:3.11` not found: `REGISTRY` returned 404
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
         patch; built 2026-10-01, at the same time; 20 bytes; 0 of 1 layers kept, 1 new
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
         same change as python:3.12
3 updated, 1 failed; nothing was written
--- exit 3
"#,
    );
}

#[test]
fn a_platform_added_to_or_removed_from_a_definition_is_drift() {
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
`python:3.11` is defined for platform `linux/arm64`, but pinned for another one or for the whole index
`python:arm` is pinned for a single platform, but its definition names none

help: run `pinstream update`, then commit pinstream.lock
--- exit 2
"#,
    );
    stage.update();
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn details_of_a_follower_are_drift() {
    let stage = Stage::pinned();
    let lock = stage.sandbox.read("pinstream.lock");
    stage.sandbox.write("pinstream.lock", &format!("{lock}version = \"9.9.9\"\n"));
    stage.check(
        &["check"],
        r#"
--- out
the pin of `python:latest` has image details (version, date, platforms), which belong only in the pin of `python:3.12`

--- pinstream.lock
+++ expected
@@ -36,3 +36,2 @@
 image = "REGISTRY/python:3.12"
 digest = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
-version = "9.9.9"

help: run `pinstream update --offline`, then commit pinstream.lock
--- exit 2
"#,
    );
    assert_eq!(stage.sandbox.run(&["update", "--offline"]).code, Some(0));
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}

#[test]
fn only_selected_tags_are_checked() {
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
error: no tag named `python:3.13`
help: did you mean `python:3.11`?
--- exit 64
"#,
    );
}

#[test]
fn files_named_by_settings_must_exist() {
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
error: `ca` of `[registry."quay.io"]` names `certs/corp.pem`, which does not exist
 --> pinstream.toml:4:6
  |
4 | ca = "certs/corp.pem"
  |      ^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, relative to the directory of `pinstream.toml`

error: `run` of the hook `rollout` names `scripts/rollout.sh`, which does not exist
 --> pinstream.toml:8:8
  |
8 | run = ["./scripts/rollout.sh"]
  |        ^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, relative to the directory of `pinstream.toml`

error: `files` of the hook `rollout` names `scripts/lib.sh`, which does not exist
 --> pinstream.toml:9:10
  |
9 | files = ["scripts/lib.sh", "scripts/there.sh"]
  |          ^^^^^^^^^^^^^^^^
  |
  = help: commit the file at that path, relative to the directory of `pinstream.toml`
--- exit 1
"#,
    );
    // A pass reports missing files that it needs, at the same position.
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
4 pins in 1 stream: lock matches the definitions
--- err
warning: `on` of hook `rollout`: `web:*` matches no tag
--- exit 0
"#,
    );
}
