//! The simulator: the `reconcile` of the program in a world in memory, with many reconcilers, crashes, lost answers,
//! changing and stale registries, and commits of people, all determined by a seed.
//!
//! A schedule is one seed: the same seed gives the same run, step by step. The [`invariants`] are checked at each
//! landing and delivery, and again at rest. They must catch each planted fault (see [`world::Fault`]), or the checks
//! prove nothing.

mod invariants;
mod patience;
mod people;
mod registry;
mod review;
mod schedules;
mod servers;
mod shards;
mod universe;
mod world;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::SignedDuration;

use crate::reconcile::{Effect, PassError, Request, Resolve, reconcile};
use crate::report::Report;

use schedules::share;
use universe::{Shared, Universe};
use world::{Fault, SimWorld};

/// Schedules of a full run.
const SCHEDULES: u64 = 10_000;
/// The fast lane runs one schedule in this many.
const SAMPLE: u64 = 20;
/// Schedules within which a planted fault has to be caught.
const SCHEDULES_FOR_A_FAULT: u64 = 3_000;
/// Number of steps with faults, before the faults end.
const STEPS: usize = 215;
/// Seconds by which a clock may be wrong while a claim is valid.
const SKEW_MAX: i64 = 25;

type Pass = Pin<Box<dyn Future<Output = Result<Report, PassError>>>>;

/// A reconciler: its current process and pass.
struct Reconciler {
    process: u32,
    machine: u32,
    /// The request of each of its passes.
    request: Request,
    pass: Option<Pass>,
}

impl Reconciler {
    /// Creates a reconciler without shards.
    fn new(machine: u32) -> Self {
        Self { process: 0, machine, request: request(), pass: None }
    }
}

/// Runs one schedule; the first broken invariant is the error.
fn run(seed: u64, fault: Option<Fault>) -> Result<Outcome, String> {
    run_in(&Universe::new(seed), fault)
}

fn run_in(universe: &Shared, fault: Option<Fault>) -> Result<Outcome, String> {
    let mut reconcilers: Vec<Reconciler> = (0..universe.rng(|rng| rng.u32(1..=3)))
        .map(|number| Reconciler::new(servers::machine(universe, number)))
        .collect();
    for _ in 0..STEPS {
        let which = universe.rng(|rng| rng.usize(..reconcilers.len()));
        match universe.rng(|rng| rng.u8(..100)) {
            0..=1 => crash(universe, &mut reconcilers[which]),
            2..=5 => registry::move_one(universe),
            6..=8 => people::commit(universe),
            9 => jump(universe),
            10 => end_orphan(universe),
            11..=13 if servers::misbehaves(universe) => {}
            _ => step(universe, &mut reconcilers[which], fault),
        }
        universe.broken()?;
    }
    come_to_rest(universe, &mut reconcilers, fault)?;
    Ok(universe.outcome())
}

/// Result of a schedule, to be compared with another run of the same seed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    lock: String,
    commits: usize,
    deliveries: usize,
    crashes: usize,
    lost: usize,
    rejected: usize,
    orphans: usize,
    reports: Option<Vec<String>>,
}

fn step(universe: &Shared, reconciler: &mut Reconciler, fault: Option<Fault>) {
    let pass = reconciler.pass.get_or_insert_with(|| {
        reconciler.process = universe.begin();
        let world = SimWorld::new(Rc::clone(universe), reconciler.process, reconciler.machine, fault);
        let mut request = reconciler.request.clone();
        // Scheduled passes and others take turns.
        if request.resolve == Resolve::All && universe.rng(fastrand::Rng::bool) {
            request.resolve = Resolve::Due;
        }
        Box::pin(async move { reconcile(&world, &request).await })
    });
    universe.tick(reconciler.process);
    if let Poll::Ready(result) = pass.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        invariants::at_end(universe, reconciler.process, &result);
        universe.end(reconciler.process);
        reconciler.pass = None;
    }
}

fn request() -> Request {
    Request {
        branch: Some("main".to_owned()),
        checkout_branch: None,
        root: String::new(),
        remote: None,
        only: None,
        shard: None,
        resolve: Resolve::All,
        effect: Effect::Land,
        policy: None,
    }
}

/// Sets a clock wrong. While several processes or a hook run, the clocks differ by less than the margin of a claim: with a
/// larger difference, two processes may run the same hook, as after a claim has expired.
fn jump(universe: &Shared) {
    universe.with(|inner| {
        if inner.alive.len() > 1 || inner.has_live_claim() {
            let (machine, seconds) = (inner.rng.u32(..2), inner.rng.i64(-SKEW_MAX..=SKEW_MAX));
            inner.skews.insert(machine, seconds);
        } else {
            let minutes = inner.rng.i64(-20..=20);
            inner.jump(SignedDuration::from_mins(minutes));
        }
    });
}

fn crash(universe: &Shared, reconciler: &mut Reconciler) {
    if reconciler.pass.take().is_some() {
        universe.crash(reconciler.process);
    }
}

