//! Partial clones (`git clone --filter=blob:none`): missing objects are fetched when a command needs them.

use std::path::PathBuf;

use super::Stage;

/// A root with two versions of its lock, and a partial clone of it.
fn cloned(options: &[&str]) -> Stage {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.commit("Update");
    stage.sandbox.git(&["config", "uploadpack.allowFilter", "true"]);
    stage.sandbox.git(&["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let url = format!("file://{}", stage.sandbox.work().display());
    stage.sandbox.git(&[&["clone", "-q"], options, &[&url, "../partial"]].concat());
    stage
}

fn run(stage: &Stage, args: &[&str]) -> crate::support::sandbox::RunResult {
    stage.sandbox.run(&[&["-C", "../partial"], args].concat())
}

/// Objects that the clone lacks.
fn missing(stage: &Stage) -> usize {
    let list = ["-C", "../partial", "rev-list", "--objects", "--all", "--missing=print"];
    stage.sandbox.git(&list).lines().filter(|line| line.starts_with('?')).count()
}

#[test]
fn l18_the_history_of_a_partial_clone_is_fetched_at_once() {
    for filter in ["--filter=blob:none", "--filter=tree:0"] {
        let stage = cloned(&[filter]);
        assert!(missing(&stage) > 0);
        for args in [&["describe", "--utc"][..], &["history", "python:3.12", "--utc"]] {
            let (partial, whole) = (run(&stage, args), stage.sandbox.run(args));
            assert_eq!((partial.code, partial.stderr.as_str()), (Some(0), ""), "{filter} {args:?} {}", partial.stdout);
            assert_eq!(partial.stdout, whole.stdout);
        }
    }
}

#[test]
fn l18_check_base_fetches_the_base() {
    let stage = cloned(&["--filter=blob:none"]);
    // The registry serves nothing any more, so that only the history verifies.
    let old = stage.sandbox.git(&["show", "HEAD~1:pinstream.lock"]);
    stage.sandbox.write("../partial/pinstream.lock", &old);
    stage.registry.lie(|_| Some(crate::support::registry::http::Answer::new(404)));
    let ran = run(&stage, &["check", "--base", "HEAD"]);
    let shown = stage.sandbox.shown(&ran);
    assert!(ran.code == Some(0), "{shown}");
}

#[test]
fn l18_without_the_remote_there_is_a_note_and_the_rest() {
    let stage = cloned(&["--filter=blob:none"]);
    let gone = PathBuf::from("../gone");
    std::fs::rename(stage.sandbox.work().join(".git"), stage.sandbox.work().join(&gone)).unwrap();
    for args in [&["describe"][..], &["history", "python:3.12"]] {
        let ran = run(&stage, args);
        assert_eq!(ran.code, Some(0), "{args:?}\n{}", stage.sandbox.shown(&ran));
        let note = "note: the history is incomplete, because objects are missing from this partial clone and cannot be \
                    fetched: `git fetch origin` failed: ";
        assert!(ran.stderr.starts_with(note), "{}", ran.stderr);
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        assert!(ran.stdout.contains("3.12.5") || ran.stdout.contains("uncommitted"), "{}", ran.stdout);
    }
    let ran = run(&stage, &["check", "--base", "HEAD~1"]);
    assert!(ran.code != Some(1), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l18_a_sparse_partial_clone_reads_the_streams_that_it_leaves_out() {
    let stage = cloned(&["--filter=blob:none", "--sparse"]);
    assert!(!stage.sandbox.work().join("../partial/streams").exists());
    let ran = run(&stage, &["check"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
}
