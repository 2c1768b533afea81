//! Limits: timeouts of requests; per host an adaptive concurrency limit, pauses and circuit breakers.
//!
//! Sends nothing. Times are durations since the client was created, by a clock that never goes back; everything
//! remembered here expires, so that a client can outlive a pass. A *scope* is the part of a host that fails by itself: a
//! repository, or a token server.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::HeaderMap;
use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::breaker::{BREAKER_OPEN, Breaker, BreakerCause, CircuitOpen, RequestFailure};
use super::pace::Pace;
use crate::system::lock;

/// Longest `Retry-After` that keeps a breaker open.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(24 * 60 * 60);
/// Consecutive 429 and 503 of one scope that count as load of its host; more are a failure of the scope.
const SHEDDING_MAX: u32 = 6;
/// Requests without an answer that may have given up their permits, as a multiple of the concurrency limit.
const PARKED_FACTOR: usize = 4;

/// Timeouts and pauses of HTTP requests. The default is what users get; tests use shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpLimits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// For one attempt in all: redirects included, to the last byte. An attempt that takes longer is not repeated, so
    /// that a silent host delays a tag only once.
    pub request: Duration,
    /// The longest `Retry-After` that is waited for; a longer one opens the circuit breaker of the scope.
    pub retry_after: Duration,
    /// The first pause after a failed attempt; the second is twice as long.
    pub backoff: Duration,
    /// The pause between requests once `ratelimit-remaining` is lower than the concurrency limit, and the longest one
    /// for a server that sheds load.
    pub throttle: Duration,
    /// The time after which a request without an answer gives up its permit if the host answers others, and after which
    /// the host is asked for a sign of life if it does not.
    pub slow: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            retry_after: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            throttle: Duration::from_millis(250),
            slow: Duration::from_secs(2),
        }
    }
}

/// Adaptive concurrency limit, pauses and circuit breakers of one host; `E` is the error of a failed request.
pub(crate) struct HostLimiter<E> {
    permits: Semaphore,
    requests: usize,
    throttle: Duration,
    state: Mutex<LimiterState<E>>,
    /// Wakes requests in flight when the host turns out to be silent.
    silenced: Notify,
}

struct LimiterState<E> {
    pace: Pace,
    /// Permits taken out of the semaphore because of the pace.
    withdrawn: usize,
    /// Requests in flight that gave up their permits.
    parked: usize,
    /// No request starts before this time.
    not_before: Duration,
    /// True if the quota is nearly used up.
    is_throttled: bool,
    /// When the host last sent a response, whatever its status.
    answered_at: Option<Duration>,
    /// The latest start of a request that was answered.
    answered_start: Option<Duration>,
    /// When the host was last asked for a sign of life.
    pinged_at: Option<Duration>,
    host: Breaker<E>,
    scopes: HashMap<Box<str>, Scope<E>>,
}

/// A repository or a token server.
struct Scope<E> {
    breaker: Breaker<E>,
    /// No request starts before this time.
    not_before: Duration,
    /// Consecutive 429 and 503.
    overloads: u32,
}

/// Permit of a request in flight.
pub(crate) struct RequestPermit<'a, E: Clone> {
    limiter: &'a HostLimiter<E>,
    /// None if it was given up early.
    permit: Option<SemaphorePermit<'a>>,
}

impl<E> Default for Scope<E> {
    fn default() -> Self {
        Self { breaker: Breaker::default(), not_before: Duration::ZERO, overloads: 0 }
    }
}

impl<E> LimiterState<E> {
    fn scope(&mut self, name: &str) -> &mut Scope<E> {
        self.scopes.entry(name.into()).or_default()
    }

    fn has_answered_since(&self, time: Duration) -> bool {
        self.answered_at.is_some_and(|answered| answered > time)
    }
}

