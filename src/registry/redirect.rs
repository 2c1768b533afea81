//! One attempt of a request: redirects are followed here, under our rules.
//!
//! No credential leaves its origin; no redirect leads from TLS to clear text or from a public server to a private one.
//! Source: OCI Distribution 1.1 ("clients MUST NOT forward `Authorization` across host boundaries").

use std::sync::Arc;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, StatusCode};
use url::Url;

use super::auth::scope_repository;
use super::{
    AuthSlot, FailureKind, Host, Issue, Realm, Registry, RegistryReply, RegistryRequest, ResolveError, SendError,
    TokenServer, token,
};
use crate::http::{PrivateAccess, Route, UrlOrigin, challenge, quotable};
use crate::system::lock;

/// Number of redirects that are followed.
const REDIRECTS: usize = 5;

/// Current position in a chain of redirects.
struct Hop {
    url: Url,
    origin: UrlOrigin,
    access: PrivateAccess,
    authorization: Option<HeaderValue>,
    /// True if another origin than the registry's was reached.
    is_foreign: bool,
    /// True if the authorization is an anonymous token.
    is_guest: bool,
}

impl Registry {
    /// Sends once, following redirects.
    ///
    /// # Errors
    /// If a request fails or a redirect is refused.
    pub(super) async fn send_once(
        &self,
        host: &Host,
        request: &RegistryRequest<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<RegistryReply, SendError> {
        let http = &self.transport.http;
        let mut hop = Hop {
            url: request.url.clone(),
            origin: host.origin.clone(),
            access: http.access(&host.origin),
            authorization: authorization.cloned(),
            is_foreign: false,
            is_guest: false,
        };
        for _ in 0..=REDIRECTS {
            let authority = (!hop.is_foreign).then_some(&host.origin.place);
            let Route { client, is_proxied } = http.route(&hop.url, &hop.origin, hop.access, authority).await?;
            let mut builder = client.request(request.method.clone(), hop.url.clone());
            if let Some(accept) = request.accept {
                builder = builder.header(ACCEPT, accept);
            }
            if let Some(authorization) = &hop.authorization {
                http.redactor.add_header(authorization);
                builder = builder.header(AUTHORIZATION, authorization);
            }
            match request.method {
                Method::HEAD => self.transport.counters().head += 1,
                _ => self.transport.counters().get += 1,
            }
            let response = http.send(builder, &hop.origin).await?;
            let status = response.status();
            // The query of a redirect may be a key.
            let path = http.redactor.redact(hop.url.path());
            tracing::debug!("{} {}{} {}", request.method, hop.origin, quotable(&path), status.as_u16());
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                hop = self.follow(hop, &response, is_proxied)?;
                continue;
            }
            if status == StatusCode::UNAUTHORIZED
                && hop.is_foreign
                && !hop.is_guest
                && let Some(header) = self.guest_token(host, response.headers(), &hop).await?
            {
                hop = Hop { authorization: Some(header), is_guest: true, ..hop };
                continue;
            }
            let reply = self.transport.receive(response, &hop.origin, request.max).await?;
            return Ok(RegistryReply { is_foreign: hop.is_foreign, ..reply });
        }
        Err(failed(&hop.origin, &format!("redirects more than {REDIRECTS} times")).into())
    }

    /// Returns the hop that a redirect leads to. Another origin gets no credential.
    fn follow(&self, hop: Hop, response: &Response, is_proxied: bool) -> Result<Hop, ResolveError> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|text| hop.url.join(text).ok());
        let url = url.ok_or_else(|| failed(&hop.origin, "redirects without a valid `Location`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(&hop.origin, "redirects to a URL that contains a user"));
        }
        let origin = UrlOrigin::of(&url).ok_or_else(|| failed(&hop.origin, "redirects to a URL that is not HTTP"))?;
        if origin == hop.origin {
            return Ok(Hop { url, ..hop });
        }
        if hop.origin.secure && !origin.secure {
            return Err(refused(&hop.origin, &format!("redirects to `{origin}`, which has no TLS")));
        }
        // Behind a proxy, the peer address is the proxy's; the server then counts as public.
        let from = response.remote_addr().filter(|_| !is_proxied).map(|address| address.ip());
        let access = PrivateAccess::for_redirect(from, self.transport.http.is_named(&origin.place));
        Ok(Hop { url, origin, access, authorization: None, is_foreign: true, is_guest: false })
    }

    /// Requests an anonymous token for the server of a redirect; none if the challenge demands something else.
    async fn guest_token(
        &self,
        host: &Host,
        headers: &HeaderMap,
        hop: &Hop,
    ) -> Result<Option<HeaderValue>, ResolveError> {
        let challenges = challenge::parse(headers);
        let Some(bearer) = challenges.iter().find(|challenge| challenge.scheme == "bearer") else { return Ok(None) };
        let repository = bearer.get("scope").and_then(scope_repository);
        let url = bearer.get("realm").and_then(|realm| Url::parse(realm).ok());
        let (Some(repository), Some(url)) = (repository, url) else { return Ok(None) };
        if UrlOrigin::of(&url).as_ref() != Some(&hop.origin) {
            return Ok(None);
        }
        let realm = Arc::new(Realm { url, service: bearer.get("service").unwrap_or_default().to_owned() });
        let slot = {
            let mut guests = lock(&self.guests);
            let new = || AuthSlot::new(vec![repository.clone()], Some(Arc::clone(&realm)), Arc::default());
            Arc::clone(guests.entry((hop.origin.clone(), repository.clone())).or_insert_with(|| Arc::new(new())))
        };
        let realm = slot.realm.as_ref().unwrap_or(&realm);
        let (transport, redirect_access) = (&self.transport, Some(hop.access));
        let server = TokenServer { transport, host, realm, redirect_access };
        match token::authorize(&slot, &self.credentials, &server).await? {
            Issue::Header(header, _) => Ok(Some(header)),
            Issue::Split => Ok(None),
        }
    }
}

fn failed(origin: &UrlOrigin, event: &str) -> ResolveError {
    ResolveError::new(FailureKind::Network, format!("`{}` {event}", origin.host()))
}

fn refused(origin: &UrlOrigin, event: &str) -> ResolveError {
    ResolveError::refused(format!("`{}` {event}", origin.host()))
}
