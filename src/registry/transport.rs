//! Requests to one registry host under its limits: permits, timeouts, retries, circuit breaker, counters.
//!
//! Nothing here interprets a response beyond its status.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::{FailureKind, Host, ResolveError};
use crate::http::{
    ATTEMPTS, AttemptOutcome, BreakerCause, CircuitOpen, ErrorScope, HttpClient, HttpError, HttpLimits,
    LargeBodyPermit, UrlOrigin, is_retryable, retry_after,
};
use crate::system::clock;
use crate::system::lock;

/// Number of requests sent to registries, and bytes received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// HEAD requests, including challenges and redirects.
    pub head: u64,
    /// GET requests for manifests, blobs and tag lists.
    pub get: u64,
    /// Requests to token servers.
    pub token: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Body bytes received.
    pub bytes: u64,
}

/// HTTP client and request counters shared by all registries.
pub(super) struct RegistryTransport {
    pub(super) http: HttpClient,
    counts: Mutex<RequestCounts>,
}

/// A response with its body, which is read only for status 200.
pub(super) struct RegistryReply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// True if another origin than the registry's sent it.
    pub(super) is_foreign: bool,
    /// Held as long as a large body.
    pub(super) _permit: Option<LargeBodyPermit>,
}

/// Failure of one attempt.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A rule does not allow the request; another attempt fails the same way.
    #[error(transparent)]
    Rule(#[from] ResolveError),
}

impl From<SendError> for ResolveError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Http(error) => error.into(),
            SendError::Rule(error) => error,
        }
    }
}

/// Failure of a request after all attempts.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// No response, or a rule forbids the request.
    #[error(transparent)]
    NoResponse(ResolveError),
    /// The last response was a retryable status.
    #[error(transparent)]
    Status(ResolveError),
}

impl From<RequestError> for ResolveError {
    fn from(error: RequestError) -> Self {
        let (RequestError::NoResponse(error) | RequestError::Status(error)) = error;
        error
    }
}

impl RegistryTransport {
    pub(super) fn new(http: HttpClient) -> Self {
        Self { http, counts: Mutex::default() }
    }

    /// Sends with at most 3 attempts under the limits of `host`. `origin` is named in the error of a timeout.
    ///
    /// # Errors
    /// If no attempt got a response other than 408, 429 and server errors, or the circuit breaker is open.
    pub(super) async fn with_retry<F: Future<Output = Result<RegistryReply, SendError>>>(
        &self,
        host: &Host,
        origin: &UrlOrigin,
        send: impl Fn() -> F,
    ) -> Result<RegistryReply, RequestError> {
        let HttpLimits { throttle, request, .. } = self.http.limits;
        let send = &send;
        let attempt = |number| async move {
            let permit = host.limiter.acquire(throttle, || self.http.now()).await;
            let _permit = match permit {
                Ok(permit) => permit,
                Err(open) => return AttemptOutcome::Failed(RequestError::NoResponse(self.skipped(host, open))),
            };
            if number > 1 {
                self.counters().retries += 1;
            }
            let sent = tokio::time::timeout(request, send()).await;
            let sent = sent.unwrap_or_else(|_| Err(HttpError::timeout(origin, request).into()));
            self.evaluate(host, sent, number)
        };
        self.http.with_retry(attempt).await
    }

