//! Pushes that a server refuses, hides or loses: a refusal is not a race, on every transport.

use pinstream::git::{GitError, HistoryQuery, Push, STATE_REF};

use super::story::repository;
use super::{Machine, change, files, now};
use crate::support::encoding::base64;
use crate::support::remote::http::{Fault, HttpBackend};
use crate::support::remote::{BareRepo, git_in, run};

/// Checks the same for a directory and for a server.
fn on_both(check: impl Fn(&BareRepo, &Machine)) {
    let repo = repository();
    check(&repo, &Machine::new(repo.url()));
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    check(&repo, &Machine::new(server.url()));
}

#[track_caller]
fn refusal<T>(result: Result<T, GitError>) -> String {
    match result {
        Err(GitError::Refused { reason, .. }) => reason,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("landed"),
    }
}

#[test]
fn l07_hooks_of_a_directory_run_and_may_refuse_a_push() {
    on_both(|repo, machine| {
        repo.hook("pre-receive", "echo closed for today; exit 1");
        let mut remote = machine.open();
        let sight = remote.fetch_tips(None).unwrap();
        let reason = refusal(remote.land("main", &change(&sight.tip, "one"), now()));
        assert_eq!(reason, "pre-receive hook declined: closed for today");
        assert_eq!(repo.tip("refs/heads/main"), Some(sight.tip.0.clone()));
        repo.hook("pre-receive", "exit 0");
        repo.hook("post-receive", "cat > received");
        let landed = remote.land("main", &change(&sight.tip, "one"), now()).unwrap();
        let Push::Landed(new) = landed else { panic!("{landed:?}") };
        let received = std::fs::read_to_string(repo.path().join("received")).unwrap();
        assert_eq!(received, format!("{} {new} refs/heads/main\n", sight.tip));
    });
}

#[test]
fn l07_the_checked_out_branch_is_refused_as_git_does_unless_the_repository_allows_it() {
    let repo = repository();
    let clone = repo.base().join("clone");
    run(git_in(repo.base()).args(["clone", "--quiet", "repo.git", "clone"]), b"");
    let machine = Machine::new(clone.to_str().unwrap());
    let mut remote = machine.open();
    let sight = remote.fetch_tips(None).unwrap();
    let reason = refusal(remote.land("main", &change(&sight.tip, "one"), now()));
    assert!(reason.starts_with("branch is currently checked out"), "{reason}");
    run(git_in(&clone).args(["config", "receive.denyCurrentBranch", "updateInstead"]), b"");
    assert!(matches!(remote.land("main", &change(&sight.tip, "one"), now()).unwrap(), Push::Landed(_)));
    assert_eq!(std::fs::read_to_string(clone.join("pinstream.lock")).unwrap(), "one");
}

#[test]
fn l01_a_branch_that_blocks_the_name_of_a_proposal_is_named() {
    on_both(|repo, machine| {
        repo.git(&["branch", "pinstream", "main"]);
        let mut remote = machine.open();
        let tip = remote.fetch_tips(None).unwrap().tip;
        let reason = refusal(remote.propose("pinstream/app", None, &change(&tip, "one"), now()));
        assert_eq!(reason, "branch `pinstream` exists, so this branch cannot be created; rename or delete it");
        repo.git(&["branch", "-D", "pinstream"]);
        assert!(matches!(remote.propose("pinstream/app", None, &change(&tip, "one"), now()).unwrap(), Push::Landed(_)));
    });
}

#[test]
fn l02_a_state_ref_that_the_server_hides_is_stored_on_this_machine_at_once() {
    on_both(|repo, machine| {
        repo.git(&["config", "uploadpack.hideRefs", "refs/pinstream"]);
        let write = |text: &str| {
            let mut remote = machine.open();
            let state = remote.fetch_tips(None).unwrap().state;
            let outcome = remote.write_state(state.as_ref(), "main", &files(&[("x", text)]), now()).unwrap();
            (matches!(outcome, Push::Landed(_)), remote.state_is_local())
        };
        // The server accepts the first push, and then hides its result.
        assert_eq!(write("1"), (true, false));
        assert!(repo.tip(STATE_REF).is_some());
        assert_eq!(write("2"), (true, true));
        assert_eq!(write("3"), (true, true));
        let mut remote = machine.open();
        let state = remote.fetch_tips(None).unwrap().state;
        assert_eq!(remote.read_state(state.as_ref(), "main").unwrap(), files(&[("x", "3")]));
    });
}

#[test]
fn l17_a_push_that_never_has_an_effect_ends_after_three_attempts_with_the_servers_message() {
    on_both(|repo, machine| {
        repo.hook("reference-transaction", "[ \"$1\" = prepared ] || exit 0; echo frozen by policy >&2; exit 1");
        let mut remote = machine.open();
        let sight = remote.fetch_tips(None).unwrap();
        let attempts: Vec<_> = (0..3).map(|_| remote.land("main", &change(&sight.tip, "one"), now())).collect();
        let error = attempts.into_iter().find_map(Result::err).expect("an error within three attempts");
        // Over HTTP, git sends nothing when this hook aborts it.
        let expected = if machine.url.starts_with("http") { "a server-side hook" } else { "frozen by policy" };
        assert!(error.to_string().contains(expected), "{error}");
        assert_eq!(repo.tip("refs/heads/main"), Some(sight.tip.0));
    });
}

