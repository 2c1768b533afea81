//! Groups and their branches, and the sample locks of this module's tests.

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::lock::sample::{any_lock, digest};
use crate::model::lock::{Details, Pin};
use crate::model::root::Root;

const STREAMS: [(&str, &str); 2] = [
    ("streams/a.toml", "[tags]\none = \"b.c/d:1\"\ntwo = { follow = \"one\" }\nother = \"b.c/e:1\"\n"),
    ("streams/z.toml", "[tags]\nprod = { follow = \"a:two\" }\nown = \"b.c/f:1\"\n"),
];

pub(in crate::proposal) fn id(text: &str) -> TagId {
    text.parse().unwrap()
}

pub(in crate::proposal) fn pin(image: &str, follow: Option<&str>, number: u8, previous: &[u8]) -> Pin {
    Pin {
        follow: follow.map(|target| id(target).into()),
        image: image.parse().unwrap(),
        digest: digest(number),
        index: None,
        details: Details::default(),
        previous: previous.iter().map(|number| digest(*number)).collect(),
    }
}

/// Returns a lock with these digests, each of which replaced the one before.
pub(in crate::proposal) fn lock(one: u8, other: u8, own: u8) -> Lock {
    let pins = [
        ("a:one", pin("b.c/d:1", None, one, &[one - 1])),
        ("a:two", pin("b.c/d:1", Some("a:one"), one, &[one - 1])),
        ("z:prod", pin("b.c/d:1", Some("a:two"), one, &[one - 1])),
        ("a:other", pin("b.c/e:1", None, other, &[other - 1])),
        ("z:own", pin("b.c/f:1", None, own, &[own - 1])),
    ];
    Lock { pins: pins.into_iter().map(|(name, pin)| (id(name), pin)).collect() }
}

pub(in crate::proposal) fn root(lock: &Lock) -> Root {
    let text = encode(lock);
    let files = STREAMS.into_iter().chain([("pinstream.toml", ""), ("pinstream.lock", text.as_str())]);
    let files: RootFiles = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).collect();
    Root::read(&files).unwrap()
}

#[track_caller]
fn check(next: &Lock, expected: &[&str]) {
    let root = root(&lock(1, 1, 1));
    let groups = groups(&root.definitions, &root.lock, next, |id| id.stream.to_string());
    let found: Vec<String> = groups
        .iter()
        .map(|(name, tags)| format!("{name}: {}", tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
        .collect();
    assert_eq!(found, expected);
    // Definitions and lock agree, whichever group lands first.
    for tags in groups.values() {
        let lock = overlay(&root.lock, next, tags);
        assert_eq!(crate::model::drift::find_drift(&root.definitions, &lock), vec![]);
    }
}

#[test]
fn a_tag_joins_the_group_of_the_tag_it_follows() {
    check(&lock(1, 1, 1), &[]);
    check(&lock(2, 1, 1), &["a: a:one a:two z:prod"]);
    check(&lock(2, 2, 2), &["a: a:one a:other a:two z:prod", "z: z:own"]);
    check(&lock(1, 1, 2), &["z: z:own"]);
}

#[test]
fn a_branch_is_named_after_its_group() {
    let prefix = "pinstream/";
    let top = BranchScope { prefix, root: "", base: None };
    assert_eq!(top.branch("python"), "pinstream/python");
    assert_eq!(top.branch("team-a/python"), "pinstream/team-a+python");
    assert_eq!(top.branch("team-a/python:3.12"), "pinstream/team-a+python+3.12");
    assert_eq!(top.branch("a.lock"), "pinstream/a.lock+");
    let scopes = [
        top,
        BranchScope { prefix, root: "apps/web", base: None },
        BranchScope { prefix, root: "", base: Some("release/1") },
        BranchScope { prefix, root: "apps/web", base: Some("release/1") },
        BranchScope { prefix: "deps/pins-", root: "", base: None },
        BranchScope { prefix: "deps/pins-", root: "apps/web", base: Some("release/1") },
    ];
    for scope in scopes {
        let branch = scope.branch("team-a/python");
        let containing: Vec<_> = scopes.iter().filter(|other| other.contains(&branch)).collect();
        assert_eq!(containing, [&scope], "{branch}");
    }
    assert!(!top.contains("main") && !top.contains("feature/pinstream/x"));
    let other = BranchScope { prefix: "deps/pins-", ..top };
    assert_eq!(other.branch("team-a/python"), "deps/pins-team-a+python");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_changed_tag_is_in_exactly_one_group(old in any_lock(), new in any_lock()) {
        let definitions = Definitions::default();
        let groups = groups(&definitions, &old, &new, |id| id.stream.to_string());
        let all: Vec<&TagId> = groups.values().flatten().collect();
        let mut sorted = all.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
        assert_eq!(all.into_iter().cloned().collect::<BTreeSet<_>>(), changed_tags(&old, &new));
        let landed = groups.values().fold(old.clone(), |lock, tags| overlay(&lock, &new, tags));
        assert_eq!(landed, new);
    }
}
