//! Requests to one registry host under its limits: permits, timeouts, retries, circuit breakers, counters.
//!
//! Nothing here interprets a response beyond its status.

use std::pin::pin;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;

use super::error::error_reason;
use super::{FailureKind, Host, ResolveError};
use crate::http::{
    AttemptOutcome, BreakerCause, CircuitOpen, ErrorScope, HttpClient, HttpError, LargeBodyPermit, RequestFailure,
    RequestPermit, UrlOrigin, is_overload, is_retryable, retry_after,
};
use crate::system::lock;

/// Attempts of one request that do not count because the host sheds load.
const POSTPONED_MAX: usize = 4;

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

/// A response with its body, which is kept only for status 200.
pub(super) struct RegistryReply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
    /// The message in the body of an error, escaped and cut.
    pub(super) reason: Option<String>,
    /// True if another origin than the registry's sent it.
    pub(super) is_foreign: bool,
    /// Held as long as a large body.
    pub(super) _permit: Option<LargeBodyPermit>,
}

impl RegistryReply {
    /// Returns the message of an error as the end of a sentence; empty if there is none.
    pub(super) fn reason_suffix(&self) -> String {
        self.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default()
    }
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
    /// Concerns this request only, such as one that a rule forbids.
    #[error(transparent)]
    Request(ResolveError),
    /// No response.
    #[error(transparent)]
    NoResponse(ResolveError),
    /// The last response was a retryable status.
    #[error(transparent)]
    Status(ResolveError),
}

impl From<RequestError> for ResolveError {
    fn from(error: RequestError) -> Self {
        let (RequestError::Request(error) | RequestError::NoResponse(error) | RequestError::Status(error)) = error;
        error
    }
}

/// One attempt of a request.
#[derive(Clone, Copy)]
struct SentAttempt<'a> {
    host: &'a Host,
    /// The repository or token server that fails by itself.
    scope: &'a str,
    /// When the first attempt started.
    started: Duration,
    /// When this attempt was sent.
    sent: Duration,
    /// Number of the attempt, from 1.
    number: usize,
}

impl RegistryTransport {
    pub(super) fn new(http: HttpClient) -> Self {
        Self { http, counts: Mutex::default() }
    }

    /// Sends with at most 3 attempts under the limits of `host` and of `scope`, the repository or token server that fails
    /// by itself. `origin` is named in the error of a timeout.
    ///
    /// # Errors
    /// If no attempt got a response other than 408, 429 and server errors, or a circuit breaker is open.
    pub(super) async fn with_retry<F: Future<Output = Result<RegistryReply, SendError>>>(
        &self,
        host: &Host,
        scope: &str,
        origin: &UrlOrigin,
        send: impl Fn() -> F,
    ) -> Result<RegistryReply, RequestError> {
        let (send, started) = (&send, self.http.now());
        let attempt = |number| async move {
            let mut permit = match host.limiter.acquire(scope, || self.http.now()).await {
                Ok(permit) => permit,
                Err(open) => return AttemptOutcome::Failed(RequestError::Request(self.skipped(host, scope, open))),
            };
            if number > 1 {
                self.counters().retries += 1;
            }
            let attempt = SentAttempt { host, scope, started, sent: self.http.now(), number };
            let limit = self.http.limits.request;
            let reply = async {
                let reply = tokio::time::timeout(limit, send()).await;
                reply.unwrap_or_else(|_| Err(HttpError::timeout(origin, limit).into()))
            };
            let reply = self.watch(attempt, &mut permit, reply).await;
            self.evaluate(attempt, reply)
        };
        let result = self.http.with_retry(attempt).await;
        if let Err(RequestError::NoResponse(error) | RequestError::Status(error)) = &result {
            host.limiter.record_failure(scope, &RequestFailure { error, started }, self.http.now());
        }
        result
    }

    /// Waits for the reply to an attempt. While there is none, finds out whether only this request hangs or the host is
    /// silent.
    async fn watch(
        &self,
        attempt: SentAttempt<'_>,
        permit: &mut RequestPermit<'_, ResolveError>,
        reply: impl Future<Output = Result<RegistryReply, SendError>>,
    ) -> Result<RegistryReply, SendError> {
        let SentAttempt { host, scope, .. } = attempt;
        let watchdog = async {
            self.ping_due(attempt, permit).await;
            // The host is asked once, so the second wait does not end.
            tokio::join!(self.ping(host), self.ping_due(attempt, permit));
        };
        let silenced = pin!(host.limiter.silenced(|| self.http.now()));
        tokio::select! {
            biased;
            reply = reply => reply,
            open = silenced => Err(self.skipped(host, scope, open).into()),
            () = watchdog => std::future::pending().await,
        }
    }

    /// Waits until the host is to be asked for a sign of life.
    async fn ping_due(&self, attempt: SentAttempt<'_>, permit: &mut RequestPermit<'_, ResolveError>) {
        loop {
            tokio::time::sleep(self.http.limits.slow).await;
            if attempt.host.limiter.needs_ping(permit, attempt.sent, self.http.now()) {
                return;
            }
        }
    }

