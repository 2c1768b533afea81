//! One question to one registry: its place in the line, its authorization, its tries.
//!
//! What comes back is a status, headers and a body within its bound. Nothing here believes any of it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Client, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use super::auth::{BearerChallenge, Challenge, judge};
use super::confided::Redactor;
use super::connect::Connector;
use super::credential::{Credential, CredentialStore};
use super::fault::TransportError;
use super::host::{AuthScheme, Host, Realm, RepositoryNames};
use super::limit::{ClientLimits, TRIES, retry_after};
use super::origin::UrlOrigin;
use super::send::{RegistryReply, RegistryRequest, RequestTally};
use super::text::plain;
use super::token::{self, BearerToken, TokenAnswer, TokenIssue, TokenSlot, TokenTicket};
use super::{FailureKind, ResolveError};
use crate::model::image::RegistryHost;
use crate::system::clock::{self, Stopwatch};
use crate::text::escape;

/// The most challenges of one question that are answered.
const CHALLENGES: usize = 8;
/// The largest answer of a token server, in bytes.
const TOKEN_MAX: usize = 128 << 10;

/// What a pass asks registries with.
pub(super) struct RegistryClient {
    pub(super) connector: Connector,
    pub(super) credentials: CredentialStore,
    /// Origins that the operator lets registries name as realms.
    pub(super) realms: Vec<UrlOrigin>,
    pub(super) limits: ClientLimits,
    pub(super) clock: Stopwatch,
    pub(super) tally: RequestTally,
    /// What was sent in confidence.
    pub(super) confided: Redactor,
    /// Tokens had without credentials for places that registries redirect to, by place and repository.
    pub(super) guests: Mutex<HashMap<(UrlOrigin, String), Arc<TokenSlot>>>,
    /// Room for bodies that are larger than those of most images, so that many of them are not held at once.
    pub(super) room: Arc<Semaphore>,
}

/// The authorization that a question goes out with.
struct Authorization<'a> {
    header: Option<HeaderValue>,
    /// Where it came from.
    grant: Option<(Arc<TokenSlot>, TokenTicket)>,
    /// Held while this question is the one that finds out how the registry wants to be asked.
    probe: Option<tokio::sync::MutexGuard<'a, ()>>,
}

/// Why there is no answer after all tries.
enum SendFailure {
    /// The line or a rule did not let one through.
    Line(ResolveError),
    /// The last answer was that the server is in trouble.
    Trouble(ResolveError),
}

impl From<SendFailure> for ResolveError {
    fn from(lost: SendFailure) -> Self {
        let (SendFailure::Line(error) | SendFailure::Trouble(error)) = lost;
        error
    }
}

impl RegistryClient {
    /// Asks, answering challenges as they come.
    ///
    /// # Errors
    /// Where no answer came, or no credential did. Any status but 401 and those that say "later" is an answer.
    pub(super) async fn ask(&self, host: &Host, question: &RegistryRequest<'_>) -> Result<RegistryReply, ResolveError> {
        let mut has_renewed = false;
        for _ in 0..CHALLENGES {
            let pass = self.pass(host, question.path).await?;
            let header = pass.header.as_ref();
            let asked = self.insist(host, &host.origin, || async {
                // Looked at last, as many may have waited for their place while the first was refused.
                host.admit(question.path)?;
                self.send(host, question, header).await
            });
            let reply = match asked.await {
                Ok(reply) => reply,
                Err(error) => {
                    // Whoever waits for the probe goes on without it, all at once.
                    if pass.probe.is_some() {
                        host.learn(AuthScheme::Open);
                    }
                    return Err(error.into());
                }
            };
            if reply.status == StatusCode::UNAUTHORIZED && !reply.is_foreign {
                self.answer(host, question.path, &reply, pass, &mut has_renewed).await?;
                continue;
            }
            if let Some((slot, ticket)) = &pass.grant {
                if slot.is_shared() && is_about_token(reply.status) {
                    host.split(question.path, slot, RepositoryNames::default(), &self.credentials);
                    continue;
                }
                if ticket.turn.is_some() {
                    slot.login.accept(ticket.at);
                }
            }
            if pass.probe.is_some() {
                host.learn(AuthScheme::Open);
            }
            return Ok(reply);
        }
        Err(denied(host, "asks for other credentials again and again"))
    }

