//! Fetching with a cold or warm cache, and within a checkout.

use std::path::{Path, PathBuf};

use pinstream::git::{GitError, Push};

use super::story::repository;
use super::{Machine, change, now};
use crate::support::lane::slow;
use crate::support::remote::http::{Fault, HttpBackend};
use crate::support::remote::{BareRepo, git_in, run};

/// Returns text that does not compress.
fn noise(bytes: usize) -> String {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}", state ^ (state >> 29))
    };
    let mut text = String::new();
    while text.len() < bytes {
        text += &next();
    }
    text
}

fn lines(server: &HttpBackend) -> Vec<String> {
    server.take_requests().into_iter().map(|asked| asked.line).collect()
}

const LOOK: &str = "GET /repo.git/info/refs?service=git-upload-pack";
const FETCH: &str = "POST /repo.git/git-upload-pack";

/// Lists every file below a directory with its size.
fn all_files(folder: &Path) -> Vec<(PathBuf, u64)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => folders.push(entry.path()),
                false => found.push((entry.path(), entry.metadata().unwrap().len())),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_warm_cache_costs_one_request_and_fetches_nothing() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let sight = machine.open().fetch_tips(None).unwrap();
    // The first response to a fetch is the shallow boundary, the second the pack.
    assert_eq!(lines(&server), [LOOK, FETCH, FETCH]);

    let mut warm = machine.open();
    assert_eq!(warm.fetch_tips(None).unwrap(), sight);
    assert_eq!(warm.read(&sight.tip).unwrap().len(), 3);
    assert_eq!(lines(&server), [LOOK]);
}

#[test]
fn a_moved_tip_is_fetched_without_known_objects_and_history() {
    slow!();
    let repo = BareRepo::with(&[("pinstream.toml", ""), ("gone", &noise(500_000))]);
    repo.commit_as("main", "big", &[("big", &noise(1_000_000))], &["gone"]);
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut remote = machine.open();
    remote.fetch_tips(None).unwrap();
    let cold: usize = server.take_requests().iter().map(|asked| asked.sent).sum();
    assert!((500_000..1_000_000).contains(&cold), "{cold}");
    for round in 0..3 {
        repo.commit("main", &[("pinstream.toml", &format!("# {round}\n"))]);
        repo.commit("main", &[("pinstream.toml", &format!("## {round}\n"))]);
        let sight = remote.fetch_tips(None).unwrap();
        assert_eq!(remote.read(&sight.tip).unwrap()["pinstream.toml"], format!("## {round}\n").into_bytes());
        assert!(matches!(
            remote.land("main", &change(&sight.tip, &format!("{round}")), now()).unwrap(),
            Push::Landed(_)
        ));
        let asked = server.take_requests();
        let (sent, received): (usize, usize) =
            (asked.iter().map(|a| a.sent).sum(), asked.iter().map(|a| a.received).sum());
        assert!(sent < 10_000, "{sent} bytes came for a commit of one small file");
        assert!(received < 5_000, "{received} bytes went for a commit of one small file");
    }
    repo.git(&["fsck", "--strict", "--no-dangling"]);
}

