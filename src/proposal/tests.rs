//! Groups, their branches, what is carried over, and what a body remembers.

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::git::RootFiles;
use crate::model::lock::encode::encode;
use crate::model::lock::sample::{any_lock, digest};
use crate::model::lock::{Details, Pin};

const STREAMS: [(&str, &str); 2] = [
    ("streams/a.toml", "[tags]\none = \"b.c/d:1\"\ntwo = { follow = \"one\" }\nother = \"b.c/e:1\"\n"),
    ("streams/z.toml", "[tags]\nprod = { follow = \"a:two\" }\nown = \"b.c/f:1\"\n"),
];

fn id(text: &str) -> TagId {
    text.parse().unwrap()
}

fn pin(image: &str, follow: Option<&str>, number: u8, previous: &[u8]) -> Pin {
    Pin {
        follow: follow.map(|target| id(target).into()),
        image: image.parse().unwrap(),
        digest: digest(number),
        index: None,
        details: Details::default(),
        previous: previous.iter().map(|number| digest(*number)).collect(),
    }
}

/// The lock in which the tags stand at these numbers, each having stood at the one before; 0 is no pin.
fn lock(one: u8, other: u8, own: u8) -> Lock {
    let pins = [
        ("a:one", pin("b.c/d:1", None, one, &[one - 1])),
        ("a:two", pin("b.c/d:1", Some("a:one"), one, &[one - 1])),
        ("z:prod", pin("b.c/d:1", Some("a:two"), one, &[one - 1])),
        ("a:other", pin("b.c/e:1", None, other, &[other - 1])),
        ("z:own", pin("b.c/f:1", None, own, &[own - 1])),
    ];
    Lock { pins: pins.into_iter().map(|(name, pin)| (id(name), pin)).collect() }
}

fn root(lock: &Lock) -> Root {
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
    // Whichever lands first, definitions and lock agree.
    for tags in groups.values() {
        let lock = with(&root.lock, next, tags);
        assert_eq!(crate::model::lock::drift::find_drift(&root.definitions, &lock), vec![]);
    }
}

#[test]
fn what_follows_goes_along_with_what_it_follows() {
    check(&lock(1, 1, 1), &[]);
    check(&lock(2, 1, 1), &["a: a:one a:two z:prod"]);
    check(&lock(2, 2, 2), &["a: a:one a:other a:two z:prod", "z: z:own"]);
    check(&lock(1, 1, 2), &["z: z:own"]);
}

#[test]
fn a_branch_is_named_after_its_group_alone() {
    let top = BranchScope { root: "", base: None };
    assert_eq!(top.branch("python"), "pinstream/python");
    assert_eq!(top.branch("team-a/python"), "pinstream/team-a+python");
    assert_eq!(top.branch("team-a/python:3.12"), "pinstream/team-a+python+3.12");
    assert_eq!(top.branch("a.lock"), "pinstream/a.lock+");
    let scopes = [
        top,
        BranchScope { root: "apps/web", base: None },
        BranchScope { root: "", base: Some("release/1") },
        BranchScope { root: "apps/web", base: Some("release/1") },
    ];
    for scope in scopes {
        let branch = scope.branch("team-a/python");
        let having: Vec<_> = scopes.iter().filter(|other| other.has(&branch)).collect();
        assert_eq!(having, [&scope], "{branch}");
    }
    assert!(!top.has("main") && !top.has("feature/pinstream/x"));
}

#[test]
fn moves_of_an_open_proposal_are_kept_where_a_pass_says_nothing_of_them() {
    let base = lock(2, 2, 2);
    let root = root(&base);
    let carried = |next: Lock, open: &[&str]| {
        let offer = ProposedPins::of(&base, lock(3, 3, 2));
        carry(&root, next, &offer, |tag| open.contains(&tag.to_string().as_str()), |_| false)
    };
    assert_eq!(carried(base.clone(), &["a:one", "a:other"]), lock(3, 3, 2));
    assert_eq!(carried(base.clone(), &["a:one"]), lock(3, 2, 2));
    // What was asked for and found to stand where it stands is withdrawn, and what follows it too.
    assert_eq!(carried(base.clone(), &["a:two", "z:prod"]), base);
    // What moved on is what counts.
    let mut further = lock(4, 2, 2);
    for pin in further.pins.values_mut().filter(|pin| pin.digest == digest(4)) {
        pin.previous = vec![digest(2), digest(1)];
    }
    assert_eq!(
        carried(further.clone(), &["a:one", "a:other"]),
        with(&further, &lock(4, 3, 2), &BTreeSet::from([id("a:other")]))
    );
    // A move that started elsewhere is none any more.
    let stale = ProposedPins::of(&base, lock(5, 2, 2));
    assert_eq!(carry(&root, base.clone(), &stale, |_| true, |_| false), base);
}

