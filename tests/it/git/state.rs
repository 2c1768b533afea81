//! The state if the remote rejects it: when it is stored on this machine, and how it moves to the remote.

use pinstream::git::{CommitId, GitError, Push, Remote, RootFiles, STATE_REF};

use super::story::repository;
use super::{Machine, files, now};
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;

/// Makes the remote reject the state, as a forge does.
fn refuse(repo: &BareRepo) {
    repo.hook("update", "case \"$1\" in refs/pinstream/*) echo no such refs here; exit 1;; esac");
}

/// Removes the rule.
fn allow(repo: &BareRepo) {
    repo.hook("update", "exit 0");
}

#[track_caller]
fn write(remote: &mut Remote, expected: Option<&CommitId>, list: &[(&str, &str)]) -> CommitId {
    match remote.write_state(expected, "main", &files(list), now()).unwrap() {
        Push::Landed(at) => at,
        other => panic!("{other:?}"),
    }
}

/// Reads the state as a new process does.
fn seen(remote: &mut Remote) -> (Option<CommitId>, RootFiles) {
    let sight = remote.fetch_tips(None).unwrap();
    let files = remote.read_state(sight.state.as_ref(), "main").unwrap();
    (sight.state, files)
}

#[test]
fn a_full_disk_of_the_server_does_not_move_the_state_to_this_machine() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut remote = machine.open();
    remote.fetch_tips(None).unwrap();
    // It cannot store objects, as with a full disk.
    repo.git(&["config", "receive.maxInputSize", "1"]);
    let error = remote.write_state(None, "main", &files(&[("x", "1")]), now()).unwrap_err();
    assert!(matches!(error, GitError::Failed { .. }), "{error}");
    assert_eq!(machine.open().fetch_tips(None).unwrap().state, None);
    repo.git(&["config", "--unset", "receive.maxInputSize"]);
    write(&mut remote, None, &[("x", "1")]);
    assert!(repo.tip(STATE_REF).is_some() && !remote.state_is_local());
}

#[test]
fn a_stored_state_moves_to_a_remote_that_accepts_it_again() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    for url in [server.url(), repo.url()] {
        refuse(&repo);
        let machine = Machine::new(server.url());
        let first = write(&mut machine.open(), None, &[("x", "1")]);
        allow(&repo);
        let mut next = machine.open();
        assert_eq!(seen(&mut next), (Some(first.clone()), files(&[("x", "1")])));
        let second = write(&mut next, Some(&first), &[("x", "2")]);
        assert!(!next.state_is_local());
        assert_eq!(repo.tip(STATE_REF), Some(second.0.clone()));
        // Now all machines see it, and this one stores nothing.
        for mut other in [Machine::new(url.clone()).open(), machine.open()] {
            assert_eq!(seen(&mut other), (Some(second.clone()), files(&[("x", "2")])));
            assert!(!other.state_is_local());
        }
        repo.git(&["update-ref", "-d", STATE_REF]);
    }
}

#[test]
fn a_stored_state_survives_a_state_that_another_machine_creates() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    refuse(&repo);
    let machine = Machine::new(server.url());
    write(&mut machine.open(), None, &[("x", "seen by us")]);
    allow(&repo);
    write(&mut Machine::new(server.url()).open(), None, &[("x", "adopted later"), ("y", "theirs")]);
    let mut next = machine.open();
    let (at, both) = seen(&mut next);
    assert_eq!(both, files(&[("x", "seen by us"), ("y", "theirs")]));
    write(&mut next, at.as_ref(), &[("x", "told"), ("y", "theirs")]);
    let (_, other) = seen(&mut Machine::new(server.url()).open());
    assert_eq!(other, files(&[("x", "told"), ("y", "theirs")]));
    assert_eq!(seen(&mut machine.open()).1, other);
}

#[test]
fn a_later_rule_moves_the_state_to_this_machine() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let first = write(&mut machine.open(), None, &[("x", "1"), ("y", "1")]);
    refuse(&repo);
    let mut remote = machine.open();
    assert_eq!(seen(&mut remote).0, Some(first.clone()));
    let second = write(&mut remote, Some(&first), &[("x", "2")]);
    assert!(remote.state_is_local());
    assert_eq!(repo.tip(STATE_REF), Some(first.0));
    // A file removed here stays removed, whatever the remote still has.
    let mut next = machine.open();
    assert_eq!(seen(&mut next), (Some(second.clone()), files(&[("x", "2")])));
    assert_eq!(next.write_state(None, "main", &files(&[]), now()).unwrap(), Push::Moved);
    write(&mut next, Some(&second), &[("x", "3")]);
}
