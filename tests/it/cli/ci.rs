//! Output for CI systems: every format is a complete document in every case, and paths start at the top of the repository.
//! The text of each format is covered next to its renderer.

mod check;
mod pass;

use serde_json::Value;

use super::Stage;
use crate::support::ci::{self, FORMATS};

/// A target, so that there is a file that can drift.
const TARGET: &str =
    "\n[[target]]\nfrom = \"python:3.12\"\nyaml = { path = \"deploy/web.yaml\", at = \"spec.image\" }\n";

/// Creates a root in the directory `work` of a repository, with all tags pinned and its target written.
fn stage() -> Stage {
    let stage = Stage::new();
    stage.settings(TARGET);
    stage.sandbox.write("deploy/web.yaml", "spec:\n  image: python:3\n");
    stage.update();
    stage.sandbox.git(&["-C", "..", "init", "-q"]);
    stage
}

/// Runs `args` in each format; all of them have to exit with `code` and print the same diagnostics.
#[track_caller]
fn check_formats(stage: &Stage, code: i32, args: &[&str]) {
    let plain = stage.sandbox.run(args);
    for format in FORMATS {
        let ran = stage.sandbox.run(&[args, &["--format", format]].concat());
        assert_eq!((ran.code, &ran.stderr), (Some(code), &plain.stderr), "{format}: {}", ran.stdout);
        ci::assert_valid(format, &ran.stdout);
    }
}

fn sarif(stage: &Stage, args: &[&str]) -> Value {
    let ran = stage.sandbox.run(&[args, &["--format", "sarif"]].concat());
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Lists level, rule and location of each finding; without a location, its message.
fn findings(stage: &Stage, args: &[&str]) -> String {
    let log = sarif(stage, args);
    let run = &log["runs"][0];
    let result = |result: &Value| {
        let place = &result["locations"][0]["physicalLocation"];
        let (path, region) = (place["artifactLocation"]["uri"].as_str().unwrap(), &place["region"]);
        let column = region["startColumn"].as_u64().map(|column| format!(":{column}")).unwrap_or_default();
        let (level, rule) = (result["level"].as_str().unwrap(), result["ruleId"].as_str().unwrap());
        format!("{level} {rule} {path}:{}{column}\n", region["startLine"])
    };
    let notification = |one: &Value| {
        let (level, rule) = (one["level"].as_str().unwrap(), one["associatedRule"]["id"].as_str().unwrap());
        format!("{level} {rule}: {}\n", one["message"]["text"].as_str().unwrap())
    };
    let placed = run["results"].as_array().unwrap().iter().map(result);
    let others = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap().iter().map(notification);
    stage.sandbox.scrubbed(&placed.chain(others).collect::<String>())
}

#[test]
fn a_command_that_fails_early_still_writes_a_complete_document() {
    let mut stage = stage();
    check_formats(&stage, 64, &["check", "python:9"]);
    check_formats(&stage, 1, &["check", "--base", "nowhere"]);
    check_formats(&stage, 1, &["check", "--policy", "../nowhere.toml"]);
    check_formats(&stage, 1, &["plan", "-C", "nowhere"]);
    check_formats(&stage, 64, &["reconcile"]);
    check_formats(&stage, 1, &["reconcile", "--remote", "./nowhere", "--root", "./"]);
    stage.sandbox.write("../policy.toml", "registries = [\"quay.io\"]\n");
    check_formats(&stage, 4, &["check", "--policy", "../policy.toml"]);
    let found = findings(&stage, &["check", "python:9"]);
    assert!(found.starts_with("error run: ") && found.contains("python:9"), "{found}");
    let found = findings(&stage, &["check", "--policy", "../policy.toml"]);
    assert!(found.starts_with("error policy: `[SANDBOX]/work/../policy.toml`: "), "{found}");
    let log = sarif(&stage, &["check", "python:9"]);
    let invocation = &log["runs"][0]["invocations"][0];
    assert_eq!((&invocation["exitCode"], &invocation["executionSuccessful"]), (&64.into(), &false.into()));
    stage.sandbox.env("PINSTREAM_POLICY", "../nowhere.toml");
    check_formats(&stage, 1, &["update"]);
}

#[test]
fn help_describes_each_format_and_shells_complete_them() {
    let stage = Stage::new();
    for command in ["check", "plan", "update", "reconcile"] {
        let help = stage.sandbox.run(&[command, "--help"]).stdout;
        for line in [
            "- text:     Human-readable",
            "- json:     JSON (`pinstream.report/v1`, `pinstream.check/v1`), empty on early errors",
            "- markdown: Markdown tables for a job summary or a comment",
            "- github:   Annotations and job summary for GitHub, Forgejo and Gitea",
            "- sarif:    SARIF 2.1.0 for code scanning",
            "- junit:    JUnit test results for Jenkins, GitLab and others",
            "- gitlab:   Code Quality report for GitLab",
        ] {
            assert!(help.contains(line), "{line} in {help}");
        }
    }
    let script = stage.sandbox.run(&["completions", "bash"]).stdout;
    assert_eq!(script.matches("text json markdown github sarif junit gitlab").count(), 4, "{script}");
}
