//! Registries: what an image is *now*, asked with as few requests as can be, believed only after hashing.
//!
//! [`Registry`] speaks the OCI Distribution Specification 1.1. A digest from a header is a hint; only
//! [`manifest::VerifiedManifest`], which hashes bytes, lets a digest be pinned. No caller sees HTTP: failures come as
//! [`ResolveError`], by what the reader can do about them.

mod address;
mod auth;
mod confided;
mod connect;
pub mod credential;
mod digest;
mod exchange;
mod fault;
mod host;
mod limit;
mod login;
pub mod manifest;
mod mirror;
mod origin;
mod proxy;
mod send;
mod tags;
mod text;
mod token;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use globset::{Glob, GlobMatcher};
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode};
use tokio::sync::Semaphore;
use url::Url;

use crate::git::RootFiles;
use crate::model::image::{Digest, ImageRef, Reference, RegistryHost, Repository, TagName};
use crate::model::settings::RegistrySettings;
use crate::system::clock::Stopwatch;
pub(crate) use address::PrivateAccess;
pub(crate) use confided::Redactor;
pub(crate) use connect::Connector;
pub use connect::NameLookup;
use credential::CredentialStore;
use digest::DigestHint;
use exchange::RegistryClient;
pub(crate) use fault::TransportError;
use host::Host;
pub use limit::ClientLimits;
pub(crate) use limit::{TRIES, retry_after};
use manifest::{Descriptor, VerifiedManifest};
pub(crate) use origin::UrlOrigin;
pub use proxy::Proxies;
use send::{RegistryReply, RegistryRequest, RequestTally};

/// The largest manifest that is read, in bytes (OCI Distribution 1.1 asks registries to take at least 4 MiB).
pub const MANIFEST_MAX: usize = 4 << 20;

/// The largest blob that is read, in bytes: an image's configuration is a few kilobytes.
const BLOB_MAX: usize = 4 << 20;

/// The most pages of a list of referrers: an image has a few, and no more than fifty signatures are looked at.
const REFERRER_PAGES: usize = 10;

/// All that a pass needs to know to ask registries.
#[derive(Clone, Default)]
pub struct RegistryConfig {
    /// `[registry."host"]` of the settings.
    pub registries: BTreeMap<RegistryHost, RegistrySettings>,
    /// PEM files, by the path that `ca` names.
    pub authorities: RootFiles,
    /// What the operator allows.
    pub policy: RegistryPolicy,
    /// Where credentials are looked for.
    pub credentials: credential::CredentialSources,
    /// The proxies to go through.
    pub proxies: Proxies,
    /// Time limits.
    pub limits: ClientLimits,
    /// Looks names up in place of the system.
    pub lookup: Option<NameLookup>,
}

/// What the operator allows registries, and lets them do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryPolicy {
    /// Globs over `host[:port]`; none means all.
    pub allowed: Option<Vec<String>>,
    /// Origins, `https://host[:port]`, that registries may name as their token servers.
    pub realms: Vec<String>,
}

/// What was asked of registries so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// HEAD requests, challenges and redirects included.
    pub head: u64,
    /// GET requests of manifests, blobs and tag lists.
    pub get: u64,
    /// Requests to token servers.
    pub token: u64,
    /// Tries after the first.
    pub retries: u64,
    /// Bytes of bodies received.
    pub bytes: u64,
}

/// The registries of one pass. What it learns, tokens and hosts that fail, ends with it.
pub struct Registry {
    settings: BTreeMap<RegistryHost, RegistrySettings>,
    allowed: Option<Vec<GlobMatcher>>,
    hosts: Mutex<HashMap<RegistryHost, Arc<Host>>>,
    exchange: RegistryClient,
    accept: HeaderValue,
}

