//! What is remembered of tags from one pass to the next: since when a digest is seen that is not pinned yet, and which
//! moves of ours a person took back.
//!
//! Pure. Times are our own; none comes from a registry.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{ChangeKind, changes};

/// How many moves that were taken back are remembered of one tag.
const TAKEN_MAX: usize = 20;

/// What is remembered of tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagMemory {
    /// What each tag was last seen at that waits to be pinned.
    pub seen: BTreeMap<TagId, SoakingDigest>,
    /// The last move of each tag that we landed.
    pub landed: BTreeMap<TagId, LandedChange>,
    /// Digests of moves that a person took back, newest first.
    pub reverted: BTreeMap<TagId, Vec<Digest>>,
}

/// A digest that waits to be pinned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoakingDigest {
    /// What the registry serves.
    pub digest: Digest,
    /// Since when, without a pass that saw another.
    pub since: Timestamp,
}

/// A move that we landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedChange {
    /// Where the tag stood before.
    pub from: Digest,
    /// Where it stood then.
    pub to: Digest,
}

/// Whether whoever looks back has the branch's history at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryAccess {
    /// It tells which moves were taken back.
    AtHand,
    /// What is remembered has to tell.
    Unknown,
}

impl TagMemory {
    /// Nothing is remembered.
    pub const EMPTY: Self = Self { seen: BTreeMap::new(), landed: BTreeMap::new(), reverted: BTreeMap::new() };

    /// Since when `id` is seen at `digest` without a break; none where it was not.
    pub fn seen_since(&self, id: &TagId, digest: &Digest) -> Option<Timestamp> {
        self.seen.get(id).filter(|seen| seen.digest == *digest).map(|seen| seen.since)
    }

    /// Whether a person took a move of `id` to `digest` back.
    pub fn is_reverted(&self, id: &TagId, digest: &Digest) -> bool {
        self.reverted.get(id).is_some_and(|digests| digests.contains(digest))
    }

    /// The same after a look at `lock`, as it stands on the branch: a tag that stands again where it stood before our
    /// last move, and knows nothing of that move, was taken back; one that a person put to a digest is no longer kept
    /// from it. A move of ours that went back to where the tag was has left the other digest in `previous`.
    pub fn after_reading(&self, lock: &Lock) -> Self {
        let mut next = self.clone();
        for (id, pin) in &lock.pins {
            if let Some(LandedChange { from, to }) = self.landed.get(id)
                && *from == pin.digest
                && !pin.previous.contains(to)
            {
                next.landed.remove(id);
                next.note_taken(id, to);
            }
            if let Some(taken) = next.reverted.get_mut(id) {
                taken.retain(|digest| *digest != pin.digest);
            }
        }
        next.reverted.retain(|_, digests| !digests.is_empty());
        next
    }

    /// The same after a pass that saw `waiting`, and nothing that waits of the other tags that it `looked` at.
    pub fn after_pass(
        &self,
        looked: impl Fn(&TagId) -> bool,
        waiting: &BTreeMap<TagId, Digest>,
        now: Timestamp,
    ) -> Self {
        let mut next = self.clone();
        next.seen.retain(|id, _| !looked(id) || waiting.contains_key(id));
        for (id, digest) in waiting {
            // A time ahead of us was written by a clock that went wrong.
            let since = self.seen_since(id, digest).filter(|since| *since <= now).unwrap_or(now);
            next.seen.insert(id.clone(), SoakingDigest { digest: digest.clone(), since });
        }
        next
    }

    /// The same after it was seen that people took moves back.
    pub fn after_reverts(&self, taken: &BTreeMap<TagId, Digest>) -> Self {
        let mut next = self.clone();
        for (id, digest) in taken {
            next.note_taken(id, digest);
        }
        next
    }

    fn note_taken(&mut self, id: &TagId, digest: &Digest) {
        let taken = self.reverted.entry(id.clone()).or_default();
        if !taken.contains(digest) {
            taken.insert(0, digest.clone());
            taken.truncate(TAKEN_MAX);
        }
    }

