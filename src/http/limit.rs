//! Limits: timeouts of requests; per host a concurrency limit, pauses and a circuit breaker.
//!
//! Sends nothing. Times are durations since the client was created, by a clock that never goes back; everything
//! remembered here expires, so that a client can outlive a pass.

use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::system::lock;

/// Consecutive failed requests, each after all its attempts, that open the circuit breaker.
pub(crate) const BREAKER_FAILURES: u32 = 5;
/// Time for which failures keep the breaker open. Longer than most passes, so that a silent host costs each of them
/// little; short enough for a daemon to notice a recovery. One more failure afterwards opens it again.
pub(crate) const BREAKER_OPEN: Duration = Duration::from_secs(5 * 60);
/// Longest `Retry-After` that keeps the breaker open.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Timeouts and pauses of HTTP requests. The default is what users get; tests use shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// For one attempt in all: redirects included, to the last byte. An attempt that takes longer is not repeated, so
    /// that a silent host delays a tag only once.
    pub request: Duration,
    /// The longest `Retry-After` that is waited for; a longer one opens the circuit breaker of the host.
    pub retry_after: Duration,
    /// The first pause after a failed attempt; the second is twice as long.
    pub backoff: Duration,
    /// The pause between requests once `ratelimit-remaining` is lower than the concurrency limit.
    pub throttle: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            retry_after: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            throttle: Duration::from_millis(250),
        }
    }
}

/// Concurrency limit, pauses and circuit breaker of one host; `E` is the error of a failed request.
pub(crate) struct HostLimiter<E> {
    permits: Semaphore,
    requests: usize,
    state: Mutex<LimiterState<E>>,
}

struct LimiterState<E> {
    /// No request starts before this time.
    not_before: Duration,
    /// True if the quota is nearly used up.
    is_throttled: bool,
    /// Consecutive failures.
    failures: u32,
    /// The first of them.
    first: Option<E>,
    open: Option<CircuitOpen<E>>,
}

/// An open circuit breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CircuitOpen<E> {
    pub(crate) cause: BreakerCause,
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
}

impl<E: Clone> HostLimiter<E> {
    /// Creates a limiter for `requests` concurrent requests.
    pub(crate) fn new(requests: usize) -> Self {
        let requests = requests.clamp(1, 1024);
        let state =
            LimiterState { not_before: Duration::ZERO, is_throttled: false, failures: 0, first: None, open: None };
        Self { permits: Semaphore::new(requests), requests, state: Mutex::new(state) }
    }