    /// The authorization for `path`, as far as is known what the registry wants.
    async fn pass<'a>(&'a self, host: &'a Host, path: &str) -> Result<Authorization<'a>, ResolveError> {
        let mut scheme = host.scheme();
        if matches!(scheme, AuthScheme::Unknown) {
            let probe = host.probe.lock().await;
            scheme = host.scheme();
            if matches!(scheme, AuthScheme::Unknown) {
                return Ok(Authorization { header: None, grant: None, probe: Some(probe) });
            }
        }
        loop {
            let (issue, slot) = match &scheme {
                AuthScheme::Unknown | AuthScheme::Open => {
                    return Ok(Authorization { header: None, grant: None, probe: None });
                }
                AuthScheme::Basic => {
                    let slot = host.slot(path, &self.credentials);
                    (slot.basic(&self.credentials, &host.name).await?, slot)
                }
                AuthScheme::Bearer(realm) => {
                    let slot = host.slot(path, &self.credentials);
                    let realm = slot.realm.as_ref().unwrap_or(realm);
                    let now = || self.clock.elapsed();
                    let ask = |repositories, credential| self.token(host, realm, repositories, credential);
                    (slot.bearer(&self.credentials, &host.name, now, ask).await?, Arc::clone(&slot))
                }
            };
            match issue {
                TokenIssue::Header(header, ticket) => {
                    return Ok(Authorization { header: Some(header), grant: Some((slot, ticket)), probe: None });
                }
                TokenIssue::Split => host.split(path, &slot, RepositoryNames::default(), &self.credentials),
            }
        }
    }

    /// Takes a 401 to heart: what the registry wants is noted, or an error says that it cannot be had. What is not gone
    /// along with is not asked for again.
    async fn answer(
        &self,
        host: &Host,
        path: &str,
        reply: &RegistryReply,
        pass: Authorization<'_>,
        has_renewed: &mut bool,
    ) -> Result<(), ResolveError> {
        let is_probe = pass.probe.is_some();
        let judged = match Challenge::read(&reply.headers) {
            None => Err(denied(host, "answered 401 without a challenge that pinstream can answer")),
            Some(Challenge::Basic) => Ok(None),
            Some(Challenge::Bearer(bearer)) => {
                judge(&bearer.realm, &host.name, &host.origin, &self.realms).map(|url| Some((url, bearer)))
            }
        };
        if let Err(error) = &judged {
            host.refuse(path, error.clone());
            if is_probe {
                host.learn(AuthScheme::Open);
            }
        }
        let Some((url, BearerChallenge { service, repository, error, .. })) = judged? else {
            let Some((slot, mut ticket)) = pass.grant.filter(|(slot, _)| slot.realm.is_none()) else {
                host.learn(AuthScheme::Basic);
                return Ok(());
            };
            slot.login.refuse(ticket.at);
            // Others wait for it, and one of them may hold what is asked for next.
            drop(ticket.turn.take());
            return match slot.advance(&ticket).await {
                true => Ok(()),
                false => Err(denied(host, "did not accept the password that is configured")),
            };
        };
        let realm = Arc::new(Realm { url, service });
        let Some((slot, mut ticket)) = pass.grant.filter(|(slot, _)| slot.realm.is_some()) else {
            host.learn(AuthScheme::Bearer(realm));
            return Ok(());
        };
        drop(ticket.turn.take());
        let is_ours = repository.as_ref().is_none_or(|name| slot.repositories.contains(name));
        if slot.realm.as_ref() != Some(&realm) {
            // The token is of another server than this repository's: that says nothing of the credential.
            host.split(path, &slot, RepositoryNames { realm: Some(realm), repository }, &self.credentials);
        } else if error == "invalid_token" && !*has_renewed {
            *has_renewed = true;
            slot.void(&ticket).await;
        } else if slot.is_shared() || !is_ours {
            host.split(path, &slot, RepositoryNames { realm: None, repository }, &self.credentials);
        } else if !slot.advance(&ticket).await {
            return Err(denied(host, &format!("does not grant access to `{path}`")));
        }
        Ok(())
    }

