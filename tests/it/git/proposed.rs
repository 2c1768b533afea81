//! Proposal branches on each kind of remote: created, replaced, deleted, and never over a person's commit.

use std::collections::BTreeMap;

use pinstream::git::{CommitId, GitError, Push};
use pinstream::model::settings::Author;

use super::story::repository;
use super::{Machine, change, now};
use crate::support::lane::slow;
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;

const BRANCH: &str = "pinstream/python";

#[track_caller]
fn landed(push: Result<Push<CommitId>, GitError>) -> CommitId {
    match push.unwrap() {
        Push::Landed(commit) => commit,
        other => panic!("{other:?}"),
    }
}

fn tell(repo: &BareRepo, machine: &Machine) {
    let mut one = machine.open();
    let sight = one.fetch_tips(None).unwrap();
    assert_eq!((sight.default.as_deref(), sight.branches), (Some("main"), BTreeMap::new()));
    let first = landed(one.propose(BRANCH, None, &change(&sight.tip, "one"), now()));
    assert_eq!(repo.tip("refs/heads/pinstream/python"), Some(first.0.clone()));
    assert_eq!(repo.read("main", "pinstream.lock"), None);

    // Another machine reads all of it.
    let mut two = Machine::new(machine.url.clone()).open();
    let proposals = two.fetch_tips(None).unwrap().branches;
    assert_eq!(proposals, BTreeMap::from([(BRANCH.to_owned(), first.clone())]));
    let found = two.read_proposals(&proposals).unwrap().remove(BRANCH).unwrap();
    let author = Author { name: "pinstream".to_owned(), email: "pinstream@localhost".to_owned() };
    assert_eq!((found.tip, found.parents), (first.clone(), vec![sight.tip.clone()]));
    assert_eq!((found.author.as_ref(), found.committer), (Some(&author), Some(author.clone())));
    assert_eq!((found.message.as_str(), found.lock.as_deref()), ("Pin one", Some(&b"one"[..])));

    // It is rebuilt on a newer base, only from the expected tip.
    let base = CommitId(repo.commit("main", &[("README.md", "again")]));
    assert_eq!(two.propose(BRANCH, None, &change(&base, "two"), now()).unwrap(), Push::Moved);
    let second = landed(two.propose(BRANCH, Some(&first), &change(&base, "two"), now()));
    assert_eq!(one.propose(BRANCH, Some(&first), &change(&base, "three"), now()).unwrap(), Push::Moved);
    assert_eq!(repo.git(&["log", "--format=%H", "main..pinstream/python"]), second.0);

    // A person's commit stays.
    let person = repo.commit("pinstream/python", &[("notes", "mine")]);
    for expected in [&first, &second] {
        assert_eq!(one.propose(BRANCH, Some(expected), &change(&base, "four"), now()).unwrap(), Push::Moved);
        assert_eq!(one.withdraw(BRANCH, expected).unwrap(), Push::Moved);
    }
    assert_eq!(repo.tip("refs/heads/pinstream/python"), Some(person.clone()));
    let proposals = one.fetch_tips(None).unwrap().branches;
    let found = one.read_proposals(&proposals).unwrap().remove(BRANCH).unwrap();
    assert_eq!((found.tip.0.as_str(), found.parents), (person.as_str(), vec![second]));

    // It is deleted once.
    assert!(matches!(one.withdraw(BRANCH, &CommitId(person.clone())).unwrap(), Push::Landed(_)));
    assert_eq!(repo.tip("refs/heads/pinstream/python"), None);
    assert_eq!(one.withdraw(BRANCH, &CommitId(person)).unwrap(), Push::Moved);
    assert_eq!(one.fetch_tips(None).unwrap().branches, BTreeMap::new());

    // No other branch can be replaced like this.
    let error = one.propose("main", Some(&base), &change(&sight.tip, "x"), now()).unwrap_err();
    assert!(matches!(error, GitError::Branch { .. }), "{error}");
    assert!(matches!(one.withdraw("main", &base).unwrap_err(), GitError::Branch { .. }));
    repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn branches_in_a_directory() {
    let repo = repository();
    tell(&repo, &Machine::new(repo.url()));
}

#[test]
fn branches_of_a_server() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    tell(&repo, &Machine::new(server.url()));
}

#[test]
fn many_branches_are_read_on_one_connection() {
    slow!();
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let mut one = Machine::new(server.url()).open();
    let base = one.fetch_tips(None).unwrap().tip;
    for number in 0..20 {
        landed(one.propose(&format!("pinstream/{number}"), None, &change(&base, &number.to_string()), now()));
    }
    let mut two = Machine::new(server.url()).open();
    let proposals = two.fetch_tips(None).unwrap().branches;
    server.take_requests();
    let found = two.read_proposals(&proposals).unwrap();
    assert_eq!(found.len(), 20);
    let asked = server.take_requests().len();
    assert!(asked <= 3, "{asked}");
    assert_eq!(found["pinstream/7"].lock.as_deref(), Some(&b"7"[..]));
    two.read_proposals(&proposals).unwrap();
    assert_eq!(server.take_requests().len(), 0);
}

#[test]
fn of_many_that_replace_a_branch_at_once_one_succeeds() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    for url in [server.url(), repo.url()] {
        let machine = Machine::new(url.clone());
        let mut one = machine.open();
        let base = one.fetch_tips(None).unwrap().tip;
        let first = landed(one.propose("pinstream/race", None, &change(&base, "0"), now()));
        let landed: usize = std::thread::scope(|scope| {
            let race = |number: usize| {
                let (url, first, base) = (url.clone(), first.clone(), base.clone());
                scope.spawn(move || {
                    let machine = Machine::new(url);
                    let mut remote = machine.open();
                    remote.fetch_tips(None).unwrap();
                    let change = change(&base, &format!("race {number}"));
                    let push = remote.propose("pinstream/race", Some(&first), &change, now()).unwrap();
                    usize::from(matches!(push, Push::Landed(_)))
                })
            };
            let threads: Vec<_> = (0..6).map(race).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(landed, 1, "{url}");
        let tip = CommitId(repo.tip("refs/heads/pinstream/race").unwrap());
        assert!(matches!(one.withdraw("pinstream/race", &tip).unwrap(), Push::Landed(_)));
    }
}
