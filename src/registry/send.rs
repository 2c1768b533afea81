//! One request as it goes over the line: redirects by hand, a body within its bound.
//!
//! No credential leaves the origin it is for, no redirect leads from TLS to none or from a public place to a private
//! one, and nothing is tried twice. Source: OCI Distribution 1.1 ("clients MUST NOT forward `Authorization` across
//! host boundaries").

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;
use url::Url;

use super::address::PrivateAccess;
use super::auth::Challenge;
use super::connect::HostRoute;
use super::exchange::{RegistryClient, read_token};
use super::fault::TransportError;
use super::host::{Host, Realm};
use super::login::LockoutGuard;
use super::origin::UrlOrigin;
use super::text::plain;
use super::token::{TokenAnswer, TokenIssue, TokenSlot};
use super::{FailureKind, RequestCounts, ResolveError};

/// The most redirects that are followed.
const REDIRECTS: usize = 5;
/// The most bytes of an error's body that are read, so that its connection can be kept.
const ERROR_MAX: usize = 64 << 10;
/// The most bytes of a body that are read without asking for room: more than almost any manifest has.
const SMALL: usize = 64 << 10;
/// How many larger bodies are held at once.
pub(super) const LARGE_BODIES: usize = 4;

/// Counts what was sent and received.
#[derive(Default)]
pub(super) struct RequestTally {
    pub(super) head: AtomicU64,
    pub(super) get: AtomicU64,
    pub(super) token: AtomicU64,
    pub(super) retries: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// A question to a registry.
pub(super) struct RegistryRequest<'a> {
    /// HEAD or GET.
    pub(super) method: Method,
    /// The repository's path at this host.
    pub(super) path: &'a str,
    /// Where.
    pub(super) url: Url,
    /// The media types that are understood.
    pub(super) accept: Option<HeaderValue>,
    /// The largest body that is read.
    pub(super) cap: usize,
}

/// An answer with its body, which is empty unless the status is 200.
pub(super) struct RegistryReply {
    /// The status.
    pub(super) status: StatusCode,
    /// The headers.
    pub(super) headers: HeaderMap,
    /// The body.
    pub(super) body: Vec<u8>,
    /// Whether another origin than the registry's answered.
    pub(super) is_foreign: bool,
    /// The room that a large body takes, given back with it.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

impl RegistryClient {
    /// Sends once, following redirects by hand.
    pub(super) async fn send(
        &self,
        host: &Host,
        question: &RegistryRequest<'_>,
        authorization: Option<&HeaderValue>,
    ) -> Result<RegistryReply, TransportError> {
        let mut url = question.url.clone();
        let mut origin = host.origin.clone();
        let mut authorization = authorization.cloned();
        let mut is_foreign = false;
        let mut is_guest = false;
        let mut reach = self.reach(&origin);
        for _ in 0..=REDIRECTS {
            let authority = (!is_foreign).then_some(&host.origin.place);
            let HostRoute { client, is_proxied } = self.connector.route(&url, &origin, reach, authority).await?;
            let mut request = client.request(question.method.clone(), url.clone());
            if let Some(accept) = &question.accept {
                request = request.header(ACCEPT, accept);
            }
            if let Some(authorization) = &authorization {
                self.confided.header(authorization);
                request = request.header(AUTHORIZATION, authorization);
            }
            self.tally.count(&question.method);
            let response = request.send().await.map_err(|error| TransportError::of(&error, &origin, &self.limits))?;
            let status = response.status();
            // The query of a place that was redirected to may be a key to it.
            let path = self.confided.unless_repeated(url.path());
            tracing::debug!("{} {origin}{} {}", question.method, plain(&path), status.as_u16());
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                let next = redirect(&response, &url, &origin)?;
                let next_origin = UrlOrigin::of(&next).ok_or_else(|| lost(&origin, "redirects to what is not HTTP"))?;
                if next_origin != origin {
                    if origin.secure && !next_origin.secure {
                        let error = refused(&origin, &format!("redirects to `{next_origin}`, which is without TLS"));
                        return Err(error.into());
                    }
                    // The way from a public place to a private one is closed, also to a place with a name. A place
                    // behind a proxy is public: the address that answered is the proxy's.
                    let from = response.remote_addr().filter(|_| !is_proxied).map(|address| address.ip());
                    reach = PrivateAccess::onward(from, self.connector.is_named(&next_origin.place));
                    authorization = None;
                    is_foreign = true;
                    is_guest = false;
                    origin = next_origin;
                }
                url = next;
                continue;
            }
            if status == StatusCode::UNAUTHORIZED
                && is_foreign
                && !is_guest
                && let Some(header) = self.guest(host, response.headers(), &origin, reach).await?
            {
                authorization = Some(header);
                is_guest = true;
                continue;
            }
            return self.receive(response, question.cap, &origin, is_foreign).await;
        }
        Err(lost(&origin, "redirects again and again").into())
    }

