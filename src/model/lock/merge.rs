//! Two locks that both went on from a third, joined pin by pin.
//!
//! A pin is taken whole, never in parts. Where both sides changed one differently nobody here knows which is right:
//! it is a conflict, and the caller imports it again.

use super::Lock;
use crate::model::image::TagId;

/// Three locks as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedLock {
    /// All pins; at a conflict what `theirs` has, also if that is no pin.
    pub lock: Lock,
    /// Tags that both sides changed, not to the same.
    pub conflicts: Vec<TagId>,
}

/// What `ours` and `theirs` both made of `base`.
pub fn merge_pins(base: &Lock, ours: &Lock, theirs: &Lock) -> MergedLock {
    let mut merged = MergedLock { lock: Lock::default(), conflicts: Vec::new() };
    for (tag, our, their) in ours.zip_by_tag(theirs) {
        let was = base.pins.get(tag);
        let pin = if their == was { our } else { their };
        if our != was && their != was && our != their {
            merged.conflicts.push(tag.clone());
        }
        merged.lock.pins.extend(pin.map(|pin| (tag.clone(), pin.clone())));
    }
    merged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::image::Digest;
    use crate::model::lock::sample;

    /// A lock of tags `s:<letter>`, each letter followed by the number of its digest: `a1 b2`.
    fn lock(text: &str) -> Lock {
        let pin = sample::python().pins.remove(&"python:arm".parse().unwrap()).unwrap();
        let entry = |word: &str| {
            let (tag, number) = word.split_at(1);
            let digest: Digest = sample::digest(number.parse().unwrap());
            (format!("s:{tag}").parse().unwrap(), crate::model::lock::Pin { digest, ..pin.clone() })
        };
        Lock { pins: text.split_whitespace().map(entry).collect() }
    }

    #[track_caller]
    fn check(base: &str, ours: &str, theirs: &str, expected: &str, conflicts: &[&str]) {
        let merged = merge_pins(&lock(base), &lock(ours), &lock(theirs));
        assert_eq!(merged.lock, lock(expected));
        assert_eq!(merged.conflicts.iter().map(ToString::to_string).collect::<Vec<_>>(), conflicts);
    }

    #[test]
    fn the_side_that_changed_is_taken() {
        check("a1 b1", "a2 b1", "a1 b3", "a2 b3", &[]);
        check("a1", "a1 b1", "a1 c1", "a1 b1 c1", &[]);
        check("a1 b1", "a1", "a1 b1", "a1", &[]);
    }

    #[test]
    fn the_same_change_on_both_sides_is_no_conflict() {
        check("a1 b1", "a2", "a2", "a2", &[]);
    }

    #[test]
    fn two_changes_of_one_pin_are_a_conflict_that_theirs_holds() {
        check("a1 b1", "a2 b1", "a3 b2", "a3 b2", &["s:a"]);
        check("a1", "a2", "", "", &["s:a"]);
        check("a1", "", "a2", "a2", &["s:a"]);
        check("", "a1", "a2", "a2", &["s:a"]);
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
            // Each tag that differs is given to one of the two sides.
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
        fn i14_conflicts_are_seen_from_both_sides(base in sample::any_lock(), a in sample::any_lock(), b in sample::any_lock()) {
            let (one, other) = (merge_pins(&base, &a, &b), merge_pins(&base, &b, &a));
            assert_eq!(one.conflicts, other.conflicts);
            for tag in &one.conflicts {
                assert_eq!(one.lock.pins.get(tag), b.pins.get(tag));
            }
        }
    }
}
