//! Formats of CI systems: always a complete document, with paths relative to the top of the repository.

mod check;
mod pass;

use serde_json::Value;

use super::Stage;
use crate::support::ci::{self, FORMATS};

/// A target, so that a file can drift.
const TARGET: &str =
    "\n[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"deploy/web.yaml\", at = \"spec.image\" }\n";

/// A root in the directory `work` of a repository, with all tags pinned and its target written.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.settings(TARGET);
    stage.sandbox.write("deploy/web.yaml", "spec:\n  image: python:3\n");
    stage.update();
    stage.sandbox.git(&["-C", "..", "init", "-q"]);
    stage
}

/// Runs `args` in each format; all must exit with `code` and print the same to standard error.
#[track_caller]
fn all(stage: &Stage, code: i32, args: &[&str]) {
    let plain = stage.sandbox.run(args);
    for format in FORMATS {
        let ran = stage.sandbox.run(&[args, &["--format", format]].concat());
        assert_eq!((ran.code, &ran.stderr), (Some(code), &plain.stderr), "{format}: {}", ran.stdout);
        ci::holds(format, &ran.stdout);
    }
}

/// Output and exit code of a run.
fn said(stage: &Stage, args: &[&str]) -> String {
    stage.sandbox.shown(&stage.sandbox.run(args))
}

fn json(stage: &Stage, args: &[&str]) -> Value {
    let ran = stage.sandbox.run(args);
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_failed_command_writes_a_complete_document() {
    let mut stage = stage();
    all(&stage, 64, &["check", "python:9"]);
    all(&stage, 1, &["check", "--base", "nowhere"]);
    all(&stage, 1, &["check", "--policy", "../nowhere.toml"]);
    all(&stage, 1, &["plan", "-C", "nowhere"]);
    all(&stage, 64, &["reconcile"]);
    all(&stage, 1, &["reconcile", "--remote", "./nowhere", "--root", "./"]);
    stage.sandbox.write("../policy.toml", "registries = [\"quay.io\"]\n");
    all(&stage, 4, &["check", "--policy", "../policy.toml"]);
    insta::assert_snapshot!(said(&stage, &["check", "python:9", "--format", "github"]), @"
    --- out
    ::error title=pinstream run::no tag is named `python:9`%0Ahelp: did you mean `python:arm`?
    --- err
    error: no tag is named `python:9`
    help: did you mean `python:arm`?
    --- exit 64
    ");
    insta::assert_snapshot!(said(&stage, &["check", "--policy", "../policy.toml", "--format", "github"]), @"
    --- out
    ::error title=pinstream policy::`[SANDBOX]/work/../policy.toml`: the registry `REGISTRY` is not among the `registries` of the policy%0Ahelp: whoever runs pinstream here decides what it may do
    --- err
    error: the registry `REGISTRY` is not among the `registries` of the policy
    --> [SANDBOX]/work/../policy.toml
     = help: whoever runs pinstream here decides what it may do
    --- exit 4
    ");
    insta::assert_snapshot!(said(&stage, &["check", "python:9", "--format", "junit"]), @r#"
    --- out
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="pinstream check" tests="1" failures="0" errors="1">
      <testsuite name="work/run" tests="1" failures="0" errors="1" skipped="0">
        <testcase name="check" classname="work/run">
          <error type="run" message="no tag is named `python:9`">no tag is named `python:9`
    help: did you mean `python:arm`?</error>
        </testcase>
      </testsuite>
    </testsuites>
    --- err
    error: no tag is named `python:9`
    help: did you mean `python:arm`?
    --- exit 64
    "#);
    insta::assert_snapshot!(said(&stage, &["check", "python:9", "--format", "gitlab"]), @r#"
    --- out
    [
      {
        "check_name": "run",
        "description": "no tag is named `python:9`; help: did you mean `python:arm`?",
        "fingerprint": "ab82bca0f8247356e14a127dfd6777de",
        "location": {
          "lines": {
            "begin": 1
          },
          "path": "work/pinstream.toml"
        },
        "severity": "major"
      }
    ]
    --- err
    error: no tag is named `python:9`
    help: did you mean `python:arm`?
    --- exit 64
    "#);
    let log = json(&stage, &["check", "python:9", "--format", "sarif"]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&log["runs"][0]["invocations"]).unwrap(), @r#"
    [
      {
        "executionSuccessful": false,
        "exitCode": 64,
        "toolExecutionNotifications": [
          {
            "associatedRule": {
              "id": "run"
            },
            "level": "error",
            "message": {
              "text": "no tag is named `python:9`\nhelp: did you mean `python:arm`?"
            }
          }
        ]
      }
    ]
    "#);
    stage.sandbox.env("PINSTREAM_POLICY", "../nowhere.toml");
    all(&stage, 1, &["update"]);
}

#[test]
fn formats_are_documented_and_completed_by_shells() {
    let stage = Stage::new();
    for command in ["check", "plan", "update", "reconcile"] {
        let help = stage.sandbox.run(&[command, "--help"]).stdout;
        for words in [
            "- text:     For people",
            "- json:     For scripts: `pinstream.report/v1`, `check/v1`; nothing where it was stopped",
            "- markdown: Tables for a job's summary or a comment",
            "- github:   Annotations of GitHub, Forgejo and Gitea, and the job's summary",
            "- sarif:    SARIF 2.1.0 for code scanning",
            "- junit:    Test results for Jenkins, GitLab and others",
            "- gitlab:   Code Quality of GitLab",
        ] {
            assert!(help.contains(words), "{words} in {help}");
        }
    }
    let script = stage.sandbox.run(&["completions", "bash"]).stdout;
    assert_eq!(script.matches("text json markdown github sarif junit gitlab").count(), 4, "{script}");
}
