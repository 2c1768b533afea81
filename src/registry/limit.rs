//! How hard one registry is pressed: so many requests at once, pauses it asks for, and an end to asking a host
//! that keeps failing.
//!
//! Nothing here sends anything; times are durations since the pass began, by a clock that only goes forward.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use reqwest::header::HeaderMap;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::{FailureKind, ResolveError};

/// How often a request is tried in all.
pub(crate) const TRIES: usize = 3;
/// How many requests in a row may fail, each after all its tries, before a host is left alone.
const BREAKER: u32 = 5;

/// Time limits and sizes of a pass. The default is what users get; tests take shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// To connect, TLS included.
    pub connect: Duration,
    /// For one try of a question in all, redirects included, to the last byte of its answer. What takes longer is
    /// not tried again, so that nobody holds a tag up for longer than this.
    pub request: Duration,
    /// For a credential helper.
    pub helper: Duration,
    /// The longest `Retry-After` that is waited for; a longer one ends the asking of that host.
    pub retry_after: Duration,
    /// The first pause after a failure; the second is twice as long.
    pub backoff: Duration,
    /// The pause between requests once `ratelimit-remaining` is less than what may be in flight.
    pub slow: Duration,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            request: Duration::from_secs(30),
            helper: Duration::from_secs(10),
            retry_after: Duration::from_secs(60),
            backoff: Duration::from_millis(500),
            slow: Duration::from_millis(250),
        }
    }
}

impl ClientLimits {
    /// The pauses between the tries of one request, with jitter.
    pub(crate) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.backoff)
            .with_max_times(TRIES - 1)
            .with_jitter()
            .with_jitter_seed(fastrand::u64(..))
            .build()
    }
}

/// The state of one host.
pub(super) struct HostLimiter {
    permits: Semaphore,
    /// How many requests may be in flight.
    requests: usize,
    state: Mutex<LimiterState>,
}

#[derive(Default)]
struct LimiterState {
    /// Nothing is sent before this moment.
    not_before: Duration,
    /// Whether the registry's quota is nearly used up.
    is_slow: bool,
    /// Failures in a row.
    failures: u32,
    /// The first of them.
    first: Option<ResolveError>,
    /// What all who still ask are told, once the host is left alone for the rest of the pass.
    closed: Option<ResolveError>,
}

impl HostLimiter {
    /// A host that takes `requests` at once.
    pub(super) fn new(requests: usize) -> Self {
        let requests = requests.clamp(1, 1024);
        Self { permits: Semaphore::new(requests), requests, state: Mutex::default() }
    }

    /// Waits for a place in the line and for the pauses the host asked for. `now` is read anew after each wait.
    ///
    /// # Errors
    /// The first failure, where the host is left alone for the rest of the pass.
    pub(super) async fn enter(
        &self,
        host: &str,
        limits: &ClientLimits,
        now: impl Fn() -> Duration,
    ) -> Result<SemaphorePermit<'_>, ResolveError> {
        let gone = |_| ResolveError::new(FailureKind::Network, format!("`{host}` is not asked any more"));
        let permit = self.permits.acquire().await.map_err(gone)?;
        loop {
            let wait = {
                let mut state = self.state();
                if let Some(error) = &state.closed {
                    return Err(error.clone());
                }
                let wait = state.not_before.saturating_sub(now());
                if wait.is_zero() {
                    if state.is_slow {
                        state.not_before = now() + limits.slow;
                    }
                    return Ok(permit);
                }
                wait
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Notes an answer in order, and what it says about the quota: as many as may be in flight can be on their way
    /// before the next answer says more.
    pub(super) fn answered(&self, headers: &HeaderMap) {
        let quota = headers.get("ratelimit-remaining").and_then(|value| remaining(value.as_bytes()));
        let mut state = self.state();
        state.failures = 0;
        state.first = None;
        if let Some(quota) = quota {
            state.is_slow = quota < self.requests as u64;
        }
    }

    /// Notes that the host wants no request for `wait`.
    pub(super) fn pause(&self, wait: Duration, now: Duration) {
        let mut state = self.state();
        state.not_before = state.not_before.max(now + wait);
    }

    /// Notes a request that failed after all its tries. One too many in a row closes the host.
    pub(super) fn failed(&self, host: &str, error: &ResolveError) {
        let mut state = self.state();
        state.failures += 1;
        let first = state.first.get_or_insert_with(|| error.clone()).clone();
        if state.failures >= BREAKER {
            state.closed.get_or_insert_with(|| left_alone(host, "keeps failing and", &first));
        }
    }

    /// Notes that the host wants no request for longer than a pass waits. Answers that are on their way do not open
    /// it again.
    pub(super) fn close(&self, host: &str, error: &ResolveError) {
        self.state().closed.get_or_insert_with(|| left_alone(host, "asked for that and", error));
    }

    fn state(&self) -> MutexGuard<'_, LimiterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn left_alone(host: &str, why: &str, first: &ResolveError) -> ResolveError {
    ResolveError {
        kind: first.kind,
        message: format!("`{host}` {why} is left alone for the rest of this pass; first: {}", first.message),
        help: first.help.clone(),
        retry_after: first.retry_after,
    }
}

/// The number in `ratelimit-remaining`, with or without its window (`76;w=21600`).
fn remaining(value: &[u8]) -> Option<u64> {
    let count = value.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    std::str::from_utf8(count).ok()?.parse().ok()
}

/// What `Retry-After` asks for, from now: seconds or an HTTP date (RFC 9110, section 10.2.3).
pub(crate) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(Duration::try_from(date.duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now: Timestamp = "1994-11-06T08:49:00Z".parse().unwrap();
        let read = |text: &str| {
            let headers = HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, text.parse().unwrap())]);
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(read("120"), Some(120));
        assert_eq!(read(" 0 "), Some(0));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), Some(37));
        assert_eq!(read("Sun, 06 Nov 1994 08:48:37 GMT"), Some(0));
        assert_eq!(read("99999999999999999999999"), Some(u64::from(u32::MAX)));
        for bad in ["", "-1", "soon", "1.5", "Sun, 99 Nov 1994"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_quota_is_read_with_and_without_a_window() {
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
    fn t14_a_question_that_is_never_answered_ends_within_35_seconds() {
        let limits = ClientLimits::default();
        // Neither is tried again, and the first is within the second.
        assert!(limits.connect < limits.request && limits.request < Duration::from_secs(35));
    }

    #[test]
    fn there_are_three_tries_with_growing_pauses() {
        let limits = ClientLimits { backoff: Duration::from_secs(1), ..ClientLimits::default() };
        let pauses: Vec<u64> = limits.pauses().map(|pause| pause.as_secs()).collect();
        assert!(matches!(pauses[..], [1, 2 | 3]), "{pauses:?}");
    }
}
