//! A branch or a state ref that never stops moving: a pass gives up after its time limit and exits with 5.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::effects::Clock as _;
use crate::model::state::State;
use crate::reconcile::retry::{PATIENCE, Retry};
use crate::reconcile::{PassError, reconcile};
use crate::report::exit::Exit;
use crate::report::{PassEnd, Report};

use super::request;
use super::universe::{Shared, Stuck, Universe};
use super::world::SimWorld;

/// Polls a future until it completes; nothing else happens meanwhile.
fn drive<T>(universe: &Shared, future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    loop {
        universe.with(|inner| {
            inner.is_driven = false;
            inner.urgent.clear();
        });
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn world(universe: &Shared) -> SimWorld {
    SimWorld::new(Rc::clone(universe), universe.begin(), 0, None)
}

/// Runs one pass without any others.
fn pass(universe: &Shared) -> Result<Report, PassError> {
    drive(universe, reconcile(&world(universe), &request()))
}

/// A universe with a hook and without faults, except those that the test causes.
fn calm() -> Shared {
    let universe = Universe::new(7);
    universe.calm();
    assert!(universe.with(|inner| !inner.at_tip().settings.hooks.is_empty()));
    universe
}

#[test]
fn the_time_limit_starts_with_the_first_retry() {
    let universe = calm();
    let world = world(&universe);
    universe.advance(Duration::from_secs(3600));
    let (mut tries, before) = (Retry::default(), world.elapsed());
    let error = loop {
        if let Err(error) = drive(&universe, tries.back_off(&world, "it moved")) {
            break error;
        }
    };
    let took = world.elapsed() - before;
    assert!(took >= PATIENCE && took < PATIENCE + Duration::from_secs(10), "{took:?}");
    let PassError::Contention { attempts: tries, last } = error else { panic!("{error}") };
    // Pauses grow: a branch that keeps moving is not asked for without end.
    assert!((60..400).contains(&tries), "{tries}");
    assert_eq!(last, "it moved");
}

#[test]
fn a_pass_gives_up_on_a_branch_that_keeps_moving() {
    let universe = calm();
    universe.with(|inner| inner.stuck = Some(Stuck::Branch));
    let error = pass(&universe).unwrap_err();
    assert_eq!(error.exit(), Exit::Contention, "{error}");
    assert!(error.to_string().ends_with("the branch `main` moved"), "{error}");
}

#[test]
fn a_state_ref_that_keeps_moving_leaves_hooks_pending() {
    let universe = calm();
    // Adopting the tip is the first write, a claim the second, and the mark after the hook the third.
    for (times, ran) in [(1, false), (2, true)] {
        let universe = if ran { calm() } else { Rc::clone(&universe) };
        universe.with(|inner| inner.stuck = Some(Stuck::StateAfter(times)));
        let report = pass(&universe).unwrap();
        assert_eq!(report.exit(), Exit::Contention, "{report:?}");
        assert!(matches!(report.end, PassEnd::Landed(_)), "{report:?}");
        assert!(report.errors[0].message.starts_with("hooks stay pending: gave up after"), "{report:?}");
        assert_eq!(universe.with(|inner| !inner.deliveries.is_empty()), ran);
        // Once the state ref stops moving, everything is delivered.
        universe.with(|inner| inner.stuck = None);
        assert_eq!(pass(&universe).unwrap().exit(), Exit::Success);
        assert!(universe.with(|inner| !inner.deliveries.is_empty()));
    }
}

#[test]
fn s10_a_claim_is_renewed_only_while_a_long_hook_runs() {
    for is_slow in [false, true] {
        let universe = calm();
        universe.with(|inner| inner.has_slow_hooks = is_slow);
        assert_eq!(pass(&universe).unwrap().exit(), Exit::Success);
        universe.with(|inner| {
            let without_claims = |state: &State| State { claims: BTreeMap::new(), ..state.clone() };
            let is_renewal = |pair: &&[(Option<usize>, State)]| {
                let [before, after] = [&pair[0].1, &pair[1].1];
                before.claims.keys().eq(after.claims.keys()) && without_claims(before) == without_claims(after)
            };
            let renewals = inner.states.windows(2).filter(is_renewal).count();
            // A slow hook takes 160 seconds, and a claim is renewed each minute.
            let expected = if is_slow { 2 * inner.runs } else { 0 };
            assert!(inner.runs > 0 && renewals == expected, "{renewals} renewals of {} runs", inner.runs);
        });
    }
}
