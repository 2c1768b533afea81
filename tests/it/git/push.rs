//! Outcomes of a push: races, refusals, lost responses, and wrong credentials.

use std::sync::Barrier;

use pinstream::git::{GitError, NewCommit, Push, STATE_REF};

use super::story::repository;
use super::{Machine, change, files, now};
use crate::support::lane::slow;
use crate::support::remote::BareRepo;
use crate::support::remote::http::{Fault, HttpBackend};

/// Pushes to the same tip from many machines at once, in several rounds, and checks that one of each round lands.
fn race(repo: &BareRepo, url: &str, machines: usize, rounds: usize) {
    let machines: Vec<_> = (0..machines).map(|_| Machine::new(url)).collect();
    for round in 0..rounds {
        let barrier = Barrier::new(machines.len());
        let landed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = machines
                .iter()
                .enumerate()
                .map(|(index, machine)| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let mut remote = machine.open();
                        let sight = remote.fetch_tips(None).unwrap();
                        let lock = format!("{round} {index}");
                        barrier.wait();
                        match remote.land("main", &change(&sight.tip, &lock), now()).unwrap() {
                            Push::Landed(_) => 1,
                            Push::Moved => 0,
                            Push::Unknown(reason) => panic!("{reason}"),
                        }
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(landed, 1, "round {round}");
    }
    assert_eq!(repo.log("main").len(), 3 + rounds);
}

#[test]
fn of_many_concurrent_pushes_to_a_directory_one_lands() {
    slow!();
    let repo = repository();
    race(&repo, &repo.url(), 8, 25);
}

#[test]
fn of_many_concurrent_pushes_to_a_server_one_lands() {
    slow!();
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    race(&repo, &server.url(), 4, 4);
}

#[test]
fn a_push_sends_only_what_changed_in_a_large_lock() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let mut remote = Machine::new(server.url()).open();
    let lock = |changed: u64| -> String {
        let digest = |pin: u64| format!("{:016x}", (pin + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(4);
        let pin = |pin| {
            format!("[[pin]]\ntag = \"{pin}\"\ndigest = \"sha256:{}\"\n", digest(pin + changed * u64::from(pin == 700)))
        };
        (0..5000).map(pin).collect()
    };
    let mut tip = remote.fetch_tips(None).unwrap().tip;
    let mut sizes = Vec::new();
    for version in 0..3 {
        server.take_requests();
        let commit = NewCommit { message: "Pin".to_owned(), ..change(&tip, &lock(version * 10_000)) };
        let outcome = remote.land("main", &commit, now()).unwrap();
        let Push::Landed(next) = outcome else { panic!("{outcome:?}") };
        tip = next;
        assert_eq!(repo.read("main", "pinstream.lock"), Some(lock(version * 10_000)));
        let pushes = server.take_requests().into_iter().filter(|request| request.line.starts_with("POST"));
        sizes.push(pushes.map(|request| request.received).sum::<usize>());
    }
    repo.git(&["fsck", "--strict", "--no-dangling"]);
    let [first, second, third] = sizes[..] else { panic!("{sizes:?}") };
    assert!(100 * second < first && 100 * third < first, "{sizes:?}");
}

#[test]
fn a_declining_server_hook_is_a_refusal_with_its_message() {
    let repo = repository();
    repo.hook("pre-receive", "printf 'not \\033[31mtoday\\n'; exit 1");
    let server = HttpBackend::start(repo.base());
    let mut remote = Machine::new(server.url()).open();
    let sight = remote.fetch_tips(None).unwrap();
    let error = remote.land("main", &change(&sight.tip, "one"), now()).unwrap_err();
    let GitError::Refused { reference, reason, .. } = &error else { panic!("{error}") };
    assert_eq!(reference, "refs/heads/main");
    assert_eq!(reason, "pre-receive hook declined: not \\u{1b}[31mtoday");
    assert_eq!(repo.tip("refs/heads/main"), Some(sight.tip.0));
}

#[test]
fn a_state_that_the_remote_rejects_is_stored_on_this_machine() {
    let repo = repository();
    repo.hook("update", "case \"$1\" in refs/pinstream/*) echo no such refs here; exit 1;; esac");
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut remote = machine.open();
    assert_eq!(remote.fetch_tips(None).unwrap().state, None);
    let Push::Landed(first) = remote.write_state(None, "main", &files(&[("seen/x", "1")]), now()).unwrap() else {
        panic!("moved")
    };
    assert!(remote.state_is_local());
    assert_eq!(repo.tip(STATE_REF), None);

    // The next process finds it, and updates it by compare-and-swap.
    let mut next = machine.open();
    let sight = next.fetch_tips(None).unwrap();
    assert_eq!(sight.state.as_ref(), Some(&first));
    assert_eq!(next.read_state(sight.state.as_ref(), "main").unwrap(), files(&[("seen/x", "1")]));
    assert!(next.state_is_local());
    let Push::Landed(second) = next.write_state(Some(&first), "other", &files(&[("y", "2")]), now()).unwrap() else {
        panic!("moved")
    };
    assert_eq!(remote.write_state(Some(&first), "main", &files(&[]), now()).unwrap(), Push::Moved);
    assert_eq!(remote.fetch_tips(None).unwrap().state, Some(second.clone()));
    assert_eq!(remote.read_state(Some(&second), "main").unwrap(), files(&[("seen/x", "1")]));

    // Pushes to the branch are unaffected.
    assert!(matches!(remote.land("main", &change(&sight.tip, "one"), now()).unwrap(), Push::Landed(_)));
}

#[test]
fn a_lost_response_is_unknown_and_the_next_fetch_decides() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let mut remote = Machine::new(server.url()).open();
    let sight = remote.fetch_tips(None).unwrap();
    server.fail_once(Fault::LoseAnswerOfPush);
    let outcome = remote.land("main", &change(&sight.tip, "one"), now()).unwrap();
    assert!(matches!(outcome, Push::Unknown(_)), "{outcome:?}");
    let after = remote.fetch_tips(None).unwrap();
    assert_eq!(remote.read(&after.tip).unwrap()["pinstream.lock"], b"one");

    server.fail_once(Fault::LosePush);
    let outcome = remote.land("main", &change(&after.tip, "two"), now()).unwrap();
    assert!(matches!(outcome, Push::Unknown(_)), "{outcome:?}");
    assert_eq!(remote.fetch_tips(None).unwrap().tip, after.tip);
    assert!(matches!(remote.land("main", &change(&after.tip, "two"), now()).unwrap(), Push::Landed(_)));
}

#[test]
fn a_deleted_branch_is_reported_as_moved_and_then_as_missing() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    repo.commit("other", &[("a", "b")]);
    for url in [repo.url(), server.url()] {
        let branch = format!("branch-{}", url.len());
        repo.git(&["branch", &branch, "main"]);
        let mut remote = Machine::new(url).open();
        let sight = remote.fetch_tips(Some(&branch)).unwrap();
        repo.git(&["branch", "-D", &branch]);
        assert_eq!(remote.land(&branch, &change(&sight.tip, "one"), now()).unwrap(), Push::Moved);
        assert!(matches!(remote.fetch_tips(Some(&branch)).unwrap_err(), GitError::NoBranch { .. }));
    }
}

