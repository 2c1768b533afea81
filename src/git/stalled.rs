//! Decides whether a push that did not land may be repeated: only if its ref changed since, or may have.
//!
//! The next attempt reads the ref again and expects that commit. An attempt that expects the same commit as the one before
//! shows that nothing changed.

use std::collections::BTreeMap;

/// Maximum number of consecutive pushes that fail without a change of the ref.
pub const STALLED_MAX: u32 = 3;
/// Maximum number if the server reports a locked ref: another push may be in progress, but a stale lock file looks alike.
pub const LOCKED_MAX: u32 = 8;

/// Consecutive pushes of each ref that failed although the ref was unchanged. `I` is the id of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StalledPushes<I> {
    /// The commit that each ref was expected at, and the number of pushes.
    counts: BTreeMap<String, (Option<I>, u32)>,
}

impl<I> Default for StalledPushes<I> {
    fn default() -> Self {
        Self { counts: BTreeMap::new() }
    }
}

impl<I: PartialEq> StalledPushes<I> {
    /// Counts a push of `reference` from `expected` that did not land; returns whether another one may follow, if `most` may
    /// fail in a row.
    pub fn may_repeat(&mut self, reference: &str, expected: Option<I>, most: u32) -> bool {
        let earlier = self.counts.remove(reference).filter(|(from, _)| *from == expected);
        let count = earlier.map_or(0, |(_, count)| count) + 1;
        self.counts.insert(reference.to_owned(), (expected, count));
        count < most
    }

    /// Forgets the failed pushes of `reference`, because one landed.
    pub fn clear(&mut self, reference: &str) {
        self.counts.remove(reference);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l17_pushes_from_one_commit_end_and_a_change_of_the_ref_starts_again() {
        let mut stalled = StalledPushes::default();
        let check = |stalled: &mut StalledPushes<u8>, at: Option<u8>, expected: &[bool]| {
            let answers = expected.iter().map(|_| stalled.may_repeat("refs/heads/main", at, STALLED_MAX));
            assert_eq!(answers.collect::<Vec<_>>(), expected);
        };
        check(&mut stalled, None, &[true, true, false]);
        check(&mut stalled, Some(1), &[true, true]);
        check(&mut stalled, Some(2), &[true, true, false, false]);
        check(&mut stalled, Some(1), &[true]);
        // Pushes of another ref in between change nothing.
        assert!(stalled.may_repeat("refs/heads/other", Some(1), 2));
        check(&mut stalled, Some(1), &[true]);
        stalled.clear("refs/heads/other");
        check(&mut stalled, Some(1), &[false]);
        stalled.clear("refs/heads/main");
        check(&mut stalled, Some(1), &[true, true, false]);
    }
}