    /// Asks `origin` up to three times: after failures of the line with a pause, after refusals for now when they say.
    async fn insist<F>(
        &self,
        host: &Host,
        origin: &UrlOrigin,
        attempt: impl Fn() -> F,
    ) -> Result<RegistryReply, SendFailure>
    where
        F: Future<Output = Result<RegistryReply, TransportError>>,
    {
        let name = host.name.as_str();
        let mut pauses = self.limits.pauses();
        for left in (0..TRIES).rev() {
            let permit =
                host.limit.enter(name, &self.limits, || self.clock.elapsed()).await.map_err(SendFailure::Line)?;
            let answered = tokio::time::timeout(self.limits.request, attempt()).await;
            let answered = answered.unwrap_or_else(|_| Err(TransportError::late(origin, self.limits.request)));
            let (lost, wait) = match answered {
                Ok(reply) if is_later(reply.status) => {
                    let asked = retry_after(&reply.headers, clock::now());
                    let error = later(host, reply.status, asked);
                    if asked.is_some_and(|asked| asked > self.limits.retry_after) {
                        // A place that was redirected to speaks for itself alone.
                        match reply.is_foreign {
                            true => host.limit.failed(name, &error),
                            false => host.limit.close(name, &error),
                        }
                        return Err(SendFailure::Trouble(error));
                    }
                    (SendFailure::Trouble(error), asked.map(|asked| (asked, reply.is_foreign)))
                }
                Ok(reply) => {
                    if !reply.is_foreign {
                        host.limit.answered(&reply.headers);
                    }
                    return Ok(reply);
                }
                Err(TransportError::Final(error)) => return Err(SendFailure::Line(error)),
                Err(TransportError::Host(error)) => {
                    host.limit.failed(name, &error);
                    return Err(SendFailure::Line(error));
                }
                Err(TransportError::Passing(error)) => (SendFailure::Line(error), None),
            };
            drop(permit);
            let (SendFailure::Line(error) | SendFailure::Trouble(error)) = &lost;
            if left == 0 {
                host.limit.failed(name, error);
                return Err(lost);
            }
            self.tally.retries.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("{}; once more", self.confided.unless_repeated(&error.message));
            let pause = pauses.next().unwrap_or_default();
            match wait {
                // All others wait as well; a little more, so that they do not come back at once.
                Some((wait, false)) => host.limit.pause(wait + pause / 10, self.clock.elapsed()),
                Some((wait, true)) => tokio::time::sleep(wait + pause / 10).await,
                None => tokio::time::sleep(pause).await,
            }
        }
        Err(SendFailure::Line(denied(host, "was not asked")))
    }

    /// Has a token for `repositories` of `host`. No redirect is followed.
    async fn token(
        &self,
        host: &Host,
        realm: &Realm,
        repositories: &[String],
        credential: Option<Arc<Credential>>,
    ) -> Result<TokenAnswer, ResolveError> {
        let origin = UrlOrigin::of(&realm.url).ok_or_else(|| denied(host, "names a realm that is not HTTP"))?;
        let reach = if origin.place == host.origin.place { self.reach(&host.origin) } else { self.reach(&origin) };
        let client = self.connector.route(&realm.url, &origin, reach, Some(&host.origin.place)).await?.client;
        // Its quota is not the registry's, unless both are one.
        let is_foreign = origin != host.origin;
        let credential = credential.as_deref();
        let asked = self.insist(host, &origin, || async {
            let reply = self.send_token(&client, &origin, realm, repositories, credential).await?;
            Ok(RegistryReply { is_foreign, ..reply })
        });
        match asked.await {
            Ok(reply) => read_token(&reply, &host.name, &origin),
            Err(SendFailure::Trouble(error)) if error.kind != FailureKind::RateLimited => {
                Ok(TokenAnswer::Refused(error))
            }
            Err(lost) => Err(lost.into()),
        }
    }

