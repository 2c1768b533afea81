//! Groups: the tags whose changes share a proposal, and the branch of each.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::TagId;
use crate::model::lock::diff::{PinChange, changes};
use crate::model::lock::{Lock, zip_by_tag};
use crate::model::stream::Definitions;

/// Common part of the branch names of one root's proposals into one branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchScope<'a> {
    /// Start of all names (`branch-prefix`).
    pub prefix: &'a str,
    /// Directory of the root in the repository; empty for the top.
    pub root: &'a str,
    /// Branch that the proposals are merged into, if it is not the remote's default.
    pub base: Option<&'a str>,
}

impl BranchScope<'_> {
    /// Names the branch of a group.
    pub fn branch(&self, group: &str) -> String {
        // Git cannot have both `a` and `a/b`, but streams can.
        let plain = |text: &str| text.replace(['/', ':'], "+");
        let root = if self.root.is_empty() { String::new() } else { format!("{}@", plain(self.root)) };
        let base = self.base.map(|base| format!("@@{}", plain(base))).unwrap_or_default();
        let group = plain(group);
        // git-check-ref-format(1) forbids this ending.
        let group = if group.ends_with(".lock") { format!("{group}+") } else { group };
        format!("{}{root}{group}{base}", self.prefix)
    }

    /// Reports whether a branch belongs to this scope.
    pub fn contains(&self, branch: &str) -> bool {
        let Some(name) = branch.strip_prefix(self.prefix) else { return false };
        let (name, base) = name.split_once("@@").map_or((name, None), |(name, base)| (name, Some(base)));
        let root = name.split_once('@').map_or("", |(root, _)| root);
        let plain = |text: &str| text.replace('/', "+");
        base == self.base.map(plain).as_deref() && root == plain(self.root)
    }
}

/// Groups the tags whose pins differ between `base` and `next`. A tag joins the group of the tag it follows: if only one
/// of the two landed, definitions and lock would disagree.
pub fn groups(
    definitions: &Definitions,
    base: &Lock,
    next: &Lock,
    name: impl Fn(&TagId) -> String,
) -> BTreeMap<String, BTreeSet<TagId>> {
    let changed = changed_tags(base, next);
    let mut found: BTreeMap<String, BTreeSet<TagId>> = BTreeMap::new();
    for id in &changed {
        let chain = definitions.chain(id).map(|(at, _)| at).take_while(|at| changed.contains(*at));
        found.entry(name(chain.last().unwrap_or(id))).or_default().insert(id.clone());
    }
    found
}

/// Reverts the changes of all groups except those that `is_own` selects by name.
pub fn own_groups(
    definitions: &Definitions,
    base: &Lock,
    next: Lock,
    name: impl Fn(&TagId) -> String,
    is_own: impl Fn(&str) -> bool,
) -> Lock {
    let others = groups(definitions, base, &next, name).into_iter().filter(|(group, _)| !is_own(group));
    let others: BTreeSet<TagId> = others.flat_map(|(_, tags)| tags).collect();
    if others.is_empty() { next } else { overlay(&next, base, &others) }
}

/// Lists the tags whose pins differ.
pub fn changed_tags(base: &Lock, next: &Lock) -> BTreeSet<TagId> {
    zip_by_tag(&base.pins, &next.pins).filter(|(_, was, is)| was != is).map(|(id, _, _)| id.clone()).collect()
}

/// Returns `base` with the pins of `tags` replaced by those in `next`.
pub fn overlay(base: &Lock, next: &Lock, tags: &BTreeSet<TagId>) -> Lock {
    let mut lock = base.clone();
    for id in tags {
        match next.pins.get(id) {
            Some(pin) => drop(lock.pins.insert(id.clone(), pin.clone())),
            None => drop(lock.pins.remove(id)),
        }
    }
    lock
}

/// Returns the lock that a group proposes, and its changes.
pub fn group_changes(base: &Lock, next: &Lock, tags: &BTreeSet<TagId>) -> (Lock, Vec<PinChange>) {
    let lock = overlay(base, next, tags);
    let changes = changes(base, &lock);
    (lock, changes)
}

#[cfg(test)]
pub(super) mod tests;
