//! A request to a forge as it goes over the line: one origin, one token, no redirect, a body within its bound, three
//! tries.
//!
//! What changes something is never sent twice on a mere suspicion: where its answer was lost, [`Lost::Unclear`] says so
//! and the caller looks. The address rule is that of registries; a private address is gone to where the operator named
//! the forge.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use url::Url;

use super::error::{ForgeError, said};
use super::instance::{ForgeInstance, ForgeToken};
use super::protocol::ForgeProtocol;
use crate::registry::{
    ClientLimits, Connector, PrivateAccess, Proxies, Redactor, TRIES, TransportError, UrlOrigin, retry_after,
};
use crate::system::clock;
use crate::text::escape;

/// The largest answer that is read, in bytes: a page of proposals with their bodies.
const ANSWER_MAX: usize = 32 << 20;
/// How long GitHub wants to be left alone where it does not say (its "Best practices for using the REST API").
const SECONDARY: Duration = Duration::from_secs(60);

/// The way to one forge.
pub(super) struct ApiClient {
    protocol: &'static ForgeProtocol,
    repository: String,
    api: Url,
    origin: UrlOrigin,
    token: ForgeToken,
    connector: Connector,
    limits: ClientLimits,
    confided: Redactor,
}

/// A request.
pub(super) struct ApiCall<'a> {
    method: Method,
    url: Url,
    body: Option<&'a Value>,
    is_repeatable: bool,
}

/// An answer that is not about the line: its status and what it says.
pub(super) struct ApiReply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    /// How many there are in all of what a page of was asked for (Gitea's `x-total-count`).
    pub(super) total: Option<usize>,
}

/// Why there is no proposal.
pub(super) enum LostAnswer {
    /// It may have been created: the answer was lost.
    Unclear(ForgeError),
    /// There is an open one of that branch already.
    Exists(ForgeError),
    /// It was not created.
    Final(ForgeError),
}

impl From<ForgeError> for LostAnswer {
    fn from(error: ForgeError) -> Self {
        Self::Final(error)
    }
}

impl From<LostAnswer> for ForgeError {
    fn from(lost: LostAnswer) -> Self {
        let (LostAnswer::Unclear(error) | LostAnswer::Exists(error) | LostAnswer::Final(error)) = lost;
        error
    }
}

impl<'a> ApiCall<'a> {
    /// Reads something.
    pub(super) fn get(url: Url) -> Self {
        Self { method: Method::GET, url, body: None, is_repeatable: true }
    }

    /// Sets something to what it may be already.
    pub(super) fn set(method: Method, url: Url, body: &'a Value) -> Self {
        Self { method, url, body: Some(body), is_repeatable: true }
    }

    /// Adds something, which must not happen twice.
    pub(super) fn add(url: Url, body: &'a Value) -> Self {
        Self { method: Method::POST, url, body: Some(body), is_repeatable: false }
    }
}

/// What one try came to.
enum ApiAttempt {
    Answer(ApiReply),
    /// Nothing was done; the forge wants to be asked later.
    Later(ForgeError, Option<Duration>),
    /// Nothing was done: no connection came about.
    NotSent(ForgeError),
    /// Something may have been done.
    Broken(ForgeError),
    /// As before, and another try would take as long again.
    Late(ForgeError),
    /// No try gives anything else.
    Never(ForgeError),
}

impl ApiClient {
    /// The way to `instance`; nothing is sent yet.
    ///
    /// # Errors
    /// Where a proxy cannot be read.
    pub(super) fn new(instance: &ForgeInstance, proxies: &Proxies) -> Result<Self, ForgeError> {
        let ForgeInstance { protocol, repository, api, origin, is_named, token, .. } = instance;
        let limits = ClientLimits::default();
        let named = is_named.then(|| origin.place.clone());
        let connector = Connector::to(named, proxies, limits);
        let connector = connector
            .map_err(|message| ForgeError::Setup { message, help: "see `HTTPS_PROXY` and `HTTP_PROXY`".to_owned() })?;
        let confided = Redactor::default();
        token.redact_in(&confided);
        Ok(Self {
            protocol,
            repository: repository.clone(),
            api: api.clone(),
            origin: origin.clone(),
            token: token.clone(),
            connector,
            limits,
            confided,
        })
    }

    /// The pauses between tries, with jitter.
    pub(super) fn pauses(&self) -> impl Iterator<Item = Duration> + use<> {
        self.limits.pauses()
    }

