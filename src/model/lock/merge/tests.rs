//! Three-way merges of locks, pin by pin and with followers.

use std::collections::BTreeSet;

use proptest::prelude::{ProptestConfig, proptest};

use super::*;
use crate::model::lock::sample;

/// Parses a lock of tags `s:<letter>`: `a1` has the first digest, `b>a1` follows `a` and has it, too, `a1.2` had the
/// second one before.
fn lock(text: &str) -> Lock {
    let pin = sample::python().pins.remove(&"python:arm".parse().unwrap()).unwrap();
    let number = |text: &str| sample::digest(text.parse().unwrap());
    let entry = |word: &str| {
        let (tag, rest) = word.split_at(1);
        let (follow, rest) = match rest.strip_prefix('>') {
            Some(rest) => (Some(format!("s:{}", &rest[..1]).parse().unwrap()), &rest[1..]),
            None => (None, rest),
        };
        let mut numbers = rest.split('.').map(number);
        let digest = numbers.next().unwrap();
        (format!("s:{tag}").parse().unwrap(), Pin { follow, digest, previous: numbers.collect(), ..pin.clone() })
    };
    Lock { pins: text.split_whitespace().map(entry).collect() }
}

#[test]
fn a_follower_that_differs_on_a_side_keeps_its_digest() {
    let merged = merge(&lock("a1 b>a1 c>a1"), &lock("a2.1 b>a2.1 c>a1"), &lock("a1 b>a1 c>a1 d4"));
    assert_eq!(shown(&merged.lock), "a2.1 b>a2.1 c>a1 d4");
    assert!(merged.conflicts.is_empty());
}

fn shown(lock: &Lock) -> String {
    let digit = |digest: &Digest| digest.short()[1..2].to_owned();
    let pin = |(id, pin): (&TagId, &Pin)| {
        let follow = pin.follow.as_ref().map(|target| format!(">{}", target.local().unwrap().tag)).unwrap_or_default();
        let all: Vec<String> = std::iter::once(&pin.digest).chain(&pin.previous).map(digit).collect();
        format!("{}{follow}{}", id.tag, all.join("."))
    };
    lock.pins.iter().map(pin).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(base: &str, ours: &str, theirs: &str, expected: &str, conflicts: &str) {
    let joined = merge(&lock(base), &lock(ours), &lock(theirs));
    let left: Vec<&str> = joined.conflicts.iter().map(|id| id.tag.as_str()).collect();
    assert_eq!((shown(&joined.lock).as_str(), left.join(" ").as_str()), (expected, conflicts));
}

#[test]
fn the_same_digest_on_both_sides_merges_the_histories() {
    check("a1", "a3.2.1", "a3.1", "a3.1.2", "");
    check("", "a3.2", "a3.1", "a3.1.2", "");
    check("a1", "a3.1", "a4.1", "a4.1", "a");
}

#[test]
fn a_follower_goes_along_and_is_never_in_conflict_itself() {
    check("a1 b>a1", "a2.1 b>a2.1", "a3.1 b>a3.1", "a3.1 b>a3.2.1", "a");
    check("a1 b1 c>a1", "a2.1 b1 c>a2.1", "a1 b1 c>b1", "a2.1 b1 c>b1.2", "");
    check("a1 b1 c>a1", "a1 b1 c>b1", "a2.1 b1 c>a2.1", "a2.1 b1 c>b1.2", "");
    check("a1", "a2.1", "a1 b>a1 c>b1", "a2.1 b>a2.1 c>b2.1", "");
    check("a1 b1 c1", "a1 b1 c>a1", "a1 b1 c>b1", "a1 b1 c>b1", "c");
    check("a1 c1", "a1 c>a1", "a1 c2.1", "a1 c>a1.2", "");
    check("a1 c1", "a1 c2.1", "a1 c>a1", "a1 c>a1.2", "");
    check("", "a>b1 b>a1", "a>b1 b>a2", "a>b1 b>a2.1", "");
}

#[test]
fn a_pin_removed_on_one_side_and_changed_on_the_other_is_a_conflict() {
    check("a1", "", "a2.1", "a2.1", "a");
    check("a1", "a2.1", "", "", "a");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i14_conflicts_are_symmetric(base in sample::any_lock(), a in sample::any_lock(), b in sample::any_lock()) {
        let (one, other) = (merge(&base, &a, &b), merge(&base, &b, &a));
        assert_eq!(one.conflicts, other.conflicts);
        assert_eq!(one.lock.pins.keys().collect::<Vec<_>>().len(), one.lock.pins.len());
        for pin in one.lock.pins.values() {
            assert!(pin.previous.len() <= PREVIOUS_MAX);
        }
    }
}

#[track_caller]
fn check_pins(base: &str, ours: &str, theirs: &str, expected: &str, conflicts: &[&str]) {
    let merged = merge_pins(&lock(base), &lock(ours), &lock(theirs));
    assert_eq!(merged.lock, lock(expected));
    assert_eq!(merged.conflicts.iter().map(ToString::to_string).collect::<Vec<_>>(), conflicts);
}

#[test]
fn the_side_that_changed_wins() {
    check_pins("a1 b1", "a2 b1", "a1 b3", "a2 b3", &[]);
    check_pins("a1", "a1 b1", "a1 c1", "a1 b1 c1", &[]);
    check_pins("a1 b1", "a1", "a1 b1", "a1", &[]);
}

#[test]
fn the_same_change_on_both_sides_is_not_a_conflict() {
    check_pins("a1 b1", "a2", "a2", "a2", &[]);
}

#[test]
fn different_changes_of_one_pin_are_a_conflict() {
    check_pins("a1 b1", "a2 b1", "a3 b2", "a3 b2", &["s:a"]);
    check_pins("a1", "a2", "", "", &["s:a"]);
    check_pins("a1", "", "a2", "a2", &["s:a"]);
    check_pins("", "a1", "a2", "a2", &["s:a"]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn i14_merge_is_idempotent_and_has_neutral_sides(base in sample::any_lock(), x in sample::any_lock()) {
        for merged in [merge_pins(&base, &x, &x), merge_pins(&base, &base, &x), merge_pins(&base, &x, &base)] {
            assert_eq!(merged, MergedLock { lock: x.clone(), conflicts: Vec::new() });
        }
    }

    #[test]
    fn i14_disjoint_edits_commute(base in sample::any_lock(), x in sample::any_lock(), split in proptest::prelude::any::<u64>()) {
        // Assign each changed tag to one of the two sides.
        let tags: BTreeSet<&TagId> = base.pins.keys().chain(x.pins.keys()).collect();
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        for (at, tag) in tags.into_iter().enumerate() {
            let side = if split >> at & 1 == 0 { &mut ours } else { &mut theirs };
            match x.pins.get(tag) {
                Some(pin) => drop(side.pins.insert(tag.clone(), pin.clone())),
                None => drop(side.pins.remove(tag)),
            }
        }
        let expected = MergedLock { lock: x, conflicts: Vec::new() };
        assert_eq!(merge_pins(&base, &ours, &theirs), expected);
        assert_eq!(merge_pins(&base, &theirs, &ours), expected);
    }

    #[test]
    fn i14_conflicts_of_pins_are_symmetric(base in sample::any_lock(), a in sample::any_lock(), b in sample::any_lock()) {
        let (one, other) = (merge_pins(&base, &a, &b), merge_pins(&base, &b, &a));
        assert_eq!(one.conflicts, other.conflicts);
        for tag in &one.conflicts {
            assert_eq!(one.lock.pins.get(tag), b.pins.get(tag));
        }
    }
}
