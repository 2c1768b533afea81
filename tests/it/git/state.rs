//! The state where the remote does not take it: what makes it this machine's, and how it comes back.

use pinstream::git::{CommitId, GitError, Push, Remote, RootFiles, STATE_REF};

use super::story::repository;
use super::{Machine, files, now};
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;

/// Makes the remote refuse the state, as a forge does.
fn refuse(repo: &BareRepo) {
    repo.hook("update", "case \"$1\" in refs/pinstream/*) echo no such refs here; exit 1;; esac");
}

/// Takes the rule away again.
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

/// The state as a process that begins now sees it.
fn seen(remote: &mut Remote) -> (Option<CommitId>, RootFiles) {
    let sight = remote.fetch_tips(None).unwrap();
    let files = remote.read_state(sight.state.as_ref(), "main").unwrap();
    (sight.state, files)
}

#[test]
fn a_full_disk_of_the_server_makes_no_state_of_this_machine() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut remote = machine.open();
    remote.fetch_tips(None).unwrap();
    // It cannot store what it is sent, as when its disk is full.
    repo.git(&["config", "receive.maxInputSize", "1"]);
    let error = remote.write_state(None, "main", &files(&[("x", "1")]), now()).unwrap_err();
    assert!(matches!(error, GitError::Failed { .. }), "{error}");
    assert_eq!(machine.open().fetch_tips(None).unwrap().state, None);
    repo.git(&["config", "--unset", "receive.maxInputSize"]);
    write(&mut remote, None, &[("x", "1")]);
    assert!(repo.tip(STATE_REF).is_some() && !remote.state_is_local());
}

#[test]
fn what_was_kept_goes_to_a_remote_that_takes_it_again() {
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
        // Now all machines see it, and this one keeps nothing more.
        for mut other in [Machine::new(url.clone()).open(), machine.open()] {
            assert_eq!(seen(&mut other), (Some(second.clone()), files(&[("x", "2")])));
            assert!(!other.state_is_local());
        }
        repo.git(&["update-ref", "-d", STATE_REF]);
    }
}

#[test]
fn what_was_kept_is_not_lost_over_a_state_that_another_machine_makes() {
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
fn a_rule_that_comes_later_leaves_the_state_to_this_machine() {
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
    // What is gone there is gone, whatever the remote still has.
    let mut next = machine.open();
    assert_eq!(seen(&mut next), (Some(second.clone()), files(&[("x", "2")])));
    assert_eq!(next.write_state(None, "main", &files(&[]), now()).unwrap(), Push::Moved);
    write(&mut next, Some(&second), &[("x", "3")]);
}
