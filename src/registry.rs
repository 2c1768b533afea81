//! Registries: resolves images to digests with as few requests as possible, and trusts only hashed bytes.
//!
//! [`Registry`] implements the OCI Distribution Specification 1.1. A digest from a header is a hint; only
//! [`manifest::VerifiedManifest`], which hashes bytes, allows a digest to be pinned. Callers see no HTTP: failures are
//! [`ResolveError`]s, classified by remedy.

mod auth;
mod auth_cache;
mod bearer_token;
mod client;
pub mod credentials;
mod error;
mod head;
mod host;
mod list;
mod lockout_guard;
pub mod manifest;
mod mirror;
mod pages;
mod realm;
mod redirect;
mod referrers;
mod setup;
mod slot;
mod tags;
mod token;
mod transport;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use globset::GlobMatcher;
use reqwest::header::CONTENT_ENCODING;
use reqwest::{Method, StatusCode};
use url::Url;

use crate::http::{UrlOrigin, quotable};
use crate::model::image::{Digest, ImageRef, Reference, RegistryHost, Repository, TagName};
use crate::model::settings::RegistrySettings;
use crate::system::lock;
use auth::{AuthDemand, AuthScheme};
use auth_cache::AuthCache;
use bearer_token::BearerToken;
use client::{Endpoint, RegistryRequest};
use credentials::{CREDENTIAL_TTL, Credential, CredentialCandidate, CredentialSources, CredentialStore};
pub use error::{FailureKind, RegistrySetupError, ResolveError};
use head::HeadSupport;
use host::Host;
use lockout_guard::{ExclusiveTry, LockoutGuard, REJECTED_TTL};
use manifest::{Descriptor, MANIFEST_MAX, VerifiedManifest};
use realm::Realm;
pub use setup::{RegistryConfig, RegistryPolicy};
use slot::{AuthSlot, AuthStep, Grant, Issue, REFUSAL_TTL, Rejection, RepositoryNames, Ticket};
use token::TokenServer;
pub use transport::RequestCounts;
use transport::{RegistryReply, RegistryTransport, RequestError, SendError};

/// Largest blob that is read, in bytes; image configurations have a few kilobytes.
const BLOB_MAX: usize = 4 << 20;

/// Client for all registries. It can outlive a pass: what it remembers of failing hosts, refusals and credentials
/// expires.
pub struct Registry {
    settings: BTreeMap<RegistryHost, RegistrySettings>,
    allowed: Option<Vec<GlobMatcher>>,
    endpoints: Mutex<HashMap<RegistryHost, Arc<Endpoint>>>,
    transport: RegistryTransport,
    credentials: CredentialStore,
    /// Anonymous tokens for servers that registries redirect to, by origin and repository.
    guests: Mutex<HashMap<(UrlOrigin, String), Arc<AuthSlot>>>,
    /// Origins that the operator trusts as token servers.
    trusted: Vec<UrlOrigin>,
}

impl Registry {
    /// Announces the repositories that will be requested, so that they can share tokens.
    pub fn announce(&self, repositories: &[Repository]) {
        for place in repositories.iter().flat_map(|repository| self.places(repository)).flatten() {
            place.endpoint.auth.announce(place.path);
        }
    }

    /// Returns the digest of `image` according to its registry: a hint, never to be pinned.
    ///
    /// # Errors
    /// If no registry returns it.
    pub async fn digest(&self, image: &ImageRef) -> Result<Digest, ResolveError> {
        let tag = match image.reference() {
            Reference::Digest(digest) => return Ok(digest.clone()),
            Reference::Tag(tag) => tag,
        };
        self.first(image.repository(), |place| async move { self.digest_at(image, &place, tag).await }).await
    }

    /// Fetches a manifest by digest, hashes and parses it.
    ///
    /// # Errors
    /// If it cannot be fetched or does not match its digest.
    pub async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<VerifiedManifest, ResolveError> {
        self.first(repository, |place| async move {
            let reply = self.get_manifest(&place, digest.as_str()).await?;
            place.expect_ok(&reply, &format!("{repository}@{digest}"))?;
            VerifiedManifest::hash(digest, head::content_type(&reply.headers), &reply.body)
        })
        .await
    }

