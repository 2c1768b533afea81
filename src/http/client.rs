//! The HTTP client: one connection pool per TLS setting and proxy, checked addresses, bounded bodies.
//!
//! It follows no redirect, sends no credential of its own and decompresses nothing. Addresses are checked after name
//! resolution; behind a proxy, the address that this machine resolves is checked.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Client, Proxy, RequestBuilder, Response};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use url::{Host, Url};

use super::address::PrivateAccess;
use super::dns::{GuardedResolver, NameLookup, ProxiedNames};
use super::error::{HttpError, HttpSetupError, is_unprocessed, root_cause};
use super::limit::HttpLimits;
use super::origin::{HostPort, UrlOrigin};
use super::proxy::{Proxies, ProxyRules};
use super::redact::Redactor;
use super::tls::{self, TrustedCertificates};
use crate::system::{clock::Stopwatch, lock};

/// Bodies up to this size are read without waiting for a permit; almost every manifest is smaller.
const LARGE_BODY: usize = 64 << 10;
/// Number of larger bodies that may be in memory at once.
const LARGE_BODIES: usize = 4;
/// Number of times that a request is sent again because the server did not process it. A server that closes each
/// connection after one request refuses all others that are under way on it.
const RESENDS: u64 = 256;
/// Bytes of an unwanted body that are read so that its connection can be reused.
const DRAIN_MAX: usize = 64 << 10;

/// Certificates to trust for one host instead of the system's.
#[derive(Clone)]
pub(crate) struct Authority {
    path: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl Authority {
    /// Parses the PEM file `path`.
    ///
    /// # Errors
    /// If it contains no certificate.
    pub(crate) fn parse(path: &str, pem: &[u8]) -> Result<Self, HttpSetupError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.unwrap_or_default();
        if certificates.is_empty() {
            return Err(HttpSetupError::NoCertificate { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), certificates })
    }
}

/// Settings of an [`HttpClient`].
#[derive(Default)]
pub(crate) struct HttpConfig {
    /// Hosts named by the settings or the operator; they may have private addresses.
    pub(crate) named: BTreeSet<HostPort>,
    /// Certificate authorities by host.
    pub(crate) authorities: BTreeMap<HostPort, Authority>,
    pub(crate) proxies: Proxies,
    pub(crate) lookup: Option<NameLookup>,
    pub(crate) limits: HttpLimits,
}

/// HTTP client with checked addresses, retries and redaction. Valid for any number of passes.
pub(crate) struct HttpClient {
    /// Timeouts and backoff.
    pub(crate) limits: HttpLimits,
    /// Secrets sent so far.
    pub(crate) redactor: Redactor,
    named: BTreeSet<HostPort>,
    authorities: BTreeMap<HostPort, Authority>,
    proxies: ProxyRules,
    lookup: Option<NameLookup>,
    pools: Mutex<HashMap<PoolKey, Client>>,
    proxied_names: ProxiedNames,
    large_bodies: Arc<Semaphore>,
    received: AtomicU64,
    clock: Stopwatch,
}

/// Connection pool for one request.
pub(crate) struct Route {
    pub(crate) client: Client,
    /// True if a proxy connects for us; the peer address is then the proxy's.
    pub(crate) is_proxied: bool,
}

/// Permit of a body over 64 KiB, to be kept as long as the body.
pub(crate) type LargeBodyPermit = OwnedSemaphorePermit;

#[derive(Clone, PartialEq, Eq, Hash)]
struct PoolKey {
    /// With TLS; otherwise no authority is loaded.
    is_secure: bool,
    /// The address rule of direct connections; none behind a proxy.
    direct: Option<PrivateAccess>,
    /// Path of the CA file used instead of the system's authorities.
    authority: Option<String>,
}

impl HttpClient {
    /// Creates a client; sends nothing.
    ///
    /// # Errors
    /// If a proxy is not a valid URL.
    pub(crate) fn new(config: HttpConfig) -> Result<Self, HttpSetupError> {
        let HttpConfig { named, authorities, proxies, lookup, limits } = config;
        Ok(Self {
            limits,
            redactor: Redactor::default(),
            named,
            authorities,
            proxies: ProxyRules::parse(&proxies)?,
            lookup,
            pools: Mutex::default(),
            proxied_names: ProxiedNames::default(),
            large_bodies: Arc::new(Semaphore::new(LARGE_BODIES)),
            received: AtomicU64::new(0),
            clock: Stopwatch::start(),
        })
    }

    /// Returns true if the settings or the operator name `place`.
    pub(crate) fn is_named(&self, place: &HostPort) -> bool {
        self.named.contains(place)
    }

    /// Returns the address rule of a first request to `origin`.
    pub(crate) fn access(&self, origin: &UrlOrigin) -> PrivateAccess {
        if self.is_named(&origin.place) { PrivateAccess::Named } else { PrivateAccess::Public }
    }

