//! Merges the changes of a pass with those of others, when its compare-and-swap of the state was rejected.
//!
//! Pure. Changes of different hooks, tags and shards are all kept. What is known of a hook is one unit, since its claim
//! protects it: if somebody else changed it meanwhile, that wins, and a claim of ours is lost.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use super::{FailingTag, FailingTags, HookClaim, RunCounts, ScheduleState, State, TagMemory};
use crate::model::image::Digest;
use crate::model::lock::Lock;
use crate::model::shard::Shard;

/// Everything that the state knows of one hook.
#[derive(Clone, Copy, Debug, PartialEq)]
struct HookRecord<'a> {
    seen: Option<&'a Lock>,
    attempted: Option<&'a Lock>,
    counts: Option<&'a RunCounts>,
    claim: Option<&'a HookClaim>,
}

impl HookRecord<'_> {
    /// Returns whether nothing but the end of a claim differs: a renewal whose answer was lost.
    fn is_same_but_renewed(&self, before: &Self) -> bool {
        let owner = |claim: Option<&HookClaim>| claim.map(|claim| claim.owner.clone());
        owner(self.claim) == owner(before.claim) && Self { claim: None, ..*self } == Self { claim: None, ..*before }
    }
}

impl State {
    /// Applies the changes from `base` to this state to `theirs`, the state that replaced `base` meanwhile. Merging the
    /// same changes once more, e.g. because the answer to a write was lost, has no effect.
    #[must_use]
    pub fn merge(&self, base: &Self, theirs: Self) -> Self {
        let mut merged = theirs;
        for hook in self.hooks().chain(base.hooks()).collect::<BTreeSet<_>>() {
            let (before, ours) = (base.hook(hook), self.hook(hook));
            if ours != before && merged.hook(hook).is_same_but_renewed(&before) {
                merged.set_hook(hook, ours);
            }
        }
        let later = |ours: Option<&ScheduleState>, theirs: Option<&ScheduleState>| {
            ours.into_iter().chain(theirs).max_by_key(|state| state.last).cloned()
        };
        if self.schedule != base.schedule {
            merged.schedule = match merged.schedule == base.schedule {
                true => self.schedule.clone(),
                false => later(self.schedule.as_ref(), merged.schedule.as_ref()),
            };
        }
        merge_maps(&base.shards, &self.shards, &mut merged.shards, later);
        // All shards are of the same split: of ours, if we changed one.
        let is_changed = |shard: &&Shard| self.shards.get(shard) != base.shards.get(shard);
        if let Some(own) = self.shards.keys().find(is_changed) {
            merged.shards.retain(|shard, _| shard.is_same_split(*own));
        }
        merged.deferred.retain(|id| self.deferred.contains(id) || !base.deferred.contains(id));
        merged.deferred.extend(self.deferred.difference(&base.deferred).cloned());
        merged.memory = self.memory.merge(&base.memory, merged.memory);
        merged.merge_failing(&base.failing, &self.failing);
        merged
    }

    /// Applies what changed from `before` to `ours` to the failing tags, which others may have changed meanwhile.
    pub fn merge_failing(&mut self, before: &FailingTags, ours: &FailingTags) {
        // A success ends the failure, even if another pass failed at about the same time.
        let combine = |ours: Option<&FailingTag>, theirs: Option<&FailingTag>| Some(ours?.combine(theirs?));
        merge_maps(before, ours, &mut self.failing, combine);
    }

    fn hooks(&self) -> impl Iterator<Item = &String> {
        let locks = self.seen.keys().chain(self.attempted_locks.keys());
        locks.chain(self.run_counts.keys()).chain(self.claims.keys())
    }

    fn hook(&self, name: &str) -> HookRecord<'_> {
        HookRecord {
            seen: self.seen.get(name),
            attempted: self.attempted_locks.get(name),
            counts: self.run_counts.get(name),
            claim: self.claims.get(name),
        }
    }

    fn set_hook(&mut self, name: &str, HookRecord { seen, attempted, counts, claim }: HookRecord<'_>) {
        set(&mut self.seen, name, seen);
        set(&mut self.attempted_locks, name, attempted);
        set(&mut self.run_counts, name, counts);
        set(&mut self.claims, name, claim);
    }
}

