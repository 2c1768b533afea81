//! API requests to a forge: one origin, one token, no redirects, bounded bodies, 3 attempts.
//!
//! A request that creates something is never repeated after its response was lost: the result is
//! [`LostAnswer::Unclear`], and the caller checks whether it exists. A private address is contacted only if the operator
//! named the forge.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use url::Url;

use super::error::{ForgeError, ForgeResult, said};
use super::instance::ForgeInstance;
use super::options::RefusedOptions;
use crate::http::{
    AttemptOutcome, ErrorScope, HttpClient, HttpConfig, HttpError, HttpSetupError, Proxies, UrlOrigin, retry_after,
    server_time,
};
use crate::model::settings::publish::Publish;
use crate::proposal::draft::{ForgeProposal, ProposalOptions};
use crate::text::escape;

/// Largest response, in bytes: a page of proposals with their bodies.
const REPLY_MAX: usize = 32 << 20;
/// Wait after GitHub's secondary rate limit without `Retry-After` (its "Best practices for using the REST API").
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);
const INVALID_TOKEN: &str = "check that the token is complete and has not expired";

/// API client for one repository of a forge.
pub(super) struct ApiClient {
    pub(super) instance: ForgeInstance,
    /// New proposals are drafts.
    pub(super) is_draft: bool,
    /// Desired options of all proposals.
    pub(super) options: ProposalOptions,
    http: HttpClient,
}

/// Request to the API.
pub(super) struct ApiCall<'a> {
    method: Method,
    url: Url,
    body: Option<&'a Value>,
    is_repeatable: bool,
}

/// Response that is neither a rate limit nor a server error.
pub(super) struct ApiReply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// Total number of items of a paged list (Gitea's `x-total-count`).
    pub(super) total: Option<usize>,
}

/// Failure of a request, by whether it may have taken effect.
#[derive(Debug, thiserror::Error)]
pub(super) enum LostAnswer {
    /// The response was lost; the request may have taken effect.
    #[error(transparent)]
    Unclear(ForgeError),
    /// There is already an open proposal for the branch.
    #[error(transparent)]
    Exists(ForgeError),
    /// The forge refused a creation with labels or reviewers.
    #[error(transparent)]
    Options(ForgeError),
    /// The request had no effect.
    #[error(transparent)]
    Final(#[from] ForgeError),
}

impl From<LostAnswer> for ForgeError {
    fn from(lost: LostAnswer) -> Self {
        use LostAnswer::{Exists, Final, Options, Unclear};
        let (Unclear(error) | Exists(error) | Options(error) | Final(error)) = lost;
        error
    }
}

impl<'a> ApiCall<'a> {
    /// Creates a reading request.
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, body: None, is_repeatable: true }
    }

    /// Creates a request that can be repeated without further effect.
    pub(super) fn set(method: Method, url: Url, body: &'a Value) -> Self {
        Self { method, url, body: Some(body), is_repeatable: true }
    }

    /// Creates a request that adds something and must not be repeated.
    pub(super) fn add(url: Url, body: &'a Value) -> Self {
        Self { method: Method::POST, url, body: Some(body), is_repeatable: false }
    }
}

/// Decides whether another attempt is safe and worthwhile after a transport error. A request that is not repeatable and
/// may have been sent has an unclear result.
fn transport_failure(error: &HttpError, is_repeatable: bool) -> AttemptOutcome<ApiReply, LostAnswer> {
    let is_unclear = error.may_be_sent() && !is_repeatable;
    let failure = ForgeError::of_http(error);
    match error.scope() {
        ErrorScope::Transient | ErrorScope::Host if is_unclear => AttemptOutcome::Failed(LostAnswer::Unclear(failure)),
        ErrorScope::Transient => AttemptOutcome::Retry { error: failure.into(), after: None },
        ErrorScope::Host | ErrorScope::Request => AttemptOutcome::Failed(failure.into()),
    }
}

impl ApiClient {
    /// Creates the client for `instance`; sends nothing.
    ///
    /// # Errors
    /// If a proxy is not a valid URL.
    pub(super) fn new(instance: ForgeInstance, publish: &Publish, proxies: Proxies) -> ForgeResult<Self> {
        let named = instance.is_named.then(|| instance.origin.place.clone()).into_iter().collect();
        let config = HttpConfig { named, proxies, ..HttpConfig::default() };
        let failed = |error: HttpSetupError| ForgeError::new(error.to_string(), "check `HTTPS_PROXY` and `HTTP_PROXY`");
        let http = HttpClient::new(config).map_err(failed)?;
        instance.redact_in(&http.redactor);
        Ok(Self { instance, is_draft: publish.draft, options: publish.into(), http })
    }

