//! The memory of tags between passes: since when a soaking digest has been served, and which of our changes were
//! reverted.
//!
//! Pure. All times are our own; none comes from a registry.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::CommitId;
use crate::model::image::{Digest, TagId};
use crate::model::lock::diff::{ChangeKind, changes};
use crate::model::lock::{Lock, Pin};

/// The number of reverted digests kept per tag.
const REVERTED_MAX: usize = 20;

/// The memory of tags between passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagMemory {
    /// The digest each tag was last seen at that is not pinned yet.
    pub seen: BTreeMap<TagId, SoakingDigest>,
    /// The last change of each tag that we landed.
    pub landed: BTreeMap<TagId, LandedChange>,
    /// Digests of reverted changes, newest first.
    pub reverted: BTreeMap<TagId, Vec<Digest>>,
}

/// A digest that is not pinned yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoakingDigest {
    /// The digest the registry serves.
    pub digest: Digest,
    /// The time since which every pass saw this digest.
    pub since: Timestamp,
}

/// A change that we landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LandedChange {
    /// The previous digest.
    pub from: Digest,
    /// The new digest.
    pub to: Digest,
    /// The commit, or a later one that contains it; `None` in a state of pinstream 0.1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitId>,
}

impl LandedChange {
    /// Returns whether a pin is back at the digest before this change, and not by an update of pinstream.
    fn is_undone(&self, pin: &Pin) -> bool {
        self.from == pin.digest && !pin.previous.contains(&self.to)
    }
}

/// Availability of the branch's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryAccess {
    /// Reverts are found in the history.
    Available,
    /// Reverts are found by comparing the lock with the landed changes.
    Unavailable,
}

impl TagMemory {
    /// The memory before the first pass.
    pub const EMPTY: Self = Self { seen: BTreeMap::new(), landed: BTreeMap::new(), reverted: BTreeMap::new() };

    /// Returns the time since which `id` has been at `digest` without interruption.
    pub fn seen_since(&self, id: &TagId, digest: &Digest) -> Option<Timestamp> {
        self.seen.get(id).filter(|seen| seen.digest == *digest).map(|seen| seen.since)
    }

    /// Returns true if a change of `id` to `digest` was reverted.
    pub fn is_reverted(&self, id: &TagId, digest: &Digest) -> bool {
        self.reverted.get(id).is_some_and(|digests| digests.contains(digest))
    }

    /// Returns the commits of the changes that are not in `lock` any more: reverted, or lost with their commit.
    pub fn commits_of_missing(&self, lock: &Lock) -> BTreeSet<CommitId> {
        let missing =
            self.landed.iter().filter(|(id, change)| lock.pins.get(id).is_some_and(|pin| change.is_undone(pin)));
        missing.filter_map(|(_, change)| change.commit.clone()).collect()
    }

    /// Updates the memory from the lock on the branch. A tag back at the digest before our last change, whose pin does
    /// not list that change in `previous`, was reverted, unless the commit of the change is `lost`: then the branch was
    /// reset, and the change is decided again. A tag that someone set to a reverted digest accepts it again.
    pub fn after_reading(&self, lock: &Lock, lost: &BTreeSet<CommitId>) -> Self {
        let mut next = self.clone();
        for (id, pin) in &lock.pins {
            if let Some(change) = self.landed.get(id).filter(|change| change.is_undone(pin)) {
                next.landed.remove(id);
                if !change.commit.as_ref().is_some_and(|commit| lost.contains(commit)) {
                    next.add_reverted(id, &change.to);
                }
            }
            if let Some(reverted) = next.reverted.get_mut(id) {
                reverted.retain(|digest| *digest != pin.digest);
            }
        }
        next.reverted.retain(|_, digests| !digests.is_empty());
        next
    }

    /// Updates the memory after a pass that found the digests `waiting`, and none for the other tags it `looked` at.
    pub fn after_pass(
        &self,
        looked: impl Fn(&TagId) -> bool,
        waiting: &BTreeMap<TagId, Digest>,
        now: Timestamp,
    ) -> Self {
        let mut next = self.clone();
        next.seen.retain(|id, _| !looked(id) || waiting.contains_key(id));
        for (id, digest) in waiting {
            // A time in the future was written by a wrong clock.
            let since = self.seen_since(id, digest).filter(|since| *since <= now).unwrap_or(now);
            next.seen.insert(id.clone(), SoakingDigest { digest: digest.clone(), since });
        }
        next
    }