impl Registry {
    /// Makes registries known; nothing is sent yet.
    ///
    /// # Errors
    /// A sentence, where an authority, a credential file or a rule cannot be read.
    pub fn new(setup: RegistryConfig) -> Result<Self, String> {
        let RegistryConfig { registries, authorities, policy, credentials, proxies, limits, lookup } = setup;
        let glob = |text: &String| {
            let glob = Glob::new(text).map_err(|_| format!("`{text}`, an allowed registry, is not a glob"))?;
            Ok::<_, String>(glob.compile_matcher())
        };
        let realm = |text: &String| {
            UrlOrigin::parse(text).ok_or_else(|| format!("`{text}`, a trusted realm, is not `https://host[:port]`"))
        };
        let allowed = policy.allowed.map(|globs| globs.iter().map(glob).collect::<Result<_, _>>()).transpose()?;
        let exchange = RegistryClient {
            connector: Connector::new(&registries, &authorities, &proxies, lookup, limits)?,
            credentials: CredentialStore::open(&credentials, limits.helper)?,
            realms: policy.realms.iter().map(realm).collect::<Result<_, _>>()?,
            limits,
            clock: Stopwatch::start(),
            tally: RequestTally::default(),
            confided: Redactor::default(),
            guests: Mutex::default(),
            room: Arc::new(Semaphore::new(send::LARGE_BODIES)),
        };
        let accept = HeaderValue::try_from(manifest::MEDIA_TYPES.join(", ")).map_err(|error| error.to_string())?;
        Ok(Self { settings: registries, allowed, hosts: Mutex::default(), exchange, accept })
    }

    /// Says which repositories will be asked for, so that one token serves many.
    pub fn announce(&self, repositories: &[Repository]) {
        for repository in repositories {
            for place in mirror::places(repository, self.settings.get(repository.registry())) {
                if let Ok(host) = self.host(&place.registry) {
                    host.announce(place.path);
                }
            }
        }
    }

    /// What `image`'s registry says its digest is: a hint, never to be pinned by itself.
    ///
    /// # Errors
    /// Where no registry that has it says so.
    pub async fn digest(&self, image: &ImageRef) -> Result<Digest, ResolveError> {
        let tag = match image.reference() {
            Reference::Digest(digest) => return Ok(digest.clone()),
            Reference::Tag(tag) => tag,
        };
        self.first(image.repository(), async |place| self.digest_at(image, &place, tag).await).await
    }

    /// A manifest fetched by its digest, hashed and read.
    ///
    /// # Errors
    /// Where it cannot be had, or is not what its digest says.
    pub async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<VerifiedManifest, ResolveError> {
        self.first(repository, async |place| {
            let reply = self.get_manifest(&place, digest.as_str()).await?;
            accept_status(&reply, &place, &format!("{repository}@{digest}"))?;
            VerifiedManifest::hash(digest, digest::content_type(&reply.headers), &reply.body)
        })
        .await
    }

    /// A small blob fetched by its digest and hashed.
    ///
    /// # Errors
    /// Where it cannot be had, is larger than 4 MiB, or is not what its descriptor says.
    pub async fn blob(&self, repository: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        let digest = &descriptor.digest;
        let wrong = |what: &str| {
            ResolveError::new(FailureKind::Integrity, format!("the blob {} of `{repository}` {what}", digest.short()))
        };
        let size = usize::try_from(descriptor.size).unwrap_or(usize::MAX);
        if size > BLOB_MAX {
            return Err(wrong("is larger than 4 MiB"));
        }
        self.first(repository, async |place| {
            let url = place.url(&format!("blobs/{digest}"))?;
            let reply = place.ask(&self.exchange, Method::GET, url, None, size).await?;
            accept_status(&reply, &place, &format!("{repository}@{digest}"))?;
            if reply.body.len() != size {
                return Err(wrong("is shorter than its descriptor says"));
            }
            if !digest.matches(&reply.body) {
                return Err(wrong("hashes to something else"));
            }
            Ok(reply.body)
        })
        .await
    }

