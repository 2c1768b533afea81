//! What is proposed: which moves together, on which branch, and in which words. Pure.
//!
//! A proposal is named after what it moves, never after where to, so that it can be refreshed in place. Its body
//! remembers the digests in a line that people do not see: closed by a person, these are not proposed again.

pub mod body;
pub mod hidden;
pub mod known;

use std::collections::{BTreeMap, BTreeSet};

use crate::git::PROPOSALS;
use crate::model::adoption::has_source_of;
use crate::model::image::{Digest, StreamName, TagId};
use crate::model::lock::diff::{PinChange, changes};
use crate::model::lock::{Lock, Pin};
use crate::model::root::Root;
use crate::model::stream::{Definitions, TagSource, follow};

/// How many moves a body remembers one by one.
const REMEMBERED_MAX: usize = 120;

/// What proposals of one root into one branch have in their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchScope<'a> {
    /// The root's folder in the repository; empty at its top.
    pub root: &'a str,
    /// The branch that they go into, where it is not the remote's default.
    pub base: Option<&'a str>,
}

impl BranchScope<'_> {
    /// The branch of a group.
    pub fn branch(&self, group: &str) -> String {
        // A stream's name may be the beginning of another's, and no branch can be a folder of branches.
        let plain = |text: &str| text.replace(['/', ':'], "+");
        let root = if self.root.is_empty() { String::new() } else { format!("{}@", plain(self.root)) };
        let base = self.base.map(|base| format!("@@{}", plain(base))).unwrap_or_default();
        let group = plain(group);
        // Git takes no name that ends so.
        let group = if group.ends_with(".lock") { format!("{group}+") } else { group };
        format!("{PROPOSALS}{root}{group}{base}")
    }

    /// Whether a branch is of this scope.
    pub fn has(&self, branch: &str) -> bool {
        let Some(name) = branch.strip_prefix(PROPOSALS) else { return false };
        let (name, base) = name.split_once("@@").map_or((name, None), |(name, base)| (name, Some(base)));
        let root = name.split_once('@').map_or("", |(root, _)| root);
        let plain = |text: &str| text.replace('/', "+");
        base == self.base.map(plain).as_deref() && root == plain(self.root)
    }
}

/// The tags whose pins differ between `base` and `next`, by the group that they are proposed in. A tag goes along with
/// the one it follows: moved alone, the two would disagree.
pub fn groups(
    definitions: &Definitions,
    base: &Lock,
    next: &Lock,
    name: impl Fn(&TagId) -> String,
) -> BTreeMap<String, BTreeSet<TagId>> {
    let changed = changed(base, next);
    let mut found: BTreeMap<String, BTreeSet<TagId>> = BTreeMap::new();
    for id in &changed {
        let followed = |at: &&TagId| match definitions.tags.get(*at).map(|tag| &tag.source) {
            Some(TagSource::Follow(target)) => changed.get(target),
            _ => None,
        };
        // Definitions in circles are refused long before.
        let end = std::iter::successors(Some(id), followed).take(changed.len() + 1).last().unwrap_or(id);
        found.entry(name(end)).or_default().insert(id.clone());
    }
    found
}

/// `next` without the changes of groups that are not `is_ours`, by their names: they stay as they stand on their branches.
pub fn ours(
    definitions: &Definitions,
    base: &Lock,
    next: Lock,
    name: impl Fn(&TagId) -> String,
    is_ours: impl Fn(&str) -> bool,
) -> Lock {
    let others = groups(definitions, base, &next, name).into_iter().filter(|(group, _)| !is_ours(group));
    let others: BTreeSet<TagId> = others.flat_map(|(_, tags)| tags).collect();
    if others.is_empty() { next } else { with(&next, base, &others) }
}

/// The tags whose pins differ.
pub fn changed(base: &Lock, next: &Lock) -> BTreeSet<TagId> {
    base.zip_by_tag(next).filter(|(_, was, is)| was != is).map(|(id, _, _)| id.clone()).collect()
}

/// `base` with the pins of `tags` as `next` has them.
pub fn with(base: &Lock, next: &Lock, tags: &BTreeSet<TagId>) -> Lock {
    let mut lock = base.clone();
    for id in tags {
        match next.pins.get(id) {
            Some(pin) => drop(lock.pins.insert(id.clone(), pin.clone())),
            None => drop(lock.pins.remove(id)),
        }
    }
    lock
}

/// What the lock on a branch says otherwise than the root's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProposedPins {
    /// The pins that are not in the root's lock.
    pub pins: BTreeMap<TagId, Pin>,
    /// The tags that have no pin any more.
    pub gone: BTreeSet<TagId>,
}