    /// Decides whether another attempt is worthwhile, and informs the limiter.
    fn evaluate(
        &self,
        host: &Host,
        sent: Result<RegistryReply, SendError>,
        attempt: usize,
    ) -> AttemptOutcome<RegistryReply, RequestError> {
        let now = self.http.now();
        match sent {
            Ok(reply) if is_retryable(reply.status) => {
                let after = retry_after(&reply.headers, clock::now());
                let error = status_error(host, reply.status, after, attempt);
                match after {
                    Some(wait) if wait > self.http.limits.retry_after && !reply.is_foreign => {
                        host.limiter.open_for(wait, &error, now);
                        return AttemptOutcome::Failed(RequestError::Status(error));
                    }
                    // The server of a redirect speaks for itself only.
                    Some(wait) if wait <= self.http.limits.retry_after && attempt < ATTEMPTS => {
                        if !reply.is_foreign {
                            host.limiter.pause(wait, now);
                        }
                    }
                    None if attempt < ATTEMPTS => {}
                    _ => host.limiter.record_failure(&error, now),
                }
                AttemptOutcome::Retry { error: RequestError::Status(error), after }
            }
            Ok(reply) => {
                if !reply.is_foreign {
                    host.limiter.record_success(&reply.headers);
                }
                AttemptOutcome::Done(reply)
            }
            Err(SendError::Rule(error)) => AttemptOutcome::Failed(RequestError::NoResponse(error)),
            Err(SendError::Http(error)) => {
                let scope = error.scope();
                let error = ResolveError::from(error);
                if scope == ErrorScope::Host || (scope == ErrorScope::Transient && attempt == ATTEMPTS) {
                    host.limiter.record_failure(&error, now);
                }
                let error = RequestError::NoResponse(error);
                match scope {
                    ErrorScope::Transient => AttemptOutcome::Retry { error, after: None },
                    ErrorScope::Host | ErrorScope::Request => AttemptOutcome::Failed(error),
                }
            }
        }
    }

    /// Creates the error of a request that was not sent because the circuit breaker is open.
    fn skipped(&self, host: &Host, open: CircuitOpen<ResolveError>) -> ResolveError {
        let CircuitOpen { cause, error, until } = open;
        let wait = Duration::from_secs(until.saturating_sub(self.http.now()).as_secs_f64().ceil() as u64);
        let message = match cause {
            BreakerCause::Failures => {
                format!("request to `{}` skipped: it keeps failing (first: {})", host.name, error.message)
            }
            BreakerCause::RetryAfter => {
                format!("request to `{}` skipped: {} and asked to wait {} s", host.name, error.message, wait.as_secs())
            }
        };
        let retry_after = (cause == BreakerCause::RetryAfter).then_some(wait);
        ResolveError { message, retry_after, ..error }
    }

    /// Returns the counters; never keep them locked while waiting.
    pub(super) fn counters(&self) -> MutexGuard<'_, RequestCounts> {
        lock(&self.counts)
    }

    /// Returns the number of requests so far.
    pub(super) fn counts(&self) -> RequestCounts {
        RequestCounts { bytes: self.http.received(), ..*self.counters() }
    }

    /// Reads the body of a response up to `max` bytes if the status is 200, and discards it otherwise.
    pub(super) async fn receive(
        &self,
        mut response: reqwest::Response,
        origin: &UrlOrigin,
        max: usize,
    ) -> Result<RegistryReply, HttpError> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let (body, permit) = if status == StatusCode::OK {
            self.http.read_body(&mut response, origin, max).await?
        } else {
            self.http.drain(&mut response).await;
            (Vec::new(), None)
        };
        Ok(RegistryReply { status, headers, body, is_foreign: false, _permit: permit })
    }
}

/// Creates the error of a retryable status.
fn status_error(host: &Host, status: StatusCode, after: Option<Duration>, attempt: usize) -> ResolveError {
    let code = status.as_u16();
    let is_limited = code == 429 || (code == 503 && after.is_some());
    let kind = if is_limited { FailureKind::RateLimited } else { FailureKind::Network };
    let attempts = if attempt == 1 { String::new() } else { format!(" ({attempt} attempts)") };
    let advice = |wait: Duration| format!("wait {} s before the next pass, as the registry requests", wait.as_secs());
    let help = after.filter(|_| is_limited).map(advice);
    ResolveError {
        help,
        retry_after: after,
        ..ResolveError::new(kind, format!("`{}` returned {code}{attempts}", host.name))
    }
}
