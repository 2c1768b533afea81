//! Finds reverted changes in the history of a lock: the pin changed to a digest and back, by a commit that does not
//! list the digest in `previous`. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Lock;
use crate::model::image::{Digest, TagId};

/// Progress of the search for one candidate, going back in time.
enum CandidateTrail<'c> {
    /// Not found yet; holds the tag's digest in the version seen last. Ends if that pin lists the candidate in
    /// `previous`.
    Open(&'c Digest, Option<Digest>),
    /// Found; reverted if the tag had this digest before, too.
    Found(Digest),
}

/// Returns the `candidates` that were reverted. `versions` are the versions of the lock, newest first.
pub fn find_reverted(candidates: &BTreeMap<TagId, Digest>, versions: impl Iterator<Item = Lock>) -> BTreeSet<TagId> {
    let mut reverted = BTreeSet::new();
    let mut open: BTreeMap<&TagId, CandidateTrail<'_>> =
        candidates.iter().map(|(id, digest)| (id, CandidateTrail::Open(digest, None))).collect();
    for lock in versions {
        open.retain(|id, trail| {
            let Some(pin) = lock.pins.get(*id) else { return false };
            match trail {
                CandidateTrail::Open(candidate, last) if pin.digest == **candidate => {
                    let Some(last) = last.take() else { return false };
                    *trail = CandidateTrail::Found(last);
                    true
                }
                // A change by pinstream leaves the digest in `previous`: not a revert.
                CandidateTrail::Open(candidate, _) if pin.previous.contains(candidate) => false,
                CandidateTrail::Open(_, last) => {
                    *last = Some(pin.digest.clone());
                    true
                }
                CandidateTrail::Found(after) => {
                    if pin.digest == *after {
                        reverted.insert((*id).clone());
                    }
                    false
                }
            }
        });
        if open.is_empty() {
            break;
        }
    }
    reverted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::sample::{digest, python};

    /// Checks whether a change to digest 13 counts as reverted, given the tag's history, newest first: pairs of the
    /// digest and its predecessor, 0 for none.
    #[track_caller]
    fn check(history: &[(u8, u8)], expected: bool) {
        let id: TagId = "python:3.12".parse().unwrap();
        let version = |(at, previous): &(u8, u8)| {
            let mut lock = python();
            let pin = lock.pins.get_mut(&id).unwrap();
            pin.digest = digest(*at);
            pin.previous = Some(digest(*previous)).filter(|_| *previous > 0).into_iter().collect();
            lock
        };
        let candidates = BTreeMap::from([(id.clone(), digest(13))]);
        let taken = find_reverted(&candidates, history.iter().map(version));
        assert_eq!(taken.contains(&id), expected, "{history:?}");
    }

    #[test]
    fn a_revert_is_found() {
        check(&[(12, 11), (13, 12), (12, 11)], true);
        // Also if other tags, or this one, changed in between.
        check(&[(12, 11), (12, 11), (13, 12), (12, 11), (11, 0)], true);
        check(&[(14, 12), (12, 11), (13, 12), (12, 11)], true);
    }

    #[test]
    fn updates_and_rollbacks_by_pinstream_are_not_reverts() {
        check(&[(12, 11)], false);
        check(&[(14, 13), (13, 12), (12, 11)], false);
        check(&[(12, 13), (13, 12), (12, 11)], false);
        check(&[(14, 12), (13, 12), (12, 11)], false);
        check(&[(13, 12), (12, 11)], false);
    }

    #[test]
    fn a_truncated_history_contains_no_revert() {
        check(&[(12, 11), (13, 12)], false);
        check(&[], false);
    }
}