    pub(super) async fn send_token(
        &self,
        client: &Client,
        origin: &UrlOrigin,
        realm: &Realm,
        repositories: &[String],
        credential: Option<&Credential>,
    ) -> Result<RegistryReply, TransportError> {
        let request = match credential {
            Some(Credential::Identity(identity)) => {
                self.confided.secret(identity.reveal());
                client
                    .post(realm.url.clone())
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(token::form(realm, repositories, identity.reveal()))
            }
            other => {
                let mut url = realm.url.clone();
                let ours = token::query(realm, repositories);
                let query = match url.query().filter(|query| !query.is_empty()) {
                    Some(theirs) => format!("{theirs}&{ours}"),
                    None => ours,
                };
                url.set_query(Some(&query));
                let request = client.get(url);
                match other {
                    Some(Credential::Password { user, password }) => {
                        let header = token::basic_header(user, password.reveal()).ok_or_else(|| {
                            ResolveError::new(FailureKind::Unauthorized, "a user name with a colon cannot be sent")
                        })?;
                        self.confided.header(&header);
                        request.header(AUTHORIZATION, header)
                    }
                    _ => request,
                }
            }
        };
        self.tally.token.fetch_add(1, Ordering::Relaxed);
        let response = request.send().await.map_err(|error| TransportError::of(&error, origin, &self.limits))?;
        tracing::debug!("token {origin} {}", response.status().as_u16());
        self.receive(response, TOKEN_MAX, origin, false).await
    }
}

/// What the token server at `origin` said.
///
/// # Errors
/// Where it redirects: a secret may have been on its way.
pub(super) fn read_token(
    reply: &RegistryReply,
    registry: &RegistryHost,
    origin: &UrlOrigin,
) -> Result<TokenAnswer, ResolveError> {
    let who = format!("the token server `{origin}` of `{registry}`");
    let status = reply.status.as_u16();
    let error = |kind| ResolveError::new(kind, format!("{who} answered {status}"));
    Ok(match status {
        200 => match BearerToken::read(&reply.body, clock::now()) {
            Some(token) => TokenAnswer::Token(token),
            None => {
                let message = format!("{who} answered without a token that can be read");
                TokenAnswer::Refused(ResolveError::new(FailureKind::Unauthorized, message))
            }
        },
        401 => TokenAnswer::Unauthorized(
            error(FailureKind::Unauthorized)
                .help(format!("run `docker login {registry}`, or see the credentials of this environment")),
        ),
        301 | 302 | 303 | 307 | 308 => {
            // Its query may be a key, and so may a user in it.
            let to = reply.headers.get(LOCATION).and_then(|to| to.to_str().ok()).filter(|to| Url::parse(to).is_ok());
            let to =
                to.and_then(|to| to.split('?').next()).map(|to| format!("`{}`", plain(&escape::mask_credentials(to))));
            let to = to.unwrap_or_else(|| "another place".to_owned());
            let message = format!("{who} redirects to {to}, and no token request follows that");
            return Err(ResolveError::new(FailureKind::Refused, message));
        }
        403 => TokenAnswer::Refused(error(FailureKind::Unauthorized)),
        _ => TokenAnswer::Refused(error(FailureKind::Network)),
    })
}

/// Whether a status may be about a token that stands for several repositories: not granted, or too long.
fn is_about_token(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 414 | 431)
}

/// Whether a status says that a later try may be answered.
fn is_later(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
}

fn later(host: &Host, status: StatusCode, asked: Option<Duration>) -> ResolveError {
    let code = status.as_u16();
    let (kind, what) = match (code, asked) {
        (429, _) => (FailureKind::RateLimited, "wants fewer requests"),
        (503, Some(_)) => (FailureKind::RateLimited, "wants to be asked later"),
        _ => (FailureKind::Network, "is in trouble"),
    };
    let mut error = ResolveError::new(kind, format!("`{}` {what}: it answered {code}", host.name));
    error.retry_after = asked;
    match (kind, asked) {
        (FailureKind::RateLimited, Some(asked)) => {
            error.help(format!("it asked to come back in {} s", asked.as_secs()))
        }
        _ => error,
    }
}

fn denied(host: &Host, what: &str) -> ResolveError {
    ResolveError::new(FailureKind::Unauthorized, format!("`{}` {what}", host.name))
        .help(format!("run `docker login {}`, or see the credentials of this environment", host.name))
}