/// Ends a hook whose process was killed.
fn end_orphan(universe: &Shared) {
    universe.with(|inner| {
        if inner.orphans.is_empty() {
            return;
        }
        let orphan = inner.orphans.swap_remove(inner.rng.usize(..inner.orphans.len()));
        if inner.elapsed <= orphan.until && !inner.mishap(15) {
            invariants::at_delivery(inner, &orphan.hook, &orphan.event, orphan.process);
        }
    });
}

/// Stops all faults. Running passes end; then one pass of each reconciler, all at once, is sufficient, and one more has
/// nothing to do.
fn come_to_rest(universe: &Shared, reconcilers: &mut [Reconciler], fault: Option<Fault>) -> Result<(), String> {
    universe.calm();
    finish(universe, reconcilers, fault)?;
    while universe.with(|inner| !inner.orphans.is_empty()) {
        end_orphan(universe);
    }
    universe.broken()?;
    // Claims of dead processes have expired by then, and failing tags are tried again.
    universe.advance(Duration::from_secs(86_400));
    for begun in 1..=reconcilers.len() {
        // The last pass sees the last change. A tag must not return to its pinned digest: the last pass would have
        // nothing to land, and earlier answers of the others would be newer than the branch.
        registry::move_on(universe);
        step(universe, &mut reconcilers[begun - 1], fault);
        for _ in 0..if begun < reconcilers.len() { universe.rng(|rng| rng.u8(..60)) } else { 0 } {
            let which = universe.rng(|rng| rng.usize(..begun));
            if reconcilers[which].pass.is_some() {
                step(universe, &mut reconcilers[which], fault);
            }
        }
    }
    finish(universe, reconcilers, fault)?;
    invariants::at_rest(universe)?;
    let before = universe.traces();
    step(universe, &mut reconcilers[0], fault);
    finish(universe, reconcilers, fault)?;
    match universe.traces() == before {
        true => Ok(()),
        false => Err("I3: there was something left to do".to_owned()),
    }
}

/// Runs all passes to their end.
fn finish(universe: &Shared, reconcilers: &mut [Reconciler], fault: Option<Fault>) -> Result<(), String> {
    let most = if universe.with(|inner| inner.is_crowded) { 50_000_000 } else { 100_000 };
    for _ in 0..most {
        let running: Vec<usize> = (0..reconcilers.len()).filter(|at| reconcilers[*at].pass.is_some()).collect();
        if running.is_empty() {
            return Ok(());
        }
        let which = running[universe.rng(|rng| rng.usize(..running.len()))];
        step(universe, &mut reconcilers[which], fault);
        universe.broken()?;
    }
    Err("I3: passes go on for ever".to_owned())
}

/// Runs `schedules` on two threads, and reports the lowest seed that violates an invariant.
fn first_broken(schedules: u64, fault: Option<Fault>) -> (Option<(u64, String)>, Vec<Outcome>) {
    let half = |odd: u64| {
        move || {
            let mut outcomes = Vec::new();
            for seed in (odd..schedules).step_by(2) {
                match run(seed, fault) {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(broken) => return (Some((seed, broken)), outcomes),
                }
            }
            (None, outcomes)
        }
    };
    let (even, odd) = std::thread::scope(|scope| {
        let (even, odd) = (scope.spawn(half(0)), scope.spawn(half(1)));
        (even.join().unwrap(), odd.join().unwrap())
    });
    let broken = even.0.into_iter().chain(odd.0).min();
    (broken, even.1.into_iter().chain(odd.1).collect())
}

#[test]
fn ten_thousand_schedules_keep_every_invariant() {
    let (broken, outcomes) = first_broken(share(SCHEDULES, SAMPLE), None);
    assert_eq!(broken, None);
    // A run without events would prove nothing.
    let sum = |of: fn(&Outcome) -> usize| outcomes.iter().map(of).sum::<usize>();
    let at_least = |of: fn(&Outcome) -> usize, least: u64| {
        let least = share(least, SAMPLE) as usize;
        assert!(sum(of) >= least, "{} < {least}", sum(of));
    };
    at_least(|outcome| outcome.commits, 20_000);
    at_least(|outcome| outcome.deliveries, 30_000);
    at_least(|outcome| outcome.crashes, 5_000);
    at_least(|outcome| outcome.lost, 3_000);
    at_least(|outcome| outcome.rejected, 1_000);
    at_least(|outcome| outcome.orphans, 500);
}

#[test]
fn i12_the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let universe = Universe::new(seed);
        universe.with(|inner| inner.reports = Some(Vec::new()));
        run_in(&universe, None)
    };
    for seed in 0..50 {
        let first = run(seed);
        assert!(first.as_ref().is_ok_and(|outcome| outcome.reports.as_ref().is_some_and(|all| !all.is_empty())));
        assert_eq!(first, run(seed));
    }
}

#[test]
fn every_planted_fault_is_caught() {
    for (fault, invariants) in Fault::ALL {
        let (broken, _) = first_broken(SCHEDULES_FOR_A_FAULT, Some(fault));
        let (_, broken) = broken.unwrap_or_else(|| panic!("{fault:?} was not caught"));
        assert!(
            invariants.iter().any(|name| broken.starts_with(&format!("{name}:"))),
            "{fault:?} was caught as {broken}"
        );
    }
}
