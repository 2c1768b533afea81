//! The clocks of the simulated machines. Time passes while a process sleeps, but only as fast as all processes keep up
//! with their timers, or the renewal of a claim would be late for no reason of its own.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::effects::{Clock, Progress};

use super::{Fault, SimWorld, yield_once};
use crate::sim::universe::{Shared, Timer};

impl Clock for SimWorld {
    fn now(&self) -> Timestamp {
        let now = self.universe.with(|inner| inner.now_at(self.machine));
        // Not so far that its own claims would be invalid.
        let is_ahead = self.has(Fault::ClockAhead) && self.process.is_multiple_of(2);
        if is_ahead { now.checked_add(SignedDuration::from_secs(100)).unwrap() } else { now }
    }

    fn elapsed(&self) -> Duration {
        self.universe.with(|inner| inner.elapsed) - self.started
    }

    async fn sleep(&self, duration: Duration) {
        let deadline = self.universe.with(|inner| inner.elapsed) + duration;
        if self.universe.with(|inner| inner.is_crowded) {
            // The others run meanwhile and let time pass.
            while self.universe.with(|inner| inner.elapsed) < deadline {
                self.give_way().await;
            }
            return;
        }
        let mut timer = None;
        loop {
            let is_first = self.universe.with(|inner| !std::mem::replace(&mut inner.is_driven, true));
            if is_first {
                self.universe.advance_to(deadline);
            } else if timer.is_none() {
                // Another part of the process is busy, e.g. with a hook, and this one only waits.
                timer = Some(RunningTimer::start(&self.universe, self.process, deadline));
            }
            yield_once().await;
            if self.universe.with(|inner| inner.elapsed) >= deadline {
                return;
            }
        }
    }

    async fn within<T>(&self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        let (until, mut work) = (self.elapsed() + limit, std::pin::pin!(work));
        poll_fn(|context| match work.as_mut().poll(context).map(Some) {
            Poll::Pending if self.elapsed() >= until => Poll::Ready(None),
            result => result,
        })
        .await
    }

    fn random(&self) -> f64 {
        self.universe.rng(fastrand::Rng::f64)
    }

    fn progress(&self, _: Progress) {}
}

/// A timer that others must not skip; it ends when it is dropped.
struct RunningTimer<'u> {
    universe: &'u Shared,
    id: u64,
}

impl<'u> RunningTimer<'u> {
    fn start(universe: &'u Shared, process: u32, deadline: Duration) -> Self {
        let id = universe.with(|inner| {
            inner.timers_started += 1;
            inner.timers.insert(inner.timers_started, Timer { process, deadline });
            inner.timers_started
        });
        Self { universe, id }
    }
}

impl Drop for RunningTimer<'_> {
    fn drop(&mut self) {
        self.universe.with(|inner| inner.timers.remove(&self.id));
    }
}