    /// Pauses between attempts, with jitter.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        self.http.limits.backoff()
    }

    /// Builds a URL below that of the repository.
    pub(super) fn url(&self, rest: &[&str], query: &[(&str, &str)]) -> Url {
        let ForgeInstance { protocol, repository, .. } = &self.instance;
        self.url_of_api(&[&(protocol.repository)(repository), rest].concat(), &[protocol.query, query].concat())
    }

    /// Builds the URL of all proposals.
    pub(super) fn proposals(&self, query: &[(&str, &str)]) -> Url {
        self.url(&[self.instance.protocol.proposals], query)
    }

    /// Builds the URL of a proposal, or of something below it.
    pub(super) fn proposal(&self, proposal: &ForgeProposal, rest: &[&str]) -> Url {
        self.url(&[&[self.instance.protocol.proposals, &proposal.number.to_string()], rest].concat(), &[])
    }

    /// Builds a URL from path segments, each encoded separately, and a query.
    pub(super) fn url_of_api(&self, parts: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.instance.api.clone();
        // All HTTP URLs have a path.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Sends a request and returns the body of its success.
    ///
    /// # Errors
    /// If no response arrives, or the status is not a success.
    pub(super) async fn take(&self, call: ApiCall<'_>) -> ForgeResult<Value> {
        let reply = self.ask(call).await?;
        self.accept(reply)
    }

    /// Changes a proposal, and returns it.
    ///
    /// # Errors
    /// If no response arrives, or the status is not a success.
    pub(super) async fn update(&self, method: Method, known: &ForgeProposal, body: &Value) -> ForgeResult<Value> {
        self.take(ApiCall::set(method, self.proposal(known, &[]), body)).await
    }

    /// Adds a comment, which is not essential: a failure is only logged.
    pub(super) async fn comment(&self, url: Url, comment: &Value) {
        let sent = self.ask(ApiCall::add(url, comment)).await.map_err(ForgeError::from);
        if let Err(error) = sent.and_then(|reply| self.accept(reply)) {
            tracing::debug!("the comment may be missing: {error}");
        }
    }

    /// Returns the body of a success.
    ///
    /// # Errors
    /// If the status is not a success.
    pub(super) fn accept(&self, reply: ApiReply) -> ForgeResult<Value> {
        if reply.status.is_success() { Ok(reply.body) } else { Err(self.refused(&reply)) }
    }

    /// Creates a proposal that requests `options`; returns the answer.
    ///
    /// # Errors
    /// If no response arrives, or the status is not a success.
    pub(super) async fn create(&self, body: &Value, options: &ProposalOptions) -> Result<Value, LostAnswer> {
        let reply = self.ask(ApiCall::add(self.proposals(&[]), body)).await?;
        let status = reply.status.as_u16();
        let has_options = !options.labels.is_empty() || options.has_reviewers();
        match (self.instance.protocol.exists)(status, &reply.body) {
            true => Err(LostAnswer::Exists(self.refused(&reply))),
            false if has_options && matches!(status, 400 | 403 | 404 | 409 | 422) => {
                Err(LostAnswer::Options(self.refused(&reply)))
            }
            false => Ok(self.accept(reply)?),
        }
    }

    /// Requests `options` of a proposal; returns them if the forge refuses.
    ///
    /// # Errors
    /// If no response arrives.
    pub(super) async fn request(
        &self,
        options: ProposalOptions,
        call: ApiCall<'_>,
    ) -> ForgeResult<Option<RefusedOptions>> {
        let reply = self.ask(call).await?;
        Ok(self.refusal(&reply).map(|reason| RefusedOptions { options, reason }))
    }

    /// Returns why the forge refused; none if it did not.
    pub(super) fn refusal(&self, reply: &ApiReply) -> Option<String> {
        let said = self.said(&reply.body);
        let cause = said.strip_prefix(": ").map_or_else(|| reply.status.to_string(), str::to_owned);
        (!reply.status.is_success()).then_some(cause)
    }

    /// Converts a reply that is not a success into an error.
    pub(super) fn refused(&self, reply: &ApiReply) -> ForgeError {
        let ForgeInstance { protocol, repository, .. } = &self.instance;
        let (place, status, said) = (self.place(), reply.status.as_u16(), self.said(&reply.body));
        match status {
            401 => self.denied(status, &said, INVALID_TOKEN),
            403 => self.denied(status, &said, protocol.permissions),
            404 => {
                let message = format!("repository `{repository}` not found on `{place}`: 404{said}");
                let help = format!("check `repository` in `[publish]`; if it is correct, {}", protocol.permissions);
                ForgeError { is_not_found: true, ..ForgeError::new(message, help) }
            }
            429 => self.rate_limited(status, &said, None),
            _ => ForgeError::new(
                format!("`{place}` rejected the request: {status}{said}"),
                "check the rules of the repository, such as branch protection",
            ),
        }
    }

    fn denied(&self, status: u16, said: &str, help: &str) -> ForgeError {
        ForgeError::new(format!("`{}` denied access: {status}{said}", self.place()), help)
    }

    fn rate_limited(&self, status: u16, said: &str, retry_after: Option<Duration>) -> ForgeError {
        let time = retry_after.map_or_else(|| "later".to_owned(), |wait| format!("in {} s", wait.as_secs()));
        ForgeError::new(
            format!("rate limit of `{}` exceeded: {status}{said}", self.place()),
            format!("run pinstream again {time}; it continues where it stopped"),
        )
    }

    /// Creates the error of a response that does not contain what is `expected`.
    pub(super) fn unreadable(&self, expected: &str) -> ForgeError {
        let message = format!("unexpected answer from `{}`: expected {expected}", self.place());
        ForgeError::new(message, "check the kind of forge and its `url` in `[publish]`")
    }

    /// Sends with at most 3 attempts. Any status but rate limits and server errors is a reply.
    ///
    /// # Errors
    /// If no reply arrives.
    pub(super) async fn ask(&self, call: ApiCall<'_>) -> Result<ApiReply, LostAnswer> {
        let limit = self.http.limits.request;
        let call = &call;
        let Some(header) = UrlOrigin::of(&call.url).and_then(|origin| self.instance.header(&origin)) else {
            return Err(self.unreachable("is not the server that the token is for").into());
        };
        let attempt = |number| async move {
            let sent = tokio::time::timeout(limit, self.send(call, header)).await;
            match sent.unwrap_or_else(|_| Err(HttpError::timeout(&self.instance.origin, limit))) {
                Ok((response, body)) => self.evaluate(call, &response, &body, number),
                Err(error) => transport_failure(&error, call.is_repeatable),
            }
        };
        self.http.with_retry(attempt).await
    }

    /// Sends once and reads the whole response.
    async fn send(&self, call: &ApiCall<'_>, header: &HeaderValue) -> Result<(Response, Vec<u8>), HttpError> {
        let origin = &self.instance.origin;
        let route = self.http.route(&call.url, origin, self.http.access(origin), None).await?;
        let mut request = route.client.request(call.method.clone(), call.url.clone()).header(AUTHORIZATION, header);
        for (name, value) in self.instance.protocol.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body.to_string());
        }
        let mut response = self.http.send(request, origin).await?;
        let status = response.status().as_u16();
        tracing::debug!("{} {origin}{} {status}", call.method, escape::terminal(call.url.path()));
        let (body, _permit) = self.http.read_body(&mut response, origin, REPLY_MAX).await?;
        Ok((response, body))
    }

    /// Decides whether a response is a reply, an error or a reason for another attempt.
    fn evaluate(
        &self,
        call: &ApiCall<'_>,
        response: &Response,
        body: &[u8],
        attempt: usize,
    ) -> AttemptOutcome<ApiReply, LostAnswer> {
        let (status, headers) = (response.status(), response.headers());
        let parsed = serde_json::from_slice(body);
        let is_json = parsed.is_ok();
        let total = headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        let reply = ApiReply { status, body: parsed.unwrap_or_default(), total };
        let (code, said) = (status.as_u16(), self.said(&reply.body));
        let fail = |error: ForgeError| AttemptOutcome::Failed(error.into());
        if let Some(after) = rate_limit(status, headers, &said) {
            return AttemptOutcome::Retry { error: self.rate_limited(code, &said, after).into(), after };
        }
        if status.is_redirection() || code == 203 {
            if self.instance.protocol.redirects_to_login {
                return fail(self.denied(code, &said, INVALID_TOKEN));
            }
            let to = headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes())).unwrap_or_default();
            let to = escape::terminal(to.split('?').next().unwrap_or_default());
            return fail(ForgeError::new(
                format!("`{}` redirects to `{to}`; the token is not sent there", self.place()),
                "if the repository was renamed or moved, update its name in `[publish]`",
            ));
        }
        if status.is_server_error() {
            let attempts = if attempt == 1 { String::new() } else { format!(" ({attempt} attempts)") };
            let error = self.unreachable(&format!("returned {code}{attempts}{said}"));
            return match call.is_repeatable {
                true => AttemptOutcome::Retry { error: error.into(), after: None },
                false => AttemptOutcome::Failed(LostAnswer::Unclear(error)),
            };
        }
        if status.is_success() && !is_json && !body.is_empty() {
            return fail(self.unreadable("JSON"));
        }
        AttemptOutcome::Done(reply)
    }

    /// Returns the forge's own message, redacted, with a leading colon; empty if there is none.
    pub(super) fn said(&self, body: &Value) -> String {
        match said(body).strip_prefix(": ") {
            Some(words) => format!(": {}", self.plain(words)),
            None => String::new(),
        }
    }

    /// Redacts a message of the forge.
    pub(super) fn plain(&self, words: &str) -> String {
        self.http.redactor.redact(words).into_owned()
    }

    fn place(&self) -> String {
        self.instance.origin.host()
    }

    fn unreachable(&self, what: &str) -> ForgeError {
        ForgeError::new(
            format!("`{}` {what}", self.place()),
            "check whether the forge is up; the next pass tries again",
        )
    }
}

