//! `init --from`: streams for the images in files.

use crate::support::sandbox::{Sandbox, same};

fn files(sandbox: &Sandbox) {
    sandbox.write("src/Dockerfile", "ARG V=3.12\nFROM python:$V AS build\nFROM scratch\nFROM build\n");
    sandbox.write("src/.cache/Dockerfile", "FROM hidden\n");
    sandbox.write("src/.git/Dockerfile", "FROM git\n");
    let digest = "ab".repeat(32);
    sandbox.write(
        "src/compose.yaml",
        &format!("services:\n  a: {{image: 'quay.io/acme/python:1'}}\n  b: {{image: 'redis:7@sha256:{digest}'}}\n  c: {{image: '${{X}}'}}\n"),
    );
    sandbox.write(
        "src/web.yaml",
        &format!("kind: Pod\nspec:\n  containers:\n  - image: python:3.13\n  - image: redis@sha256:{digest}\n"),
    );
    sandbox.write("src/chart/templates/a.yaml", "kind: Pod\n{{- if .Values.x }}\n{{- end }}\n");
    sandbox.write("src/values.yaml", "image: nowhere:1\n");
}

#[test]
fn images_in_files_become_streams() {
    let sandbox = Sandbox::new();
    files(&sandbox);
    sandbox.check(
        &["init", "--from", "src"],
        r#"
--- out
wrote pinstream.toml
wrote streams/hidden.toml
wrote streams/nowhere.toml
wrote streams/library/python.toml
wrote streams/redis.toml
wrote streams/acme/python.toml
wrote .gitattributes
to merge locks pin by pin, run once per clone:
  git config merge.pinstream.driver "pinstream merge-driver %O %A %B %P"
next: run `pinstream update`, then commit all written files
--- err
changed or not adopted:
AT                   TEXT                                                                              REASON
src/Dockerfile:3     scratch                                                                           `scratch` is empty
src/compose.yaml:3   redis:7@sha256:abababababababababababababababababababababababababababababababab   tag `7` is tracked; `pinstream update` pins its current digest
src/compose.yaml:4   ${X}                                                                              contains a variable without a value
src/web.yaml:5       redis@sha256:abababababababababababababababababababababababababababababababab     has a digest but no tag, so there is nothing to track
note: 1 file not read: 1 template (literal images only); `-v` lists them
--- exit 0
"#,
    );
    same(
        &sandbox.read("streams/library/python.toml"),
        "[tags]\n\"3.12\" = \"docker.io/library/python:3.12\"\n\"3.13\" = \"docker.io/library/python:3.13\"",
    );
    sandbox.check(
        &["list"],
        r#"
--- out
TAG                   SOURCE                            DIGEST   VERSION   CREATED   STATUS
acme/python:1         quay.io/acme/python:1                                          not pinned
hidden:latest         docker.io/library/hidden:latest                                not pinned
library/python:3.12   docker.io/library/python:3.12                                  not pinned
library/python:3.13   docker.io/library/python:3.13                                  not pinned
nowhere:1             docker.io/library/nowhere:1                                    not pinned
redis:7               docker.io/library/redis:7                                      not pinned
--- exit 0
"#,
    );
    assert_eq!(sandbox.read(".gitattributes"), "pinstream.lock merge=pinstream\n");
}

#[test]
fn an_existing_root_remains_unchanged() {
    let sandbox = Sandbox::new();
    files(&sandbox);
    sandbox.write("pinstream.toml", "# mine\n");
    sandbox.check(
        &["init", "--from", "src/Dockerfile", "src/web.yaml"],
        r#"
--- err
changed or not adopted:
AT                 TEXT                                                                            REASON
src/Dockerfile:3   scratch                                                                         `scratch` is empty
src/web.yaml:5     redis@sha256:abababababababababababababababababababababababababababababababab   has a digest but no tag, so there is nothing to track
error: `pinstream.toml` already exists; nothing was written
help: this directory is already a root; edit its files
--- exit 1
"#,
    );
    assert!(!sandbox.work().join("streams").exists());
}

#[test]
fn no_image_is_an_error_with_help() {
    let sandbox = Sandbox::new();
    sandbox.write("Dockerfile", "FROM scratch\n");
    sandbox.check(
        &["init", "--from", "Dockerfile"],
        r#"
--- err
changed or not adopted:
AT             TEXT      REASON
Dockerfile:1   scratch   `scratch` is empty
error: no image found
help: name Dockerfiles, compose files, Kubernetes objects, Helm values or files of CI systems, or write an example root without `--from`
--- exit 1
"#,
    );
    assert!(!sandbox.work().join("pinstream.toml").exists());
}

#[test]
fn repositories_with_the_same_name_get_numbers() {
    let sandbox = Sandbox::new();
    let text = "services:\n  a: {image: 'h.x:5000/b/web:1'}\n  b: {image: 'h.x-5000/b/web:1'}\n";
    sandbox.write("src/compose.yaml", text);
    let ran = sandbox.run(&["init", "--from", "src"]);
    assert_eq!(ran.code, Some(0), "{}", sandbox.shown(&ran));
    let read = |name: &str| sandbox.read(&format!("streams/h.x-5000/b/{name}.toml"));
    let mut texts = [read("web"), read("web-2")];
    texts.sort();
    same(&texts[0], "[tags]\n\"1\" = \"h.x-5000/b/web:1\"");
    same(&texts[1], "[tags]\n\"1\" = \"h.x:5000/b/web:1\"");
}
