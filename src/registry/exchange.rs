//! One question to one registry: its place in the line, its authorization, its tries.
//!
//! What comes back is a status, headers and a body within its bound. Nothing here believes any of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode};

use super::auth::{Bearer, Challenge, judge};
use super::connect::{Connector, Fault};
use super::credential::{Credential, Store};
use super::host::{Host, Realm, Scheme};
use super::limit::{Limits, TRIES, retry_after};
use super::origin::Origin;
use super::send::{Question, Reply, Tally};
use super::token::{self, Issue, Slot, Token, TokenAnswer};
use super::{FailureKind, ImportError};
use crate::world::clock::{self, Stopwatch};

/// The most challenges of one question that are answered.
const CHALLENGES: usize = 8;
/// The largest answer of a token server, in bytes.
const TOKEN_MAX: usize = 128 << 10;

/// What a pass asks registries with.
pub(super) struct Exchange {
    pub(super) connector: Connector,
    pub(super) credentials: Store,
    /// Origins that the operator lets registries name as realms.
    pub(super) realms: Vec<Origin>,
    pub(super) limits: Limits,
    pub(super) clock: Stopwatch,
    pub(super) tally: Tally,
    /// Tokens had without credentials for places that registries redirect to.
    pub(super) guests: tokio::sync::Mutex<Vec<(Origin, String, HeaderValue, Duration)>>,
}

