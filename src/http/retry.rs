//! The retry policy: at most 3 attempts, `Retry-After` for 429 and 503, otherwise exponential backoff with jitter.
//!
//! A 429 that names a longer wait than [`HttpLimits::retry_after`] is not retried; the caller then opens a circuit breaker
//! ([`super::limit`]). Times of a server are compared by its own clock, which may be wrong.

use std::fmt::Display;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBuilder};
use jiff::Timestamp;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};

use super::client::HttpClient;
use super::limit::HttpLimits;
use crate::system::clock;

/// Number of attempts per request.
const ATTEMPTS: usize = 3;

/// Result of one attempt.
pub(crate) enum AttemptOutcome<T, E> {
    Done(T),
    /// Another attempt would not help.
    Failed(E),
    /// Another attempt may succeed, after the server's `Retry-After` if there is one.
    Retry {
        error: E,
        after: Option<Duration>,
    },
    /// The server sheds load and serves others meanwhile: another attempt may succeed, and this one does not count.
    Postponed(E),
}

impl HttpClient {
    /// Calls `attempt` with the number of the attempt, counted from 1, until it is done or out of attempts.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub(crate) async fn with_retry<T, E: Display, F: Future<Output = AttemptOutcome<T, E>>>(
        &self,
        mut attempt: impl FnMut(usize) -> F,
    ) -> Result<T, E> {
        let mut backoff = self.limits.backoff();
        let mut number = 0;
        loop {
            number += 1;
            let (error, pause) = match attempt(number).await {
                AttemptOutcome::Done(value) => return Ok(value),
                AttemptOutcome::Failed(error) => return Err(error),
                AttemptOutcome::Retry { error, after } => (error, self.limits.pause(&mut backoff, after)),
                AttemptOutcome::Postponed(error) => (error, self.limits.backoff().next()),
            };
            let Some(pause) = pause else { return Err(error) };
            tracing::debug!("{} (attempt {number})", self.redactor.redact(&error.to_string()));
            tokio::time::sleep(pause).await;
        }
    }
}

impl HttpLimits {
    /// Returns the pause before the next attempt, at least the usual one; none if there is none, or the server asks for a
    /// longer one than the limit. Jitter spreads clients that received the same `Retry-After`.
    pub(crate) fn pause(
        &self,
        backoff: &mut impl Iterator<Item = Duration>,
        after: Option<Duration>,
    ) -> Option<Duration> {
        let pause = backoff.next()?;
        match after {
            None => Some(pause),
            Some(after) => (after <= self.retry_after).then_some(pause.max(after + pause / 10)),
        }
    }

    /// Pauses between the attempts of one request, with jitter.
    pub(crate) fn backoff(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_min_delay(self.backoff)
            .with_max_times(ATTEMPTS - 1)
            .with_jitter()
            .with_jitter_seed(fastrand::u64(..))
            .build()
    }
}

/// Returns true if a later attempt may get another status: 408, 429 and all server errors.
pub(crate) fn is_retryable(status: StatusCode) -> bool {
    let is_passing = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
    is_passing || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT
}

/// Returns true if a server may send this status because of its load.
pub(crate) fn is_overload(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE
}

/// Parses `Retry-After`, seconds or an HTTP date, into a duration (RFC 9110, section 10.2.3). A date is compared with the
/// clock of the server; one in the past is zero.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX))));
    }
    Some(Duration::try_from(http_date(text)?.duration_since(server_time(headers))).unwrap_or_default())
}

/// Returns the time of a response by the clock of its server, `Date`; without one, by ours.
pub(crate) fn server_time(headers: &HeaderMap) -> Timestamp {
    let date = headers.get(DATE).and_then(|date| http_date(date.to_str().ok()?.trim()));
    date.unwrap_or_else(clock::now)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use super::super::client::HttpConfig;
    use super::*;

    fn read(text: &str, date: &str) -> Option<u64> {
        let headers = HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap()), (DATE, date.parse().unwrap())]);
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn s06_retry_after_is_seconds_or_a_date_by_the_clock_of_the_server() {
        let now = "Sun, 06 Nov 1994 08:49:00 GMT";
        for (text, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
            ("99999999999999999999999", Some(u64::from(u32::MAX))),
        ] {
            assert_eq!(read(text, now), expected, "{text}");
        }
        for bad in ["", "-1", "soon", "1.5", "Sun, 99 Nov 1994"] {
            assert_eq!(read(bad, now), None, "{bad}");
        }
        // Without a usable `Date`, by our clock.
        assert_eq!(read(now, "yesterday"), Some(0));
        assert!(read("Fri, 31 Dec 2100 23:59:59 GMT", "").unwrap() > 1_000_000);
    }

    #[test]
    fn s06_a_pause_is_at_least_the_usual_one() {
        let limits = HttpLimits { backoff: Duration::from_secs(8), ..HttpLimits::default() };
        let pause = |after: u64| limits.pause(&mut limits.backoff(), Some(Duration::from_secs(after)));
        let between = |pause: Option<Duration>, least, most| {
            assert!(pause.is_some_and(|pause| (least..=most).contains(&pause.as_secs())), "{pause:?}");
        };
        between(pause(0), 8, 16);
        between(pause(30), 30, 32);
        assert_eq!(pause(61), None);
    }

    #[test]
    fn there_are_three_attempts_with_growing_pauses() {
        let limits = HttpLimits { backoff: Duration::from_secs(1), ..HttpLimits::default() };
        let pauses: Vec<u64> = limits.backoff().map(|pause| pause.as_secs()).collect();
        assert!(matches!(pauses[..], [1, 2 | 3]), "{pauses:?}");
    }

    #[tokio::test]
    async fn attempts_end_with_success_a_final_error_or_the_third_failure() {
        let limits = HttpLimits { backoff: Duration::from_millis(1), ..HttpLimits::default() };
        let client = HttpClient::new(HttpConfig { limits, ..HttpConfig::default() }).unwrap();
        let done = client.with_retry(|number| std::future::ready(AttemptOutcome::<_, String>::Done(number)));
        assert_eq!(done.await, Ok(1));
        let failed = client.with_retry(|_| std::future::ready(AttemptOutcome::<(), _>::Failed("no")));
        assert_eq!(failed.await, Err("no"));
        let mut left = 5;
        let postponed = client.with_retry(|number| {
            left -= 1;
            std::future::ready(if left > 0 { AttemptOutcome::Postponed("busy") } else { AttemptOutcome::Done(number) })
        });
        assert_eq!(postponed.await, Ok(5));
        // A `Retry-After` longer than the limit is not waited for.
        for (after, expected) in [(None, 3), (Some(0), 3), (Some(61), 1)] {
            let mut attempts = 0;
            let result: Result<(), _> = client
                .with_retry(|number| {
                    attempts = number;
                    std::future::ready(AttemptOutcome::Retry { error: "busy", after: after.map(Duration::from_secs) })
                })
                .await;
            assert_eq!((result, attempts), (Err("busy"), expected), "{after:?}");
        }
    }
}