/// Returns `Some` if a response reports a rate limit, with the time to wait if it is given.
///
/// GitHub sends 403 or 429 with `Retry-After`, or with `x-ratelimit-remaining: 0` and `x-ratelimit-reset`, or mentions
/// its secondary limit in the message; the other forges send 429, proxies 503 with `Retry-After`.
fn rate_limit(status: StatusCode, headers: &HeaderMap, said: &str) -> Option<Option<Duration>> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let after = retry_after(headers);
    let is_used_up = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining")) == Some(0);
    let reset = || {
        let seconds = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset"))?;
        Some(Duration::from_secs(u64::try_from(seconds - server_time(headers).as_second()).unwrap_or(0)))
    };
    let is_secondary = said.contains("secondary rate limit");
    let until_reset = after.or_else(|| is_used_up.then(reset).flatten());
    match status.as_u16() {
        429 => Some(until_reset.or(is_secondary.then_some(SECONDARY_LIMIT))),
        403 if after.is_some() || is_used_up || is_secondary => Some(until_reset.or(Some(SECONDARY_LIMIT))),
        503 if after.is_some() => Some(after),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;
    use crate::system::clock;

    #[test]
    fn s06_rate_limits_of_all_forges_are_recognised() {
        const SERVER_TIME: &str = "Sun, 06 Nov 1994 08:49:40 GMT";
        let now = clock::now().as_second();
        let soon = (now + 30).to_string();
        for (status, headers, words, expected) in [
            (429, vec![], "", Some(None)),
            (429, vec![("retry-after", "5")], "", Some(Some(5))),
            (429, vec![("ratelimit-remaining", "0"), ("ratelimit-reset", soon.as_str())], "", Some(Some(30))),
            (403, vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")], "", Some(Some(0))),
            (403, vec![("x-ratelimit-remaining", "10")], "", None),
            (403, vec![], ": You have exceeded a secondary rate limit", Some(Some(60))),
            (403, vec![("retry-after", "7")], "", Some(Some(7))),
            // Dates are by the clock of the server, which may be wrong.
            (
                429,
                vec![("ratelimit-remaining", "0"), ("ratelimit-reset", "784111840"), ("date", SERVER_TIME)],
                "",
                Some(Some(60)),
            ),
            (403, vec![("retry-after", "Sun, 06 Nov 1994 08:50:10 GMT"), ("date", SERVER_TIME)], "", Some(Some(30))),
            (503, vec![("retry-after", "7")], "", Some(Some(7))),
            (503, vec![], "", None),
            (500, vec![("retry-after", "7")], "", None),
        ] {
            let map = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            let found = rate_limit(StatusCode::from_u16(status).unwrap(), &HeaderMap::from_iter(map), words);
            let found = found.map(|wait| wait.map(|wait| wait.as_secs()));
            // The clock may have advanced by a second.
            let is_near = |a: u64, b: u64| a == b || a + 1 == b;
            let fits = match (found, expected) {
                (Some(Some(found)), Some(Some(expected))) => is_near(found, expected),
                (found, expected) => found == expected,
            };
            assert!(fits, "{status} {headers:?} {words}: {found:?}");
        }
    }
}