    /// Time since the client was created; never goes back.
    pub(crate) fn now(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Number of body bytes received.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Chooses the connection pool for `url`. The authorities are those of its host, else those of `fallback`.
    ///
    /// # Errors
    /// If the address is forbidden, or TLS cannot be set up on this machine.
    pub(crate) async fn route(
        &self,
        url: &Url,
        origin: &UrlOrigin,
        access: PrivateAccess,
        fallback: Option<&HostPort>,
    ) -> Result<Route, HttpError> {
        let forbidden = |error| HttpError::forbidden(error, origin);
        access.check_url(url).map_err(forbidden)?;
        let proxy = self.proxies.proxy(origin);
        if let (Some(_), Some(Host::Domain(name))) = (proxy, url.host()) {
            let limit = self.limits.connect;
            for address in self.proxied_names.addresses(name, self.lookup.as_ref(), limit, self.now()).await {
                access.check(address).map_err(forbidden)?;
            }
        }
        let authority = self.authorities.get(&origin.place).or_else(|| self.authorities.get(fallback?));
        let authority = authority.filter(|_| origin.secure);
        let is_proxied = proxy.is_some();
        let key = PoolKey {
            is_secure: origin.secure,
            direct: (!is_proxied).then_some(access),
            authority: authority.map(|authority| authority.path.clone()),
        };
        let mut pools = lock(&self.pools);
        if let Some(client) = pools.get(&key) {
            return Ok(Route { client: client.clone(), is_proxied });
        }
        let trusted = match authority {
            Some(authority) => TrustedCertificates::Only(&authority.certificates),
            None if origin.secure => TrustedCertificates::Machine,
            None => TrustedCertificates::None,
        };
        let tls = tls::client(&trusted).map_err(|error| HttpError::TlsSetup { reason: error.to_string() })?;
        let client = self.build(&key, proxy, tls);
        let client = client.map_err(|error| HttpError::TlsSetup { reason: root_cause(&error) })?;
        pools.insert(key, client.clone());
        Ok(Route { client, is_proxied })
    }

    /// Sends a request once. One that an HTTP/2 server announces not to have processed is sent again, whatever its method
    /// (RFC 9113, sections 6.8 and 8.7).
    ///
    /// # Errors
    /// If no response arrives.
    pub(crate) async fn send(&self, mut request: RequestBuilder, origin: &UrlOrigin) -> Result<Response, HttpError> {
        for number in 1..=RESENDS {
            // A streamed body cannot be cloned; there is none.
            let Some(copy) = request.try_clone() else { break };
            match std::mem::replace(&mut request, copy).send().await {
                Err(error) if is_unprocessed(&error) => {
                    tracing::debug!("request to `{}` not processed, sent again", origin.host());
                    tokio::time::sleep(Duration::from_millis(number.min(20))).await;
                }
                sent => return sent.map_err(|error| HttpError::classify(&error, origin, &self.limits)),
            }
        }
        request.send().await.map_err(|error| HttpError::classify(&error, origin, &self.limits))
    }

    /// Reads a body of at most `max` bytes.
    ///
    /// # Errors
    /// If the connection breaks or the body is larger.
    pub(crate) async fn read_body(
        &self,
        response: &mut Response,
        origin: &UrlOrigin,
        max: usize,
    ) -> Result<(Vec<u8>, Option<LargeBodyPermit>), HttpError> {
        let (mut body, mut permit) = (Vec::new(), None);
        let classify = |error| HttpError::classify(&error, origin, &self.limits);
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            self.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            let size = body.len() + chunk.len();
            if size > max {
                return Err(HttpError::TooLarge { host: origin.host(), max });
            }
            if size > LARGE_BODY && permit.is_none() {
                permit = Arc::clone(&self.large_bodies).acquire_owned().await.ok();
            }
            body.extend_from_slice(&chunk);
        }
        Ok((body, permit))
    }

    /// Reads the short body of an error, also so that its connection can be reused. Returns its first 64 KiB.
    pub(crate) async fn drain(&self, response: &mut Response) -> Vec<u8> {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            self.received.fetch_add(chunk.len() as u64, Ordering::Relaxed);
            body.extend_from_slice(chunk.get(..DRAIN_MAX.saturating_sub(body.len())).unwrap_or(&chunk));
            if body.len() >= DRAIN_MAX {
                break;
            }
        }
        body
    }

    fn build(&self, key: &PoolKey, proxy: Option<&Url>, tls: rustls::ClientConfig) -> reqwest::Result<Client> {
        let resolver = GuardedResolver {
            access: key.direct.unwrap_or(PrivateAccess::Public),
            proxy: proxy.and_then(|proxy| proxy.host_str().map(str::to_owned)),
            lookup: self.lookup.clone(),
        };
        // Nothing is decompressed, so nothing compressed is requested.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let mut builder = Client::builder()
            .user_agent(concat!("pinstream/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.limits.connect)
            .dns_resolver(Arc::new(resolver))
            .no_proxy();
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        }
        builder.https_only(key.is_secure && key.authority.is_none()).tls_backend_preconfigured(tls).build()
    }
}