#[test]
fn an_empty_remote_has_no_branch() {
    let repo = BareRepo::new();
    let server = HttpBackend::start(repo.base());
    for url in [repo.url(), server.url()] {
        for branch in [None, Some("main")] {
            let error = Machine::new(url.clone()).open().fetch_tips(branch).unwrap_err();
            assert!(matches!(error, GitError::NoBranch { .. }), "{error}");
        }
    }
}

#[test]
fn a_wrong_token_is_sent_once_and_never_shown() {
    let repo = repository();
    let server = HttpBackend::with_password(repo.base(), "someone", "right");
    let mut remote = Machine::new(server.url()).token("someone", "wr0ng").open();
    let error = remote.fetch_tips(None).unwrap_err();
    let GitError::Unauthorized { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("tried: `PINSTREAM_GIT_TOKEN`"), "{reason}");
    assert!(!error.to_string().contains("wr0ng"));
    assert_eq!(server.take_requests().iter().filter(|asked| asked.authorization.is_some()).count(), 1);

    // No credentials.
    let error = Machine::new(server.url()).open().fetch_tips(None).unwrap_err();
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error}");
    assert!(server.take_requests().len() <= 2);

    // A password in the address is used, and not shown.
    let url = server.url().replace("http://", "http://someone:right@");
    let mut remote = Machine::new(url).open();
    remote.fetch_tips(None).unwrap();
    assert!(!remote.url().contains("right"));
}

#[test]
fn a_redirect_to_another_host_is_not_followed() {
    let repo = repository();
    let elsewhere = HttpBackend::with_password(repo.base(), "someone", "token");
    let server = HttpBackend::with_password(repo.base(), "someone", "token");
    server.fail_once(Fault::Redirect(elsewhere.port()));
    let error = Machine::new(server.url()).token("someone", "token").open().fetch_tips(None).unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }), "{error}");
    assert_eq!(elsewhere.take_requests(), []);
}

#[test]
fn the_checked_out_branch_of_a_work_tree_is_not_updated() {
    let repo = repository();
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    repo.git(&["clone", "--quiet", ".", clone.to_str().unwrap()]);
    let mut remote = Machine::new(clone.to_str().unwrap()).open();
    let sight = remote.fetch_tips(None).unwrap();
    let error = remote.land("main", &change(&sight.tip, "one"), now()).unwrap_err();
    assert!(matches!(error, GitError::Refused { .. }), "{error}");
    assert_eq!(remote.fetch_tips(None).unwrap().tip, sight.tip);
}

#[test]
fn a_lock_file_that_a_dead_git_left_on_the_server_is_reported_in_the_end() {
    slow!();
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let lock = repo.path().join("refs/heads/main.lock");
    let mut remote = Machine::new(server.url()).open();
    let sight = remote.fetch_tips(None).unwrap();
    std::fs::write(&lock, "").unwrap();
    let mut land = || remote.land("main", &change(&sight.tip, "one"), now());
    // Another push may be in progress, but not forever.
    let error = (0..20).find_map(|_| match land() {
        Ok(outcome) => {
            assert_eq!(outcome, Push::Moved);
            None
        }
        Err(error) => Some(error),
    });
    let Some(GitError::Failed { reason, .. }) = &error else { panic!("{error:?}") };
    assert!(reason.starts_with("the ref did not change after 8 pushes: "), "{reason}");
    // The server's files are not ours to remove.
    assert!(lock.exists());
    std::fs::remove_file(&lock).unwrap();
    assert!(matches!(land().unwrap(), Push::Landed(_)));
}