impl<E: Clone> HostLimiter<E> {
    /// Creates a limiter for `requests` concurrent requests; `throttle` is the longest pause between two requests.
    pub(crate) fn new(requests: usize, throttle: Duration) -> Self {
        let requests = requests.clamp(1, 1024);
        let state = LimiterState {
            pace: Pace::new(requests, throttle),
            withdrawn: 0,
            parked: 0,
            not_before: Duration::ZERO,
            is_throttled: false,
            answered_at: None,
            answered_start: None,
            pinged_at: None,
            host: Breaker::of_host(),
            scopes: HashMap::new(),
        };
        let (permits, silenced) = (Semaphore::new(requests), Notify::new());
        Self { permits, requests, throttle, state: Mutex::new(state), silenced }
    }

    /// Waits for the pauses of `scope`, a free permit, and the pauses of the host. `now` is read again after each wait.
    ///
    /// # Errors
    /// If a circuit breaker is open.
    pub(crate) async fn acquire(
        &self,
        scope: &str,
        now: impl Fn() -> Duration,
    ) -> Result<RequestPermit<'_, E>, CircuitOpen<E>> {
        loop {
            // Without a permit: other repositories need it meanwhile.
            while let Some(wait) = self.scope_wait(scope, now())? {
                tokio::time::sleep(wait).await;
            }
            // The semaphore is never closed.
            let permit = RequestPermit { limiter: self, permit: self.permits.acquire().await.ok() };
            loop {
                if self.scope_wait(scope, now())?.is_some() {
                    break;
                }
                let wait = self.host_wait(now());
                if wait.is_zero() {
                    return Ok(permit);
                }
                tokio::time::sleep(wait).await;
            }
        }
    }

    /// Returns the rest of the pause of `scope`.
    ///
    /// # Errors
    /// If a circuit breaker is open.
    fn scope_wait(&self, scope: &str, now: Duration) -> Result<Option<Duration>, CircuitOpen<E>> {
        let mut state = lock(&self.state);
        state.host.check(now)?;
        let Some(scope) = state.scopes.get_mut(scope) else { return Ok(None) };
        scope.breaker.check(now)?;
        Ok(scope.not_before.checked_sub(now).filter(|wait| !wait.is_zero()))
    }

    /// Returns the rest of the pause of the host; if there is none, the next request has to wait for the interval.
    fn host_wait(&self, now: Duration) -> Duration {
        let mut state = lock(&self.state);
        let wait = state.not_before.saturating_sub(now);
        if wait.is_zero() {
            let throttle = if state.is_throttled { self.throttle } else { Duration::ZERO };
            state.not_before = now + state.pace.interval.max(throttle);
        }
        wait
    }

    /// Records that the host sent a response to a request that was sent at `sent`.
    pub(crate) fn record_answer(&self, sent: Duration, now: Duration) {
        let mut state = lock(&self.state);
        state.answered_at = Some(now);
        state.answered_start = state.answered_start.max(Some(sent));
    }

    /// Records an orderly response and its quota: throttles when fewer requests remain than may be in flight.
    /// Without `headers`, another host sent it for this scope.
    pub(crate) fn record_success(&self, scope: &str, headers: Option<&HeaderMap>, now: Duration) {
        let mut state = lock(&self.state);
        let scope = state.scope(scope);
        scope.breaker.record_success(now);
        scope.overloads = 0;
        let Some(headers) = headers else { return };
        state.host.record_success(now);
        let quota = headers.get("ratelimit-remaining").and_then(|value| remaining(value.as_bytes()));
        if let Some(quota) = quota {
            state.is_throttled = quota < self.requests as u64;
        }
        state.pace.raise();
        self.apply(&mut state);
    }

    /// Records a 429 or 503 to a request that was sent at `sent` and first at `started`. The pace is lowered, unless only
    /// this scope is concerned. Returns true if the host sheds load but serves others meanwhile, so that the attempt says
    /// nothing about this request.
    pub(crate) fn record_overload(&self, scope: &str, started: Duration, sent: Duration, now: Duration) -> bool {
        let mut state = lock(&self.state);
        let is_serving = state.host.has_served_since(started);
        let scope = state.scope(scope);
        scope.overloads = scope.overloads.saturating_add(1);
        let is_shedding = scope.overloads <= SHEDDING_MAX;
        if is_shedding {
            state.pace.lower(sent, now);
            self.apply(&mut state);
        }
        is_shedding && is_serving
    }

    /// Records a request that failed after all its attempts. The fifth in a row opens the breaker of its scope, or that of
    /// the host if several scopes fail.
    pub(crate) fn record_failure(&self, scope: &str, failure: &RequestFailure<'_, E>, now: Duration) {
        let mut state = lock(&self.state);
        state.scope(scope).breaker.record_failure(failure, now, true);
        let failing = state.scopes.values().filter(|scope| scope.breaker.is_failing()).take(2).count();
        state.host.record_failure(failure, now, failing > 1);
    }

    /// Delays all requests of `scope` by `wait`, unless another of its requests succeeded after this one `started`.
    pub(crate) fn pause(&self, scope: &str, wait: Duration, started: Duration, now: Duration) {
        let mut state = lock(&self.state);
        let scope = state.scope(scope);
        if !scope.breaker.has_served_since(started) {
            scope.not_before = scope.not_before.max(now + wait);
        }
    }

    /// Opens the breaker of `scope` for `wait`, at most a day, as the server's `Retry-After` demands, and that of the host
    /// if several scopes are limited and none was served since the request started. Responses to requests in flight do
    /// not close it.
    pub(crate) fn open_for(&self, scope: &str, wait: Duration, failure: &RequestFailure<'_, E>, now: Duration) {
        let until = now + wait.min(RETRY_AFTER_MAX);
        let mut state = lock(&self.state);
        state.scope(scope).breaker.open(BreakerCause::RetryAfter, failure.error, until);
        let limited = state.scopes.values().filter(|scope| scope.breaker.is_limited()).take(2).count();
        if limited > 1 && !state.host.has_served_since(failure.started) {
            state.host.open(BreakerCause::RetryAfter, failure.error, until);
        }
    }

    /// Handles a request that was sent at `sent` and has had no answer for a while. If the host answers later requests,
    /// only this one hangs, and it gives up its permit. Returns true if the host is to be asked for a sign of life.
    pub(crate) fn needs_ping(&self, permit: &mut RequestPermit<'_, E>, sent: Duration, now: Duration) -> bool {
        let mut state = lock(&self.state);
        if state.answered_start.is_some_and(|start| start > sent) {
            if permit.permit.is_some() && state.parked < PARKED_FACTOR * self.requests {
                state.parked += 1;
                self.release(&mut state, permit.permit.take());
            }
            return false;
        }
        let is_due = !state.has_answered_since(sent) && state.pinged_at.is_none_or(|at| at < sent);
        if is_due {
            state.pinged_at = Some(now);
        }
        is_due
    }

    /// Opens the breaker of the host after a request that was sent at `sent` timed out, if the host answered nothing at all
    /// meanwhile, not even the request for a sign of life. Requests in flight end.
    pub(crate) fn check_silence(&self, error: &E, sent: Duration, now: Duration) {
        let mut state = lock(&self.state);
        if !state.has_answered_since(sent) && state.pinged_at.is_some_and(|at| at >= sent) {
            state.host.open(BreakerCause::Silence, error, now + BREAKER_OPEN);
            self.silenced.notify_waiters();
        }
    }

    /// Waits until the host turns out to be silent.
    pub(crate) async fn silenced(&self, now: impl Fn() -> Duration) -> CircuitOpen<E> {
        loop {
            self.silenced.notified().await;
            if let Err(open) = lock(&self.state).host.check(now()) {
                return open;
            }
        }
    }

    /// Adjusts the number of permits to the pace.
    fn apply(&self, state: &mut LimiterState<E>) {
        let target = self.requests - state.pace.limit;
        if state.withdrawn > target {
            self.permits.add_permits(state.withdrawn - target);
            state.withdrawn = target;
        } else {
            state.withdrawn += self.permits.forget_permits(target - state.withdrawn);
        }
    }

    /// Returns a permit, or withdraws it if the pace was lowered meanwhile.
    fn release(&self, state: &mut LimiterState<E>, permit: Option<SemaphorePermit<'_>>) {
        let Some(permit) = permit else { return };
        if self.requests - state.withdrawn > state.pace.limit {
            permit.forget();
            state.withdrawn += 1;
        }
    }
}

