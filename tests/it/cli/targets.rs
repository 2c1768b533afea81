//! Targets in the work tree: `update` writes them, `plan` shows them, and `check` fails if they differ from the lock.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::Stage;

const SETTINGS: &str = r#"
[[target]]
from = "python:3.12"
yaml = { path = "deploy/*.yaml", at = "[kind=Deployment].spec.containers[name=web].image" }

[[target]]
marker = { path = "scripts/**" }
"#;

const WEB: &str = "kind: Deployment\r\nspec:\r\n  containers:\r\n  - name: web\r\n    image: 'python:3' # app\r\n";
const RUN: &str = "#!/bin/sh\n# pinstream: python:3.11\nexec docker run REGISTRY/python:3.11\n";

/// Sets up two files with targets; nothing is pinned.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.settings(SETTINGS);
    stage.sandbox.write("deploy/web.yaml", WEB);
    stage.sandbox.write("deploy/service.yaml", "kind: Service\n");
    stage.sandbox.write("scripts/run.sh", &RUN.replace("REGISTRY", &stage.registry.host()));
    fs::set_permissions(stage.sandbox.work().join("scripts/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    stage
}

fn reference(stage: &Stage, tag: &str) -> String {
    stage.sandbox.run(&["get", tag]).stdout.trim().to_owned()
}

#[track_caller]
fn is_written(stage: &Stage) {
    let [old, new] = ["python:3.11", "python:3.12"].map(|tag| reference(stage, tag));
    assert!(new.contains("/python:3.12@sha256:"), "{new}");
    assert_eq!(stage.sandbox.read("deploy/web.yaml"), WEB.replace("python:3", &new));
    let run = RUN.replace("REGISTRY/python:3.11", &old);
    assert_eq!(stage.sandbox.read("scripts/run.sh"), run);
    let mode = fs::metadata(stage.sandbox.work().join("scripts/run.sh")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn an_update_writes_lock_and_targets() {
    let stage = stage();
    stage.check(
        &["plan", "--exit-code"],
        "
--- out
added  python:3.11    e0660bcc5200                 3.11.9
added  python:3.12    346028a7044f                 3.12.4
added  python:arm     e7a589004cc2                 3.12.4
added  python:latest  346028a7044f                 3.12.4
would write deploy/web.yaml, line 5
would write scripts/run.sh, line 3
4 added; nothing was written
--- exit 2
",
    );
    assert_eq!(stage.sandbox.read("deploy/web.yaml"), WEB);
    stage.check(
        &["update"],
        "
--- out
added  python:3.11    e0660bcc5200                 3.11.9
added  python:3.12    346028a7044f                 3.12.4
added  python:arm     e7a589004cc2                 3.12.4
added  python:latest  346028a7044f                 3.12.4
wrote deploy/web.yaml, line 5
wrote scripts/run.sh, line 3
4 added; `pinstream.lock` and 2 files were written
--- exit 0
",
    );
    is_written(&stage);
    stage.check(
        &["check"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- exit 0
",
    );
    stage.check(
        &["update"],
        "
--- out
4 unchanged; nothing to write
--- exit 0
",
    );
    stage.move_upstream();
    stage.check(
        &["update"],
        "
--- out
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
updated  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
wrote deploy/web.yaml, line 5
3 updated, 1 unchanged; `pinstream.lock` and 1 file were written
--- exit 0
",
    );
    is_written(&stage);
}

#[test]
fn a_changed_place_is_drift_that_an_offline_update_removes() {
    let stage = stage();
    stage.update();
    stage.sandbox.write("deploy/web.yaml", WEB);
    stage.check(
        &["check"],
        "
--- out
`deploy/web.yaml`, line 5: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `python:3`

--- deploy/web.yaml
+++ expected
@@ -3,3 +3,3 @@
   containers:
   - name: web
-    image: 'python:3' # app
+    image: 'REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326' # app

help: run `pinstream update --offline`, then commit the changed files
--- exit 2
",
    );
    stage.check(&["check", "--format", "json"], r#"
--- out
{
  "schema": "pinstream.check/v1",
  "exit": 2,
  "pins": 4,
  "streams": 1,
  "findings": [
    {
      "stream": "python",
      "tag": "3.12",
      "kind": "target",
      "message": "`deploy/web.yaml`, line 5: expected `REGISTRY/python:3.12@346028a7044f` (pin of `python:3.12`), found `python:3`",
      "file": "deploy/web.yaml",
      "line": 5
    }
  ],
  "diff": "--- deploy/web.yaml\n+++ expected\n@@ -3,3 +3,3 @@\n   containers:\r\n   - name: web\r\n-    image: 'python:3' # app\r\n+    image: 'REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326' # app\r\n",
  "fix": "pinstream update --offline"
}
--- exit 2
"#);
    stage.check(
        &["check", "python:3.11"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- exit 0
",
    );
    stage.check(
        &["update", "python:3.11"],
        "
--- out
1 unchanged, 3 skipped; nothing to write
--- exit 0
",
    );
    stage.check(
        &["update", "--offline"],
        "
--- out
wrote deploy/web.yaml, line 5
4 skipped; 1 file was written
--- exit 0
",
    );
    is_written(&stage);
    stage.check(
        &["check"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- exit 0
",
    );
}

#[test]
fn an_invalid_target_is_reported_and_nothing_is_written() {
    let stage = stage();
    stage.sandbox.write("deploy/web.yaml", &WEB.replace("name: web", "name: wbe"));
    stage.sandbox.write("scripts/run.sh", "# pinstream: python:3.13\npython:3\n");
    stage.check(&["update"], "
--- err
error: target not found in 2 files matching `deploy/*.yaml`, e.g. `[kind=Deployment].spec.containers` in `deploy/web.yaml` has no entry with `name=web`
 --> pinstream.toml:4:1
  |
4 | [[target]]
  | ^^^^^^^^^^
  |
  = help: did you mean `wbe`?

error: unknown tag `python:3.13`
 --> scripts/run.sh:1:14
  |
1 | # pinstream: python:3.13
  |              ^^^^^^^^^^^
  |
  = help: did you mean `python:3.11`?
--- exit 1
");
    assert!(!stage.sandbox.work().join("pinstream.lock").exists());
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"gone.yaml\", at = \"image\" }\n");
    stage.check(
        &["update"],
        "
--- err
error: target file `gone.yaml` does not exist
 --> pinstream.toml:3:1
  |
3 | [[target]]
  | ^^^^^^^^^^
  |
  = help: commit a file at that path, relative to the directory of `pinstream.toml`
--- exit 1
",
    );
    symlink(stage.sandbox.home().join(".gitconfig"), stage.sandbox.work().join("gone.yaml")).unwrap();
    stage.check(
        &["update"],
        "
--- err
error: cannot use `gone.yaml` in the repository: it is a symbolic link, which is never followed
help: put a plain file there: pinstream does not read or write anything else
--- exit 4
",
    );
    stage.sandbox.write("latin.yaml", "");
    fs::write(stage.sandbox.work().join("latin.yaml"), b"image: caf\xe9\n").unwrap();
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"latin.yaml\", at = \"image\" }\n");
    stage.check(
        &["update"],
        "
--- err
error: target file `latin.yaml` is not UTF-8 text
 --> pinstream.toml:3:1
  |
3 | [[target]]
  | ^^^^^^^^^^
  |
  = help: name a text file
--- exit 1
",
    );
}

#[test]
fn a_glob_skips_links_ignored_files_and_other_repositories() {
    let stage = stage();
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"**/*.yaml\", at = \"image\" }\n");
    stage.sandbox.git(&["init", "-q"]);
    stage.sandbox.write(".gitignore", "vendor/\n/ignored.yaml\n");
    for path in ["a.yaml", "vendor/kept.yaml", "vendor/a.yaml", "ignored.yaml", ".hidden/a.yaml", "module/a.yaml"] {
        stage.sandbox.write(path, "image: python:3\n");
    }
    stage.sandbox.write("module/.git", "gitdir: elsewhere\n");
    stage.sandbox.git(&["add", "-f", "vendor/kept.yaml"]);
    fs::write(stage.sandbox.home().join("outside.yaml"), "image: python:3\n").unwrap();
    symlink(stage.sandbox.home().join("outside.yaml"), stage.sandbox.work().join("link.yaml")).unwrap();
    symlink(stage.sandbox.home(), stage.sandbox.work().join("folder")).unwrap();
    stage.update();
    let is_written = |path: &str| stage.sandbox.read(path).contains("sha256:");
    for path in ["a.yaml", "vendor/kept.yaml"] {
        assert!(is_written(path), "{path}");
    }
    for path in ["vendor/a.yaml", "ignored.yaml", ".hidden/a.yaml", "module/a.yaml", "link.yaml", "folder/outside.yaml"]
    {
        assert!(!is_written(path), "{path}");
    }
}

#[test]
fn a_rollback_writes_targets_as_well() {
    let stage = stage();
    stage.update();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Pin two images");
    let before = stage.sandbox.read("deploy/web.yaml");
    stage.move_upstream();
    stage.update();
    stage.commit("Move");
    assert_ne!(stage.sandbox.read("deploy/web.yaml"), before);
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "it crashes"]);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("deploy/web.yaml"), "{}", ran.stdout);
    assert_eq!(stage.sandbox.read("deploy/web.yaml"), before);
    is_written(&stage);
}

#[test]
fn uncovered_and_unpinned_images_are_listed_on_request() {
    let stage = stage();
    stage.update();
    stage.check(
        &["check", "--all-images"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- exit 0
",
    );
    let host = stage.registry.host();
    let digest = stage.digest("python:3.12");
    let pod = format!(
        "kind: Pod\nspec:\n  containers:\n  - image: {host}/python:3.12\n  - image: {host}/python@{digest}\n  - image: \
         {host}/node@{digest}\n  - image: '{{{{ x }}}}'\n"
    );
    stage.sandbox.write("k8s/pod.yaml", &pod);
    stage.sandbox.write("Dockerfile", "FROM golang:1 AS go\nFROM go\nRUN --mount=from=alpine:3,target=/x true\n");
    stage.sandbox.write("compose.yaml", "services: {a: {image: 'python:3.12@sha256:x'}, b: {image: '${IMG}'}}\n");
    fs::write(stage.sandbox.work().join("Dockerfile.bin"), b"FROM \xff\n").unwrap();
    stage.sandbox.write("chart/templates/a.yaml", "kind: Pod\n{{- if .x }}\n");
    stage.check(&["check", "--all-images"], r#"
--- out
`Dockerfile`, line 1: `golang:1`: not covered by a stream, and without a digest
`Dockerfile`, line 3: `alpine:3`: not covered by a stream, and without a digest
`compose.yaml`, line 1: `python:3.12@sha256:x` is not a valid image: invalid digest `sha256:x`
`k8s/pod.yaml`, line 4: `REGISTRY/python:3.12`: without a digest
`k8s/pod.yaml`, line 6: `REGISTRY/node@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`: not covered by a stream
  run `pinstream tag IMAGE STREAM:TAG` to cover an image, and `pinstream targets add` to pin it
--- err
warning: `Dockerfile.bin`: file skipped: byte 5 of `Dockerfile.bin` is not UTF-8
warning: `compose.yaml`, line 1: image `${IMG}` not checked: contains a variable without a value
warning: `k8s/pod.yaml`, line 7: image `{{ x }}` not checked: contains a template expression
note: 2 files not read: 1 template (literal images only), 1 unreadable; `-v` lists them
--- exit 2
"#);
    let found = stage.sandbox.run(&["check", "--all-images", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let first =
        serde_json::json!({ "file": "Dockerfile", "line": 1, "image": "golang:1", "covered": false, "pinned": false });
    assert_eq!(found["images"][0], first);
    let images = found["images"].as_array().unwrap();
    let wrong = images.iter().find(|image| image["file"] == "compose.yaml").unwrap();
    assert_eq!(wrong["error"], "invalid digest `sha256:x`");
    assert_eq!(images.len(), 5);
    stage.check(
        &["check"],
        "
--- out
4 pins in 1 stream: lock and targets match the definitions
--- exit 0
",
    );
}
