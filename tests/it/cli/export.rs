//! `export`: pins for other tools, read back by an independent program.

mod compose;

use serde_json::{Value, json};

use super::{PYTHON, Stage};
use crate::support::sandbox::{Sandbox, same};
use crate::support::schema;

/// Sets up pins with named digests; `python:3.12` changed once.
fn stage() -> Stage {
    let mut stage = Stage::pinned();
    let before = stage.digest("python:3.12");
    stage.move_upstream();
    stage.update();
    for (name, digest) in [
        ("[OLD]", before),
        ("[3.11]", stage.digest("python:3.11")),
        ("[3.12]", stage.digest("python:3.12")),
        ("[ARM]", stage.digest("python:arm")),
    ] {
        stage.sandbox.scrub(digest, name);
    }
    stage
}

/// Parses an export as YAML.
#[track_caller]
fn yaml(stage: &Stage, args: &[&str]) -> Value {
    let ran = stage.sandbox.run(&[&["export"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{args:?}");
    let text = stage.sandbox.scrubbed(&ran.stdout);
    serde_yaml_ng::from_str(&text).unwrap()
}

#[test]
fn kustomize_gets_a_component() {
    let stage = stage();
    stage.check(
        &["export", "kustomize", "python:latest", "python:3.12"],
        "
--- out
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
- name: REGISTRY/python
  digest: [3.12]
--- exit 0
",
    );
    stage.check(&["export", "kustomize"], "
--- err
error: `python:3.11`, `python:3.12`, `python:arm`, `python:latest` are pinned to different digests of `REGISTRY/python`
help: an entry of `images` covers all tags of a repository; select one tag, e.g. `pinstream export kustomize python:3.11`
--- exit 1
");
}

#[test]
fn kbld_gets_overrides() {
    let stage = stage();
    stage.check(
        &["export", "kbld", "python:3.*", "python:latest"],
        "
--- out
apiVersion: kbld.k14s.io/v1alpha1
kind: Config
overrides:
- image: REGISTRY/python:3.11
  newImage: REGISTRY/python@[3.11]
  preresolved: true
- image: REGISTRY/python:3.12
  newImage: REGISTRY/python@[3.12]
  preresolved: true
--- exit 0
",
    );
    stage.check(
        &["export", "kbld"],
        "
--- err
error: `python:3.12`, `python:arm`, `python:latest` are pinned to different digests of `REGISTRY/python:3.12`
help: an override covers one image; select one tag, e.g. `pinstream export kbld python:3.12`
--- exit 1
",
    );
}

#[test]
fn a_shell_gets_variables() {
    let stage = stage();
    stage.check(
        &["export", "env"],
        "
--- out
PYTHON_3_11=REGISTRY/python@[3.11]
PYTHON_3_12=REGISTRY/python@[3.12]
PYTHON_ARM=REGISTRY/python@[ARM]
PYTHON_LATEST=REGISTRY/python@[3.12]
--- exit 0
",
    );
    stage.sandbox.write("pins.env", &stage.sandbox.run(&["export", "env"]).stdout);
    let mut sh = stage.sandbox.command("sh");
    sh.args(["-euc", ". ./pins.env; printf '%s\\n' \"$PYTHON_LATEST\" \"$PYTHON_ARM\""]);
    let read = stage.sandbox.finish(sh).stdout;
    assert_eq!(stage.sandbox.scrubbed(&read), "REGISTRY/python@[3.12]\nREGISTRY/python@[ARM]");
    stage.stream(&format!("{PYTHON}\"3-12\" = \"REGISTRY/python:3.12\"\n"));
    stage.update();
    stage.check(
        &["export", "env"],
        "
--- err
error: `python:3-12`, `python:3.12` would share the variable `PYTHON_3_12`
help: select one tag, e.g. `pinstream export env python:3-12`, or rename the others
--- exit 1
",
    );
}

#[test]
fn values_with_shell_characters_are_quoted() {
    let sandbox = Sandbox::new();
    let digest = format!("sha256:{}", "ab".repeat(32));
    let image = format!("[::1]:5000/a/b@{digest}");
    sandbox.write("pinstream.toml", "");
    sandbox.write("streams/7zip.toml", &format!("[tags]\n1 = \"{image}\"\n"));
    sandbox.write(
        "pinstream.lock",
        &format!(
            "version = 1\n\n[[pin]]\nstream = \"7zip\"\ntag = \"1\"\nimage = \"{image}\"\ndigest = \"{digest}\"\n"
        ),
    );
    let ran = sandbox.run(&["export", "env"]);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), (format!("_7ZIP_1='{image}'\n").as_str(), ""));
    sandbox.write("pins.env", &ran.stdout);
    let mut sh = sandbox.command("sh");
    sh.args(["-euc", ". ./pins.env; printf %s \"$_7ZIP_1\""]);
    assert_eq!(sandbox.finish(sh).stdout, image);
}

#[test]
fn json_contains_the_complete_pins() {
    let stage = stage();
    stage.check(
        &["export", "json", "python:3.12", "python:latest"],
        r#"
--- out
{
  "schema": "pinstream.export/v1",
  "pins": [
    {
      "stream": "python",
      "tag": "3.12",
      "image": "REGISTRY/python:3.12",
      "repository": "REGISTRY/python",
      "digest": "[3.12]",
      "reference": "REGISTRY/python:3.12@[3.12]",
      "version": "3.12.5",
      "revision": null,
      "created": "2026-10-01T08:12:44Z",
      "platforms": [
        "linux/amd64",
        "linux/arm64"
      ],
      "previous": [
        "[OLD]"
      ],
      "annotations": {}
    },
    {
      "stream": "python",
      "tag": "latest",
      "follow": "python:3.12",
      "image": "REGISTRY/python:3.12",
      "repository": "REGISTRY/python",
      "digest": "[3.12]",
      "reference": "REGISTRY/python:3.12@[3.12]",
      "version": "3.12.5",
      "revision": null,
      "created": "2026-10-01T08:12:44Z",
      "platforms": [
        "linux/amd64",
        "linux/arm64"
      ],
      "previous": [
        "[OLD]"
      ],
      "annotations": {}
    }
  ]
}
--- exit 0
"#,
    );
    let of = |args: &[&str]| -> Value { serde_json::from_str(&stage.sandbox.run(args).stdout).unwrap() };
    let export = of(&["export", "json"]);
    schema::holds(&of(&["schema", "export"]), &export);
    assert_eq!(export["pins"].as_array().unwrap().len(), 4);
}

#[test]
fn image_streams_can_be_adopted_again() {
    let stage = stage();
    stage.stream(&format!("description = \"yes: #1\"\n{PYTHON}"));
    stage.sandbox.write("streams/team-a/web.toml", "[tags]\nprod = { follow = \"python:latest\" }\n");
    stage.update();
    stage.check(
        &["export", "imagestream", "python:3.12", "python:latest"],
        r#"
--- out
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata:
  name: python
  annotations:
    description: "yes: #1"
spec:
  lookupPolicy:
    local: false
  tags:
  - name: "3.12"
    from:
      kind: DockerImage
      name: REGISTRY/python@[3.12]
    importPolicy:
      importMode: PreserveOriginal
    referencePolicy:
      type: Source
  - name: latest
    from:
      kind: ImageStreamTag
      name: "3.12"
    referencePolicy:
      type: Source
status:
  dockerImageRepository: ""
  tags:
  - tag: "3.12"
    items:
    - created: null
      dockerImageReference: REGISTRY/python@[3.12]
      image: [3.12]
      generation: 0
    - created: null
      dockerImageReference: REGISTRY/python@[OLD]
      image: [OLD]
      generation: 0
  - tag: latest
    items:
    - created: null
      dockerImageReference: REGISTRY/python@[3.12]
      image: [3.12]
      generation: 0
    - created: null
      dockerImageReference: REGISTRY/python@[OLD]
      image: [OLD]
      generation: 0
--- exit 0
"#,
    );
    let list = yaml(&stage, &["imagestream"]);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    assert_eq!(list["items"][1]["metadata"], json!({ "name": "web", "namespace": "team-a" }));
    let from = json!({ "kind": "DockerImage", "name": "REGISTRY/python@[3.12]" });
    assert_eq!(list["items"][1]["spec"]["tags"][0]["from"], from);

    stage.sandbox.write("new/is.yaml", &stage.sandbox.run(&["export", "imagestream"]).stdout);
    stage.sandbox.write("new/pinstream.toml", "");
    let ran = stage.sandbox.run(&["-C", "new", "adopt", "--namespaces", "--with-status", "is.yaml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    let written = stage.sandbox.scrubbed(&stage.sandbox.read("new/streams/python.toml"));
    same(
        &written,
        r#"
description = "yes: #1"

[tags]
"3.11" = "REGISTRY/python@[3.11]"
"3.12" = "REGISTRY/python@[3.12]"
arm = "REGISTRY/python@[ARM]"
latest = { follow = "3.12" }
"#,
    );
    stage.check(&["-C", "new", "check"], "--- out\n5 pins in 2 streams: lock matches the definitions\n--- exit 0");
    // The same objects again, although each tag now has a digest.
    let again = stage.sandbox.run(&["-C", "new", "export", "imagestream"]);
    assert_eq!(again.stdout, stage.sandbox.read("new/is.yaml"));
}

#[test]
fn streams_without_a_valid_cluster_name_are_refused() {
    let stage = stage();
    for name in ["a/python", "a/b/c", "a_b/c"] {
        stage.sandbox.write(&format!("streams/{name}.toml"), "[tags]\nx = { follow = \"python:latest\" }\n");
    }
    stage.update();
    stage.check(
        &["export", "imagestream"],
        "
--- err
error: cannot export stream `a/b/c` as an ImageStream: its name has more than two parts
help: select streams named `name` or `namespace/name`

error: cannot export stream `a_b/c` as an ImageStream: `a_b` is not a valid namespace
help: select streams named `name` or `namespace/name`

error: `python` and `a/python` would be the same ImageStream when applied to `a`
help: select one of them, e.g. `pinstream export imagestream python`
--- exit 1
",
    );
    assert_eq!(yaml(&stage, &["imagestream", "a/python"])["metadata"]["namespace"], "a");
}

#[test]
fn missing_and_stale_pins_are_not_exported() {
    let stage = stage();
    let moved = PYTHON.replace("follow = \"3.12\"", "follow = \"3.11\"").replace("arm = ", "mips = ");
    stage.stream(&format!("{moved}new = \"REGISTRY/python:new\"\n"));
    let expected = "
--- err
error: `python:latest` follows `python:3.11`, but is pinned to another digest
help: run `pinstream update python:latest`

error: `python:mips` is not pinned
help: run `pinstream update python:mips`

error: `python:new` is not pinned
help: run `pinstream update python:new`
--- exit 1
";
    for format in ["kustomize", "kbld", "env", "json", "imagestream"] {
        stage.check(&["export", format], expected);
    }
    stage.sandbox.write("compose.yaml", "services: {}\n");
    stage.check(&["export", "compose"], expected);
    stage.check(
        &["export", "env", "python:{3.11,ar?}"],
        "
--- out
PYTHON_3_11=REGISTRY/python@[3.11]
--- err
note: `python:arm` is pinned but not defined; omitted
--- exit 0
",
    );
    stage.check(
        &["export", "env", "python:3.13"],
        "
--- err
error: no tag named `python:3.13`
help: did you mean `python:3.11`?
--- exit 64
",
    );
}

#[test]
fn a_missing_format_lists_all_formats() {
    Sandbox::new().check(
        &["export", "yaml"],
        "
--- err
error: invalid value 'yaml' for '<FORMAT>'
  [possible values: kustomize, compose, kbld, env, json, imagestream]

For more information, try '--help'.
--- exit 64
",
    );
}

#[test]
fn equal_pins_give_equal_bytes() {
    let stage = stage();
    let exported = |format: &str| {
        let ran = stage.sandbox.run(&["export", format, "python:3.12", "python:latest"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
        ran.stdout
    };
    let formats = ["kustomize", "kbld", "env", "json", "imagestream"];
    let before = formats.map(exported);
    // In a different order, and without a registry.
    let mut lines: Vec<&str> = PYTHON.trim().lines().skip(1).collect();
    lines.reverse();
    stage.stream(&format!("[tags]\n{}\n", lines.join("\n")));
    stage.registry.remove("python", "3.12");
    assert_eq!(formats.map(exported), before);
}