impl<E: Clone> Drop for RequestPermit<'_, E> {
    fn drop(&mut self) {
        let mut state = lock(&self.limiter.state);
        match self.permit.take() {
            Some(permit) => self.limiter.release(&mut state, Some(permit)),
            None => state.parked = state.parked.saturating_sub(1),
        }
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

    fn limiter() -> HostLimiter<&'static str> {
        HostLimiter::new(4, Duration::ZERO)
    }

    async fn acquire(limiter: &HostLimiter<&'static str>, now: u64) -> Result<(), CircuitOpen<&'static str>> {
        acquire_in(limiter, "a", now).await
    }

    async fn acquire_in(
        limiter: &HostLimiter<&'static str>,
        scope: &str,
        now: u64,
    ) -> Result<(), CircuitOpen<&'static str>> {
        limiter.acquire(scope, || seconds(now)).await.map(drop)
    }

    fn fail(limiter: &HostLimiter<&'static str>, scope: &str, error: &'static str, at: u64) {
        let failure = RequestFailure { error: &error, started: seconds(at) };
        limiter.record_failure(scope, &failure, seconds(at));
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
        let limiter = limiter();
        for error in ["first", "b", "c", "d"] {
            fail(&limiter, "a", error, 10);
            assert_eq!(acquire(&limiter, 10).await, Ok(()));
        }
        fail(&limiter, "a", "e", 10);
        let open = CircuitOpen { cause: BreakerCause::Failures, is_host: false, error: "first", until: seconds(310) };
        assert_eq!(acquire(&limiter, 309).await, Err(open));
        assert_eq!(acquire(&limiter, 310).await, Ok(()));
        fail(&limiter, "a", "again", 311);
        assert_eq!(acquire(&limiter, 312).await.unwrap_err().error, "again");
        assert_eq!(acquire(&limiter, 611).await, Ok(()));
        limiter.record_success("a", None, seconds(611));
        fail(&limiter, "a", "later", 612);
        assert_eq!(acquire(&limiter, 612).await, Ok(()));
    }

    #[tokio::test]
    async fn s03_one_repository_that_fails_stops_no_other_and_several_stop_the_host_if_nothing_succeeds() {
        let limiter = limiter();
        (0..20).for_each(|_| fail(&limiter, "a", "of a", 10));
        assert!(acquire(&limiter, 10).await.is_err());
        assert_eq!(acquire_in(&limiter, "b", 10).await, Ok(()));
        // Failures that overlap a success at the host are those of repositories.
        limiter.record_success("b", Some(&HeaderMap::new()), seconds(20));
        (0..4).for_each(|_| fail(&limiter, "c", "of c", 19));
        assert_eq!(acquire_in(&limiter, "b", 20).await, Ok(()));
        (0..4).for_each(|_| fail(&limiter, "d", "of d", 21));
        assert_eq!(acquire_in(&limiter, "b", 21).await, Ok(()));
        fail(&limiter, "c", "of c", 21);
        assert!(acquire_in(&limiter, "b", 21).await.unwrap_err().is_host);
        assert_eq!(acquire_in(&limiter, "b", 321).await, Ok(()));
    }

    #[tokio::test]
    async fn s04_a_request_that_is_overtaken_gives_up_its_permit_and_a_silent_host_is_asked_once() {
        let limiter = HostLimiter::<&str>::new(1, Duration::ZERO);
        let mut slow = limiter.acquire("a", || seconds(1)).await.unwrap();
        assert!(limiter.needs_ping(&mut slow, seconds(1), seconds(3)));
        assert!(!limiter.needs_ping(&mut slow, seconds(1), seconds(5)) && slow.permit.is_some());
        // The answer to the ping.
        limiter.record_answer(seconds(3), seconds(6));
        assert!(!limiter.needs_ping(&mut slow, seconds(1), seconds(7)) && slow.permit.is_none());
        limiter.check_silence(&"timeout", seconds(1), seconds(31));
        let other = limiter.acquire("a", || seconds(31)).await.unwrap();
        drop((slow, other));
        assert_eq!((limiter.permits.available_permits(), lock(&limiter.state).parked), (1, 0));
    }

    #[tokio::test]
    async fn s11_a_host_that_answers_nothing_is_silent_after_the_first_timeout() {
        let limiter = limiter();
        let mut permit = limiter.acquire("a", || seconds(1)).await.unwrap();
        limiter.check_silence(&"timeout", seconds(1), seconds(2));
        assert_eq!(acquire_in(&limiter, "b", 2).await, Ok(()));
        assert!(limiter.needs_ping(&mut permit, seconds(1), seconds(3)));
        let silenced = limiter.silenced(|| seconds(31));
        let check = async { limiter.check_silence(&"timeout", seconds(1), seconds(31)) };
        let (open, ()) = futures_util::future::join(silenced, check).await;
        assert_eq!((open.cause, open.until), (BreakerCause::Silence, seconds(331)));
        assert!(acquire_in(&limiter, "b", 330).await.unwrap_err().is_host);
        assert_eq!(acquire_in(&limiter, "b", 331).await, Ok(()));
    }

    #[tokio::test]
    async fn s03_refusals_because_of_load_lower_the_number_of_permits() {
        let limiter = limiter();
        let held = limiter.acquire("a", || seconds(1)).await.unwrap();
        // The first two refusals halve the pace; the second of a burst does not count.
        for (sent, expected) in [(1, 1), (1, 1), (3, 0)] {
            limiter.record_overload("a", seconds(sent), seconds(sent), seconds(2));
            assert_eq!(limiter.permits.available_permits(), expected, "{sent}");
        }
        drop(held);
        assert_eq!(limiter.permits.available_permits(), 1);
        (0..100).for_each(|_| limiter.record_success("a", Some(&HeaderMap::new()), seconds(4)));
        assert_eq!(limiter.permits.available_permits(), 4);
        // An attempt during which others are served does not count, until the repository alone is refused.
        let shed: Vec<bool> =
            (0..8).map(|_| limiter.record_overload("b", seconds(3), seconds(5), seconds(6))).collect();
        assert_eq!(shed, [true, true, true, true, true, true, false, false]);
    }

    #[tokio::test]
    async fn a_long_retry_after_opens_the_breaker_for_that_time_and_at_most_a_day() {
        let limiter = limiter();
        let open = |scope, error: &'static str, wait, at| {
            let failure = RequestFailure { error: &error, started: seconds(at) };
            limiter.open_for(scope, seconds(wait), &failure, seconds(at));
        };
        open("a", "429", 3600, 0);
        // A later, shorter one does not shorten it, and neither does a response to a request in flight.
        open("a", "503", 100, 0);
        limiter.record_success("a", Some(&HeaderMap::new()), seconds(1));
        let expected =
            CircuitOpen { cause: BreakerCause::RetryAfter, is_host: false, error: "429", until: seconds(3600) };
        assert_eq!(acquire(&limiter, 3599).await, Err(expected));
        assert_eq!(acquire(&limiter, 3600).await, Ok(()));
        open("a", "429", u64::from(u32::MAX), 3600);
        assert_eq!(acquire(&limiter, 3600).await.unwrap_err().until, seconds(3600 + 86400));
        assert_eq!(acquire_in(&limiter, "c", 3600).await, Ok(()));
        // Two repositories, and nothing is served: the limit is that of the host.
        open("b", "429", 3600, 3600);
        assert!(acquire_in(&limiter, "c", 3600).await.unwrap_err().is_host);
    }
}