/// The authorization that a question goes out with.
struct Pass<'a> {
    header: Option<HeaderValue>,
    /// Where it came from.
    grant: Option<(Arc<Slot>, u64)>,
    /// Held while this question is the one that finds out how the registry wants to be asked.
    probe: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Exchange {
    /// Asks, answering challenges as they come.
    ///
    /// # Errors
    /// Where no answer came, or no credential did. Any status but 401 and those that say "later" is an answer.
    pub(super) async fn ask(&self, host: &Host, question: &Question<'_>) -> Result<Reply, ImportError> {
        let mut has_renewed = false;
        for _ in 0..CHALLENGES {
            let pass = self.pass(host, question.path).await?;
            let asked = self.insist(host, || self.send(host, question, pass.header.as_ref())).await;
            let reply = match asked {
                Ok(reply) => reply,
                Err(error) => {
                    // Whoever waits for the probe goes on without it, all at once.
                    if pass.probe.is_some() {
                        host.learn(Scheme::Open);
                    }
                    return Err(error);
                }
            };
            match reply.status {
                StatusCode::UNAUTHORIZED if !reply.is_foreign => {
                    self.answer(host, question.path, &reply, pass, &mut has_renewed).await?;
                }
                StatusCode::FORBIDDEN
                    if let Some((slot, _)) = &pass.grant
                        && slot.is_shared() =>
                {
                    host.split(question.path, slot, None, &self.credentials);
                }
                _ => {
                    if pass.probe.is_some() {
                        host.learn(Scheme::Open);
                    }
                    return Ok(reply);
                }
            }
        }
        Err(denied(host, "asks for other credentials again and again"))
    }

    /// The authorization for `path`, as far as is known what the registry wants.
    async fn pass<'a>(&'a self, host: &'a Host, path: &str) -> Result<Pass<'a>, ImportError> {
        let mut scheme = host.scheme();
        if matches!(scheme, Scheme::Unknown) {
            let probe = host.probe.lock().await;
            scheme = host.scheme();
            if matches!(scheme, Scheme::Unknown) {
                return Ok(Pass { header: None, grant: None, probe: Some(probe) });
            }
        }
        loop {
            let issue = match &scheme {
                Scheme::Unknown | Scheme::Open => return Ok(Pass { header: None, grant: None, probe: None }),
                Scheme::Basic => {
                    let slot = host.slot(path, &self.credentials);
                    (slot.basic(&self.credentials, &host.name).await?, slot)
                }
                Scheme::Bearer(realm) => {
                    let slot = host.slot(path, &self.credentials);
                    let now = || self.clock.elapsed();
                    let ask = |repositories, credential| self.token(host, realm, repositories, credential);
                    (slot.bearer(&self.credentials, &host.name, now, ask).await?, Arc::clone(&slot))
                }
            };
            match issue {
                (Issue::Header(header, stamp), slot) => {
                    return Ok(Pass { header, grant: Some((slot, stamp)), probe: None });
                }
                (Issue::Split, slot) => host.split(path, &slot, None, &self.credentials),
            }
        }
    }

    /// Takes a 401 to heart: what the registry wants is noted, or an error says that it cannot be had.
    async fn answer(
        &self,
        host: &Host,
        path: &str,
        reply: &Reply,
        pass: Pass<'_>,
        has_renewed: &mut bool,
    ) -> Result<(), ImportError> {
        let Some(challenge) = Challenge::read(&reply.headers) else {
            return Err(denied(host, "answered 401 without a challenge that pinstream can answer"));
        };
        match challenge {
            Challenge::Basic => match &pass.grant {
                Some((slot, stamp)) if matches!(host.scheme(), Scheme::Basic) => {
                    if !slot.advance(*stamp).await {
                        return Err(denied(host, "did not accept the password that is configured"));
                    }
                }
                _ => host.learn(Scheme::Basic),
            },
            Challenge::Bearer(Bearer { realm, service, repository, error }) => {
                let url = judge(&realm, &host.name, &host.origin, &self.realms)?;
                let is_bearer = matches!(host.scheme(), Scheme::Bearer(_));
                host.learn(Scheme::Bearer(Arc::new(Realm { url, service })));
                let Some((slot, stamp)) = pass.grant.filter(|_| is_bearer) else { return Ok(()) };
                if error == "invalid_token" && !*has_renewed {
                    *has_renewed = true;
                    slot.void(stamp).await;
                } else if slot.is_shared() || repository.as_ref().is_some_and(|name| !slot.repositories.contains(name))
                {
                    host.split(path, &slot, repository, &self.credentials);
                } else if !slot.advance(stamp).await {
                    return Err(denied(host, &format!("does not grant access to `{path}`")));
                }
            }
        }
        Ok(())
    }

    /// Tries up to three times: failures of the line after a pause, refusals for now after what they ask for.
    async fn insist<F>(&self, host: &Host, attempt: impl Fn() -> F) -> Result<Reply, ImportError>
    where
        F: Future<Output = Result<Reply, Fault>>,
    {
        let mut pauses = self.limits.pauses();
        for left in (0..TRIES).rev() {
            let permit = host.limit.enter(host.name.as_str(), &self.limits, || self.clock.elapsed()).await?;
            let (error, wait) = match attempt().await {
                Ok(reply) if is_later(reply.status) => {
                    let asked = retry_after(&reply.headers, clock::now());
                    (later(host, reply.status, asked), asked)
                }
                Ok(reply) => {
                    host.limit.answered(&reply.headers);
                    return Ok(reply);
                }
                Err(Fault { error, is_transient }) => {
                    if !is_transient {
                        // One image that is out of order says nothing of the others of its host.
                        if error.kind == FailureKind::Tls {
                            host.limit.failed(&error);
                        }
                        return Err(error);
                    }
                    (error, None)
                }
            };
            drop(permit);
            let pause = pauses.next().unwrap_or_default();
            if left == 0 || wait.is_some_and(|wait| wait > self.limits.retry_after) {
                host.limit.failed(&error);
                return Err(error);
            }
            self.tally.retries.fetch_add(1, Ordering::Relaxed);
            tracing::debug!("{error}; once more");
            match wait {
                // All others wait as well; a little more, so that they do not come back at once.
                Some(wait) => host.limit.pause(wait + pause / 10, self.clock.elapsed()),
                None => tokio::time::sleep(pause).await,
            }
        }
        Err(denied(host, "was not asked"))
    }

    /// Has a token for `repositories` of `host`. No redirect is followed.
    async fn token(
        &self,
        host: &Host,
        realm: &Realm,
        repositories: &[String],
        credential: Option<Arc<Credential>>,
    ) -> Result<TokenAnswer, ImportError> {
        let origin = Origin::of(&realm.url).ok_or_else(|| denied(host, "names a realm that is not HTTP"))?;
        let reach = if origin.place == host.origin.place { self.reach(&host.origin) } else { self.reach(&origin) };
        let client = self.connector.client(&realm.url, &origin, reach, Some(&host.origin.place))?;
        let reply =
            self.insist(host, || self.send_token(&client, &origin, realm, repositories, credential.as_deref())).await?;
        let who = format!("the token server `{origin}` of `{}`", host.name);
        let status = reply.status.as_u16();
        let error = |kind| ImportError::new(kind, format!("{who} answered {status}"));
        Ok(match status {
            200 => match Token::read(&reply.body, clock::now()) {
                Some(token) => TokenAnswer::Token(token),
                None => {
                    let message = format!("{who} answered without a token that can be read");
                    return Err(ImportError::new(FailureKind::Unauthorized, message));
                }
            },
            401 => TokenAnswer::Unauthorized(
                error(FailureKind::Unauthorized)
                    .help(format!("run `docker login {}`, or see the credentials of this environment", host.name)),
            ),
            301 | 302 | 303 | 307 | 308 => {
                let message = format!("{who} redirects, and no token request follows that");
                return Err(ImportError::new(FailureKind::Refused, message));
            }
            403 => TokenAnswer::Refused(error(FailureKind::Unauthorized)),
            400..500 => TokenAnswer::Refused(error(FailureKind::Network)),
            _ => return Err(error(FailureKind::Network)),
        })
    }

    pub(super) async fn send_token(
        &self,
        client: &Client,
        origin: &Origin,
        realm: &Realm,
        repositories: &[String],
        credential: Option<&Credential>,
    ) -> Result<Reply, Fault> {
        let request = match credential {
            Some(Credential::Identity(identity)) => client
                .post(realm.url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(token::form(realm, repositories, identity.reveal())),
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
                            ImportError::new(FailureKind::Unauthorized, "a user name with a colon cannot be sent")
                        })?;
                        request.header(AUTHORIZATION, header)
                    }
                    _ => request,
                }
            }
        };
        self.tally.token.fetch_add(1, Ordering::Relaxed);
        let response = request.send().await.map_err(|error| Fault::of(&error, origin, &self.limits))?;
        tracing::debug!("token {origin} {}", response.status().as_u16());
        self.receive(response, TOKEN_MAX, origin, false).await
    }
}

/// Whether a status says that a later try may be answered.
fn is_later(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
}

fn later(host: &Host, status: StatusCode, asked: Option<Duration>) -> ImportError {
    let code = status.as_u16();
    let (kind, what) = match (code, asked) {
        (429, _) => (FailureKind::RateLimited, "wants fewer requests"),
        (503, Some(_)) => (FailureKind::RateLimited, "wants to be asked later"),
        _ => (FailureKind::Network, "is in trouble"),
    };
    let mut error = ImportError::new(kind, format!("`{}` {what}: it answered {code}", host.name));
    error.retry_after = asked;
    match (kind, asked) {
        (FailureKind::RateLimited, Some(asked)) => {
            error.help(format!("it asked to come back in {} s", asked.as_secs()))
        }
        _ => error,
    }
}

fn denied(host: &Host, what: &str) -> ImportError {
    ImportError::new(FailureKind::Unauthorized, format!("`{}` {what}", host.name))
        .help(format!("run `docker login {}`, or see the credentials of this environment", host.name))
}