    /// Reads a body up to `cap`; that of an error only so that its connection can be kept.
    pub(super) async fn receive(
        &self,
        mut response: Response,
        cap: usize,
        origin: &UrlOrigin,
        is_foreign: bool,
    ) -> Result<RegistryReply, TransportError> {
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let is_wanted = status == StatusCode::OK;
        let cap = if is_wanted { cap } else { ERROR_MAX };
        let mut body = Vec::new();
        let mut room = None;
        let mut read = 0;
        loop {
            let chunk = match response.chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => break,
                Err(error) if is_wanted => return Err(TransportError::of(&error, origin, &self.limits)),
                Err(_) => break,
            };
            read += chunk.len();
            self.tally.bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            if read > cap {
                if !is_wanted {
                    break;
                }
                let place = origin.place.key(origin.secure);
                let message = format!("`{place}` sent more than the {cap} bytes that are read at most");
                return Err(ResolveError::new(FailureKind::Integrity, message).into());
            }
            if is_wanted {
                if read > SMALL && room.is_none() {
                    room = Arc::clone(&self.room).acquire_owned().await.ok();
                }
                body.extend_from_slice(&chunk);
            }
        }
        Ok(RegistryReply { status, headers, body, is_foreign, _room: room })
    }

    /// A token without credentials for a place that a registry redirected to; none where it asks for more.
    async fn guest(
        &self,
        host: &Host,
        headers: &HeaderMap,
        origin: &UrlOrigin,
        reach: PrivateAccess,
    ) -> Result<Option<HeaderValue>, TransportError> {
        let Some(Challenge::Bearer(bearer)) = Challenge::read(headers) else { return Ok(None) };
        let (Some(repository), Ok(url)) = (bearer.repository, Url::parse(&bearer.realm)) else { return Ok(None) };
        if UrlOrigin::of(&url).as_ref() != Some(origin) {
            return Ok(None);
        }
        let client = self.connector.route(&url, origin, reach, None).await?.client;
        let realm = Arc::new(Realm { url, service: bearer.service });
        let slot = {
            let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
            let new = || {
                TokenSlot::new(vec![repository.clone()], Some(Arc::clone(&realm)), Arc::new(LockoutGuard::default()))
            };
            Arc::clone(guests.entry((origin.clone(), repository.clone())).or_insert_with(|| Arc::new(new())))
        };
        let realm = slot.realm.as_ref().unwrap_or(&realm);
        let now = || self.clock.elapsed();
        let ask = |repositories, _| self.ask_as_guest(host, &client, origin, realm, repositories);
        match slot.bearer(&self.credentials, &host.name, now, ask).await? {
            TokenIssue::Header(header, _) => Ok(Some(header)),
            TokenIssue::Split => Ok(None),
        }
    }

    async fn ask_as_guest(
        &self,
        host: &Host,
        client: &Client,
        origin: &UrlOrigin,
        realm: &Realm,
        repositories: &[String],
    ) -> Result<TokenAnswer, ResolveError> {
        let reply = self.send_token(client, origin, realm, repositories, None).await;
        read_token(&reply.map_err(TransportError::into_error)?, &host.name, origin)
    }

    /// How far a request to `origin` may reach.
    pub(super) fn reach(&self, origin: &UrlOrigin) -> PrivateAccess {
        if self.connector.is_named(&origin.place) { PrivateAccess::Named } else { PrivateAccess::Public }
    }
}

impl RequestTally {
    fn count(&self, method: &Method) {
        let counter = if *method == Method::HEAD { &self.head } else { &self.get };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counts so far.
    pub(super) fn counts(&self) -> RequestCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        RequestCounts {
            head: read(&self.head),
            get: read(&self.get),
            token: read(&self.token),
            retries: read(&self.retries),
            bytes: read(&self.bytes),
        }
    }
}

/// Where a redirect leads.
fn redirect(response: &Response, url: &Url, origin: &UrlOrigin) -> Result<Url, ResolveError> {
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|text| url.join(text).ok()).ok_or_else(|| lost(origin, "redirects to nowhere"))?;
    if !next.username().is_empty() || next.password().is_some() {
        return Err(refused(origin, "redirects to a URL with a user in it"));
    }
    Ok(next)
}

fn lost(origin: &UrlOrigin, what: &str) -> ResolveError {
    ResolveError::new(FailureKind::Network, format!("`{}` {what}", origin.place.key(origin.secure)))
}

fn refused(origin: &UrlOrigin, what: &str) -> ResolveError {
    ResolveError::new(FailureKind::Refused, format!("`{}` {what}", origin.place.key(origin.secure)))
}
