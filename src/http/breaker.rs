//! Circuit breaker of a host, or of one repository at a host. Pure.
//!
//! Only what overlaps no success counts as a failure: a server that answers others is alive.

use std::time::Duration;

/// Consecutive failed requests, each after all its attempts, that open a breaker.
pub(super) const BREAKER_FAILURES: u32 = 5;
/// Time for which failures keep a breaker open. Longer than most passes, so that a broken server costs each of them
/// little; short enough for a daemon to notice a recovery. One more failure afterwards opens it again.
pub(super) const BREAKER_OPEN: Duration = Duration::from_secs(5 * 60);

/// An open circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CircuitOpen<E> {
    pub(crate) cause: BreakerCause,
    /// True if the whole host is concerned.
    pub(crate) is_host: bool,
    /// The failure that started it.
    pub(crate) error: E,
    /// When requests are allowed again.
    pub(crate) until: Duration,
}

/// Cause of an open circuit breaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BreakerCause {
    /// Too many consecutive failures.
    Failures,
    /// The server sent a long `Retry-After`.
    RetryAfter,
    /// The host answers nothing.
    Silence,
}

/// A failed request; `started` is the time of its first attempt.
pub(crate) struct RequestFailure<'e, E> {
    pub(crate) error: &'e E,
    pub(crate) started: Duration,
}

/// Circuit breaker; `E` is the error of a failed request. Small, because there is one per repository.
pub(super) struct Breaker<E> {
    is_host: bool,
    /// When a request last succeeded.
    served_at: Option<Duration>,
    /// Consecutive failures.
    failures: u32,
    /// The first of them.
    first: Option<Box<E>>,
    open: Option<Box<CircuitOpen<E>>>,
}

impl<E> Default for Breaker<E> {
    fn default() -> Self {
        Self { is_host: false, served_at: None, failures: 0, first: None, open: None }
    }
}

impl<E> Breaker<E> {
    /// Creates the breaker of a whole host.
    pub(super) fn of_host() -> Self {
        Self { is_host: true, ..Self::default() }
    }
}

impl<E: Clone> Breaker<E> {
    /// Checks that requests are allowed at `now`.
    ///
    /// # Errors
    /// The cause of an open breaker.
    pub(super) fn check(&mut self, now: Duration) -> Result<(), CircuitOpen<E>> {
        self.open.take_if(|open| open.until <= now);
        self.open.as_deref().map_or(Ok(()), |open| Err(open.clone()))
    }

    /// Returns true if a request succeeded after `time`.
    pub(super) fn has_served_since(&self, time: Duration) -> bool {
        self.served_at.is_some_and(|served| served > time)
    }

    /// Returns true if the last request failed.
    pub(super) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Returns true if a long `Retry-After` keeps it open.
    pub(super) fn is_limited(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.cause == BreakerCause::RetryAfter)
    }

    /// Records a success. An open breaker stays open: the response may be to an earlier request.
    pub(super) fn record_success(&mut self, now: Duration) {
        (self.served_at, self.failures, self.first) = (Some(now), 0, None);
    }

    /// Records a failed request, unless another one succeeded since its start; the fifth in a row opens the breaker if
    /// it `may_open`.
    pub(super) fn record_failure(&mut self, failure: &RequestFailure<'_, E>, now: Duration, may_open: bool) {
        if self.has_served_since(failure.started) {
            return;
        }
        self.failures = (self.failures + 1).min(BREAKER_FAILURES);
        let first = self.first.get_or_insert_with(|| Box::new(failure.error.clone()));
        if self.failures == BREAKER_FAILURES && may_open {
            let error = E::clone(first);
            // Half open afterwards: one more failure opens it again.
            (self.failures, self.first) = (BREAKER_FAILURES - 1, None);
            self.open(BreakerCause::Failures, &error, now + BREAKER_OPEN);
        }
    }

    /// Opens the breaker unless it is open for longer.
    pub(super) fn open(&mut self, cause: BreakerCause, error: &E, until: Duration) {
        if self.open.as_ref().is_none_or(|open| open.until < until) {
            self.open = Some(Box::new(CircuitOpen { cause, is_host: self.is_host, error: error.clone(), until }));
        }
    }
}