    /// Fetches a small blob by digest and hashes it.
    ///
    /// # Errors
    /// If it cannot be fetched, is larger than 4 MiB, or does not match its descriptor.
    pub async fn blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        let digest = &descriptor.digest;
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        if size > BLOB_MAX {
            let message = format!("blob {} of `{repository}` is larger than 4 MiB", digest.short());
            return Err(ResolveError::integrity(message));
        }
        self.first(repository, |place| async move {
            let url = place.url(&format!("blobs/{digest}"));
            let reply = self.get(&place, url, None, size).await?;
            place.expect_ok(&reply, &format!("{repository}@{digest}"))?;
            manifest::verify_blob(descriptor, reply.body, repository)
        })
        .await
    }

    /// Lists the tags of `repository`, in the order of its registry.
    ///
    /// # Errors
    /// If the list is incomplete.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<TagName>, ResolveError> {
        self.list(repository, "tags/list", &tags::FORMAT).await
    }

    /// Lists the referrers of the manifest `digest`: hints, to be fetched by digest.
    ///
    /// # Errors
    /// If the list is incomplete; [`FailureKind::NotFound`] if the registry does not support referrers.
    pub async fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        self.list(repository, &format!("referrers/{digest}"), &referrers::FORMAT).await
    }

    /// Returns the number of requests so far.
    pub fn counts(&self) -> RequestCounts {
        self.transport.counts()
    }

    async fn digest_at(&self, image: &ImageRef, place: &RepositoryAt, tag: &TagName) -> Result<Digest, ResolveError> {
        let url = place.url(&format!("manifests/{tag}"));
        let accept = Some(manifest::ACCEPT);
        let request = RegistryRequest { method: Method::HEAD, path: &place.path, url, accept, max: 0 };
        let (name, heads) = (image.to_string(), &place.endpoint.heads);
        let now = self.transport.http.now();
        let mut is_useless = false;
        if heads.are_usable(now) {
            let reply = self.send(&place.endpoint, &request).await?;
            if !head::is_inconclusive(reply.status) {
                place.expect_ok(&reply, &name)?;
                if let Some(digest) = head::parse(&reply.headers, place.host().name.as_str())? {
                    return Ok(digest);
                }
            }
            // A 404 may concern just this tag, e.g. on a replica that lags behind.
            is_useless = reply.status != StatusCode::NOT_FOUND;
        }
        let reply = self.get_manifest(place, tag.as_str()).await?;
        place.expect_ok(&reply, &name)?;
        manifest::media_type(head::content_type(&reply.headers), &reply.body)?;
        if is_useless {
            heads.record_unusable(now);
        }
        Ok(Digest::sha256(&reply.body))
    }

    async fn get_manifest(&self, place: &RepositoryAt, reference: &str) -> Result<RegistryReply, ResolveError> {
        let url = place.url(&format!("manifests/{reference}"));
        self.get(place, url, Some(manifest::ACCEPT), MANIFEST_MAX).await
    }

    async fn get(
        &self,
        place: &RepositoryAt,
        url: Url,
        accept: Option<&'static str>,
        max: usize,
    ) -> Result<RegistryReply, ResolveError> {
        let request = RegistryRequest { method: Method::GET, path: &place.path, url, accept, max };
        let reply = self.send(&place.endpoint, &request).await?;
        match reply.headers.get(CONTENT_ENCODING).map(|encoding| String::from_utf8_lossy(encoding.as_bytes())) {
            Some(encoding) if reply.status == StatusCode::OK && !encoding.trim().eq_ignore_ascii_case("identity") => {
                let (host, encoding) = (&place.host().name, quotable(&encoding));
                let message = format!("`{host}` returned content encoded as `{encoding}`, which was not requested");
                let help = "a proxy between this machine and the registry may compress responses; exclude the registry";
                Err(ResolveError::integrity(message).help(help))
            }
            _ => Ok(reply),
        }
    }

    /// Returns the first success of the mirrors of `repository` and its registry, or the last failure.
    async fn first<T, F: Future<Output = Result<T, ResolveError>>>(
        &self,
        repository: &Repository,
        request: impl Fn(RepositoryAt) -> F,
    ) -> Result<T, ResolveError> {
        // All are checked before the first request: the policy applies to the whole list.
        let places: Vec<RepositoryAt> = self.places(repository).collect::<Result<_, _>>()?;
        let mut failure = None;
        for place in places {
            match request(place).await {
                Ok(found) => return Ok(found),
                Err(error) => {
                    let error = error.redacted(&self.transport.http.redactor);
                    tracing::debug!("{error}");
                    failure = Some(error);
                }
            }
        }
        Err(failure
            .unwrap_or_else(|| ResolveError::new(FailureKind::Network, format!("no registry has `{repository}`"))))
    }

    /// Lists the mirrors of `repository` and its registry.
    ///
    /// # Errors
    /// Those that the policy does not allow, or that are not valid hosts.
    fn places(&self, repository: &Repository) -> impl Iterator<Item = Result<RepositoryAt, ResolveError>> {
        let locations = mirror::locations(repository, self.settings.get(repository.registry())).into_iter();
        locations.map(|location| Ok(RepositoryAt { endpoint: self.endpoint(&location.registry)?, path: location.path }))
    }

    /// Returns the endpoint of `name`.
    ///
    /// # Errors
    /// If the policy does not allow it, or it is not a valid host.
    fn endpoint(&self, name: &RegistryHost) -> Result<Arc<Endpoint>, ResolveError> {
        let mut endpoints = lock(&self.endpoints);
        if let Some(endpoint) = endpoints.get(name) {
            return Ok(Arc::clone(endpoint));
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|glob| name.names().any(|name| glob.is_match(name)))
        {
            return Err(ResolveError::refused(format!("the policy does not allow `{name}`"))
                .help("add the registry to `registries` in the `--policy` file"));
        }
        let default = RegistrySettings::default();
        let host = Host::new(name, self.settings.get(name).unwrap_or(&default), &self.transport.http.limits)
            .ok_or_else(|| ResolveError::refused(format!("`{name}` is not a valid host name")))?;
        let endpoint = Arc::new(Endpoint { host, auth: AuthCache::default(), heads: HeadSupport::default() });
        endpoints.insert(name.clone(), Arc::clone(&endpoint));
        Ok(endpoint)
    }
}