    /// Adds reverted changes found in the history.
    pub fn after_reverts(&self, taken: &BTreeMap<TagId, Digest>) -> Self {
        let mut next = self.clone();
        for (id, digest) in taken {
            next.add_reverted(id, digest);
        }
        next
    }

    pub(super) fn add_reverted(&mut self, id: &TagId, digest: &Digest) {
        let reverted = self.reverted.entry(id.clone()).or_default();
        if !reverted.contains(digest) {
            reverted.insert(0, digest.clone());
            reverted.truncate(REVERTED_MAX);
        }
    }

    /// Updates the memory after the changes from `old` to `new` landed with `commit`. They are recorded only if no history
    /// is available.
    pub fn after_landing(&self, old: &Lock, new: &Lock, commit: &CommitId, history: HistoryAccess) -> Self {
        let mut next = self.clone();
        for one in changes(old, new) {
            match one.kind {
                ChangeKind::Updated { old, new } => {
                    // The definition may have changed since the revert, and the change may be intended now.
                    if let Some(reverted) = next.reverted.get_mut(&one.tag) {
                        reverted.retain(|digest| *digest != new.digest);
                    }
                    if history == HistoryAccess::Unavailable {
                        let commit = Some(commit.clone());
                        next.landed.insert(one.tag, LandedChange { from: old.digest, to: new.digest, commit });
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

    fn commit() -> CommitId {
        CommitId("1".repeat(40))
    }

    /// No lost commit.
    fn kept() -> BTreeSet<CommitId> {
        BTreeSet::new()
    }

    fn time(hour: u8) -> Timestamp {
        format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap()
    }

    #[test]
    fn a_landed_change_is_not_a_revert() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), &commit(), HistoryAccess::Unavailable);
        assert_eq!(memory.after_reading(&at(12), &kept()), memory);
        assert!(!memory.is_reverted(&id(), &digest(12)));
    }

    #[test]
    fn a_revert_counts_until_someone_sets_the_digest_again() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), &commit(), HistoryAccess::Unavailable);
        let reverted = memory.after_reading(&at(11), &kept());
        assert!(reverted.is_reverted(&id(), &digest(12)));
        assert_eq!(reverted.after_reading(&at(11), &kept()), reverted);
        // A newer digest is another matter, and going on from it leaves the old one alone.
        let newer = reverted.after_landing(&at(11), &at(13), &commit(), HistoryAccess::Unavailable);
        assert!(newer.is_reverted(&id(), &digest(12)) && !newer.is_reverted(&id(), &digest(13)));
        assert!(!reverted.after_reading(&at(12), &kept()).is_reverted(&id(), &digest(12)));
    }

    #[test]
    fn a_move_of_ours_that_went_back_took_nothing_back() {
        // Another pass went back, and what it noted of that was overwritten by one that came late.
        let memory = TagMemory::default().after_landing(&at(11), &at(12), &commit(), HistoryAccess::Unavailable);
        let mut back = at(11);
        back.pins.get_mut(&id()).unwrap().previous = vec![digest(12)];
        assert!(memory.after_reading(&back, &kept()).reverted.is_empty());
    }

    #[test]
    fn l20_a_change_whose_commit_was_lost_is_not_a_revert() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), &commit(), HistoryAccess::Unavailable);
        assert!(memory.commits_of_missing(&at(12)).is_empty());
        let lost = memory.commits_of_missing(&at(11));
        assert_eq!(lost, [commit()].into());
        assert_eq!(memory.after_reading(&at(11), &lost), TagMemory::EMPTY);
        assert!(memory.after_reading(&at(11), &kept()).is_reverted(&id(), &digest(12)));
    }

    #[test]
    fn a_change_to_another_digest_is_not_a_revert() {
        let memory = TagMemory::default().after_landing(&at(11), &at(12), &commit(), HistoryAccess::Unavailable);
        let after = memory.after_reading(&at(14), &kept());
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
