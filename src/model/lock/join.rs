//! Three locks as one, as far as anybody can say without asking a registry.
//!
//! [`merge`] takes pins whole. Two things more are known of them: a pin that both sides moved to the same digest has
//! only its history to be joined, and a pin that follows stands where the followed one stands, so that it is never
//! itself in conflict.

use std::collections::BTreeSet;

use super::merge::{MergedLock, merge_pins};
use super::{Lock, PREVIOUS_MAX, Pin};
use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};

/// What `ours` and `theirs` both made of `base`; its conflicts are tags that both sides moved, each its own way.
pub fn merge(base: &Lock, ours: &Lock, theirs: &Lock) -> MergedLock {
    let MergedLock { mut lock, conflicts } = merge_pins(base, ours, theirs);
    let mut left = Vec::new();
    for id in conflicts {
        let [was, our, their] = [base, ours, theirs].map(|lock| lock.pins.get(&id));
        match our.zip(their).and_then(|(our, their)| both(was, our, their)) {
            Some(pin) => drop(lock.pins.insert(id, pin)),
            None => left.push(id),
        }
    }
    align(&mut lock, &left, [ours, theirs]);
    MergedLock { lock, conflicts: left }
}

/// One pin of two that differ, where what they differ in can be told: a side that changed where the digest comes from
/// outweighs one that only moved.
fn both(was: Option<&Pin>, our: &Pin, their: &Pin) -> Option<Pin> {
    let (before, mine, yours) = (was.map(source), source(our), source(their));
    let taken = if mine == yours {
        (mine.0.is_some() || is_same_image(our, their)).then_some(their)
    } else if before == Some(mine) {
        Some(their)
    } else {
        (before == Some(yours)).then_some(our)
    }?;
    Some(Pin { previous: previous(&taken.digest, &[their, our]), ..taken.clone() })
}

/// Where a pin's digest comes from: a followed tag, else an image.
fn source(pin: &Pin) -> (Option<&FollowedTag>, Option<&ImageRef>) {
    (pin.follow.as_ref(), pin.follow.is_none().then_some(&pin.image))
}

fn is_same_image(a: &Pin, b: &Pin) -> bool {
    (&a.image, &a.digest, &a.index, &a.details) == (&b.image, &b.digest, &b.index, &b.details)
}

/// The digests of `pins` before `now`, each pin's newest first, none of them twice.
pub fn previous(now: &Digest, pins: &[&Pin]) -> Vec<Digest> {
    let mut found: Vec<Digest> = Vec::new();
    let stood = pins.iter().map(|pin| &pin.digest).chain(pins.iter().flat_map(|pin| &pin.previous));
    for digest in stood.filter(|digest| *digest != now) {
        if !found.contains(digest) {
            found.push(digest.clone());
        }
    }
    found.truncate(PREVIOUS_MAX);
    found
}

/// Has each pin that follows stand where what it follows stands, unless that is in conflict or not there, or it stood
/// elsewhere on a side already, as one with rules of its own does.
fn align(lock: &mut Lock, conflicts: &[TagId], sides: [&Lock; 2]) {
    let followers = lock.pins.iter().filter(|(_, pin)| pin.followed().is_some()).map(|(id, _)| id.clone());
    let goes_along = |id: &TagId| sides.iter().all(|side| stands_along(side, id));
    for id in followers.filter(goes_along).collect::<Vec<_>>() {
        let Some(last) = last(lock, &id) else { continue };
        if conflicts.contains(&last) || conflicts.contains(&id) {
            continue;
        }
        let Some(Pin { image, digest, .. }) = lock.pins.get(&last).cloned() else { continue };
        if let Some(pin) = lock.pins.get_mut(&id) {
            pin.previous = pin.previous_after(&digest);
            (pin.image, pin.digest) = (image, digest);
        }
    }
}

/// Whether a pin stands where the tag it follows stands, as far as both are there.
fn stands_along(lock: &Lock, id: &TagId) -> bool {
    let followed = |pin: &Pin| lock.pins.get(pin.followed()?).map(|followed| followed.digest == pin.digest);
    lock.pins.get(id).and_then(followed).unwrap_or(true)
}

/// The pin at the end of a chain; none where the chain has no end.
fn last(lock: &Lock, id: &TagId) -> Option<TagId> {
    let mut seen = BTreeSet::new();
    let mut at = id;
    while let Some(target) = lock.pins.get(at)?.followed() {
        if !seen.insert(at) {
            return None;
        }
        at = target;
    }
    Some(at.clone())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::sample;

    /// A lock of tags `s:<letter>`: `a1` stands at the first digest, `b>a1` follows `a` there, `a1.2` was at the second
    /// before.
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
    fn a_follower_that_stood_elsewhere_stays_there() {
        let merged = merge(&lock("a1 b>a1 c>a1"), &lock("a2.1 b>a2.1 c>a1"), &lock("a1 b>a1 c>a1 d4"));
        assert_eq!(shown(&merged.lock), "a2.1 b>a2.1 c>a1 d4");
        assert!(merged.conflicts.is_empty());
    }

    fn shown(lock: &Lock) -> String {
        let digit = |digest: &Digest| digest.short()[1..2].to_owned();
        let pin = |(id, pin): (&TagId, &Pin)| {
            let follow =
                pin.follow.as_ref().map(|target| format!(">{}", target.local().unwrap().tag)).unwrap_or_default();
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
    fn the_same_move_by_two_ways_joins_its_histories() {
        check("a1", "a3.2.1", "a3.1", "a3.1.2", "");
        check("", "a3.2", "a3.1", "a3.1.2", "");
        check("a1", "a3.1", "a4.1", "a4.1", "a");
    }

    #[test]
    fn a_follower_stands_where_it_follows_and_is_never_in_conflict_itself() {
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
    fn what_one_side_took_out_and_the_other_moved_is_a_conflict() {
        check("a1", "", "a2.1", "a2.1", "a");
        check("a1", "a2.1", "", "", "a");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn i14_conflicts_are_seen_from_both_sides(base in sample::any_lock(), a in sample::any_lock(), b in sample::any_lock()) {
            let (one, other) = (merge(&base, &a, &b), merge(&base, &b, &a));
            assert_eq!(one.conflicts, other.conflicts);
            assert_eq!(one.lock.pins.keys().collect::<Vec<_>>().len(), one.lock.pins.len());
            for pin in one.lock.pins.values() {
                assert!(pin.previous.len() <= PREVIOUS_MAX);
            }
        }
    }
}
