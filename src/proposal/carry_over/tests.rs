//! Changes that stay proposed, and those that do not.

use super::*;
use crate::model::lock::encode::encode;
use crate::model::lock::sample::digest;
use crate::proposal::groups::tests::{id, lock, pin, root};
use crate::proposal::groups::{changed_tags, overlay};

#[test]
fn changes_of_undecided_tags_stay_proposed() {
    let base = lock(2, 2, 2);
    let root = root(&base);
    let carried = |next: Lock, open: &[&str]| {
        let proposed = ProposedPins::of(&base, lock(3, 3, 2));
        carry_over(&root, next, &proposed, |tag| open.contains(&tag.to_string().as_str()), |_| false)
    };
    assert_eq!(carried(base.clone(), &["a:one", "a:other"]), lock(3, 3, 2));
    assert_eq!(carried(base.clone(), &["a:one"]), lock(3, 2, 2));
    // A tag that was resolved to its pinned digest is withdrawn together with its followers.
    assert_eq!(carried(base.clone(), &["a:two", "z:prod"]), base);
    // A newer digest replaces the proposed one.
    let mut further = lock(4, 2, 2);
    for pin in further.pins.values_mut().filter(|pin| pin.digest == digest(4)) {
        pin.previous = vec![digest(2), digest(1)];
    }
    assert_eq!(
        carried(further.clone(), &["a:one", "a:other"]),
        overlay(&further, &lock(4, 3, 2), &BTreeSet::from([id("a:other")]))
    );
    // A change whose old digest is not pinned any more is dropped.
    let stale = ProposedPins::of(&base, lock(5, 2, 2));
    assert_eq!(carry_over(&root, base.clone(), &stale, |_| true, |_| false), base);
}

/// Carries over a proposal that adds `found:new` and removes `found:old`, in a pass that did not decide the tags
/// `undecided` and possibly did not list `found`; compares the tags that are still proposed.
#[track_caller]
fn check_found(stream: &str, undecided: &[&str], is_unlisted: bool, expected: &[&str]) {
    let old = ("found:old", pin("b.c/found:old", None, 1, &[]));
    let new = ("found:new", pin("b.c/found:new", None, 2, &[]));
    let lock = |(name, pin): (&str, Pin)| Lock { pins: [(id(name), pin)].into() };
    let (base, there) = (lock(old), lock(new));
    let files = [("pinstream.toml", ""), ("streams/found.toml", stream), ("pinstream.lock", &encode(&base))]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let mut root = Root::read(&files.into()).unwrap();
    let proposed = ProposedPins::of(&base, there);
    let pinned = proposed.pins.iter().map(|(id, pin)| (id, &pin.image));
    crate::model::stream::discover::add_proposed(&mut root.definitions, |_| is_unlisted, pinned);
    let is_undecided = |tag: &TagId| undecided.contains(&tag.to_string().as_str());
    let next =
        carry_over(&root, base.clone(), &proposed, is_undecided, |stream| is_unlisted && stream.as_str() == "found");
    assert_eq!(changed_tags(&base, &next).iter().map(ToString::to_string).collect::<Vec<_>>(), expected);
}

#[test]
fn discovered_tags_stay_proposed_while_their_list_is_unread() {
    let (stream, undecided) = ("[discover]\nrepository = \"b.c/found\"\n", ["found:new", "found:old"]);
    check_found(stream, &undecided, true, &["found:new", "found:old"]);
    check_found(stream, &undecided, false, &[]);
    check_found(stream, &undecided[..1], true, &["found:new"]);
    check_found(stream, &undecided[1..], true, &["found:old"]);
    // Tags that the stream no longer selects are dropped; tags that it defines keep their pins.
    check_found(&format!("{stream}pattern = \"^o\"\norder = \"alphabet\"\n"), &undecided, true, &["found:old"]);
    check_found(&stream.replace("b.c/found", "b.c/other"), &undecided, true, &[]);
    check_found("[tags]\nold = \"b.c/found:old\"\n", &undecided, true, &[]);
    check_found(&format!("[tags]\nold = \"b.c/found:old\"\n{stream}"), &undecided, true, &["found:new"]);
}

#[test]
fn only_pins_that_existed_when_the_branch_was_created_count_as_removed() {
    let removed = |start: &Lock| {
        let base = lock(2, 2, 2);
        let mut proposed = ProposedPins::of(&base, Lock::default());
        proposed.started_from(&base, start);
        proposed.removed.into_iter().map(|id| id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(removed(&lock(2, 2, 2)), ["a:one", "a:other", "a:two", "z:own", "z:prod"]);
    assert_eq!(removed(&lock(1, 2, 1)), ["a:other"]);
    assert_eq!(removed(&Lock::default()), [""; 0]);
}
