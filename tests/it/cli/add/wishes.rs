//! What can be asked of `targets` and `targets add`, and files that are not as others.

use super::super::Stage;
use super::{differs, said, stage};
use crate::support::schema;

#[test]
fn files_and_folders_can_be_named_and_nothing_need_be_written() {
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
        --- err
        not added:
        AT                            TEXT                          REASON
        compose.yaml:4                REGISTRY/own           it is built here
        deploy/kustomization.yaml:6   REGISTRY/python:3.11   the image `REGISTRY/python` has no `digest` to write over; add a line `digest: ""` to the entry
        help: a comment `# pinstream: stream:tag` in the line of an image, and one target `marker` for the file, does as well
        note: `python:3.12` is written for `REGISTRY/python:3.12`, which is `python:arm` as well
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
        AT                                  TEXT                  REASON
        compose.yaml:4                      REGISTRY/own   it is built here
        deploy/chart/templates/web.yaml:2   the whole file        this is not YAML: "-" is only valid inside a block
        note: `python:3.12` is written for `REGISTRY/python:3.12`, which is `python:arm` as well
        --- exit 0
        $ pinstream targets add --dry-run streams pinstream.toml
        --- out
        nothing is to be added
        --- err
        not added:
        AT               TEXT             REASON
        pinstream.toml   the whole file   it is of no kind in which images are known to be; a comment can name their tag
        --- exit 0
        $ pinstream targets add ..
        --- err
        error: `..` is not in the root
        help: name files below the folder of `pinstream.toml`
        --- exit 64
        $ pinstream targets add gone
        --- err
        error: `gone` cannot be read: No such file or directory (os error 2)
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
fn one_of_several_tags_is_taken_and_the_others_are_named() {
    let stage = Stage::new();
    stage.stream(
        "[tags]\nb = \"REGISTRY/python:3.12\"\na = { image = \"REGISTRY/python:3.12\", platform = \"linux/arm64\" }\n\
                  c = \"REGISTRY/python:3.12\"\nlatest = { follow = \"b\" }\n",
    );
    stage.sandbox.write("Dockerfile", &format!("FROM {0}/python:3.12\nFROM {0}/python:3.12\n", stage.registry.host()));
    // Windows wrote these, and the last line has no end.
    let settings = stage.sandbox.read("pinstream.toml").trim_end().replace('\n', "\r\n");
    stage.sandbox.write("pinstream.toml", &format!("\u{feff}{settings}"));
    insta::assert_snapshot!(said(&stage, &["targets add", "targets", "update", "targets"]), @r#"
        $ pinstream targets add
        --- out
        Dockerfile:1   python:b   dockerfile = { path = "Dockerfile", stage = "0" }
        Dockerfile:2   python:b   dockerfile = { path = "Dockerfile", stage = "1" }
        wrote pinstream.toml
        next: run `pinstream update`, which pins python:b and writes the pins, and commit
        --- err
        note: `python:b` is written for `REGISTRY/python:3.12`, which is `python:c`, `python:a` as well
        --- exit 0
        $ pinstream targets
        --- out
        AT             TARGET               TAG        WRITTEN                       STATUS
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
        AT             TARGET               TAG        WRITTEN                                    STATUS
        Dockerfile:1   dockerfile stage=0   python:b   REGISTRY/python:3.12@346028a7044f   holds its pin
        Dockerfile:2   dockerfile stage=1   python:b   REGISTRY/python:3.12@346028a7044f   holds its pin
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
fn targets_in_json_are_what_their_schema_says() {
    let stage = stage();
    stage.sandbox.run(&["targets", "add", "compose.yaml", "deploy/kustomization.yaml"]);
    let settings = stage.sandbox.read("pinstream.toml");
    let gone = "\n\n[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"gone/*.yaml\", at = \"image\" }\n";
    stage.sandbox.write("pinstream.toml", &format!("{settings}{gone}"));
    insta::assert_snapshot!(said(&stage, &["targets", "targets --format json"]), @r#"
        $ pinstream targets
        --- out
        AT                            TARGET                TAG           WRITTEN                       STATUS
        compose.yaml:3                compose service=web   python:3.12   REGISTRY/python:3.12   differs
        deploy/kustomization.yaml:3   kustomize name=web    python:3.12   REGISTRY/python        holds its pin
        deploy/kustomization.yaml:4   kustomize name=web    python:3.12   3.12                          holds its pin
        deploy/kustomization.yaml:5   kustomize name=web    python:3.12                                 differs
        gone/*.yaml                   yaml image            python:3.12                                 no place
        --- err
        warning: no file of `gone/*.yaml` has the target's place
        --- exit 0
        $ pinstream targets --format json
        --- out
        {
          "schema": "pinstream.targets/v1",
          "places": [
            {
              "file": "compose.yaml",
              "line": 3,
              "kind": "compose",
              "keys": {
                "service": "web"
              },
              "from": "python:3.12",
              "written": "REGISTRY/python:3.12",
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
              "written": "REGISTRY/python",
              "status": "holds"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 4,
              "kind": "kustomize",
              "keys": {
                "name": "web"
              },
              "from": "python:3.12",
              "written": "3.12",
              "status": "holds"
            },
            {
              "file": "deploy/kustomization.yaml",
              "line": 5,
              "kind": "kustomize",
              "keys": {
                "name": "web"
              },
              "from": "python:3.12",
              "written": "",
              "status": "differs"
            },
            {
              "file": "gone/*.yaml",
              "kind": "yaml",
              "keys": {
                "at": "image"
              },
              "from": "python:3.12",
              "status": "no-place",
              "message": "no file of `gone/*.yaml` has the target's place"
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
fn a_file_that_is_too_large_is_passed_by() {
    let stage = Stage::new();
    let text = format!("kind: Pod\n{}", "# a comment\n".repeat((17 << 20) / 12));
    stage.sandbox.write("large.yaml", &text);
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r#"
        $ pinstream targets add
        --- out
        nothing is to be added
        --- err
        not added:
        AT           TEXT             REASON
        large.yaml   the whole file   it is larger than 16 MiB
        --- exit 0
        "#);
}

#[test]
fn settings_with_targets_in_a_list_are_left_as_they_are() {
    let stage = stage();
    let settings = format!("target = []\n{}", stage.sandbox.read("pinstream.toml"));
    stage.sandbox.write("pinstream.toml", &settings);
    insta::assert_snapshot!(said(&stage, &["targets add compose.yaml"]), @r#"
        $ pinstream targets add compose.yaml
        --- err
        not added:
        AT               TEXT                  REASON
        compose.yaml:4   REGISTRY/own   it is built here
        note: `python:3.12` is written for `REGISTRY/python:3.12`, which is `python:arm` as well
        error: `target` is defined twice, first in line 1
         --> pinstream.toml:9:3
          |
        9 | [[target]]
          |   ^^^^^^
          |
          = help: keep one of the two
        --- exit 1
        "#);
    assert_eq!(stage.sandbox.read("pinstream.toml"), settings);
}

#[test]
fn more_targets_than_the_settings_have_room_for_are_shown_and_not_written() {
    let stage = Stage::pinned();
    let service = |at: usize| format!("  s{at}:\n    image: {}/python:3.12\n", stage.registry.host());
    let services: String = (0..4_000).map(service).collect();
    stage.sandbox.write("compose.yaml", &format!("services:\n{services}"));
    stage.commit("Many services");
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r#"
        $ pinstream targets add
        --- err
        note: `python:3.12` is written for `REGISTRY/python:3.12`, which is `python:arm` as well
        error: `pinstream.toml` would be larger than the cap of 256 KiB with the 4000 targets that were found, so none is written
        help: name files or folders, to add fewer, or let one target `marker` stand for a file of many images; `--dry-run` prints what was found
        --- exit 1
        "#);
    let tried = stage.sandbox.run(&["targets", "add", "--dry-run"]);
    assert_eq!((tried.code, tried.stdout.matches("[[target]]").count()), (Some(1), 4_000));
    assert_eq!(differs(&stage), "");
}

#[test]
fn a_comment_is_no_way_out_for_a_file_that_no_target_can_be_for() {
    let stage = Stage::pinned();
    stage.sandbox.write("é/Dockerfile", &format!("FROM {}/python:3.12\n", stage.registry.host()));
    insta::assert_snapshot!(said(&stage, &["targets add"]), @r#"
        $ pinstream targets add
        --- out
        nothing is to be added
        --- err
        not added:
        AT               TEXT                          REASON
        é/Dockerfile:1   REGISTRY/python:3.12   `é/Dockerfile` has `é` (U+00E9), which the path of a target cannot have; give the file another name, or write its image elsewhere
        --- exit 0
        "#);
}