    /// The same after the moves from `old` to `new` have landed. They are noted where no history will tell of them.
    pub fn after_landing(&self, old: &Lock, new: &Lock, history: HistoryAccess) -> Self {
        let mut next = self.clone();
        for one in changes(old, new) {
            match one.change {
                ChangeKind::Updated { old, new } => {
                    // Under another definition it may have been what a person took back under the former one.
                    if let Some(taken) = next.reverted.get_mut(&one.tag) {
                        taken.retain(|digest| *digest != new.digest);
                    }
                    if history == HistoryAccess::Unknown {
                        next.landed.insert(one.tag, LandedChange { from: old.digest, to: new.digest });
                    }
                }
                ChangeKind::Added { .. } | ChangeKind::Removed { .. } => {
                    next.landed.remove(&one.tag);
                    next.reverted.remove(&one.tag);
                    next.seen.remove(&one.tag);
                }
            }
        }
        next.reverted.retain(|_, digests| !digests.is_empty());
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::sample::{digest, python};

    fn id() -> TagId {
        "python:3.12".parse().unwrap()
    }

    /// The sample lock with `python:3.12` at `number`.
    fn at(number: u8) -> Lock {
        let mut lock = python();
        lock.pins.get_mut(&id()).unwrap().digest = digest(number);
        lock
    }

    fn time(hour: u8) -> Timestamp {
        format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_move_that_stands_is_not_taken_back() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), HistoryAccess::Unknown);
        assert_eq!(memory.after_reading(&at(12)), memory);
        assert!(!memory.is_reverted(&id(), &digest(12)));
    }

    #[test]
    fn a_revert_takes_a_move_back_until_a_person_says_otherwise() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), HistoryAccess::Unknown);
        let reverted = memory.after_reading(&at(11));
        assert!(reverted.is_reverted(&id(), &digest(12)));
        assert_eq!(reverted.after_reading(&at(11)), reverted);
        // A newer digest is another matter, and going on from it leaves the old one alone.
        let newer = reverted.after_landing(&at(11), &at(13), HistoryAccess::Unknown);
        assert!(newer.is_reverted(&id(), &digest(12)) && !newer.is_reverted(&id(), &digest(13)));
        assert!(!reverted.after_reading(&at(12)).is_reverted(&id(), &digest(12)));
    }

    #[test]
    fn a_move_of_ours_that_went_back_took_nothing_back() {
        // Another pass went back, and what it noted of that was overwritten by one that came late.
        let memory = TagMemory::default().after_landing(&at(11), &at(12), HistoryAccess::Unknown);
        let mut back = at(11);
        back.pins.get_mut(&id()).unwrap().previous = vec![digest(12)];
        assert!(memory.after_reading(&back).reverted.is_empty());
    }

    #[test]
    fn what_others_moved_elsewhere_was_not_taken_back() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), HistoryAccess::Unknown);
        let after = memory.after_reading(&at(14));
        assert!(after.reverted.is_empty());
    }

    #[test]
    fn a_digest_is_seen_from_its_first_pass_on_until_another_comes() {
        let waiting = |number: u8| BTreeMap::from([(id(), digest(number))]);
        let first = TagMemory::default().after_pass(|_| true, &waiting(2), time(1));
        let second = first.after_pass(|_| true, &waiting(2), time(2));
        assert_eq!(second.seen_since(&id(), &digest(2)), Some(time(1)));
        // A pass that did not ask says nothing of it.
        assert_eq!(second.after_pass(|_| false, &BTreeMap::new(), time(3)), second);
        let other = second.after_pass(|_| true, &waiting(3), time(4));
        assert_eq!((other.seen_since(&id(), &digest(2)), other.seen_since(&id(), &digest(3))), (None, Some(time(4))));
        assert_eq!(other.after_pass(|_| true, &BTreeMap::new(), time(5)), TagMemory::default());
        // A clock that was ahead does not freeze it.
        assert_eq!(first.after_pass(|_| true, &waiting(2), time(0)).seen_since(&id(), &digest(2)), Some(time(0)));
    }
}