    /// The URL of a path, each part encoded by itself, with a query.
    pub(super) fn url(&self, parts: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.api.clone();
        // Only URLs that cannot be a base have no path, and none of those came this far.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    /// Asks, and wants an answer in order.
    ///
    /// # Errors
    /// Where none came, or one that is an error.
    pub(super) async fn take(&self, call: ApiCall<'_>) -> Result<Value, ForgeError> {
        let reply = self.ask(call).await?;
        self.accept(reply)
    }

    /// Says something below what is about to be closed. Where the answer was lost it may be there: closing is what
    /// counts.
    ///
    /// # Errors
    /// Where the forge refuses, or cannot be asked.
    pub(super) async fn comment(&self, url: Url, said: &Value) -> Result<(), ForgeError> {
        match self.ask(ApiCall::add(url, said)).await {
            Ok(reply) => self.accept(reply).map(drop),
            Err(LostAnswer::Unclear(_)) => Ok(()),
            Err(lost) => Err(lost.into()),
        }
    }

    /// The body of an answer in order.
    ///
    /// # Errors
    /// What another answer means.
    pub(super) fn accept(&self, reply: ApiReply) -> Result<Value, ForgeError> {
        if reply.status.is_success() { Ok(reply.body) } else { Err(self.refused(&reply)) }
    }

    /// What an answer that is an error means.
    pub(super) fn refused(&self, reply: &ApiReply) -> ForgeError {
        let (place, status) = (self.place(), reply.status.as_u16());
        let said = self.said(&reply.body);
        match status {
            401 | 403 => ForgeError::Denied { place, status, said, help: self.protocol.denied_help(reply.status) },
            404 => {
                let help = "check `repository` in `[publish]`; if it is correct, ";
                let help = format!("{help}{}", self.protocol.denied_help(StatusCode::FORBIDDEN));
                ForgeError::NotFound { place, repository: self.repository.clone(), said, help }
            }
            429 => ForgeError::RateLimited { place, status, said, retry_after: None },
            _ => ForgeError::Refused { place, status, said },
        }
    }

    /// An answer is not what it should be.
    pub(super) fn unreadable(&self, expected: &str) -> ForgeError {
        ForgeError::Unreadable { place: self.place(), expected: expected.to_owned() }
    }

    /// Asks up to three times. Any status but those that say "later" is an answer.
    ///
    /// # Errors
    /// Where no answer came.
    pub(super) async fn ask(&self, call: ApiCall<'_>) -> Result<ApiReply, LostAnswer> {
        let mut pauses = self.limits.pauses();
        let mut left = TRIES;
        loop {
            left -= 1;
            let tried = tokio::time::timeout(self.limits.request, self.send(&call)).await;
            let tried = tried.unwrap_or_else(|_| {
                let seconds = self.limits.request.as_secs_f32();
                ApiAttempt::Late(self.unreachable(&format!("did not answer within {seconds} s")))
            });
            let (error, wait) = match tried {
                ApiAttempt::Answer(reply) => return Ok(reply),
                ApiAttempt::Never(error) => return Err(LostAnswer::Final(error)),
                ApiAttempt::Late(error) if call.is_repeatable => return Err(LostAnswer::Final(error)),
                ApiAttempt::Broken(error) | ApiAttempt::Late(error) if !call.is_repeatable => {
                    return Err(LostAnswer::Unclear(error));
                }
                ApiAttempt::Later(error, wait) if wait.is_some_and(|wait| wait > self.limits.retry_after) => {
                    return Err(LostAnswer::Final(error));
                }
                ApiAttempt::Later(error, wait) => (error, wait),
                ApiAttempt::NotSent(error) | ApiAttempt::Broken(error) | ApiAttempt::Late(error) => (error, None),
            };
            if left == 0 {
                return Err(LostAnswer::Final(error));
            }
            tracing::debug!("{error}; once more");
            let pause = pauses.next().unwrap_or_default();
            tokio::time::sleep(wait.map_or(pause, |wait| wait + pause / 10)).await;
        }
    }

    /// Sends once.
    async fn send(&self, call: &ApiCall<'_>) -> ApiAttempt {
        let Some((origin, header)) = UrlOrigin::of(&call.url).and_then(|origin| {
            let header = self.token.header(&origin)?.clone();
            Some((origin, header))
        }) else {
            return ApiAttempt::Never(self.unreachable("is not where the token may go"));
        };
        let reach = if self.connector.is_named(&origin.place) { PrivateAccess::Named } else { PrivateAccess::Public };
        let route = match self.connector.route(&call.url, &origin, reach, None).await {
            Ok(route) => route,
            Err(error) => return ApiAttempt::Never(ForgeError::of_line(error)),
        };
        let mut request = route.client.request(call.method.clone(), call.url.clone()).header(AUTHORIZATION, header);
        for (name, value) in self.protocol.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = call.body {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body.to_string());
        }
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                let is_sent = !error.is_connect();
                return match TransportError::of(&error, &origin, &self.limits) {
                    TransportError::Passing(error) if is_sent => ApiAttempt::Broken(ForgeError::of_line(error)),
                    TransportError::Passing(error) => ApiAttempt::NotSent(ForgeError::of_line(error)),
                    TransportError::Host(error) if is_sent => ApiAttempt::Late(ForgeError::of_line(error)),
                    TransportError::Host(error) | TransportError::Final(error) => {
                        ApiAttempt::Never(ForgeError::of_line(error))
                    }
                };
            }
        };
        let status = response.status();
        tracing::debug!("{} {origin}{} {}", call.method, escape::terminal(call.url.path()), status.as_u16());
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    return ApiAttempt::Broken(ForgeError::of_line(
                        TransportError::of(&error, &origin, &self.limits).into_error(),
                    ));
                }
            }
            if bytes.len() > ANSWER_MAX {
                return ApiAttempt::Never(
                    self.unreachable(&format!("sent more than the {ANSWER_MAX} bytes that are read")),
                );
            }
        }
        self.judge(status, response.headers(), &bytes)
    }

    /// What an answer is.
    fn judge(&self, status: StatusCode, headers: &HeaderMap, bytes: &[u8]) -> ApiAttempt {
        let read = serde_json::from_slice(bytes);
        let is_json = read.is_ok();
        let total = headers.get("x-total-count").and_then(|total| total.to_str().ok()?.parse().ok());
        let reply = ApiReply { status, body: read.unwrap_or_default(), total };
        let (place, code, words) = (self.place(), status.as_u16(), self.said(&reply.body));
        let wait = later(status, headers, &words);
        if let Some(wait) = wait {
            let error = ForgeError::RateLimited { place, status: code, said: words, retry_after: wait };
            return ApiAttempt::Later(error, wait);
        }
        if status.is_redirection() || code == 203 {
            if self.protocol.redirects_to_login {
                let help = self.protocol.denied_help(StatusCode::UNAUTHORIZED);
                return ApiAttempt::Never(ForgeError::Denied { place, status: code, said: words, help });
            }
            let to = headers.get(LOCATION).map(|to| String::from_utf8_lossy(to.as_bytes())).unwrap_or_default();
            let to = escape::terminal(to.split('?').next().unwrap_or_default());
            return ApiAttempt::Never(ForgeError::Unreachable {
                message: format!("`{place}` redirects to `{to}`, and no token follows that"),
                help: "the repository may have been renamed or moved: write its new name in `[publish]`".to_owned(),
            });
        }
        if status.is_server_error() {
            return ApiAttempt::Broken(self.unreachable(&format!("is in trouble: it answered {code}{words}")));
        }
        if status.is_success() && !is_json && !bytes.is_empty() {
            return ApiAttempt::Never(self.unreadable("JSON"));
        }
        ApiAttempt::Answer(reply)
    }

    /// The forge's own words in an answer, unless they repeat the token; empty where it has none.
    pub(super) fn said(&self, body: &Value) -> String {
        match said(body).strip_prefix(": ") {
            Some(words) => format!(": {}", self.plain(words)),
            None => String::new(),
        }
    }

    /// `words` of the forge, unless they repeat the token.
    pub(super) fn plain(&self, words: &str) -> String {
        self.confided.unless_repeated(words).into_owned()
    }

    fn place(&self) -> String {
        self.origin.place.key(self.origin.secure)
    }

    fn unreachable(&self, what: &str) -> ForgeError {
        ForgeError::Unreachable {
            message: format!("`{}` {what}", self.place()),
            help: "see whether the forge is up; the next pass goes on from here".to_owned(),
        }
    }
}