#[test]
fn l17_a_server_that_fails_every_push_is_reported_after_three_attempts() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut remote = machine.open();
    let sight = remote.fetch_tips(None).unwrap();
    for _ in 0..2 {
        server.fail_once(Fault::LosePush);
        let outcome = remote.land("main", &change(&sight.tip, "one"), now()).unwrap();
        assert!(matches!(outcome, Push::Unknown(_)), "{outcome:?}");
    }
    server.fail_once(Fault::LosePush);
    let error = remote.land("main", &change(&sight.tip, "one"), now()).unwrap_err();
    let GitError::Failed { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("did not change after 3 pushes") && reason.contains("a server-side hook"), "{reason}");
}

#[test]
fn l20_a_commit_is_lost_only_if_the_branch_was_reset_to_before_it() {
    on_both(|repo, machine| {
        let mut remote = machine.open();
        let base = remote.fetch_tips(None).unwrap().tip;
        let Push::Landed(ours) = remote.land("main", &change(&base, "one"), now()).unwrap() else { panic!("moved") };
        let is_lost = || {
            let mut remote = machine.open();
            let tip = remote.fetch_tips(None).unwrap().tip;
            let query = HistoryQuery { landed: [ours.clone()].into(), ..HistoryQuery::default() };
            !remote.history(&tip, &query).unwrap().lost.is_empty()
        };
        assert!(!is_lost());
        repo.commit("main", &[("README.md", "later\n")]);
        assert!(!is_lost());
        // A revert keeps the commit in the history.
        repo.commit("main", &[("pinstream.lock", "zero")]);
        assert!(!is_lost());
        repo.git(&["update-ref", "refs/heads/main", &base.0]);
        assert!(is_lost());
        repo.commit("main", &[("README.md", "another way\n")]);
        assert!(is_lost());
        let unrelated = repo.git(&["commit-tree", "-m", "unrelated", &format!("{base}^{{tree}}")]);
        repo.git(&["update-ref", "refs/heads/main", &unrelated]);
        assert!(is_lost());
        repo.git(&["update-ref", "refs/heads/main", &ours.0]);
        assert!(!is_lost());
    });
}

#[test]
fn l21_a_truncated_list_of_refs_is_read_again() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    server.fail_once(Fault::Truncate);
    let machine = Machine::new(server.url());
    assert_eq!(Some(machine.open().fetch_tips(None).unwrap().tip.0), repo.tip("refs/heads/main"));
}

#[test]
fn l09_an_extra_header_of_the_checkout_is_sent_to_its_server_only() {
    let repo = repository();
    let server = HttpBackend::with_password(repo.base(), "someone", "t0ken-of-ci");
    let clone = repo.base().join("clone");
    run(git_in(repo.base()).args(["clone", "--quiet", "repo.git", "clone"]), b"");
    let basic = base64(b"someone:t0ken-of-ci");
    let header = format!("AUTHORIZATION: Basic {basic}");
    let mut machine = Machine::new(server.url());
    machine.checkout = Some(clone.clone());
    let name = |port: u16| format!("http.http://127.0.0.1:{port}/.extraheader");
    run(git_in(&clone).args(["config", &name(1), &header]), b"");
    let error = machine.open().fetch_tips(None).unwrap_err();
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error}");
    assert!(server.take_requests().iter().all(|request| request.authorization.is_none()));
    run(git_in(&clone).args(["config", &name(server.port()), &header]), b"");
    let mut remote = machine.open();
    let sight = remote.fetch_tips(None).unwrap();
    assert!(matches!(remote.land("main", &change(&sight.tip, "one"), now()).unwrap(), Push::Landed(_)));
}

#[test]
fn l02_a_ref_that_the_server_hides_from_pushes_too_is_stored_on_this_machine() {
    on_both(|repo, machine| {
        repo.git(&["config", "transfer.hideRefs", "refs/pinstream"]);
        let mut remote = machine.open();
        let state = remote.fetch_tips(None).unwrap().state;
        let outcome = remote.write_state(state.as_ref(), "main", &files(&[("x", "1")]), now()).unwrap();
        assert!(matches!(outcome, Push::Landed(_)) && remote.state_is_local(), "{outcome:?}");
        assert_eq!(repo.tip(STATE_REF), None);
    });
}

#[test]
fn l17_a_server_without_forced_pushes_refuses_a_replaced_proposal_within_three_attempts() {
    on_both(|repo, machine| {
        repo.git(&["config", "receive.denyNonFastForwards", "true"]);
        let mut remote = machine.open();
        let tip = remote.fetch_tips(None).unwrap().tip;
        let Push::Landed(first) = remote.propose("pinstream/app", None, &change(&tip, "one"), now()).unwrap() else {
            panic!("not landed")
        };
        let attempts: Vec<_> =
            (0..3).map(|_| remote.propose("pinstream/app", Some(&first), &change(&tip, "two"), now())).collect();
        let error = attempts.into_iter().find_map(Result::err).expect("an error within three attempts");
        assert!(error.to_string().contains("non-fast-forward"), "{error}");
        assert_eq!(repo.tip("refs/heads/pinstream/app"), Some(first.0));
    });
}
