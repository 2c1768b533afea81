//! Connections: one client a TLS setting, names looked up under the address rule, and what a failed request means.
//!
//! Nothing here follows a redirect, sends a credential or tries twice.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, NoProxy, Proxy};
use url::Url;

use super::address::{Forbidden, Reach, Zone};
use super::limit::Limits;
use super::origin::{Origin, Place};
use super::text::plain;
use super::{FailureKind, ImportError};
use crate::git::Files;
use crate::image::RegistryHost;
use crate::settings::RegistrySettings;
use crate::world::environment;

/// Proxies, as the environment names them for all programs.
#[derive(Clone, Default)]
pub struct Proxies {
    /// `HTTPS_PROXY`
    pub https: Option<String>,
    /// `HTTP_PROXY`, which for requests counts in lower case alone (CVE-2016-5385).
    pub http: Option<String>,
    /// `NO_PROXY`
    pub except: Option<String>,
}

impl Proxies {
    /// The proxies that the environment of the process names.
    pub fn from_environment() -> Self {
        let var = |lower: &str, upper: &str| environment::var(lower).or_else(|| environment::var(upper));
        let all = || var("all_proxy", "ALL_PROXY");
        Self {
            https: var("https_proxy", "HTTPS_PROXY").or_else(all),
            http: environment::var("http_proxy").or_else(all),
            except: var("no_proxy", "NO_PROXY"),
        }
    }
}

/// Looks a name up in place of the system: for tests of what a hostile name server could say.
pub type Lookup = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// All that decides how a place is reached.
pub(super) struct Connector {
    /// The places that the settings name, which may be private.
    named: BTreeSet<Place>,
    /// The authorities of places that have their own.
    authorities: BTreeMap<Place, (String, Vec<Certificate>)>,
    proxies: Vec<Proxy>,
    /// The names of the proxies, which may be private: the operator named them.
    proxy_names: Arc<BTreeSet<String>>,
    lookup: Option<Lookup>,
    limits: Limits,
    clients: Mutex<HashMap<Key, Client>>,
}

/// What a client is shared by.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    /// Without TLS; no authority is loaded.
    Plain(Reach),
    /// With the authorities of the system, or those of the file named.
    Secure(Reach, Option<String>),
}

impl Connector {
    /// Reads the authorities of all registries.
    ///
    /// # Errors
    /// A sentence, where a file is missing or holds no certificate, or a proxy cannot be read.
    pub(super) fn new(
        registries: &BTreeMap<RegistryHost, RegistrySettings>,
        files: &Files,
        proxies: &Proxies,
        lookup: Option<Lookup>,
        limits: Limits,
    ) -> Result<Self, String> {
        let mut named = BTreeSet::new();
        let mut authorities = BTreeMap::new();
        for (registry, settings) in registries {
            let place = |host: &RegistryHost| {
                let plain_http = registries.get(host).is_some_and(|settings| settings.plain_http);
                Origin::of_registry(host, plain_http).map(|origin| origin.place)
            };
            named.extend(settings.mirrors.iter().filter_map(|mirror| place(&mirror.registry)));
            let Some(own) = place(registry) else { continue };
            if let Some(path) = &settings.ca {
                let certificates = read_authority(path, files)?;
                authorities.insert(own.clone(), (path.clone(), certificates));
            }
            named.insert(own);
        }
        let except = proxies.except.as_deref().and_then(NoProxy::from_string);
        let mut read = Vec::new();
        let mut proxy_names = BTreeSet::new();
        for (text, is_https) in [(&proxies.https, true), (&proxies.http, false)] {
            let Some(text) = text else { continue };
            // The text may hold a password, so it is not repeated.
            let bad = || "the proxy that the environment names cannot be read as a URL".to_owned();
            let text = if text.contains("://") { text.clone() } else { format!("http://{text}") };
            let url = Url::parse(&text).map_err(|_| bad())?;
            proxy_names.extend(url.host_str().map(str::to_owned));
            let proxy = if is_https { Proxy::https(url) } else { Proxy::http(url) };
            read.push(proxy.map_err(|_| bad())?.no_proxy(except.clone()));
        }
        Ok(Self {
            named,
            authorities,
            proxies: read,
            proxy_names: Arc::new(proxy_names),
            lookup,
            limits,
            clients: Mutex::default(),
        })
    }

    /// Whether the settings name `place`.
    pub(super) fn is_named(&self, place: &Place) -> bool {
        self.named.contains(place)
    }