/// A repository at one registry host.
struct RepositoryAt {
    endpoint: Arc<Endpoint>,
    path: String,
}

impl RepositoryAt {
    fn host(&self) -> &Host {
        &self.endpoint.host
    }

    /// Returns the URL of an object; parsing the host again would cost more than the rest.
    fn url(&self, rest: &str) -> Url {
        let mut url = self.host().base.clone();
        url.set_path(&format!("/v2/{}/{rest}", self.path));
        url
    }

    /// Checks that the status of a response for `object` is 200.
    fn expect_ok(&self, reply: &RegistryReply, object: &str) -> Result<(), ResolveError> {
        let (name, status) = (&self.host().name, reply.status.as_u16());
        let reason = reply.reason_suffix();
        let error = |kind, event: String| Err(ResolveError::new(kind, format!("{event}{reason}")));
        let denied = || format!("access to `{object}` denied: `{name}` returned {status}");
        match reply.status {
            StatusCode::OK => Ok(()),
            StatusCode::NOT_FOUND => {
                error(FailureKind::NotFound, format!("`{object}` not found: `{name}` returned 404"))
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                Err(ResolveError::unauthorized(name, denied() + &reason))
            }
            // Registries return it for images that a rule of theirs blocks.
            StatusCode::PRECONDITION_FAILED => error(FailureKind::Unauthorized, denied())
                .map_err(|error| error.help("ask the operator of the registry; one of its policies blocks the image")),
            _ => error(FailureKind::Network, format!("`{name}` returned {status} for `{object}`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_and_its_futures_can_be_sent_to_other_threads() {
        fn is_send<T: Send>(value: T) -> T {
            value
        }
        let registry = is_send(Registry::new(RegistryConfig::default()).unwrap());
        let (image, digest) = ("quay.io/a/b:c".parse::<ImageRef>().unwrap(), Digest::sha256(b""));
        let descriptor = Descriptor::of(String::new(), digest.clone(), 0);
        drop(is_send(registry.digest(&image)));
        drop(is_send(registry.manifest(image.repository(), &digest)));
        drop(is_send(registry.blob(image.repository(), &descriptor)));
        drop(is_send(registry.tags(image.repository())));
        drop(is_send(registry.referrers(image.repository(), &digest)));
    }
}
