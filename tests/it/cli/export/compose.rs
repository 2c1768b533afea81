//! `export compose`: services of compose files as `docker compose` merges them.

use serde_json::{Value, json};

use super::{stage, yaml};

#[test]
fn services_receive_their_pins() {
    let stage = stage();
    let host = stage.registry.host();
    let text = format!(
        "services:\n  web:\n    image: \"{host}/python:3.12\"\n  old: {{ image: \"{host}/python:3.11\" }}\n  own: {{ build: . }}\n  \
         db: {{ image: \"postgres:${{V:-16}}\" }}\n"
    );
    stage.sandbox.write("compose.yml", &text);
    // Only files at the top belong to the project.
    stage.sandbox.write("other/compose.yaml", &text.replace("web", "other"));
    stage.sandbox.write("deploy/stack.yaml", &text.replace("web", "front"));
    stage.check(
        &["export", "compose", "python:3.11", "python:latest"],
        "
--- out
services:
  old:
    image: REGISTRY/python@[3.11]
  web:
    image: REGISTRY/python@[3.12]
--- err
note: `compose.yml`, line 6: image of service `db` unchanged: contains a variable whose value may differ
--- exit 0
",
    );
    stage.check(
        &["export", "compose", "-f", "deploy/stack.yaml", "python:3.11", "python:arm"],
        "
--- out
services:
  front:
    image: REGISTRY/python@[ARM]
  old:
    image: REGISTRY/python@[3.11]
--- err
note: `deploy/stack.yaml`, line 6: image of service `db` unchanged: contains a variable whose value may differ
--- exit 0
",
    );
    stage.check(
        &["export", "compose"],
        "
--- err
error: `python:3.12`, `python:arm`, `python:latest` are pinned to different digests of `REGISTRY/python:3.12`
help: service `web` has one image; select one tag, e.g. `pinstream export compose python:3.12`
--- exit 1
",
    );
    // With the export among the files, nothing changes.
    let args = ["export", "compose", "python:3.*"];
    let pins = stage.sandbox.run(&args).stdout;
    stage.sandbox.write("compose.override.yaml", &pins);
    assert_eq!(stage.sandbox.run(&args).stdout, pins);
    let read: Value = serde_yaml_ng::from_str(&stage.sandbox.scrubbed(&pins)).unwrap();
    let image = |digest: &str| json!({ "image": format!("REGISTRY/python@{digest}") });
    assert_eq!(read, json!({ "services": { "old": image("[3.11]"), "web": image("[3.12]") } }));
}

#[test]
fn files_of_several_projects_must_be_named() {
    let stage = stage();
    let text = format!("services:\n  web:\n    image: \"{}/python:3.12\"\n", stage.registry.host());
    stage.check(
        &["export", "compose"],
        "
--- err
error: no compose file found in the root
help: name the files of one project, e.g. `--file deploy/compose.yaml`
--- exit 1
",
    );
    stage.sandbox.write("a/docker-compose.yml", &text);
    // Ignored files are skipped, since other checkouts do not have them.
    stage.sandbox.write(".gitignore", "/vendor/\n");
    stage.sandbox.write("vendor/compose.yaml", &text);
    assert_eq!(yaml(&stage, &["compose", "python:3.12"])["services"]["web"]["image"], "REGISTRY/python@[3.12]");
    stage.sandbox.write("b/compose.yaml", &text);
    stage.check(
        &["export", "compose"],
        "
--- err
error: several compose projects: `a`, `b`
help: name the files of one project, e.g. `--file deploy/compose.yaml`
--- exit 1
",
    );
    stage.check(
        &["export", "compose", "--file", "b/compose.yaml", "python:3.11"],
        "
--- err
error: no service in `b/compose.yaml` uses the image of a selected tag
help: add a tag for an image with `pinstream tag IMAGE STREAM:TAG`
--- exit 1
",
    );
    stage.check(
        &["export", "compose", "--file", "c/compose.yaml"],
        "
--- err
error: cannot read `c/compose.yaml`: No such file or directory (os error 2)
--- exit 1
",
    );
    stage.check(
        &["export", "kbld", "--file", "b/compose.yaml"],
        "
--- err
error: `--file` is only supported with `compose`
help: remove it
--- exit 64
",
    );
}

#[test]
fn values_of_later_files_have_precedence() {
    let stage = stage();
    let host = stage.registry.host();
    let lock: toml::Table = stage.sandbox.read("pinstream.lock").parse().unwrap();
    let pins = lock["pin"].as_array().unwrap();
    let pin = pins.iter().find(|pin| pin["stream"].as_str() == Some("python") && pin["tag"].as_str() == Some("3.12"));
    let old = pin.unwrap()["previous"][0].as_str().unwrap();
    let other = format!("sha256:{}", "ab".repeat(32));
    let base = format!(
        "services:\n  web: {{ image: \"{host}/python:3.12\" }}\n  cron: {{ image: \"{host}/python:3.12\" }}\n  \
         old: {{ image: \"{host}/python:3.11\" }}\n"
    );
    stage.sandbox.write("base.yaml", &base);
    stage.sandbox.write("out.yaml", "services:\n  web: !reset null\n  cron: { image: !reset null }\n");
    let args = ["export", "compose", "-f", "base.yaml", "-f", "out.yaml", "python:3.11", "python:3.12"];
    stage.check(
        &args,
        "
--- out
services:
  old:
    image: REGISTRY/python@[3.11]
--- err
note: no service in `base.yaml`, `out.yaml` uses the image of `python:3.12`
--- exit 0
",
    );
    let by_hand = format!(
        "services:\n  web: {{ image: \"{host}/python@{old}\" }}\n  cron: {{ image: \"{host}/python@{other}\" }}\n"
    );
    stage.sandbox.write("by-hand.yaml", &by_hand);
    let args = ["export", "compose", "-f", "base.yaml", "-f", "by-hand.yaml", "python:3.11", "python:3.12"];
    stage.check(
        &args,
        "
--- out
services:
  old:
    image: REGISTRY/python@[3.11]
  web:
    image: REGISTRY/python@[3.12]
--- err
note: `by-hand.yaml`, line 3: image of service `cron` unchanged: its digest was never pinned for `python:3.12`
--- exit 0
",
    );
}
