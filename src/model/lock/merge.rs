//! Three-way merge of locks, as far as it is possible without a registry.
//!
//! Pins are merged whole, never in parts. Two refinements: a pin that both sides updated to the same digest only needs
//! its histories merged, and a follower takes the digest of the followed tag, so that it is never in conflict itself.

use super::{Lock, PREVIOUS_MAX, Pin, zip_by_tag};
use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};

/// The result of a three-way merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MergedLock {
    /// All pins; for a conflict the one of `theirs`, if any.
    pub lock: Lock,
    /// Tags that both sides changed differently.
    pub conflicts: Vec<TagId>,
}

/// Merges the changes from `base` to `ours` and to `theirs`.
pub fn merge(base: &Lock, ours: &Lock, theirs: &Lock) -> MergedLock {
    let MergedLock { mut lock, conflicts } = merge_pins(base, ours, theirs);
    let mut unresolved = Vec::new();
    for id in conflicts {
        let [base, our, their] = [base, ours, theirs].map(|lock| lock.pins.get(&id));
        match our.zip(their).and_then(|(our, their)| resolve_conflict(base, our, their)) {
            Some(pin) => drop(lock.pins.insert(id, pin)),
            None => unresolved.push(id),
        }
    }
    align_followers(&mut lock, &unresolved, [ours, theirs]);
    MergedLock { lock, conflicts: unresolved }
}

/// Merges pins as a whole; a pin that both sides changed differently is a conflict.
fn merge_pins(base: &Lock, ours: &Lock, theirs: &Lock) -> MergedLock {
    let mut merged = MergedLock { lock: Lock::default(), conflicts: Vec::new() };
    for (tag, our, their) in zip_by_tag(&ours.pins, &theirs.pins) {
        let base = base.pins.get(tag);
        let pin = if their == base { our } else { their };
        if our != base && their != base && our != their {
            merged.conflicts.push(tag.clone());
        }
        merged.lock.pins.extend(pin.map(|pin| (tag.clone(), pin.clone())));
    }
    merged
}

/// Merges two different pins if it is clear which one wins: a side that changed the source of the digest takes
/// precedence over one that only updated it.
fn resolve_conflict(base: Option<&Pin>, our: &Pin, their: &Pin) -> Option<Pin> {
    let (before, mine, yours) = (base.map(source), source(our), source(their));
    let winner = if mine == yours {
        (mine.0.is_some() || is_same_image(our, their)).then_some(their)
    } else if before == Some(mine) {
        Some(their)
    } else {
        (before == Some(yours)).then_some(our)
    }?;
    Some(Pin { previous: merge_previous(&winner.digest, &[their, our]), ..winner.clone() })
}

/// Returns the source of a pin's digest: a followed tag, else an image.
fn source(pin: &Pin) -> (Option<&FollowedTag>, Option<&ImageRef>) {
    (pin.follow.as_ref(), pin.follow.is_none().then_some(&pin.image))
}

fn is_same_image(a: &Pin, b: &Pin) -> bool {
    (&a.image, &a.digest, &a.index, &a.details) == (&b.image, &b.digest, &b.index, &b.details)
}

/// Merges the histories of `pins` for a pin at `digest`: each one's newest first, without duplicates.
pub fn merge_previous(digest: &Digest, pins: &[&Pin]) -> Vec<Digest> {
    let mut previous: Vec<Digest> = Vec::new();
    let all = pins.iter().map(|pin| &pin.digest).chain(pins.iter().flat_map(|pin| &pin.previous));
    for earlier in all.filter(|earlier| *earlier != digest) {
        if !previous.contains(earlier) {
            previous.push(earlier.clone());
        }
    }
    previous.truncate(PREVIOUS_MAX);
    previous
}

/// Gives each follower the digest of the tag at the end of its chain, unless one of the two is in conflict, or the
/// follower already had another digest on a side, because of rules of its own.
fn align_followers(lock: &mut Lock, conflicts: &[TagId], sides: [&Lock; 2]) {
    let followers = lock.pins.iter().filter(|(_, pin)| pin.followed().is_some()).map(|(id, _)| id.clone());
    let goes_along = |id: &TagId| sides.iter().all(|side| is_aligned(side, id));
    for id in followers.filter(goes_along).collect::<Vec<_>>() {
        let Some((end, Pin { image, digest, .. })) = lock.end_of(&id) else { continue };
        if conflicts.contains(end) || conflicts.contains(&id) {
            continue;
        }
        let (image, digest) = (image.clone(), digest.clone());
        if let Some(pin) = lock.pins.get_mut(&id) {
            pin.previous = pin.previous_after(&digest);
            (pin.image, pin.digest) = (image, digest);
        }
    }
}

/// Returns true if a pin has the digest of the tag it follows, or one of the two does not exist.
fn is_aligned(lock: &Lock, id: &TagId) -> bool {
    let same = |pin: &Pin| lock.pins.get(pin.followed()?).map(|followed| followed.digest == pin.digest);
    lock.pins.get(id).and_then(same).unwrap_or(true)
}

#[cfg(test)]
mod tests;
