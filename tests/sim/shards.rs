//! Up to 64 shards on one root: they crash, lose answers and meet people's commits, and reach the same lock as a
//! single pass. Only Git connects them.

use crate::model::settings::globs::TagGlobs;
use crate::reconcile::Request;

use super::schedules::share;
use super::universe::{Shared, Universe};
use super::world::Fault;
use super::{Reconciler, crash, end_orphan, finish, invariants, jump, people, registry, request, step};

/// Schedules of a full run.
const SCHEDULES: u64 = 36;
/// The fast lane runs one schedule in this many.
const SAMPLE: u64 = 4;
/// Schedules within which a planted fault has to be caught.
const SCHEDULES_FOR_A_FAULT: u64 = 6;
/// Steps with faults for each shard, before the world comes to rest.
const STEPS: usize = 120;

/// Totals of a schedule.
#[derive(Default)]
struct Totals {
    shards: usize,
    /// Commits of the last pass of each shard, after the last change.
    last: usize,
    commits: usize,
    rejected: usize,
    crashes: usize,
    deliveries: usize,
}

/// Request of machine `index` of `count`.
type Part = fn(u32, u32) -> Request;

fn shard(index: u32, count: u32) -> Request {
    Request { shard: Some(format!("{}/{count}", index + 1).parse().unwrap()), ..request() }
}

/// A wrong split without shards: each machine resolves the tags whose names end in its digit.
fn by_tag(index: u32, _: u32) -> Request {
    Request { only: Some(TagGlobs::new([format!("app:*{index}").as_str()]).unwrap()), ..request() }
}

fn run(seed: u64, count: u32, part: Part, fault: Option<Fault>) -> Result<Totals, String> {
    let universe = Universe::crowded(seed);
    let reconciler = |index| Reconciler { request: part(index, count), ..Reconciler::new(index) };
    let mut shards: Vec<Reconciler> = (0..count).map(reconciler).collect();
    for _ in 0..STEPS * shards.len() {
        let which = universe.rng(|rng| rng.usize(..shards.len()));
        match universe.rng(|rng| rng.u16(..2000)) {
            0..20 => crash(&universe, &mut shards[which]),
            20..80 => registry::move_one(&universe),
            80..84 => people::commit(&universe),
            84..88 => jump(&universe),
            88..120 => end_orphan(&universe),
            _ => step(&universe, &mut shards[which], fault),
        }
        universe.broken()?;
    }
    come_to_rest(&universe, &mut shards, fault)
}

/// Stops all faults and changes. Running passes end; then one pass of each shard, all at once, is sufficient, and one
/// more has nothing to do.
fn come_to_rest(universe: &Shared, shards: &mut [Reconciler], fault: Option<Fault>) -> Result<Totals, String> {
    universe.calm();
    finish(universe, shards, fault)?;
    while universe.with(|inner| !inner.orphans.is_empty()) {
        end_orphan(universe);
    }
    universe.broken()?;
    // Claims of dead processes have expired by then, and failing tags are tried again.
    universe.advance(std::time::Duration::from_secs(86_400));
    let before = universe.outcome().commits;
    shards.iter_mut().for_each(|shard| step(universe, shard, fault));
    finish(universe, shards, fault)?;
    let last = universe.outcome().commits - before;
    invariants::at_rest(universe)?;
    let traces = universe.traces();
    let which = universe.rng(|rng| rng.usize(..shards.len()));
    step(universe, &mut shards[which], fault);
    finish(universe, shards, fault)?;
    if universe.traces() != traces {
        return Err("I3: another pass changed something".to_owned());
    }
    let outcome = universe.outcome();
    Ok(Totals {
        shards: shards.len(),
        last,
        commits: outcome.commits,
        rejected: outcome.rejected,
        crashes: outcome.crashes,
        deliveries: outcome.deliveries,
    })
}

/// Runs `schedules` on two threads, most with a few shards and some with many.
fn run_all(schedules: u64, part: Part, fault: Option<Fault>) -> Result<Vec<Totals>, String> {
    let half = |odd: u64| {
        let one = move |seed: u64| {
            let count = [3, 10, 3, 10, 3, 64, 10, 3, 10][seed as usize % 9];
            run(seed, count, part, fault).map_err(|broken| format!("{broken}; seed {seed} of {count} shards"))
        };
        move || (odd..schedules).step_by(2).map(one).collect::<Result<Vec<_>, _>>()
    };
    let (even, odd) = std::thread::scope(|scope| {
        let (even, odd) = (scope.spawn(half(0)), scope.spawn(half(1)));
        (even.join().unwrap(), odd.join().unwrap())
    });
    Ok(even?.into_iter().chain(odd?).collect())
}

#[test]
fn schedules_of_shards_keep_every_invariant() {
    let all = run_all(share(SCHEDULES, SAMPLE), shard, None).unwrap();
    assert!(all.iter().all(|totals| totals.last <= totals.shards));
    // A run without events would prove nothing.
    let sum = |of: fn(&Totals) -> usize| all.iter().map(of).sum::<usize>();
    let sums = [
        sum(|totals| totals.commits),
        sum(|totals| totals.rejected),
        sum(|totals| totals.crashes),
        sum(|totals| totals.deliveries),
    ];
    assert!(sums.iter().zip([500, 500, 200, 500]).all(|(sum, least)| *sum as u64 >= share(least, SAMPLE)), "{sums:?}");
}

#[test]
fn a_first_pass_of_64_shards_is_at_most_64_commits() {
    let universe = Universe::crowded(7);
    let mut shards: Vec<Reconciler> =
        (0..64).map(|index| Reconciler { request: shard(index, 64), ..Reconciler::new(index) }).collect();
    let totals = come_to_rest(&universe, &mut shards, None).unwrap();
    assert!((10..=64).contains(&totals.commits), "{}", totals.commits);
}

#[test]
fn a_split_by_tag_breaks_an_invariant() {
    let broken = run(0, 10, by_tag, None).err().unwrap();
    assert!(broken.starts_with("I24:"), "{broken}");
}

#[test]
fn a_shard_that_drops_pins_of_others_breaks_an_invariant() {
    let broken = run_all(SCHEDULES_FOR_A_FAULT, shard, Some(Fault::OthersDropped)).err().unwrap();
    assert!(broken.starts_with("I23:"), "{broken}");
}
