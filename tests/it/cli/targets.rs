//! Targets in the work tree: `update` writes them, `plan` shows them, and `check` is red where they and the lock differ.

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

/// Two files of targets beside a stream, and nothing pinned.
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
moved  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
moved  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
moved  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
wrote deploy/web.yaml, line 5
3 moved, 1 unchanged; `pinstream.lock` and 1 file were written
--- exit 0
",
    );
    is_written(&stage);
}

#[test]
fn a_place_that_somebody_changed_is_drift_and_is_put_right_offline() {
    let stage = stage();
    stage.update();
    stage.sandbox.write("deploy/web.yaml", WEB);
    stage.check(
        &["check"],
        "
--- out
`deploy/web.yaml`, line 5: `python:3` stands there, not what `python:3.12` is pinned to

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
      "message": "`deploy/web.yaml`, line 5: `python:3` stands there, not what `python:3.12` is pinned to",
      "file": "deploy/web.yaml",
      "line": 5
    }
  ],
  "diff": "--- deploy/web.yaml\n+++ expected\n@@ -3,3 +3,3 @@\n   containers:\r\n   - name: web\r\n-    image: 'python:3' # app\r\n+    image: 'REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326' # app\r\n",
  "mend": "pinstream update --offline"
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
1 unchanged, 3 not asked; nothing to write
--- exit 0
",
    );
    stage.check(
        &["update", "--offline"],
        "
--- out
wrote deploy/web.yaml, line 5
4 not asked; 1 file was written
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
fn a_target_that_cannot_be_written_stops_all_of_it_and_says_where() {
    let stage = stage();
    stage.sandbox.write("deploy/web.yaml", &WEB.replace("name: web", "name: wbe"));
    stage.sandbox.write("scripts/run.sh", "# pinstream: python:3.13\npython:3\n");
    stage.check(&["update"], "
--- err
error: none of the 2 files of `deploy/*.yaml` has the target's place: `[kind=Deployment].spec.containers` of `deploy/web.yaml` has nothing with `name=web`
 --> pinstream.toml:4:1
  |
4 | [[target]]
  | ^^^^^^^^^^
  |
  = help: did you mean `wbe`?

error: no tag is named `python:3.13`
 --> scripts/run.sh:1:14
  |
1 | # pinstream: python:3.13
  |              ^^^^^^^^^^^
  |
  = help: did you mean `python:3.12`?
--- exit 1
");
    assert!(!stage.sandbox.work().join("pinstream.lock").exists());
    stage.settings("[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"gone.yaml\", at = \"image\" }\n");
    stage.check(
        &["update"],
        "
--- err
error: the target names `gone.yaml`, which is not there
 --> pinstream.toml:3:1
  |
3 | [[target]]
  | ^^^^^^^^^^
  |
  = help: commit the file at that path, counted from the folder of `pinstream.toml`
--- exit 1
",
    );
    symlink(stage.sandbox.home().join(".gitconfig"), stage.sandbox.work().join("gone.yaml")).unwrap();
    stage.check(
        &["update"],
        "
--- err
error: `gone.yaml` in the repository is not a plain file: it is a symbolic link, which is never followed
help: pinstream reads and writes plain files only
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
error: the target names `latin.yaml`, which is no text in UTF-8
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
fn a_pattern_passes_by_links_ignored_files_and_other_repositories() {
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
fn images_that_no_stream_covers_or_without_a_digest_are_listed_on_request() {
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
`Dockerfile`, line 1: `golang:1`: no stream covers it, and it has no digest
`Dockerfile`, line 3: `alpine:3`: no stream covers it, and it has no digest
`compose.yaml`, line 1: `python:3.12@sha256:x` is no image: `sha256:x` is not a digest
`k8s/pod.yaml`, line 4: `REGISTRY/python:3.12`: it has no digest
`k8s/pod.yaml`, line 6: `REGISTRY/node@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326`: no stream covers it
  `pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written
--- err
warning: `Dockerfile.bin` is passed by: byte 5 of `Dockerfile.bin` is not UTF-8
warning: `chart/templates/a.yaml`, line 2, is passed by: this is not YAML: "-" is only valid inside a block
warning: `compose.yaml`, line 1: which image `${IMG}` is cannot be told: it has a variable without a value
warning: `k8s/pod.yaml`, line 7: which image `{{ x }}` is cannot be told: it is a template
--- exit 2
"#);
    let found = stage.sandbox.run(&["check", "--all-images", "--format", "json"]);
    let found: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    let first =
        serde_json::json!({ "file": "Dockerfile", "line": 1, "image": "golang:1", "covered": false, "pinned": false });
    assert_eq!(found["images"][0], first);
    let images = found["images"].as_array().unwrap();
    let wrong = images.iter().find(|image| image["file"] == "compose.yaml").unwrap();
    assert_eq!(wrong["why"], "`sha256:x` is not a digest");
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
