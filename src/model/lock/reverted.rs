//! Moves that people took back, as a lock's history tells: a pin went to a digest and from there to where it was, by a
//! commit that knows nothing of a move. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::Lock;
use crate::model::image::{Digest, TagId};

/// What is known of one candidate so far, going back in time.
enum CandidateTrail<'c> {
    /// It was not met yet; where the tag stood last, unless that pin itself names the candidate as an earlier one.
    Open(&'c Digest, Option<Digest>),
    /// It was met; whether it was taken back shows in where the tag stood before.
    Met(Digest),
}

/// Of `candidates`, those that were taken back. `versions` are the versions of the lock, newest first.
pub fn find_reverted(candidates: &BTreeMap<TagId, Digest>, versions: impl Iterator<Item = Lock>) -> BTreeSet<TagId> {
    let mut taken = BTreeSet::new();
    let mut open: BTreeMap<&TagId, CandidateTrail<'_>> =
        candidates.iter().map(|(id, digest)| (id, CandidateTrail::Open(digest, None))).collect();
    for lock in versions {
        open.retain(|id, trail| {
            let Some(pin) = lock.pins.get(*id) else { return false };
            match trail {
                CandidateTrail::Open(candidate, last) if pin.digest == **candidate => {
                    let Some(last) = last.take() else { return false };
                    *trail = CandidateTrail::Met(last);
                    true
                }
                // A move of ours away from it left it in `previous`: that is no taking back.
                CandidateTrail::Open(candidate, _) if pin.previous.contains(candidate) => false,
                CandidateTrail::Open(_, last) => {
                    *last = Some(pin.digest.clone());
                    true
                }
                CandidateTrail::Met(after) => {
                    if pin.digest == *after {
                        taken.insert((*id).clone());
                    }
                    false
                }
            }
        });
        if open.is_empty() {
            break;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::sample::{digest, python};

    /// Whether a move to 13 was taken back, where the tag stood at `history`, newest first: each a digest and the one
    /// that came before it, 0 for none.
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
    fn a_revert_takes_a_move_back() {
        check(&[(12, 11), (13, 12), (12, 11)], true);
        // Others moved meanwhile, or this one did.
        check(&[(12, 11), (12, 11), (13, 12), (12, 11), (11, 0)], true);
        check(&[(14, 12), (12, 11), (13, 12), (12, 11)], true);
    }

    #[test]
    fn what_went_on_or_back_by_a_move_was_not_taken_back() {
        check(&[(12, 11)], false);
        check(&[(14, 13), (13, 12), (12, 11)], false);
        check(&[(12, 13), (13, 12), (12, 11)], false);
        check(&[(14, 12), (13, 12), (12, 11)], false);
        check(&[(13, 12), (12, 11)], false);
    }

    #[test]
    fn a_history_that_ends_says_no_more_than_it_holds() {
        check(&[(12, 11), (13, 12)], false);
        check(&[], false);
    }
}