impl ProposedPins {
    /// What `there` says otherwise than `base`.
    pub fn of(base: &Lock, mut there: Lock) -> Self {
        let gone = base.pins.keys().filter(|id| !there.pins.contains_key(*id)).cloned().collect();
        there.pins.retain(|id, pin| base.pins.get(id) != Some(pin));
        Self { pins: there.pins, gone }
    }

    /// The same where it is known that the lock there was made from `start`: a pin that `base` had later than that, or
    /// has otherwise, was not taken away.
    pub fn began(&mut self, base: &Lock, start: &Lock) {
        self.gone.retain(|id| start.pins.get(id) == base.pins.get(id));
    }

    /// The tags that it is about.
    pub fn tags(&self) -> impl Iterator<Item = &TagId> {
        self.pins.keys().chain(&self.gone)
    }
}

/// `next` with those moves of an open proposal that this pass says nothing of: the tag was not asked for, or could not
/// be; of a stream that `is_unread` it is also not said that a tag is there. A move that starts elsewhere than where the
/// tag stands now is not one any more.
pub fn carry(
    root: &Root,
    mut next: Lock,
    offer: &ProposedPins,
    is_open: impl Fn(&TagId) -> bool,
    is_unread: impl Fn(&StreamName) -> bool,
) -> Lock {
    let base = &root.lock;
    let mut carried: BTreeSet<TagId> = BTreeSet::new();
    for id in follow::order(&root.definitions) {
        let Some(tag) = root.definitions.tags.get(&id) else { continue };
        let stands = base.pins.get(&id);
        if next.pins.get(&id) != stands {
            continue;
        }
        let Some(pin) = offer.pins.get(&id) else {
            if offer.gone.contains(&id) && tag.discovered && is_unread(&id.stream) && is_open(&id) {
                next.pins.remove(&id);
            }
            continue;
        };
        let is_open = match &tag.source {
            TagSource::Follow(target) => carried.contains(target),
            _ => is_open(&id),
        };
        let starts_here = stands.is_none_or(|stands| pin.previous.first() == Some(&stands.digest));
        if is_open && starts_here && has_source_of(tag, pin) {
            next.pins.insert(id.clone(), pin.clone());
            carried.insert(id);
        }
    }
    next
}

/// What the body of a proposal remembers of its moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalFingerprint {
    /// All of them together.
    set: String,
    /// Each, where they are not too many.
    each: BTreeSet<String>,
}

impl ProposalFingerprint {
    /// What is remembered of `moves`.
    pub fn of(moves: &[PinChange]) -> Self {
        let each: BTreeSet<String> = moves.iter().map(key).collect();
        let all: Vec<&str> = each.iter().map(String::as_str).collect();
        let set = hash(&all.join(" "), 16);
        Self { set, each: if each.len() > REMEMBERED_MAX { BTreeSet::new() } else { each } }
    }

    /// The line for a body.
    pub fn line(&self) -> String {
        let each: Vec<&str> = self.each.iter().map(String::as_str).collect();
        hidden::marker(&format!("set={} moves={}", self.set, each.join(",")))
    }

    /// What a body remembers; none where somebody took the line out.
    pub fn read(body: &str) -> Option<Self> {
        let line = body.lines().rev().filter_map(hidden::hidden).find_map(|line| line.strip_prefix("set="))?;
        let (set, each) = line.split_once(" moves=")?;
        let each = each.split(',').filter(|key| !key.is_empty()).take(REMEMBERED_MAX).map(str::to_owned);
        Some(Self { set: set.to_owned(), each: each.collect() })
    }

    /// Whether it is of `one`, a move of those that `whole` is of.
    pub fn has(&self, one: &PinChange, whole: &Self) -> bool {
        self.set == whole.set || self.each.contains(&key(one))
    }
}

/// A move in few letters.
fn key(one: &PinChange) -> String {
    let new = one.after().map_or("-", |side| side.digest.as_str());
    hash(&format!("{} {new}", one.tag), 12)
}

fn hash(text: &str, digits: usize) -> String {
    let digest = Digest::sha256(text.as_bytes());
    digest.as_str().chars().skip("sha256:".len()).take(digits).collect()
}

/// The moves of a group.
pub fn moves_of(base: &Lock, next: &Lock, tags: &BTreeSet<TagId>) -> (Lock, Vec<PinChange>) {
    let lock = with(base, next, tags);
    let moves = changes(base, &lock);
    (lock, moves)
}

#[cfg(test)]
mod tests;
