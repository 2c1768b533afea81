//! Changes that a branch already proposes, carried over by passes that did not resolve their tags.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::adoption::has_source_of;
use crate::model::image::{StreamName, TagId};
use crate::model::lock::{Lock, Pin};
use crate::model::root::Root;
use crate::model::stream::{TagSource, follow};

/// Differences between the lock on a proposal's branch and the root's lock.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProposedPins {
    /// Pins that are added or changed on the branch.
    pub pins: BTreeMap<TagId, Pin>,
    /// Tags whose pins are removed on the branch.
    pub removed: BTreeSet<TagId>,
}

impl ProposedPins {
    /// Compares the lock on a branch with the root's.
    pub fn of(base: &Lock, mut proposed: Lock) -> Self {
        let removed = base.pins.keys().filter(|id| !proposed.pins.contains_key(*id)).cloned().collect();
        proposed.pins.retain(|id, pin| base.pins.get(id) != Some(pin));
        Self { pins: proposed.pins, removed }
    }

    /// Takes into account that the branch was created from a commit with the lock `start`: pins that `base` gained or
    /// changed since then were not removed on the branch.
    pub fn started_from(&mut self, base: &Lock, start: &Lock) {
        self.removed.retain(|id| start.pins.get(id) == base.pins.get(id));
    }

    /// Lists the tags with a proposed change.
    pub fn tags(&self) -> impl Iterator<Item = &TagId> {
        self.pins.keys().chain(&self.removed)
    }
}

/// Adds to `next` those changes of an open proposal that this pass did not decide: the tag was not selected or failed
/// (`is_undecided`), or, for a removal, the tag list of its stream was not read (`is_unlisted`). A change whose old digest
/// is no longer the pinned one is dropped.
pub fn carry_over(
    root: &Root,
    mut next: Lock,
    proposed: &ProposedPins,
    is_undecided: impl Fn(&TagId) -> bool,
    is_unlisted: impl Fn(&StreamName) -> bool,
) -> Lock {
    let base = &root.lock;
    let mut carried: BTreeSet<TagId> = BTreeSet::new();
    for id in follow::order(&root.definitions) {
        let Some(tag) = root.definitions.tags.get(&id) else { continue };
        let current = base.pins.get(&id);
        if next.pins.get(&id) != current {
            continue;
        }
        let Some(pin) = proposed.pins.get(&id) else {
            if proposed.removed.contains(&id) && tag.discovered && is_unlisted(&id.stream) && is_undecided(&id) {
                next.pins.remove(&id);
            }
            continue;
        };
        let is_undecided = match &tag.source {
            TagSource::Follow(target) => carried.contains(target),
            _ => is_undecided(&id),
        };
        let is_current = current.is_none_or(|current| pin.previous.first() == Some(&current.digest));
        if is_undecided && is_current && has_source_of(tag, pin) {
            next.pins.insert(id.clone(), pin.clone());
            carried.insert(id);
        }
    }
    next
}

#[cfg(test)]
mod tests;