    /// The tags of `repository`, in the order in which its registry lists them.
    ///
    /// # Errors
    /// Where the list cannot be had whole.
    pub async fn tags(&self, repository: &Repository) -> Result<Vec<TagName>, ResolveError> {
        self.first(repository, async |place| {
            let name = place.host.name.as_str();
            let mut url = place.url("tags/list")?;
            let mut seen = BTreeSet::new();
            let mut found = Vec::new();
            for _ in 0..tags::PAGES {
                if !seen.insert(url.clone()) {
                    let message = format!("`{name}` lists the tags of `{repository}` in a circle");
                    return Err(ResolveError::new(FailureKind::Integrity, message));
                }
                let reply = place.ask(&self.exchange, Method::GET, url.clone(), None, tags::PAGE_MAX).await?;
                accept_status(&reply, &place, &repository.to_string())?;
                tags::read(&reply.body, name, &mut found)?;
                match tags::next(&reply.headers, &url)? {
                    Some(next) => url = next,
                    None => return Ok(found),
                }
            }
            let message = format!("`{name}` lists the tags of `{repository}` on more than {} pages", tags::PAGES);
            Err(ResolveError::new(FailureKind::Integrity, message))
        })
        .await
    }

    /// What refers to the manifest `digest` in `repository`, as its registry lists it: hints, to be fetched by digest.
    ///
    /// # Errors
    /// Where the list cannot be had whole; [`FailureKind::NotFound`] where the registry has no such lists.
    pub async fn referrers(&self, repository: &Repository, digest: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        self.first(repository, async |place| {
            let name = place.host.name.as_str();
            let mut url = place.url(&format!("referrers/{digest}"))?;
            let mut found = Vec::new();
            for _ in 0..REFERRER_PAGES {
                let reply = place.ask(&self.exchange, Method::GET, url.clone(), None, MANIFEST_MAX).await?;
                accept_status(&reply, &place, &format!("{repository}@{digest}"))?;
                found.extend(manifest::referrers(&reply.body, name)?);
                match tags::next(&reply.headers, &url)? {
                    Some(next) => url = next,
                    None => return Ok(found),
                }
            }
            let message = format!("`{name}` lists what refers to {} on too many pages", digest.short());
            Err(ResolveError::new(FailureKind::Integrity, message))
        })
        .await
    }

    /// What was asked so far.
    pub fn counts(&self) -> RequestCounts {
        self.exchange.tally.counts()
    }

    async fn digest_at(&self, image: &ImageRef, place: &RepositoryAt, tag: &TagName) -> Result<Digest, ResolveError> {
        let url = place.url(&format!("manifests/{tag}"))?;
        let accept = Some(self.accept.clone());
        let reply = place.ask(&self.exchange, Method::HEAD, url, accept, 0).await?;
        let name = image.to_string();
        accept_status(&reply, place, &name)?;
        match digest::read(&reply.headers, place.host.name.as_str())? {
            DigestHint::Digest(digest) => Ok(digest),
            DigestHint::Silent => {
                let reply = self.get_manifest(place, tag.as_str()).await?;
                accept_status(&reply, place, &name)?;
                manifest::supported(manifest::essence(digest::content_type(&reply.headers)))?;
                Ok(Digest::sha256(&reply.body))
            }
        }
    }

    async fn get_manifest(&self, place: &RepositoryAt, reference: &str) -> Result<RegistryReply, ResolveError> {
        let url = place.url(&format!("manifests/{reference}"))?;
        place.ask(&self.exchange, Method::GET, url, Some(self.accept.clone()), MANIFEST_MAX).await
    }

    /// The first good answer of the places that may have `repository`; the failure of the source where none is.
    async fn first<T>(
        &self,
        repository: &Repository,
        ask: impl AsyncFn(RepositoryAt) -> Result<T, ResolveError>,
    ) -> Result<T, ResolveError> {
        let settings = self.settings.get(repository.registry());
        let places = mirror::places(repository, settings);
        // All are looked at before any is asked: the policy rules over the whole list.
        let places =
            places.into_iter().map(|place| Ok(RepositoryAt { host: self.host(&place.registry)?, path: place.path }));
        let places: Vec<RepositoryAt> = places.collect::<Result<_, ResolveError>>()?;
        let mut failure = None;
        for place in places {
            match ask(place).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    let error = self.exchange.confided.error(error);
                    tracing::debug!("{error}");
                    failure = Some(error);
                }
            }
        }
        Err(failure.unwrap_or_else(|| ResolveError::new(FailureKind::Network, format!("`{repository}` is nowhere"))))
    }

    /// The host `name`, if the operator allows it.
    fn host(&self, name: &RegistryHost) -> Result<Arc<Host>, ResolveError> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        if let Some(allowed) = &self.allowed
            && !allowed.iter().any(|glob| glob.is_match(name.as_str()))
        {
            return Err(ResolveError::new(FailureKind::Refused, format!("the policy does not allow `{name}`"))
                .help("the operator lists registries in `registries` of the `--policy` file"));
        }
        let default = RegistrySettings::default();
        let settings = self.settings.get(name).unwrap_or(&default);
        let host = Host::new(name, settings).ok_or_else(|| {
            ResolveError::new(FailureKind::Refused, format!("`{name}` is no host that can be connected to"))
        })?;
        let host = Arc::new(host);
        hosts.insert(name.clone(), Arc::clone(&host));
        Ok(host)
    }
}