/// Clones with `options` and works in the clone, which must not change.
fn from_a_checkout(options: &[&str], fetches: bool) {
    let repo = BareRepo::with(&[("pinstream.toml", ""), ("gone", "x")]);
    repo.commit_as("main", "next", &[("big", &noise(100_000)), ("a/b/c", "c")], &["gone"]);
    repo.commit("topic", &[("other", "history")]);
    repo.git(&["config", "uploadpack.allowFilter", "true"]);
    let server = HttpBackend::start(repo.base());
    let folder = tempfile::tempdir().unwrap();
    let clone = folder.path().join("clone");
    run(
        git_in(folder.path()).args(["clone", "--quiet"]).args(options).args([&server.url(), clone.to_str().unwrap()]),
        b"",
    );
    server.take_requests();
    let before = all_files(&clone);

    let mut machine = Machine::new(server.url());
    machine.checkout = Some(clone.clone());
    let mut remote = machine.open();
    let sight = remote.fetch_tips(None).unwrap();
    assert_eq!(remote.read(&sight.tip).unwrap().len(), 1);
    let asked = server.take_requests();
    assert_eq!(asked.iter().any(|asked| asked.line == FETCH), fetches, "{asked:?}");
    assert!(matches!(remote.land("main", &change(&sight.tip, "one"), now()).unwrap(), Push::Landed(_)));
    let pushed: usize = server.take_requests().iter().map(|asked| asked.received).sum();
    assert!(pushed < 5_000, "{pushed} bytes went for a commit of one small file");

    // Another push makes the checkout outdated.
    repo.commit("main", &[("pinstream.toml", "# new\n")]);
    let sight = remote.fetch_tips(None).unwrap();
    assert_eq!(remote.read(&sight.tip).unwrap()["pinstream.toml"], b"# new\n");
    assert!(matches!(remote.land("main", &change(&sight.tip, "two"), now()).unwrap(), Push::Landed(_)));
    assert_eq!(all_files(&clone), before);
    repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn in_a_checkout_at_the_tip_nothing_is_fetched() {
    from_a_checkout(&[], false);
}

#[test]
fn in_a_shallow_checkout_at_the_tip_nothing_is_fetched() {
    from_a_checkout(&["--depth=1", "--no-single-branch"], false);
}

#[test]
fn a_partial_clone_lends_no_objects() {
    from_a_checkout(&["--filter=blob:none", "--no-checkout"], true);
}

#[test]
fn a_corrupt_cache_is_recreated() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let sight = machine.open().fetch_tips(None).unwrap();
    for what in ["pack", "idx", "HEAD", "config", "shallow", "branch"] {
        let broken: Vec<_> = all_files(&machine.cache())
            .into_iter()
            .filter(|(path, _)| path.to_string_lossy().ends_with(what))
            .collect();
        assert!(!broken.is_empty(), "{what}");
        for (path, size) in broken {
            // libgit2 creates read-only packs.
            std::fs::remove_file(&path).unwrap();
            std::fs::write(&path, vec![b'#'; usize::try_from(size).unwrap()]).unwrap();
        }
        let mut remote = machine.open();
        assert_eq!(remote.fetch_tips(None).unwrap(), sight, "{what}");
        assert_eq!(remote.read(&sight.tip).unwrap().len(), 3, "{what}");
    }
}

#[test]
fn t28_a_machine_without_a_writable_cache_works() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    std::fs::write(machine.cache(), "not a folder").unwrap();
    let mut remote = machine.open();
    let sight = remote.fetch_tips(None).unwrap();
    assert!(matches!(remote.land("main", &change(&sight.tip, "one"), now()).unwrap(), Push::Landed(_)));
    assert_eq!(std::fs::read(machine.cache()).unwrap(), b"not a folder");
}

#[test]
fn t27_concurrent_processes_use_separate_caches_and_leave_them_usable() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    let mut first = machine.open();
    let mut second = machine.open();
    assert_eq!(first.fetch_tips(None).unwrap(), second.fetch_tips(None).unwrap());
    server.take_requests();
    drop((first, second));
    let (mut first, mut second) = (machine.open(), machine.open());
    assert_eq!(first.fetch_tips(None).unwrap(), second.fetch_tips(None).unwrap());
    assert_eq!(lines(&server), [LOOK, LOOK]);
}

#[test]
fn l21_a_read_has_three_attempts_and_then_the_status_is_reported() {
    slow!();
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    for status in [502, 503] {
        server.fail_once(Fault::Status(status));
    }
    Machine::new(server.url()).open().fetch_tips(None).unwrap();
    for _ in 0..3 {
        server.fail_once(Fault::Status(503));
    }
    let error = Machine::new(server.url()).open().fetch_tips(None).unwrap_err();
    let GitError::Unreachable { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("503"), "{reason}");
}

/// Returns the only cache slot of a machine.
fn slot(machine: &Machine) -> PathBuf {
    let entries = std::fs::read_dir(machine.cache()).unwrap().map(|entry| entry.unwrap().path());
    entries.into_iter().find(|path| path.is_dir()).unwrap()
}

#[test]
fn t27_a_lock_file_that_a_dead_process_left_in_the_cache_is_removed() {
    let repo = repository();
    let server = HttpBackend::start(repo.base());
    let machine = Machine::new(server.url());
    machine.open().fetch_tips(None).unwrap();
    for (number, name) in
        ["refs/cache/branch.lock", "shallow.lock", "packed-refs.lock", "config.lock"].iter().enumerate()
    {
        std::fs::write(slot(&machine).join(name), "").unwrap();
        repo.commit("main", &[("pinstream.toml", &format!("# {number}\n"))]);
        let mut remote = machine.open();
        let sight = remote.fetch_tips(None).unwrap();
        assert_eq!(remote.read(&sight.tip).unwrap()["pinstream.toml"], format!("# {number}\n").into_bytes(), "{name}");
        assert!(matches!(remote.land("main", &change(&sight.tip, name), now()).unwrap(), Push::Landed(_)), "{name}");
    }
}
