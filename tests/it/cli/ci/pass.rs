//! Findings of a pass for CI systems, and the job summary.

use super::super::{Stage, image};
use super::{check_formats, findings, stage};
use crate::support::ci;
use crate::support::remote::BareRepo;

#[test]
fn planned_changes_are_notes_unless_they_fail_the_job() {
    let stage = stage();
    stage.move_upstream();
    stage.registry.push("python", "3.11", &image(11, "3.11.10"));
    check_formats(&stage, 0, &["plan"]);
    insta::assert_snapshot!(findings(&stage, &["plan"]), @"
    note change work/streams/python.toml:3:1
    note change work/streams/python.toml:4:1
    note change work/streams/python.toml:5:1
    note change work/streams/python.toml:6:1
    note target work/deploy/web.yaml:2
    ");
    check_formats(&stage, 2, &["plan", "--exit-code"]);
    check_formats(&stage, 2, &["check", "--upstream"]);
    let found = findings(&stage, &["plan", "--exit-code"]);
    assert_eq!((found.matches("error change ").count(), found.matches("note ").count()), (4, 0), "{found}");
}

#[test]
fn a_job_summary_is_written_on_request() {
    let mut stage = stage();
    stage.move_upstream();
    let path = stage.sandbox.home().join("summary.md");
    stage.sandbox.env("GITHUB_STEP_SUMMARY", path.to_str().unwrap());
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    for format in ["text", "json", "markdown", "sarif"] {
        stage.sandbox.run(&["plan", "--format", format]);
    }
    assert_eq!(read(), "");
    stage.sandbox.run(&["plan", "--format", "github"]);
    let first = read();
    ci::assert_valid("markdown", &first);
    stage.stream("nonsense = 1\n");
    let plain = stage.sandbox.run(&["check", "--format", "github"]);
    let whole = read();
    ci::assert_valid("markdown", whole.strip_prefix(&first).unwrap());
    assert!(whole.ends_with("\n\n"), "the next step starts a new paragraph: {whole:?}");
    // A summary that cannot be written is a warning only.
    stage.sandbox.env("GITHUB_STEP_SUMMARY", stage.sandbox.home().to_str().unwrap());
    let ran = stage.sandbox.run(&["plan", "--format", "github"]);
    assert_eq!((ran.code, &ran.stdout), (Some(1), &plain.stdout));
    assert!(ran.stderr.starts_with("warning: ") && ran.stderr.contains("GITHUB_STEP_SUMMARY"), "{}", ran.stderr);
    assert!(ran.stderr.ends_with(&plain.stderr), "{}", ran.stderr);
}

#[test]
fn paths_of_a_remote_pass_start_at_the_top_of_the_repository() {
    let mut stage = Stage::new();
    let (repo, host) = (BareRepo::new(), stage.registry.host());
    stage.sandbox.scrub(repo.path().display().to_string(), "[REMOTE]");
    let settings = format!("[registry.\"{host}\"]\nplain-http = true\n");
    let stream = format!("[tags]\n1 = \"{host}/python:3.12\"\ngone = \"{host}/gone:1\"\n");
    repo.commit("main", &[("deploy/prod/pinstream.toml", &settings), ("deploy/prod/streams/web.toml", &stream)]);
    let remote = repo.url();
    let args = ["reconcile", "--remote", &remote, "--root", "deploy/prod"];
    insta::assert_snapshot!(findings(&stage, &args), @"
    note change deploy/prod/streams/web.toml:1
    error resolve deploy/prod/streams/web.toml:1
    ");
    check_formats(&stage, 3, &args);
    repo.commit("main", &[("deploy/prod/streams/web.toml", "nonsense = 1\n")]);
    check_formats(&stage, 1, &args);
    assert_eq!(findings(&stage, &args), "error definition deploy/prod/streams/web.toml:1:1");
}
