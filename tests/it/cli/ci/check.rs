//! `check` in the formats of CI systems: each problem at its line.

use serde_json::Value;

use super::{all, json, said, stage};

#[test]
fn a_passing_check_has_no_annotations() {
    let stage = stage();
    all(&stage, 0, &["check"]);
    insta::assert_snapshot!(said(&stage, &["check", "--format", "github"]), @"
    --- out
    4 pins in 1 stream: lock and targets match the definitions
    --- exit 0
    ");
    insta::assert_snapshot!(said(&stage, &["check", "--format", "gitlab"]), @"
    --- out
    []
    --- exit 0
    ");
    insta::assert_snapshot!(said(&stage, &["check", "--format", "junit"]), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream check" tests="4" failures="0" errors="0">
      <testsuite name="work/streams/python" tests="4" failures="0" errors="0" skipped="0">
        <testcase name="3.11" classname="work/streams/python"/>
        <testcase name="3.12" classname="work/streams/python"/>
        <testcase name="arm" classname="work/streams/python"/>
        <testcase name="latest" classname="work/streams/python"/>
      </testsuite>
    </testsuites>
    --- exit 0
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--format", "markdown"]), @"
    --- out
    ### `pinstream check`: 4 pins in 1 stream: lock and targets match the definitions
    --- exit 0
    ");
    let log = json(&stage, &["check", "--format", "sarif"]);
    let run = &log["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 0);
    assert_eq!(run["automationDetails"]["id"], "pinstream/check/work/");
    assert_eq!(
        (&run["invocations"][0]["exitCode"], &run["invocations"][0]["executionSuccessful"]),
        (&0.into(), &true.into())
    );
}

#[test]
fn a_broken_stream_is_annotated_with_line_and_column() {
    let stage = stage();
    stage.stream("[tags]\n# \u{1f40d}, 100%\nlatest = { folow = \"3.12\" }\n\"3.12\" = \"python\n");
    for command in ["check", "plan", "update"] {
        all(&stage, 1, &[command]);
    }
    insta::assert_snapshot!(said(&stage, &["check", "--format", "github"]), @r#"
    --- out
    ::error file=work/streams/python.toml,line=4,endLine=4,col=17,endColumn=17,title=pinstream definition::this is not TOML: invalid basic string, expected `"`%0Ahelp: put text in quotes, as `key = "value"`, and close them in the same line
    --- err
    error: this is not TOML: invalid basic string, expected `"`
     --> streams/python.toml:4:17
      |
    4 | "3.12" = "python
      |                 ^
      |
      = help: put text in quotes, as `key = "value"`, and close them in the same line
    --- exit 1
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--format", "gitlab"]), @r#"
    --- out
    [
      {
        "check_name": "definition",
        "description": "this is not TOML: invalid basic string, expected `\"`; help: put text in quotes, as `key = \"value\"`, and close them in the same line",
        "fingerprint": "897cee03ef98f26cbb976df87d4c57e7",
        "location": {
          "lines": {
            "begin": 4
          },
          "path": "work/streams/python.toml"
        },
        "severity": "major"
      }
    ]
    --- err
    error: this is not TOML: invalid basic string, expected `"`
     --> streams/python.toml:4:17
      |
    4 | "3.12" = "python
      |                 ^
      |
      = help: put text in quotes, as `key = "value"`, and close them in the same line
    --- exit 1
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--format", "junit"]), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream check" tests="1" failures="1" errors="0">
      <testsuite name="work/streams/python.toml" tests="1" failures="1" errors="0" skipped="0">
        <testcase name="the file" classname="work/streams/python.toml">
          <failure type="definition" message="this is not TOML: invalid basic string, expected `&quot;`">work/streams/python.toml:4:17: this is not TOML: invalid basic string, expected `&quot;`
    help: put text in quotes, as `key = &quot;value&quot;`, and close them in the same line</failure>
        </testcase>
      </testsuite>
    </testsuites>
    --- err
    error: this is not TOML: invalid basic string, expected `"`
     --> streams/python.toml:4:17
      |
    4 | "3.12" = "python
      |                 ^
      |
      = help: put text in quotes, as `key = "value"`, and close them in the same line
    --- exit 1
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--format", "markdown"]), @r#"
    --- out
    ### `pinstream check`

    |  | where | what | what to do |
    | --- | --- | --- | --- |
    | error | `work/streams/python.toml`, line 4 | this is not TOML: invalid basic string, expected `"` | put text in quotes, as `key = "value"`, and close them in the same line |
    --- err
    error: this is not TOML: invalid basic string, expected `"`
     --> streams/python.toml:4:17
      |
    4 | "3.12" = "python
      |                 ^
      |
      = help: put text in quotes, as `key = "value"`, and close them in the same line
    --- exit 1
    "#);
    let log = json(&stage, &["check", "--format", "sarif"]);
    let run = &log["runs"][0];
    insta::assert_snapshot!(serde_json::to_string_pretty(&run["results"]).unwrap(), @r#"
    [
      {
        "level": "error",
        "locations": [
          {
            "physicalLocation": {
              "artifactLocation": {
                "uri": "work/streams/python.toml",
                "uriBaseId": "%SRCROOT%"
              },
              "region": {
                "endColumn": 17,
                "endLine": 4,
                "startColumn": 17,
                "startLine": 4
              }
            }
          }
        ],
        "message": {
          "text": "this is not TOML: invalid basic string, expected `\"`\nhelp: put text in quotes, as `key = \"value\"`, and close them in the same line"
        },
        "partialFingerprints": {
          "pinstreamFinding/v1": "897cee03ef98f26cbb976df87d4c57e7"
        },
        "ruleId": "definition",
        "ruleIndex": 0
      }
    ]
    "#);
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn drift_of_lock_and_targets_is_annotated() {
    let stage = stage();
    stage.stream("[tags]\n\"3.11\" = \"REGISTRY/python:3.11\"\n\n[tags.\"3.12\"]\nimage = \"REGISTRY/python:3.12\"\n\n[tags.new]\nfollow = \"3.12\"\n");
    stage.sandbox.write("deploy/web.yaml", "# A comment.\nspec:\n  image: python:3\n");
    stage.sandbox.write("Dockerfile", "FROM golang:1\n");
    all(&stage, 2, &["check", "--all-images"]);
    insta::assert_snapshot!(said(&stage, &["check", "--all-images", "--format", "github"]), @"
    --- out
    ::error file=work/pinstream.lock,line=22,title=pinstream lock::`python:arm` is pinned, and no definition asks for it%0Ahelp: run `pinstream update --offline`, then commit pinstream.lock
    ::error file=work/pinstream.lock,line=32,title=pinstream lock::`python:latest` is pinned, and no definition asks for it%0Ahelp: run `pinstream update --offline`, then commit pinstream.lock
    ::error file=work/streams/python.toml,line=7,endLine=7,col=7,endColumn=9,title=pinstream lock::`python:new` is not pinned%0Ahelp: run `pinstream update --offline`, then commit pinstream.lock
    ::error file=work/deploy/web.yaml,line=3,title=pinstream target::`python:3` stands there, not what `python:3.12` is pinned to%0Ahelp: run `pinstream update --offline`, then commit the changed files
    ::error file=work/Dockerfile,line=1,title=pinstream image::`golang:1`: no stream covers it, and it has no digest%0Ahelp: `pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written
    4 pins in 1 stream: 5 problems found
    --- exit 2
    ");
    insta::assert_snapshot!(said(&stage, &["check", "--all-images", "--format", "gitlab"]), @r#"
    --- out
    [
      {
        "check_name": "lock",
        "description": "`python:arm` is pinned, and no definition asks for it; help: run `pinstream update --offline`, then commit pinstream.lock",
        "fingerprint": "df2322043504d7c6644287b8706784ee",
        "location": {
          "lines": {
            "begin": 22
          },
          "path": "work/pinstream.lock"
        },
        "severity": "major"
      },
      {
        "check_name": "lock",
        "description": "`python:latest` is pinned, and no definition asks for it; help: run `pinstream update --offline`, then commit pinstream.lock",
        "fingerprint": "ecf3873d8e0ab0d30c4a002076ef5d9a",
        "location": {
          "lines": {
            "begin": 32
          },
          "path": "work/pinstream.lock"
        },
        "severity": "major"
      },
      {
        "check_name": "lock",
        "description": "`python:new` is not pinned; help: run `pinstream update --offline`, then commit pinstream.lock",
        "fingerprint": "85984510de94eef87329e7b2b7a16155",
        "location": {
          "lines": {
            "begin": 7
          },
          "path": "work/streams/python.toml"
        },
        "severity": "major"
      },
      {
        "check_name": "target",
        "description": "`python:3` stands there, not what `python:3.12` is pinned to; help: run `pinstream update --offline`, then commit the changed files",
        "fingerprint": "2b2c9aa781a94ffa1dbf9228ee5acb63",
        "location": {
          "lines": {
            "begin": 3
          },
          "path": "work/deploy/web.yaml"
        },
        "severity": "major"
      },
      {
        "check_name": "image",
        "description": "`golang:1`: no stream covers it, and it has no digest; help: `pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written",
        "fingerprint": "2177a6f20a9d6fda9e0c6b38bec8c2ce",
        "location": {
          "lines": {
            "begin": 1
          },
          "path": "work/Dockerfile"
        },
        "severity": "major"
      }
    ]
    --- exit 2
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--all-images", "--format", "junit"]), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream check" tests="7" failures="5" errors="0">
      <testsuite name="work/Dockerfile" tests="1" failures="1" errors="0" skipped="0">
        <testcase name="golang:1" classname="work/Dockerfile">
          <failure type="image" message="`golang:1`: no stream covers it, and it has no digest">work/Dockerfile:1: `golang:1`: no stream covers it, and it has no digest
    help: `pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written</failure>
        </testcase>
      </testsuite>
      <testsuite name="work/deploy/web.yaml" tests="1" failures="1" errors="0" skipped="0">
        <testcase name="python:3.12" classname="work/deploy/web.yaml">
          <failure type="target" message="`python:3` stands there, not what `python:3.12` is pinned to">work/deploy/web.yaml:3: `python:3` stands there, not what `python:3.12` is pinned to
    help: run `pinstream update --offline`, then commit the changed files</failure>
        </testcase>
      </testsuite>
      <testsuite name="work/streams/python" tests="5" failures="3" errors="0" skipped="0">
        <testcase name="3.11" classname="work/streams/python"/>
        <testcase name="3.12" classname="work/streams/python"/>
        <testcase name="arm" classname="work/streams/python">
          <failure type="lock" message="`python:arm` is pinned, and no definition asks for it">work/pinstream.lock:22: `python:arm` is pinned, and no definition asks for it
    help: run `pinstream update --offline`, then commit pinstream.lock</failure>
        </testcase>
        <testcase name="latest" classname="work/streams/python">
          <failure type="lock" message="`python:latest` is pinned, and no definition asks for it">work/pinstream.lock:32: `python:latest` is pinned, and no definition asks for it
    help: run `pinstream update --offline`, then commit pinstream.lock</failure>
        </testcase>
        <testcase name="new" classname="work/streams/python">
          <failure type="lock" message="`python:new` is not pinned">work/streams/python.toml:7:7: `python:new` is not pinned
    help: run `pinstream update --offline`, then commit pinstream.lock</failure>
        </testcase>
      </testsuite>
    </testsuites>
    --- exit 2
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "--all-images", "--format", "markdown"]), @r#"
    --- out
    ### `pinstream check`: 4 pins in 1 stream: 5 problems found

    |  | where | what | what to do |
    | --- | --- | --- | --- |
    | error | `work/pinstream.lock`, line 22 | `python:arm` is pinned, and no definition asks for it | run `pinstream update --offline`, then commit pinstream.lock |
    | error | `work/pinstream.lock`, line 32 | `python:latest` is pinned, and no definition asks for it | run `pinstream update --offline`, then commit pinstream.lock |
    | error | `work/streams/python.toml`, line 7 | `python:new` is not pinned | run `pinstream update --offline`, then commit pinstream.lock |
    | error | `work/deploy/web.yaml`, line 3 | `python:3` stands there, not what `python:3.12` is pinned to | run `pinstream update --offline`, then commit the changed files |
    | error | `work/Dockerfile`, line 1 | `golang:1`: no stream covers it, and it has no digest | `pinstream tag IMAGE STREAM:TAG` covers an image, and `pinstream targets add` has its digest written |

    ```diff
    --- pinstream.lock
    +++ expected
    @@ -22,15 +22,5 @@
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
    -tag = "latest"
    +tag = "new"
     follow = "python:3.12"
     image = "REGISTRY/python:3.12"
    --- deploy/web.yaml
    +++ expected
    @@ -1,3 +1,3 @@
     # A comment.
     spec:
    -  image: python:3
    +  image: REGISTRY/python:3.12@sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326
    ```
    --- exit 2
    "#);
    let log = json(&stage, &["check", "--format", "sarif"]);
    let run = &log["runs"][0];
    assert_eq!(
        (&run["invocations"][0]["exitCode"], &run["invocations"][0]["executionSuccessful"]),
        (&2.into(), &true.into())
    );
    let prints = |log: &Value| -> Vec<Value> {
        log["runs"][0]["results"].as_array().unwrap().iter().map(|one| one["partialFingerprints"].clone()).collect()
    };
    // Fingerprints do not depend on line numbers.
    stage.sandbox.write("deploy/web.yaml", "# A comment.\n# Another.\nspec:\n  image: python:3\n");
    let later = json(&stage, &["check", "--format", "sarif"]);
    assert_ne!(log, later);
    assert_eq!(prints(&log), prints(&later));
}

#[test]
fn an_edited_digest_is_annotated_in_the_lock() {
    let stage = stage();
    stage.commit("Pin two images");
    let digest = stage.digest("python:3.11");
    stage.edit_lock(&digest, &digest.replace("sha256:e", "sha256:f"));
    all(&stage, 4, &["check", "--base", "HEAD"]);
    insta::assert_snapshot!(said(&stage, &["check", "--base", "HEAD", "--format", "github"]), @"
    --- out
    ::error file=work/pinstream.lock,line=8,title=pinstream unvouched::`python:3.11` is pinned to `sha256:f0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`, which neither the registry nor the history of `HEAD` has%0Ahelp: run `pinstream update python:3.11` to pin `sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4`, the current digest
    4 pins in 1 stream: 1 problem found
    --- exit 4
    ");
}
