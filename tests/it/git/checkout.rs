//! The checkout that somebody stands in: what it follows, and who brought which digest.

use std::collections::BTreeMap;

use pinstream::git::checkout::{Checkout, discover};
use pinstream::image::{Digest, TagId};

use super::files;
use crate::support::remote::{BareRepo, git_in, run};

fn clone(repo: &BareRepo, options: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut command = git_in(folder.path());
    command.args(["clone", "--quiet"]).args(options).args([&repo.url(), "clone"]);
    run(&mut command, b"");
    folder
}

fn find(folder: &tempfile::TempDir, path: &str) -> Checkout {
    discover(&folder.path().join("clone").join(path)).unwrap().unwrap()
}

#[test]
fn a_checkout_says_what_it_follows_and_where_one_stands() {
    let repo = BareRepo::with(&[("deploy/app/pinstream.toml", "[git]\n")]);
    let folder = clone(&repo, &[]);
    let here = find(&folder, "deploy/app");
    assert_eq!((here.prefix.as_str(), here.branch.as_deref()), ("deploy/app", Some("main")));
    assert_eq!(here.url, Some(repo.url()));
    assert_eq!(find(&folder, "").prefix, "");
    assert_eq!(here.read_at("HEAD", "deploy/app").unwrap(), files(&[("pinstream.toml", "[git]\n")]));
    assert_eq!(here.read_at("origin/main", "").unwrap(), files(&[]));

    // A branch of another name follows `main`.
    run(git_in(&folder.path().join("clone")).args(["switch", "-q", "-c", "topic", "--track", "origin/main"]), b"");
    assert_eq!(find(&folder, "").branch.as_deref(), Some("main"));
    run(git_in(&folder.path().join("clone")).args(["switch", "-q", "--no-track", "-c", "alone"]), b"");
    assert_eq!(find(&folder, "").branch.as_deref(), Some("alone"));

    for revision in ["nowhere", "--all", "-x", "HEAD~99"] {
        assert!(here.read_at(revision, "").is_err(), "{revision}");
    }
    assert!(discover(tempfile::tempdir().unwrap().path()).unwrap().is_none());
}

/// A lock that a test can write: `tag digit` a line.
fn read(bytes: &[u8]) -> BTreeMap<TagId, Digest> {
    let text = std::str::from_utf8(bytes).unwrap();
    let pin = |line: &str| {
        let (tag, digit) = line.split_once(' ').unwrap();
        (format!("s:{tag}").parse().unwrap(), format!("sha256:{}", digit.repeat(64)).parse().unwrap())
    };
    text.lines().map(pin).collect()
}

#[test]
fn the_history_of_a_lock_is_its_versions_and_who_brought_each_digest() {
    let repo = BareRepo::new();
    repo.commit("main", &[("README", "before there was a lock")]);
    let first = repo.commit("main", &[("app/pinstream.lock", "a 1\nb 1\n")]);
    repo.commit("main", &[("README", "something else")]);
    repo.commit("main", &[("app/other", "beside the lock")]);
    let second = repo.commit("main", &[("app/pinstream.lock", "a 2\nb 1\n")]);
    let gone = repo.commit_as("main", "gone", &[], &["app/pinstream.lock"]);
    let third = repo.commit("main", &[("app/pinstream.lock", "a 2\nb 1\nc 3\n")]);
    let folder = clone(&repo, &[]);
    let here = find(&folder, "");
    let history: Vec<_> = here.lock_history("HEAD", "app").unwrap().map(|version| version.unwrap().commit.0).collect();
    assert_eq!(history, [third.clone(), second.clone(), first.clone()]);
    assert_eq!(here.lock_history(&gone, "app").unwrap().next().unwrap().unwrap().commit.0, second);
    assert_eq!(here.lock_history("HEAD", "none").unwrap().count(), 0);

    let tags: Vec<TagId> = ["s:a", "s:b", "s:c", "s:none"].iter().map(|tag| tag.parse().unwrap()).collect();
    let blame = here.blame_lock("HEAD", "app", &tags, read).unwrap();
    let commits: Vec<_> = blame.iter().map(|(tag, from)| (tag.to_string(), from.commit.0.clone())).collect();
    assert_eq!(commits, [("s:a".to_owned(), second), ("s:b".to_owned(), first), ("s:c".to_owned(), third.clone())]);
    assert_eq!(blame[&tags[0]].author, "A Person");

    // In a shallow clone, the last commit there is stands for all before it.
    let folder = clone(&repo, &["--depth=1"]);
    let blame = find(&folder, "").blame_lock("HEAD", "app", &tags, read).unwrap();
    assert!(blame.values().all(|from| from.commit.0 == third) && blame.len() == 3);
}