/// A repository at one host.
struct RepositoryAt {
    host: Arc<Host>,
    path: String,
}

impl RepositoryAt {
    fn url(&self, rest: &str) -> Result<Url, ResolveError> {
        Url::parse(&format!("{}{}/{rest}", self.host.base, self.path))
            .map_err(|_| ResolveError::new(FailureKind::Refused, format!("`{}` makes no URL", self.path)))
    }

    async fn ask(
        &self,
        exchange: &RegistryClient,
        method: Method,
        url: Url,
        accept: Option<HeaderValue>,
        cap: usize,
    ) -> Result<RegistryReply, ResolveError> {
        exchange.ask(&self.host, &RegistryRequest { method, path: &self.path, url, accept, cap }).await
    }
}

/// Lets status 200 through and nothing else.
fn accept_status(reply: &RegistryReply, place: &RepositoryAt, what: &str) -> Result<(), ResolveError> {
    let (name, status) = (&place.host.name, reply.status.as_u16());
    let new = |kind, text: String| Err(ResolveError::new(kind, text));
    match reply.status {
        StatusCode::OK => Ok(()),
        StatusCode::NOT_FOUND => new(FailureKind::NotFound, format!("`{what}` is not at `{name}`: it answered 404")),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            let error = format!("`{name}` does not grant access to `{what}`: it answered {status}");
            Err(ResolveError::new(FailureKind::Unauthorized, error)
                .help(format!("run `docker login {name}`, or see the credentials of this environment")))
        }
        _ => new(FailureKind::Network, format!("`{name}` answered {status} for `{what}`")),
    }
}

/// What kind of failure an import ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The registry does not have it.
    NotFound,
    /// Credentials are missing, wrong or not enough.
    Unauthorized,
    /// The registry asks to come back later.
    RateLimited,
    /// The connection could not be secured.
    Tls,
    /// The registry could not be reached, or did not answer in time or in order.
    Network,
    /// What came is not what was promised.
    Integrity,
    /// It is of a kind that is not pinned.
    Unsupported,
    /// A rule forbids it: the policy, an address that is never contacted, a platform that is missing.
    Refused,
}

impl FailureKind {
    /// The word used in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::NotFound => "not-found",
            Self::Unauthorized => "unauthorized",
            Self::RateLimited => "rate-limited",
            Self::Tls => "tls",
            Self::Network => "network",
            Self::Integrity => "integrity",
            Self::Unsupported => "unsupported",
            Self::Refused => "refused",
        }
    }
}

/// Why one image could not be imported. It is a row of the report; the pass goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ResolveError {
    /// What kind of failure it is.
    pub kind: FailureKind,
    /// What happened, in one sentence that names host and, where one was had, status. Never holds a secret, and
    /// text from a registry only escaped and shortened.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// When the registry asked to be left alone until, from now.
    pub retry_after: Option<Duration>,
}

impl ResolveError {
    /// A failure of `kind`.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), help: None, retry_after: None }
    }

    /// The same with a way out.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The failure of an image that its registry does not have.
    pub fn not_found(image: &ImageRef) -> Self {
        Self::new(FailureKind::NotFound, format!("`{image}` is not in its registry"))
    }
}
