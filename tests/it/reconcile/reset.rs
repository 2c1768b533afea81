//! A branch that a person reset or reverted: only a revert says that an update is not wanted.

use super::stage::Stage;
use crate::support::remote::http::HttpBackend;

/// Runs passes over a tag that was updated, after `change` to the branch, which gets the first commit with a lock; returns
/// the output of the next pass and whether the update is pinned afterwards. The remote is a directory, or a server.
fn after(is_served: bool, change: impl Fn(&Stage, &str)) -> (String, bool) {
    let mut stage = Stage::new("");
    let server = HttpBackend::start(stage.repo.base());
    if is_served {
        stage.remote = server.url();
    }
    stage.stream("python", &[("3.12", 1)]);
    stage.ends(0, &[]);
    let first = stage.repo.tip("refs/heads/main").unwrap();
    let updated = stage.push("python:3.12", 2);
    stage.ends(0, &[]);
    assert_eq!(stage.pin("python:3.12").as_deref(), Some(updated.as_str()));
    change(&stage, &first);
    assert_ne!(stage.pin("python:3.12").as_deref(), Some(updated.as_str()));
    let output = stage.ends(0, &[]);
    (output, stage.pin("python:3.12").as_deref() == Some(updated.as_str()))
}

#[test]
fn l20_a_revert_holds_an_update_on_every_transport() {
    for is_served in [false, true] {
        let (output, is_pinned) = after(is_served, |stage, first| {
            let lock = stage.repo.read(first, "pinstream.lock").unwrap();
            stage.commit("pinstream.lock", &lock);
        });
        assert!(!is_pinned && output.contains("reverted"), "{output}");
    }
}

#[test]
fn l20_a_branch_that_was_reset_gets_its_updates_again_on_every_transport() {
    for is_served in [false, true] {
        let reset = |stage: &Stage, first: &str| drop(stage.repo.git(&["update-ref", "refs/heads/main", first]));
        let unrelated = |stage: &Stage, first: &str| {
            let tree = format!("{first}^{{tree}}");
            let commit = stage.repo.git(&["commit-tree", "-m", "another history", &tree]);
            stage.repo.git(&["update-ref", "refs/heads/main", &commit]);
        };
        for (output, is_pinned) in [after(is_served, reset), after(is_served, unrelated)] {
            assert!(is_pinned, "{output}");
            let is_noted = output.contains("`main` no longer contains ");
            // A directory shows its whole history, so nothing is recorded that could be missing.
            assert_eq!(is_noted, is_served, "{output}");
        }
    }
}