    /// Waits for a free permit and for the pauses of the host. `now` is read again after each wait.
    ///
    /// # Errors
    /// If the circuit breaker is open.
    pub(crate) async fn acquire(
        &self,
        throttle: Duration,
        now: impl Fn() -> Duration,
    ) -> Result<Option<SemaphorePermit<'_>>, CircuitOpen<E>> {
        // The semaphore is never closed.
        let permit = self.permits.acquire().await.ok();
        loop {
            let wait = {
                let now = now();
                let mut state = lock(&self.state);
                state.open.take_if(|open| open.until <= now);
                if let Some(open) = &state.open {
                    return Err(open.clone());
                }
                let wait = state.not_before.saturating_sub(now);
                if wait.is_zero() {
                    if state.is_throttled {
                        state.not_before = now + throttle;
                    }
                    return Ok(permit);
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Records an orderly response and its quota: throttles when fewer requests remain than may be in flight.
    pub(crate) fn record_success(&self, headers: &HeaderMap) {
        let quota = headers.get("ratelimit-remaining").and_then(|value| remaining(value.as_bytes()));
        let mut state = lock(&self.state);
        state.failures = 0;
        state.first = None;
        if let Some(quota) = quota {
            state.is_throttled = quota < self.requests as u64;
        }
    }

    /// Records a request that failed after all its attempts; the fifth in a row opens the breaker.
    pub(crate) fn record_failure(&self, error: &E, now: Duration) {
        let mut state = lock(&self.state);
        state.failures += 1;
        let first = state.first.get_or_insert_with(|| error.clone()).clone();
        if state.failures >= BREAKER_FAILURES {
            // Half open afterwards: one more failure opens it again.
            state.failures = BREAKER_FAILURES - 1;
            state.first = None;
            open(&mut state, CircuitOpen { cause: BreakerCause::Failures, error: first, until: now + BREAKER_OPEN });
        }
    }

    /// Delays all requests by `wait`.
    pub(crate) fn pause(&self, wait: Duration, now: Duration) {
        let mut state = lock(&self.state);
        state.not_before = state.not_before.max(now + wait);
    }

    /// Opens the breaker for `wait`, at most a day, as the server's `Retry-After` demands. Responses to requests in
    /// flight do not close it.
    pub(crate) fn open_for(&self, wait: Duration, error: &E, now: Duration) {
        let until = now + wait.min(RETRY_AFTER_MAX);
        open(&mut lock(&self.state), CircuitOpen { cause: BreakerCause::RetryAfter, error: error.clone(), until });
    }
}

/// Opens the breaker unless it is open for longer.
fn open<E>(state: &mut LimiterState<E>, new: CircuitOpen<E>) {
    if state.open.as_ref().is_none_or(|open| open.until < new.until) {
        state.open = Some(new);
    }
}

/// Parses `ratelimit-remaining`, with or without its window (`76;w=21600`).
fn remaining(value: &[u8]) -> Option<u64> {
    let count = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    std::str::from_utf8(count).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    async fn acquire(limiter: &HostLimiter<&'static str>, now: u64) -> Result<(), CircuitOpen<&'static str>> {
        limiter.acquire(Duration::ZERO, || seconds(now)).await.map(drop)
    }

    #[test]
    fn a_quota_is_parsed_with_and_without_a_window() {
        for (value, expected) in [
            ("0", Some(0)),
            ("0;w=21600", Some(0)),
            (" 76 ;w=21600", Some(76)),
            ("", None),
            ("many", None),
            ("-1", None),
        ] {
            assert_eq!(remaining(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn t14_a_request_without_an_answer_ends_within_35_seconds() {
        let limits = HttpLimits::default();
        // Neither timeout is retried, and the first is part of the second.
        assert!(limits.connect < limits.request && limits.request < seconds(35));
    }

    #[tokio::test]
    async fn five_failures_open_the_breaker_for_five_minutes_and_one_more_opens_it_again() {
        let limiter = HostLimiter::new(4);
        for error in ["first", "b", "c", "d"] {
            limiter.record_failure(&error, seconds(10));
            assert_eq!(acquire(&limiter, 10).await, Ok(()));
        }
        limiter.record_failure(&"e", seconds(10));
        let open = CircuitOpen { cause: BreakerCause::Failures, error: "first", until: seconds(310) };
        assert_eq!(acquire(&limiter, 309).await, Err(open));
        assert_eq!(acquire(&limiter, 310).await, Ok(()));
        limiter.record_failure(&"again", seconds(311));
        assert_eq!(acquire(&limiter, 312).await.unwrap_err().error, "again");
        assert_eq!(acquire(&limiter, 611).await, Ok(()));
        limiter.record_success(&HeaderMap::new());
        limiter.record_failure(&"later", seconds(612));
        assert_eq!(acquire(&limiter, 612).await, Ok(()));
    }

    #[tokio::test]
    async fn a_long_retry_after_opens_the_breaker_for_that_time_and_at_most_a_day() {
        let limiter = HostLimiter::new(4);
        limiter.open_for(seconds(3600), &"429", seconds(0));
        // A later, shorter one does not shorten it, and neither does a response to a request in flight.
        limiter.open_for(seconds(100), &"503", seconds(0));
        limiter.record_success(&HeaderMap::new());
        let open = CircuitOpen { cause: BreakerCause::RetryAfter, error: "429", until: seconds(3600) };
        assert_eq!(acquire(&limiter, 3599).await, Err(open));
        assert_eq!(acquire(&limiter, 3600).await, Ok(()));
        limiter.open_for(seconds(u64::from(u32::MAX)), &"429", seconds(3600));
        assert_eq!(acquire(&limiter, 3600).await.unwrap_err().until, seconds(3600 + 86400));
    }
}