impl TagMemory {
    fn merge(&self, base: &Self, theirs: Self) -> Self {
        let mut merged = theirs;
        merge_maps(&base.seen, &self.seen, &mut merged.seen, |ours, theirs| match (ours, theirs) {
            (Some(ours), Some(theirs)) if ours.digest == theirs.digest && theirs.since < ours.since => {
                Some(theirs.clone())
            }
            (ours, _) => ours.cloned(),
        });
        merge_maps(&base.landed, &self.landed, &mut merged.landed, |ours, theirs| match (ours, theirs) {
            // Theirs followed ours on the branch, although it was recorded earlier.
            (Some(ours), Some(theirs)) if theirs.from == ours.to => Some(theirs.clone()),
            (ours, theirs) => ours.or(theirs).cloned(),
        });
        for id in base.reverted.keys().chain(self.reverted.keys()).collect::<BTreeSet<_>>() {
            let [before, ours, theirs] =
                [base, self, &merged].map(|memory| memory.reverted.get(id).cloned().unwrap_or_default());
            if ours == before || theirs == ours {
                continue;
            }
            if theirs == before {
                set(&mut merged.reverted, id, self.reverted.get(id));
                continue;
            }
            let accepted = |digest: &Digest| before.contains(digest) && !ours.contains(digest);
            let remaining: Vec<Digest> = theirs.into_iter().filter(|digest| !accepted(digest)).collect();
            set(&mut merged.reverted, id, Some(&remaining).filter(|digests| !digests.is_empty()));
            for digest in ours.iter().rev().filter(|digest| !before.contains(digest)) {
                merged.add_reverted(id, digest);
            }
        }
        merged
    }
}

/// Applies the changes from `base` to `ours` to `theirs`; `resolve` decides about entries that both changed.
fn merge_maps<K: Ord + Clone, V: Clone + PartialEq>(
    base: &BTreeMap<K, V>,
    ours: &BTreeMap<K, V>,
    theirs: &mut BTreeMap<K, V>,
    resolve: impl Fn(Option<&V>, Option<&V>) -> Option<V>,
) {
    for key in base.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let (before, own, other) = (base.get(key), ours.get(key), theirs.get(key));
        if own == before || other == own {
            continue;
        }
        let next = if other == before { own.cloned() } else { resolve(own, other) };
        set(theirs, key, next.as_ref());
    }
}