    /// The client for `url`, whose host may be a private address as far as `reach` goes. The authorities are those
    /// of its place, else those of `authority`.
    ///
    /// # Errors
    /// Where the address may not be contacted, or TLS cannot be set up on this machine.
    pub(super) fn client(
        &self,
        url: &Url,
        origin: &Origin,
        reach: Reach,
        authority: Option<&Place>,
    ) -> Result<Client, ImportError> {
        reach.check_url(url).map_err(|error| forbidden(&error, origin))?;
        let own = self.authorities.get(&origin.place).or_else(|| self.authorities.get(authority?));
        let key = match origin.secure {
            true => Key::Secure(reach, own.map(|(path, _)| path.clone())),
            false => Key::Plain(reach),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = self.build(&key, own.map(|(_, certificates)| certificates.as_slice())).map_err(|error| {
            ImportError::new(FailureKind::Tls, format!("TLS cannot be set up: {}", plain(&root_cause(&error))))
                .help("see whether this machine has its authorities, as the package `ca-certificates` brings them")
        })?;
        clients.insert(key, client.clone());
        Ok(client)
    }

    fn build(&self, key: &Key, authority: Option<&[Certificate]>) -> reqwest::Result<Client> {
        let (Key::Plain(reach) | Key::Secure(reach, _)) = key;
        let resolver = Guard { reach: *reach, proxies: Arc::clone(&self.proxy_names), lookup: self.lookup.clone() };
        // Nothing is decompressed here, so nothing compressed is asked for.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let mut builder = Client::builder()
            .user_agent(concat!("pinstream/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.limits.connect)
            .timeout(self.limits.request)
            .min_tls_version(reqwest::tls::Version::TLS_1_2)
            .dns_resolver(Arc::new(resolver))
            .no_proxy();
        for proxy in &self.proxies {
            builder = builder.proxy(proxy.clone());
        }
        builder = match (key, authority) {
            (Key::Plain(_), _) => builder.tls_certs_only([]),
            (Key::Secure(..), Some(certificates)) => builder.tls_certs_only(certificates.iter().cloned()),
            (Key::Secure(..), None) => builder.https_only(true),
        };
        builder.build()
    }
}

fn read_authority(path: &str, files: &Files) -> Result<Vec<Certificate>, String> {
    let pem = files.get(path).ok_or_else(|| format!("`{path}`, named as `ca` of a registry, is not in the root"))?;
    let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(format!("`{path}`, named as `ca` of a registry, holds no certificate in PEM form"));
    }
    Ok(certificates)
}

/// Looks names up and hands out no address that may not be contacted: what was checked is what is connected to.
struct Guard {
    reach: Reach,
    proxies: Arc<BTreeSet<String>>,
    lookup: Option<Lookup>,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let reach = (!self.proxies.contains(&name)).then_some(self.reach);
        let lookup = self.lookup.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = match lookup {
                Some(lookup) => lookup(&name).into_iter().map(|address| (address, 0).into()).collect(),
                None => tokio::net::lookup_host((name, 0)).await?.collect(),
            };
            // One bad answer spoils all: a name that is both public and private is somebody's trick.
            for address in &found {
                if let Some(reach) = reach {
                    reach.check(address.ip())?;
                }
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The failure of a place whose address may not be contacted.
pub(super) fn forbidden(error: &Forbidden, origin: &Origin) -> ImportError {
    let place = origin.place.key(origin.secure);
    match error.zone {
        Zone::Never => ImportError::new(
            FailureKind::Refused,
            format!("`{place}` is at {}, a link-local, metadata or reserved address", error.address),
        )
        .help("such addresses are never contacted"),
        Zone::Private | Zone::Public => ImportError::new(
            FailureKind::Refused,
            format!("`{place}` is at {}, a private or loopback address", error.address),
        )
        .help(format!("if that is meant, add a line to `pinstream.toml`: `[registry.\"{place}\"]`")),
    }
}

/// A request that failed before its answer was whole, and whether another try may help.
pub(super) struct Fault {
    /// What happened.
    pub(super) error: ImportError,
    /// Whether another try may help.
    pub(super) is_transient: bool,
}

impl From<ImportError> for Fault {
    fn from(error: ImportError) -> Self {
        Self { error, is_transient: false }
    }
}

impl Fault {
    /// What `error` of a request to `origin` means.
    pub(super) fn of(error: &reqwest::Error, origin: &Origin, limits: &Limits) -> Self {
        let mut cause: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(current) = cause {
            if let Some(found) = current.downcast_ref::<Forbidden>() {
                return forbidden(found, origin).into();
            }
            cause = current.source();
        }
        let place = origin.place.key(origin.secure);
        let root = root_cause(error);
        let is_tls = origin.secure && is_about_tls(error);
        if is_tls && !error.is_timeout() {
            return ImportError::new(
                FailureKind::Tls,
                format!("`{place}` cannot be spoken to securely: {}", plain(&root)),
            )
            .help(format!(
                "name its authority in `pinstream.toml`: `[registry.\"{place}\"]` with `ca = \"…\"`, or \
                     `plain-http = true` where it has no TLS"
            ))
            .into();
        }
        let message = if error.is_timeout() {
            let limit = if error.is_connect() { limits.connect } else { limits.request };
            format!("`{place}` did not answer within {} s", limit.as_secs_f32())
        } else if error.is_connect() {
            format!("`{place}` cannot be reached: {}", plain(&root))
        } else {
            format!("`{place}` broke off its answer: {}", plain(&root))
        };
        Self { error: ImportError::new(FailureKind::Network, message), is_transient: true }
    }
}

/// The innermost cause, without the URL that the outer ones repeat.
fn root_cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Whether the TLS library had a word in it. Its error type is no part of what reqwest shows, its text is.
fn is_about_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(current) = cause {
        let text = current.to_string().to_ascii_lowercase();
        if ["ssl routines", "certificate", "ssl", "tls"].iter().any(|word| text.contains(word)) {
            return true;
        }
        cause = current.source();
    }
    false
}
