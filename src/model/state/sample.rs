//! Sample states for tests.

use jiff::Timestamp;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::{Strategy, any};

use super::failing::{FailedAttempt, FailingTag};
use super::memory::{LandedChange, SoakingDigest};
use super::{HookClaim, Owner, ScheduleState, State, TagMemory};
use crate::model::RootFiles;
use crate::model::failure::FailureKind;
use crate::model::lock::sample::{any_lock, any_tag, digest};
use crate::model::shard::Shard;

/// Returns a tag that failed once.
pub(crate) fn failing(now: Timestamp) -> FailingTag {
    let definitions = "0011223344556677";
    FailingTag::after(None, &FailedAttempt { now, kind: FailureKind::NotFound, retry_after: None, definitions })
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    (0..4_000_000_000_i64).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn any_memory() -> impl Strategy<Value = TagMemory> {
    let seen = (0..4_u8, any_time()).prop_map(|(number, since)| SoakingDigest { digest: digest(number), since });
    let landed =
        (0..4_u8, 0..4_u8).prop_map(|(from, to)| LandedChange { from: digest(from), to: digest(to), commit: None });
    let reverted = vec(0..9_u8, 1..4).prop_map(|mut numbers| {
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().map(digest).collect::<Vec<_>>()
    });
    (btree_map(any_tag(), seen, 0..3), btree_map(any_tag(), landed, 0..3), btree_map(any_tag(), reverted, 0..3))
        .prop_map(|(seen, landed, reverted)| TagMemory { seen, landed, reverted })
}

/// Generates states, without files unknown to this version.
pub(crate) fn any_state() -> impl Strategy<Value = State> {
    any_state_of(any::<String>())
}

/// Generates states whose hooks are named by `hooks`.
pub(crate) fn any_state_of(hooks: impl Strategy<Value = String> + Clone) -> impl Strategy<Value = State> {
    let claim = (any::<String>(), any::<String>(), any_time())
        .prop_map(|(machine, process, until)| HookClaim { owner: Owner { machine, process }, until });
    let schedule = || any_time().prop_map(|last| ScheduleState { last });
    let shard = (1..9_u32).prop_map(|index| format!("{index}/8").parse::<Shard>().unwrap());
    let schedules = (option::of(schedule()), btree_map(shard, schedule(), 0..3));
    let failing = btree_map(any_tag(), any_time().prop_map(failing), 0..3);
    (
        btree_map(hooks.clone(), any_lock(), 0..3),
        btree_map(hooks.clone(), any_lock(), 0..3),
        btree_map(hooks.clone(), btree_map(any_tag(), any::<u64>(), 0..3), 0..3),
        btree_map(hooks, claim, 0..3),
        schedules,
        any_memory(),
        (failing, btree_set(any_tag(), 0..3)),
    )
        .prop_map(
            |(seen, attempted_locks, run_counts, claims, (schedule, shards), memory, (failing, deferred))| State {
                seen,
                attempted_locks,
                run_counts,
                claims,
                schedule,
                shards,
                deferred,
                memory,
                failing,
                unknown: RootFiles::new(),
            },
        )
}
