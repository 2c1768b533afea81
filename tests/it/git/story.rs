//! The same story over each transport: fetch, read, land, race, store state.

use pinstream::git::{CommitId, GitError, Push, STATE_REF};

use super::{Machine, change, files, now};
use crate::support::remote::BareRepo;
use crate::support::remote::daemon::GitDaemon;
use crate::support::remote::http::HttpBackend;

/// Creates a repository with a root at its top and unrelated files.
pub(super) fn repository() -> BareRepo {
    let repo = BareRepo::new();
    repo.commit("main", &[("README.md", "read me\n"), ("streams/.gitkeep", ""), ("streams/notes.txt", "notes")]);
    repo.commit("main", &[("pinstream.toml", "[git]\n"), ("streams/python.toml", "# python\n")]);
    repo.commit("main", &[("streams/team-a/web.toml", "# web\n"), ("src/deep/er/file", "x")]);
    repo
}

/// Runs the story against `repo`.
pub(super) fn tell(repo: &BareRepo, machine: &Machine) {
    // Fetch and read.
    let mut one = machine.open();
    let sight = one.fetch_tips(None).unwrap();
    assert_eq!((sight.branch.as_str(), sight.state.as_ref()), ("main", None));
    assert_eq!(Some(sight.tip.0.as_str()), repo.tip("refs/heads/main").as_deref());
    let expected =
        [("pinstream.toml", "[git]\n"), ("streams/python.toml", "# python\n"), ("streams/team-a/web.toml", "# web\n")];
    assert_eq!(one.read(&sight.tip).unwrap(), files(&expected));
    assert_eq!(one.file(&sight.tip, "src/deep/er/file").unwrap().unwrap().bytes, b"x");
    assert_eq!(one.file(&sight.tip, "src/deep/none").unwrap(), None);

    // Land a commit.
    let Push::Landed(first) = one.land("main", &change(&sight.tip, "one"), now()).unwrap() else { panic!("moved") };
    assert_eq!(repo.read("main", "pinstream.lock").as_deref(), Some("one"));
    assert_eq!(repo.read("main", "src/deep/er/file").as_deref(), Some("x"));
    assert_eq!(repo.log("main").len(), 4);
    assert_eq!(
        repo.git(&["show", "-s", "--format=%aI %cn %P", "main"]),
        format!("2026-01-02T12:00:00Z pinstream {}", sight.tip)
    );
    assert_eq!(repo.git(&["diff", "--name-only", "main^", "main"]), "pinstream.lock");
    repo.git(&["fsck", "--strict", "--no-dangling"]);
    assert_eq!(one.fetch_tips(Some("main")).unwrap().tip, first);

    // Of two with the same parent, one lands.
    let mut two = machine.open();
    assert_eq!(two.fetch_tips(None).unwrap().tip, first);
    let Push::Landed(second) = two.land("main", &change(&first, "two"), now()).unwrap() else { panic!("moved") };
    assert_eq!(one.land("main", &change(&first, "three"), now()).unwrap(), Push::Moved);
    assert_eq!(repo.tip("refs/heads/main"), Some(second.0.clone()));

    // A person's commit becomes the parent of the next one.
    let person = repo.commit("main", &[("README.md", "read me again\n")]);
    let sight = one.fetch_tips(None).unwrap();
    assert_eq!(sight.tip.0, person);
    assert_eq!(one.read(&sight.tip).unwrap()["pinstream.lock"], b"two");
    assert!(matches!(one.land("main", &change(&sight.tip, "four"), now()).unwrap(), Push::Landed(_)));
    assert_eq!(repo.log("main").len(), 7);

    // Store state.
    let Push::Landed(state) = one.write_state(None, "main/a", &files(&[("seen/x", "1")]), now()).unwrap() else {
        panic!("moved")
    };
    assert_eq!(repo.tip(STATE_REF), Some(state.0.clone()));
    assert!(!one.state_is_local());
    assert_eq!(two.write_state(None, "main/b", &files(&[("y", "2")]), now()).unwrap(), Push::Moved);
    assert_eq!(two.fetch_tips(None).unwrap().state, Some(state.clone()));
    let Push::Landed(both) = two.write_state(Some(&state), "main/b", &files(&[("y", "2")]), now()).unwrap() else {
        panic!("moved")
    };
    assert_eq!(one.write_state(Some(&state), "main/a", &files(&[]), now()).unwrap(), Push::Moved);
    let seen: Option<CommitId> = one.fetch_tips(None).unwrap().state;
    assert_eq!(seen, Some(both));
    assert_eq!(one.read_state(seen.as_ref(), "main/a").unwrap(), files(&[("seen/x", "1")]));
    assert_eq!(one.read_state(seen.as_ref(), "main/b").unwrap(), files(&[("y", "2")]));
    assert_eq!(one.read_state(seen.as_ref(), "main/c").unwrap(), files(&[]));
    repo.git(&["fsck", "--strict", "--no-dangling"]);

    // Missing refs.
    let missing = one.fetch_tips(Some("gone")).unwrap_err();
    assert!(matches!(missing, GitError::NoBranch { .. }), "{missing}");
}

#[test]
fn a_directory_is_a_remote() {
    let repo = repository();
    tell(&repo, &Machine::new(repo.path().to_str().unwrap()));
}

#[test]
fn a_file_address_is_a_remote() {
    let repo = repository();
    tell(&repo, &Machine::new(repo.url()));
}

#[test]
fn a_git_daemon_is_a_remote() {
    let repo = repository();
    let daemon = GitDaemon::start(repo.base());
    tell(&repo, &Machine::new(daemon.url()));
}

#[test]
fn an_http_server_is_a_remote() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    tell(&repo, &Machine::new(server.url()));
}

#[test]
fn an_http_server_with_a_password_is_a_remote() {
    let repo = repository();
    let server = HttpBackend::with_password(repo.base(), "someone", "a token");
    tell(&repo, &Machine::new(server.url()).token("someone", "a token"));
}