    /// Asks the host for a sign of life; any response is one.
    async fn ping(&self, host: &Host) {
        let (sent, mut url) = (self.http.now(), host.base.clone());
        url.set_path("/v2/");
        let access = self.http.access(&host.origin);
        let Ok(route) = self.http.route(&url, &host.origin, access, None).await else { return };
        if let Ok(response) = self.http.send(route.client.get(url), &host.origin).await {
            tracing::debug!("ping {} {}", host.origin, response.status().as_u16());
            host.limiter.record_answer(sent, self.http.now());
        }
    }

    /// Decides whether another attempt is worthwhile, and informs the limiter.
    fn evaluate(
        &self,
        attempt: SentAttempt<'_>,
        reply: Result<RegistryReply, SendError>,
    ) -> AttemptOutcome<RegistryReply, RequestError> {
        let SentAttempt { host, scope, started, sent, number } = attempt;
        let (limiter, now) = (&host.limiter, self.http.now());
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) => return self.evaluate_error(attempt, error),
        };
        // The server of a redirect speaks for itself only.
        let is_ours = !reply.is_foreign;
        if is_ours {
            limiter.record_answer(sent, now);
        }
        if !is_retryable(reply.status) {
            limiter.record_success(scope, is_ours.then_some(&reply.headers), now);
            return AttemptOutcome::Done(reply);
        }
        let after = retry_after(&reply.headers);
        let error = status_error(host, &reply, after, number);
        let is_overload = is_ours && is_overload(reply.status);
        let is_shed = is_overload && limiter.record_overload(scope, started, sent, now) && number <= POSTPONED_MAX;
        match after {
            Some(wait) if is_ours && wait > self.http.limits.retry_after => {
                limiter.open_for(scope, wait, &RequestFailure { error: &error, started }, now);
            }
            Some(wait) if is_ours => limiter.pause(scope, wait, started, now),
            None if is_shed => return AttemptOutcome::Postponed(RequestError::Status(error)),
            _ => {}
        }
        AttemptOutcome::Retry { error: RequestError::Status(error), after }
    }

    /// Decides whether another attempt is worthwhile after an error.
    fn evaluate_error(
        &self,
        attempt: SentAttempt<'_>,
        error: SendError,
    ) -> AttemptOutcome<RegistryReply, RequestError> {
        let error = match error {
            SendError::Http(error) => error,
            SendError::Rule(error) => return AttemptOutcome::Failed(RequestError::Request(error)),
        };
        let (scope, is_timeout) = (error.scope(), matches!(error, HttpError::Timeout { .. }));
        let error = ResolveError::from(error);
        if is_timeout {
            attempt.host.limiter.check_silence(&error, attempt.sent, self.http.now());
        }
        match scope {
            ErrorScope::Transient => AttemptOutcome::Retry { error: RequestError::NoResponse(error), after: None },
            ErrorScope::Host => AttemptOutcome::Failed(RequestError::NoResponse(error)),
            ErrorScope::Request => AttemptOutcome::Failed(RequestError::Request(error)),
        }
    }

    /// Creates the error of a request that was not sent because a circuit breaker is open.
    fn skipped(&self, host: &Host, scope: &str, open: CircuitOpen<ResolveError>) -> ResolveError {
        let CircuitOpen { cause, is_host, error, until } = open;
        let wait = Duration::from_secs(until.saturating_sub(self.http.now()).as_secs_f64().ceil() as u64);
        let object = if is_host { host.name.to_string() } else { host.scope_name(scope) };
        let reason = match cause {
            BreakerCause::Failures => format!("it keeps failing (first: {})", error.message),
            BreakerCause::RetryAfter => format!("{} and asked to wait {} s", error.message, wait.as_secs()),
            BreakerCause::Silence => format!("it does not answer (first: {})", error.message),
        };
        let retry_after = (cause == BreakerCause::RetryAfter).then_some(wait);
        ResolveError { message: format!("request to `{object}` skipped: {reason}"), retry_after, ..error }
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
        let (body, reason, permit) = if status == StatusCode::OK {
            let (body, permit) = self.http.read_body(&mut response, origin, max).await?;
            (body, None, permit)
        } else {
            (Vec::new(), error_reason(&self.http.drain(&mut response).await), None)
        };
        Ok(RegistryReply { status, headers, body, reason, is_foreign: false, _permit: permit })
    }
}

/// Creates the error of a retryable status.
fn status_error(host: &Host, reply: &RegistryReply, after: Option<Duration>, attempt: usize) -> ResolveError {
    let code = reply.status.as_u16();
    let reason = reply.reason_suffix();
    let is_limited = code == 429 || (code == 503 && after.is_some());
    let kind = if is_limited { FailureKind::RateLimited } else { FailureKind::Network };
    let attempts = if attempt == 1 { String::new() } else { format!(" ({attempt} attempts)") };
    let advice = |wait: Duration| format!("wait {} s before the next pass, as the registry requests", wait.as_secs());
    let help = after.filter(|wait| is_limited && !wait.is_zero()).map(advice);
    ResolveError {
        help,
        retry_after: after,
        ..ResolveError::new(kind, format!("`{}` returned {code}{attempts}{reason}", host.name))
    }
}