/// Sets or removes an entry.
fn set<K, Q, V>(map: &mut BTreeMap<K, V>, key: &Q, value: Option<&V>)
where
    K: Ord + Borrow<Q>,
    Q: Ord + ToOwned<Owned = K> + ?Sized,
    V: Clone,
{
    match value {
        Some(value) => drop(map.insert(key.to_owned(), value.clone())),
        None => drop(map.remove(key)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

    use super::*;
    use crate::model::image::TagId;
    use crate::model::lock::sample::{digest, python};
    use crate::model::state::Owner;
    use crate::model::state::memory::LandedChange;
    use crate::model::state::sample::{any_state_of, failing};

    fn hooks(names: [&'static str; 2]) -> impl Strategy<Value = String> + Clone {
        prop_oneof![Just(names[0].to_owned()), Just(names[1].to_owned())]
    }

    fn any() -> impl Strategy<Value = State> {
        any_state_of(hooks(["a", "b"]))
    }

    /// Returns `base` with the hooks of `changed`.
    fn with_hooks(base: &State, changed: &State) -> State {
        let State { seen, attempted_locks, run_counts, claims, .. } = changed.clone();
        State { seen, attempted_locks, run_counts, claims, ..base.clone() }
    }

    /// Returns `base` with everything of `changed` but its hooks.
    fn with_tags(base: &State, changed: &State) -> State {
        with_hooks(changed, base)
    }

    fn claim(process: &str) -> HookClaim {
        let owner = Owner { machine: "m".to_owned(), process: process.to_owned() };
        HookClaim { owner, until: "2026-11-24T03:00:00Z".parse().unwrap() }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_merge_with_an_unchanged_side_is_the_other_side(base in any(), changed in any()) {
            assert_eq!(changed.merge(&base, base.clone()), changed);
            assert_eq!(base.merge(&base, changed.clone()), changed);
            assert_eq!(changed.merge(&base, changed.clone()), changed);
        }

        #[test]
        fn a_repeated_merge_changes_nothing(base in any(), ours in any(), theirs in any()) {
            let merged = ours.merge(&base, theirs);
            assert_eq!(ours.merge(&base, merged.clone()), merged);
        }

        #[test]
        fn disjoint_changes_are_all_kept_in_any_order(base in any(), one in any(), two in any()) {
            let (one, two) = (with_hooks(&base, &one), with_tags(&base, &two));
            let merged = one.merge(&base, two.clone());
            assert_eq!(merged, two.merge(&base, one.clone()));
            assert_eq!(merged, with_hooks(&two, &one));
        }

        #[test]
        fn a_hook_that_another_pass_changed_stays_as_it_left_it(base in any(), ours in any(), theirs in any()) {
            let merged = ours.merge(&base, theirs.clone());
            let is_changed = |hook: &&str| !theirs.hook(hook).is_same_but_renewed(&base.hook(hook));
            for hook in ["a", "b"].into_iter().filter(is_changed) {
                assert_eq!(merged.hook(hook), theirs.hook(hook));
            }
        }
    }

    #[test]
    fn of_two_claims_the_first_one_wins() {
        let base = State { seen: [("a".to_owned(), python())].into(), ..State::default() };
        let claimed = |process| State { claims: [("a".to_owned(), claim(process))].into(), ..base.clone() };
        assert_eq!(claimed("1").merge(&base, claimed("2")), claimed("2"));
        // The end of a run is recorded next to the claim of another hook.
        let done = State { attempted_locks: [("a".to_owned(), python())].into(), ..base.clone() };
        let other =
            State { claims: [("a".to_owned(), claim("1")), ("b".to_owned(), claim("2"))].into(), ..base.clone() };
        let merged = done.merge(&claimed("1"), other);
        assert_eq!((merged.claims.len(), merged.attempted_locks.len()), (1, 1));
    }

    #[test]
    fn the_later_of_two_landed_changes_is_kept_whoever_writes_first() {
        let id: TagId = "python:3.12".parse().unwrap();
        let landed = |from, to| {
            let change = LandedChange { from: digest(from), to: digest(to), commit: None };
            let memory = TagMemory { landed: [(id.clone(), change)].into(), ..TagMemory::default() };
            State { memory, ..State::default() }
        };
        let (first, second) = (landed(1, 2), landed(2, 3));
        assert_eq!(first.merge(&State::default(), second.clone()), second);
        assert_eq!(second.merge(&State::default(), first), second);
    }

    #[test]
    fn reverted_digests_of_both_are_kept_and_those_accepted_again_are_not() {
        let id: TagId = "python:3.12".parse().unwrap();
        let reverted = |numbers: &[u8]| {
            let digests = numbers.iter().copied().map(digest).collect();
            State {
                memory: TagMemory { reverted: [(id.clone(), digests)].into(), ..TagMemory::default() },
                ..State::default()
            }
        };
        let merged = reverted(&[4, 2]).merge(&reverted(&[2, 1]), reverted(&[3, 2, 1]));
        assert_eq!(merged, reverted(&[4, 3, 2]));
    }

    #[test]
    fn a_success_ends_a_failure_and_two_failures_count_as_one() {
        let id: TagId = "python:3.12".parse().unwrap();
        let time = |hour: u8| format!("2026-11-24T{hour:02}:00:00Z").parse().unwrap();
        let with = |tag: FailingTag| State { failing: [(id.clone(), tag)].into(), ..State::default() };
        let base = with(failing(time(1)));
        let again = |hour| with(FailingTag { last: time(hour), attempts: 2, ..failing(time(1)) });
        assert_eq!(State::default().merge(&base, again(2)), State::default());
        assert_eq!(again(2).merge(&base, State::default()), State::default());
        assert_eq!(again(2).merge(&base, again(3)), again(3));
        assert_eq!(again(3).merge(&base, again(2)), again(3));
    }
}