/// Whether an answer says that nothing was done and a later try may be answered; and when, where it says so.
///
/// GitHub says 403 or 429 with `Retry-After`, or with no more `x-ratelimit-remaining` until `x-ratelimit-reset`, or
/// names its secondary limit in words; GitLab and Azure 429, Bitbucket and Gitea 429, proxies 503 with `Retry-After`.
fn later(status: StatusCode, headers: &HeaderMap, words: &str) -> Option<Option<Duration>> {
    let now = clock::now();
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
    let asked = retry_after(headers, now);
    let is_used_up = number("x-ratelimit-remaining").or_else(|| number("ratelimit-remaining")) == Some(0);
    let reset = || {
        let seconds = number("x-ratelimit-reset").or_else(|| number("ratelimit-reset"))?;
        Some(Duration::from_secs(u64::try_from(seconds - now.as_second()).unwrap_or(0)))
    };
    let is_secondary = words.contains("secondary rate limit");
    match status.as_u16() {
        429 => Some(asked.or_else(|| is_used_up.then(reset).flatten()).or(is_secondary.then_some(SECONDARY))),
        403 if asked.is_some() || is_used_up || is_secondary => {
            Some(asked.or_else(|| is_used_up.then(reset).flatten()).or(Some(SECONDARY)))
        }
        503 if asked.is_some() => Some(asked),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    #[test]
    fn who_asks_for_patience_is_understood() {
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
            (503, vec![("retry-after", "7")], "", Some(Some(7))),
            (503, vec![], "", None),
            (500, vec![("retry-after", "7")], "", None),
        ] {
            let map = headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            let found = later(StatusCode::from_u16(status).unwrap(), &HeaderMap::from_iter(map), words);
            let found = found.map(|wait| wait.map(|wait| wait.as_secs()));
            // The clock may have gone on by a second since.
            let is_near = |a: u64, b: u64| a == b || a + 1 == b;
            let fits = match (found, expected) {
                (Some(Some(found)), Some(Some(expected))) => is_near(found, expected),
                (found, expected) => found == expected,
            };
            assert!(fits, "{status} {headers:?} {words}: {found:?}");
        }
    }
}