/// What is left of an offer to add `found:new` and to take `found:old` away, as the tags that differ from the lock of the
/// root, in a pass in which `open` tags are open and the list of `found` is unread or not.
#[track_caller]
fn check_found(stream: &str, open: &[&str], is_unread: bool, expected: &[&str]) {
    let old = ("found:old", pin("b.c/found:old", None, 1, &[]));
    let new = ("found:new", pin("b.c/found:new", None, 2, &[]));
    let lock = |(name, pin): (&str, Pin)| Lock { pins: [(id(name), pin)].into() };
    let (base, there) = (lock(old), lock(new));
    let files = [("pinstream.toml", ""), ("streams/found.toml", stream), ("pinstream.lock", &encode(&base))]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let mut root = Root::read(&files.into()).unwrap();
    let offer = ProposedPins::of(&base, there);
    let pinned = offer.pins.iter().map(|(id, pin)| (id, &pin.image));
    crate::model::stream::discover::add_proposed(&mut root.definitions, |_| is_unread, pinned);
    let is_open = |tag: &TagId| open.contains(&tag.to_string().as_str());
    let next = carry(&root, base.clone(), &offer, is_open, |stream| is_unread && stream.as_str() == "found");
    assert_eq!(changed(&base, &next).iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn of_a_list_that_was_not_read_it_is_not_said_which_tags_come_and_go() {
    let (stream, open) = ("[discover]\nrepository = \"b.c/found\"\n", ["found:new", "found:old"]);
    check_found(stream, &open, true, &["found:new", "found:old"]);
    check_found(stream, &open, false, &[]);
    check_found(stream, &open[..1], true, &["found:new"]);
    check_found(stream, &open[1..], true, &["found:old"]);
    // What the stream would not take any more is not kept, and what is written down there stays.
    check_found(&format!("{stream}pattern = \"^o\"\norder = \"alphabet\"\n"), &open, true, &["found:old"]);
    check_found(&stream.replace("b.c/found", "b.c/other"), &open, true, &[]);
    check_found("[tags]\nold = \"b.c/found:old\"\n", &open, true, &[]);
    check_found(&format!("[tags]\nold = \"b.c/found:old\"\n{stream}"), &open, true, &["found:new"]);
}

#[test]
fn only_what_was_there_when_a_branch_began_was_taken_away_on_it() {
    let gone = |start: &Lock| {
        let base = lock(2, 2, 2);
        let mut offer = ProposedPins::of(&base, Lock::default());
        offer.began(&base, start);
        offer.gone.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(gone(&lock(2, 2, 2)), ["a:one", "a:other", "a:two", "z:own", "z:prod"]);
    assert_eq!(gone(&lock(1, 2, 1)), ["a:other"]);
    assert_eq!(gone(&Lock::default()), [""; 0]);
}

#[test]
fn a_body_remembers_its_moves() {
    let (old, new) = (lock(1, 1, 1), lock(2, 2, 2));
    let all = changes(&old, &new);
    let remembered = ProposalFingerprint::of(&all);
    let body = format!("words\n{}\nmore", remembered.line());
    let read = ProposalFingerprint::read(&body).unwrap();
    assert_eq!(read, remembered);
    let later = changes(&old, &lock(2, 3, 2));
    let whole = ProposalFingerprint::of(&later);
    let declined: Vec<String> =
        later.iter().filter(|one| read.has(one, &whole)).map(|one| one.tag.to_string()).collect();
    assert_eq!(declined, ["a:one", "a:two", "z:own", "z:prod"]);
    for text in ["", "<!-- pinstream ", "<!-- pinstream set=1 -->", "<!-- other -->"] {
        assert_eq!(ProposalFingerprint::read(text), None, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn many_moves_are_remembered_as_a_whole(old in any_lock(), new in any_lock()) {
        let all = changes(&old, &new);
        let remembered = ProposalFingerprint::of(&all);
        assert!(all.iter().all(|one| remembered.has(one, &remembered)));
        assert_eq!(ProposalFingerprint::read(&remembered.line()), Some(remembered));
    }

    #[test]
    fn groups_are_all_that_changed_and_each_tag_is_in_one(old in any_lock(), new in any_lock()) {
        let definitions = Definitions::default();
        let groups = groups(&definitions, &old, &new, |id| id.stream.to_string());
        let all: Vec<&TagId> = groups.values().flatten().collect();
        let mut sorted = all.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted.len(), all.len());
        assert_eq!(all.into_iter().cloned().collect::<BTreeSet<_>>(), changed(&old, &new));
        let landed = groups.values().fold(old.clone(), |lock, tags| with(&lock, &new, tags));
        assert_eq!(landed, new);
    }
}
