//! Discovery of a checkout, and the history of its lock.

use std::collections::BTreeMap;

use pinstream::git::checkout::{Checkout, Provenance, discover};
use pinstream::model::image::{Digest, TagId};

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
fn a_checkout_has_an_upstream_and_a_prefix() {
    let repo = BareRepo::with(&[("deploy/app/pinstream.toml", "[git]\n")]);
    let folder = clone(&repo, &[]);
    let here = find(&folder, "deploy/app");
    assert_eq!((here.prefix.as_str(), here.branch.as_deref()), ("deploy/app", Some("main")));
    assert_eq!(here.url, Some(repo.url()));
    assert_eq!(find(&folder, "").prefix, "");
    assert_eq!(here.file_at("HEAD", "deploy/app", "pinstream.toml").unwrap().unwrap().bytes, b"[git]\n");
    assert_eq!(here.file_at("origin/main", "", "pinstream.toml").unwrap(), None);

    // The upstream of a branch with another name is `main`.
    run(git_in(&folder.path().join("clone")).args(["switch", "-q", "-c", "topic", "--track", "origin/main"]), b"");
    assert_eq!(find(&folder, "").branch.as_deref(), Some("main"));
    run(git_in(&folder.path().join("clone")).args(["switch", "-q", "--no-track", "-c", "alone"]), b"");
    assert_eq!(find(&folder, "").branch.as_deref(), Some("alone"));

    for revision in ["nowhere", "--all", "-x", "HEAD~99"] {
        assert!(here.file_at(revision, "", "pinstream.toml").is_err(), "{revision}");
    }
    assert!(discover(tempfile::tempdir().unwrap().path()).unwrap().is_none());
}

/// Parses a simplified lock: `tag digit` per line.
fn read(bytes: &[u8]) -> BTreeMap<TagId, Digest> {
    let text = std::str::from_utf8(bytes).unwrap();
    let pin = |line: &str| {
        let (tag, digit) = line.split_once(' ').unwrap();
        (format!("s:{tag}").parse().unwrap(), format!("sha256:{}", digit.repeat(64)).parse().unwrap())
    };
    text.lines().map(pin).collect()
}

#[test]
fn the_history_of_a_lock_lists_versions_and_the_commit_of_each_digest() {
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

    let wanted = wanted(&[("a", "21"), ("b", "1"), ("c", "39"), ("none", "1")]);
    let blame = here.blame_lock("HEAD", "app", &wanted, read).unwrap();
    assert_eq!(shown(&blame), [("a 1", &first), ("a 2", &second), ("b 1", &first), ("c 3", &third)]);
    assert!(blame.values().all(|from| from.author == "A Person"));

    // In a shallow clone, the oldest commit stands for its ancestors.
    let folder = clone(&repo, &["--depth=1"]);
    let blame = find(&folder, "").blame_lock("HEAD", "app", &wanted, read).unwrap();
    assert_eq!(shown(&blame), [("a 2", &third), ("b 1", &third), ("c 3", &third)]);
}

#[test]
fn a_digest_that_was_introduced_twice_belongs_to_the_later_commit() {
    let repo = BareRepo::new();
    let commits: Vec<String> = ["a 1\n", "a 2\n", "b 1\n", "a 1\n", "a 1\nb 2\n", "a 2\nb 2\n", "a 1\nb 2\n"]
        .map(|lock| repo.commit("main", &[("pinstream.lock", lock)]))
        .to_vec();
    let folder = clone(&repo, &[]);
    let mut read_again = 0;
    let counted = |bytes: &[u8]| {
        read_again += 1;
        read(bytes)
    };
    let blame = find(&folder, "").blame_lock("HEAD", "", &wanted(&[("a", "12"), ("b", "2")]), counted).unwrap();
    assert_eq!(shown(&blame), [("a 1", &commits[6]), ("a 2", &commits[5]), ("b 2", &commits[4])]);
    // The walk ends once both are found: before the commit that removed the tag.
    assert_eq!(read_again, 4);
}

/// Builds tags with a digest per digit.
fn wanted(tags: &[(&str, &str)]) -> BTreeMap<TagId, Vec<Digest>> {
    let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap();
    tags.iter()
        .map(|(tag, digits)| (format!("s:{tag}").parse().unwrap(), digits.chars().map(digest).collect()))
        .collect()
}

/// Shows each result as `tag digit` and commit.
fn shown(blame: &BTreeMap<(TagId, Digest), Provenance>) -> Vec<(&str, &String)> {
    let name = |tag: &TagId, digest: &Digest| format!("{} {}", tag.tag, &digest.short()[..1]);
    blame.iter().map(|((tag, digest), from)| (&*name(tag, digest).leak(), &from.commit.0)).collect()
}
