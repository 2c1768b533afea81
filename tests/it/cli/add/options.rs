//! Options of `targets` and `targets add`, and unusual files.

use super::super::Stage;
use super::{differs, said, stage};
use crate::support::schema;

#[test]
fn files_and_directories_can_be_named_and_a_dry_run_writes_nothing() {
    let stage = stage();
    insta::assert_snapshot!(said(&stage, &[
        "targets add --dry-run deploy/kustomization.yaml compose.yaml",
        "-C deploy targets add --dry-run chart ../compose.yaml ../compose.yaml",
        "targets add --dry-run streams pinstream.toml",
        "targets add ..",
        "targets add gone",
        "targets --format json add",
        "targets ad",
    ]), @r#"
    $ pinstream targets add --dry-run deploy/kustomization.yaml compose.yaml
    --- out
    # pinstream.toml
    [[target]]
    from = "python:3.12"
    compose = { path = "compose.yaml", service = "web" }

    [[target]]
    from = "python:3.12"
    kustomize = { path = "deploy/kustomization.yaml", name = "web" }

    [[target]]
    from = "python:3.11"
    kustomize = { path = "deploy/kustomization.yaml", name = "REGISTRY/python" }
    --- err
    not added:
    AT               TEXT                  REASON
    compose.yaml:4   REGISTRY/own   names the result of `build`
    note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
    --- exit 0
    $ pinstream -C deploy targets add --dry-run chart ../compose.yaml ../compose.yaml
    --- out
    # pinstream.toml
    [[target]]
    from = "python:3.12"
    compose = { path = "compose.yaml", service = "web" }

    [[target]]
    from = "python:3.12"
    helm = { path = "deploy/chart/values.yaml" }

    [[target]]
    from = "python:3.11"
    helm = { path = "deploy/chart/values.yaml", at = "job.image" }
    --- err
    not added:
    AT               TEXT                  REASON
    compose.yaml:4   REGISTRY/own   names the result of `build`
    note: 1 file not read: 1 template (literal images only); `-v` lists them
    note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
    --- exit 0
    $ pinstream targets add --dry-run streams pinstream.toml
    --- out
    no targets to add
    --- err
    not added:
    AT               TEXT         REASON
    pinstream.toml   whole file   not a known kind of file; add `# pinstream: stream:tag` comments and a `marker` target
    --- exit 0
    $ pinstream targets add ..
    --- err
    error: `..` is outside the root
    help: name files below the directory of `pinstream.toml`
    --- exit 64
    $ pinstream targets add gone
    --- err
    error: cannot read `gone`: No such file or directory (os error 2)
    --- exit 1
    $ pinstream targets --format json add
    --- err
    error: the subcommand 'add' cannot be used with '--format <FORMAT>'

    Usage: pinstream targets [OPTIONS]
           pinstream targets <COMMAND>

    For more information, try '--help'.
    --- exit 64
    $ pinstream targets ad
    --- err
    error: unrecognized subcommand 'ad'

      tip: a similar subcommand exists: 'add'

    Usage: pinstream targets [OPTIONS]
           pinstream targets <COMMAND>

    For more information, try '--help'.
    --- exit 64
    "#);
    assert_eq!(differs(&stage), "");
}

#[test]
fn one_of_several_tags_is_used_and_the_others_are_listed() {
    let stage = Stage::new();
    stage.stream(
        "[tags]\nb = \"REGISTRY/python:3.12\"\na = { image = \"REGISTRY/python:3.12\", platform = \"linux/arm64\" }\n\
                  c = \"REGISTRY/python:3.12\"\nlatest = { follow = \"b\" }\n",
    );
    stage.sandbox.write("Dockerfile", &format!("FROM {0}/python:3.12\nFROM {0}/python:3.12\n", stage.registry.host()));
    // CRLF line endings, and none at the end.
    let settings = stage.sandbox.read("pinstream.toml").trim_end().replace('\n', "\r\n");
    stage.sandbox.write("pinstream.toml", &format!("\u{feff}{settings}"));
    insta::assert_snapshot!(said(&stage, &["targets add", "targets", "update", "targets"]), @r#"
        $ pinstream targets add
        --- out
        Dockerfile:1   python:b   dockerfile = { path = "Dockerfile", stage = "0" }
        Dockerfile:2   python:b   dockerfile = { path = "Dockerfile", stage = "1" }
        wrote pinstream.toml
        next: run `pinstream update` to pin python:b and write the pins, then commit
        --- err
        note: `REGISTRY/python:3.12` is covered by several tags; using `python:b`, not `python:c`, `python:a`
        --- exit 0
        $ pinstream targets
        --- out
        PLACE          TARGET               TAG        VALUE                         STATUS
        Dockerfile:1   dockerfile stage=0   python:b   REGISTRY/python:3.12   not pinned
        Dockerfile:2   dockerfile stage=1   python:b   REGISTRY/python:3.12   not pinned
        --- exit 0
        $ pinstream update
        --- out
        added  python:a       e7a589004cc2                 3.12.4
        added  python:b       346028a7044f                 3.12.4
        added  python:c       346028a7044f                 3.12.4
        added  python:latest  346028a7044f                 3.12.4
        wrote Dockerfile, lines 1, 2
        4 added; `pinstream.lock` and 1 file were written
        --- exit 0
        $ pinstream targets
        --- out
        PLACE          TARGET               TAG        VALUE                                      STATUS
        Dockerfile:1   dockerfile stage=0   python:b   REGISTRY/python:3.12@346028a7044f   current
        Dockerfile:2   dockerfile stage=1   python:b   REGISTRY/python:3.12@346028a7044f   current
        --- exit 0
        "#);
    let written = stage.sandbox.read("pinstream.toml");
    let added = written.strip_prefix(&format!("\u{feff}{settings}")).unwrap();
    assert_eq!(
        added,
        "\r\n\r\n[[target]]\r\nfrom = \"python:b\"\r\ndockerfile = { path = \"Dockerfile\", stage = \"0\" }\r\n\r\n[[target]]\r\n\
         from = \"python:b\"\r\ndockerfile = { path = \"Dockerfile\", stage = \"1\" }"
    );
}

#[test]
fn targets_in_json_match_their_schema() {
    let stage = stage();
    stage.sandbox.run(&["targets", "add", "compose.yaml", "deploy/kustomization.yaml"]);
    let settings = stage.sandbox.read("pinstream.toml");
    let gone = "\n\n[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"gone/*.yaml\", at = \"image\" }\n";
    stage.sandbox.write("pinstream.toml", &format!("{settings}{gone}"));
    insta::assert_snapshot!(said(&stage, &["targets", "targets --format json"]), @r#"
        $ pinstream targets
        --- out
        PLACE                         TARGET                                  TAG           VALUE                         STATUS
        compose.yaml:3                compose service=web                     python:3.12   REGISTRY/python:3.12   differs
        deploy/kustomization.yaml:3   kustomize name=web                      python:3.12   REGISTRY/python        current
        deploy/kustomization.yaml:4   kustomize name=web                      python:3.12   3.12                          current
        deploy/kustomization.yaml:5   kustomize name=web                      python:3.12                                 differs
        deploy/kustomization.yaml:7   kustomize name=REGISTRY/python   python:3.11   3.11                          differs
        gone/*.yaml                   yaml image                              python:3.12                                 not found
        --- err
        warning: target not found in `gone/*.yaml`
        --- exit 0
        $ pinstream targets --format json
        --- out
        {
          "schema": "pinstream.targets/v1",
          "sites": [
            {
              "file": "compose.yaml",
              "line": 3,
              "kind": "compose",
              "keys": {
                "service": "web"
              },
              "from": "python:3.12",
              "value": "REGISTRY/python:3.12",
              "status": "differs"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 3,
              "kind": "kustomize",
              "keys": {
                "name": "web"
              },
              "from": "python:3.12",
              "value": "REGISTRY/python",
              "status": "matches"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 4,
              "kind": "kustomize",
              "keys": {
                "name": "web"
              },
              "from": "python:3.12",
              "value": "3.12",
              "status": "matches"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 5,
              "kind": "kustomize",
              "keys": {
                "name": "web"
              },
              "from": "python:3.12",
              "value": "",
              "status": "differs"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 7,
              "kind": "kustomize",
              "keys": {
                "name": "REGISTRY/python"
              },
              "from": "python:3.11",
              "value": "3.11",
              "status": "differs"
            },
            {
              "file": "gone/*.yaml",
              "kind": "yaml",
              "keys": {
                "at": "image"
              },
              "from": "python:3.12",
              "status": "no-match",
              "message": "target not found in `gone/*.yaml`"
            }
          ]
        }
        --- exit 0
        "#);
    let found = serde_json::from_str(&stage.sandbox.run(&["targets", "--format", "json"]).stdout).unwrap();
    let of: serde_json::Value = serde_json::from_str(&stage.sandbox.run(&["schema", "targets"]).stdout).unwrap();
    schema::holds(&of, &found);
}

#[test]
fn a_file_that_is_too_large_is_skipped() {
    let stage = Stage::new();
    let text = format!("kind: Pod\n{}", "# a comment\n".repeat((17 << 20) / 12));
    stage.sandbox.write("large.yaml", &text);
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r"
    $ pinstream targets add
    --- out
    no targets to add
    --- err
    not added:
    AT           TEXT         REASON
    large.yaml   whole file   it is larger than 16 MiB
    --- exit 0
    ");
}

#[test]
fn settings_with_targets_in_a_list_are_not_edited() {
    let stage = stage();
    let settings = format!("target = []\n{}", stage.sandbox.read("pinstream.toml"));
    stage.sandbox.write("pinstream.toml", &settings);
    insta::assert_snapshot!(said(&stage, &["targets add compose.yaml"]), @r"
    $ pinstream targets add compose.yaml
    --- err
    not added:
    AT               TEXT                  REASON
    compose.yaml:4   REGISTRY/own   names the result of `build`
    note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
    error: `target` is defined twice, first on line 1
     --> pinstream.toml:9:3
      |
    9 | [[target]]
      |   ^^^^^^
      |
      = help: remove one of them
    --- exit 1
    ");
    assert_eq!(stage.sandbox.read("pinstream.toml"), settings);
}

#[test]
fn targets_that_exceed_the_size_limit_are_printed_but_not_written() {
    let stage = Stage::pinned();
    let service = |at: usize| format!("  s{at}:\n    image: {}/python:3.12\n", stage.registry.host());
    let services: String = (0..4_000).map(service).collect();
    stage.sandbox.write("compose.yaml", &format!("services:\n{services}"));
    stage.commit("Many services");
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r#"
        $ pinstream targets add
        --- err
        note: `REGISTRY/python:3.12` is covered by several tags; using `python:3.12`, not `python:arm`
        error: `pinstream.toml` would exceed 256 KiB with the 4000 new targets; nothing written
        help: name files or directories to add fewer, or use one `marker` target for a file with many images; `--dry-run` prints all
        --- exit 1
        "#);
    let tried = stage.sandbox.run(&["targets", "add", "--dry-run"]);
    assert_eq!((tried.code, tried.stdout.matches("[[target]]").count()), (Some(1), 4_000));
    assert_eq!(differs(&stage), "");
}

#[test]
fn a_marker_is_not_suggested_for_a_file_that_no_target_can_name() {
    let stage = Stage::pinned();
    stage.sandbox.write("é/Dockerfile", &format!("FROM {}/python:3.12\n", stage.registry.host()));
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r#"
        $ pinstream targets add
        --- out
        no targets to add
        --- err
        not added:
        AT               TEXT                          REASON
        é/Dockerfile:1   REGISTRY/python:3.12   `é/Dockerfile` contains `é` (U+00E9), which is not allowed in the path of a target; rename the file, or write its image in another one
        --- exit 0
        "#);
}
