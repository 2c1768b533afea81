//! Requests to registries with authentication: answers challenges until a credential is accepted.
//!
//! Returns status, headers and a bounded body; nothing here trusts them.

use std::sync::Arc;

use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use url::Url;

use super::{
    AuthCache, AuthDemand, AuthScheme, AuthSlot, AuthStep, HeadSupport, Host, Issue, Registry, RegistryReply,
    Rejection, RepositoryNames, ResolveError, Ticket,
};

/// Number of challenges of one request that are answered.
const CHALLENGES: usize = 8;

/// A registry host with its authentication state.
pub(super) struct Endpoint {
    pub(super) host: Host,
    pub(super) auth: AuthCache,
    pub(super) heads: HeadSupport,
}

/// Request for a manifest, blob or list.
pub(super) struct RegistryRequest<'a> {
    /// HEAD or GET.
    pub(super) method: Method,
    /// The repository's path at this host.
    pub(super) path: &'a str,
    pub(super) url: Url,
    pub(super) accept: Option<&'static str>,
    /// Largest body that is read, in bytes.
    pub(super) max: usize,
}

/// Authorization of one request.
#[derive(Default)]
struct Authorization<'a> {
    header: Option<HeaderValue>,
    grant: Option<(Arc<AuthSlot>, Ticket)>,
    /// Held by the request that finds out the scheme.
    probe: Option<tokio::sync::MutexGuard<'a, ()>>,
}

impl Registry {
    /// Sends a request, answering challenges.
    ///
    /// # Errors
    /// If no response arrives or no credential is accepted. Any status but 401 and retryable ones is a response.
    pub(super) async fn send(
        &self,
        endpoint: &Endpoint,
        request: &RegistryRequest<'_>,
    ) -> Result<RegistryReply, ResolveError> {
        let Endpoint { host, auth, .. } = endpoint;
        let http = &self.transport.http;
        let mut may_renew = true;
        for _ in 0..CHALLENGES {
            let authorization = self.authorize(endpoint, request.path).await?;
            let header = authorization.header.as_ref();
            let send = || async move {
                // Checked last: many requests may have waited while the first one was refused.
                auth.check(request.path, http.now())?;
                self.send_once(host, request, header).await
            };
            let result = self.transport.with_retry(host, request.path, &host.origin, send).await;
            let is_challenge =
                result.as_ref().is_ok_and(|reply| reply.status == StatusCode::UNAUTHORIZED && !reply.is_foreign);
            if !is_challenge && (authorization.probe.is_some() || result.is_ok()) {
                // Waiting requests continue without authentication, also after a failure.
                auth.learn(AuthScheme::Anonymous);
            }
            let reply = result?;
            if is_challenge {
                let is_renewed = self.answer(endpoint, request.path, &reply, authorization, may_renew).await?;
                may_renew &= !is_renewed;
                continue;
            }
            if let Some((slot, ticket)) = &authorization.grant {
                if slot.is_shared() && may_concern_token(reply.status) {
                    self.split(endpoint, request.path, slot, RepositoryNames::default());
                    continue;
                }
                if ticket.exclusive.is_some() {
                    slot.guard.accept(ticket.candidate, http.now());
                }
            }
            return Ok(reply);
        }
        let name = &host.name;
        Err(ResolveError::unauthorized(name, format!("`{name}` rejected {CHALLENGES} authentication attempts")))
    }

    /// Returns the authorization for `path`, as far as the scheme is known.
    async fn authorize<'a>(&'a self, endpoint: &'a Endpoint, path: &str) -> Result<Authorization<'a>, ResolveError> {
        let Endpoint { host, auth, .. } = endpoint;
        let mut scheme = auth.scheme();
        if matches!(scheme, AuthScheme::Unknown) {
            // The first request may hang, which says nothing about the others.
            let probe = tokio::time::timeout(self.transport.http.limits.slow, auth.probe.lock()).await.ok();
            scheme = auth.scheme();
            if matches!(scheme, AuthScheme::Unknown) {
                return Ok(Authorization { probe, ..Authorization::default() });
            }
        }
        if !scheme.has_slots() {
            return Ok(Authorization::default());
        }
        loop {
            let slot = auth.slot(path, host, &self.credentials);
            match scheme.authorize(&slot, &self.credentials, &self.transport, host).await? {
                Issue::Header(header, ticket) => {
                    return Ok(Authorization { header: Some(header), grant: Some((slot, ticket)), probe: None });
                }
                Issue::Split => self.split(endpoint, path, &slot, RepositoryNames::default()),
            }
        }
    }

    /// Handles a 401: learns the scheme, or chooses another credential. Returns whether the token is to be renewed,
    /// which happens only if `may_renew`.
    ///
    /// # Errors
    /// If the challenge is refused, which is remembered, or no other credential is left.
    async fn answer(
        &self,
        endpoint: &Endpoint,
        path: &str,
        reply: &RegistryReply,
        authorization: Authorization<'_>,
        may_renew: bool,
    ) -> Result<bool, ResolveError> {
        let Endpoint { host, auth, .. } = endpoint;
        let now = self.transport.http.now();
        let demand = match AuthDemand::parse(&reply.headers, host, &self.trusted) {
            Ok(demand) => demand,
            Err(error) => {
                auth.refuse(path, error.clone(), now);
                if authorization.probe.is_some() {
                    auth.learn(AuthScheme::Anonymous);
                }
                return Err(error);
            }
        };
        let AuthDemand { scheme, repository, is_expired } = demand;
        let is_same_scheme = |slot: &AuthSlot| slot.realm.is_some() == scheme.realm().is_some();
        let Some((slot, ticket)) = authorization.grant.filter(|(slot, _)| is_same_scheme(slot)) else {
            auth.learn(scheme);
            return Ok(false);
        };
        let rejection = Rejection { ticket, repository, is_expired: is_expired && may_renew };
        match scheme.after_rejection(&slot, rejection, now).await {
            AuthStep::Retry => Ok(false),
            AuthStep::Renewed => Ok(true),
            AuthStep::Split(names) => {
                self.split(endpoint, path, &slot, names);
                Ok(false)
            }
            AuthStep::Denied { event, source } => {
                let event = format!("`{}` {event}", host.name);
                Err(match source {
                    Some(source) => ResolveError::login_rejected(&host.name, &event, &source),
                    None => ResolveError::needs_login(&host.name, &event),
                })
            }
        }
    }

    fn split(&self, endpoint: &Endpoint, path: &str, old: &Arc<AuthSlot>, names: RepositoryNames) {
        let candidates = self.credentials.candidates(&endpoint.host, path);
        endpoint.auth.split(path, old, names, candidates);
    }
}

/// Returns true if a status may be caused by a token for several repositories: insufficient, or too long.
fn may_concern_token(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 403 | 414 | 431)
}
