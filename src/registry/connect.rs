//! Connections: one client a TLS setting and a way, and names looked up under the address rule.
//!
//! Nothing here follows a redirect, sends a credential or tries twice. What a name leads to is checked where it is
//! connected to. Where a proxy connects in our place, all that can be checked is what the name leads to from here.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use reqwest::{Certificate, Client, Proxy};
use tokio::sync::OnceCell;
use url::{Host, Url};

use super::address::PrivateAccess;
use super::fault::{forbidden, root_cause};
use super::limit::ClientLimits;
use super::origin::{HostPort, UrlOrigin};
use super::proxy::{Proxies, ProxyRoutes};
use super::text::plain;
use super::{FailureKind, ResolveError};
use crate::git::RootFiles;
use crate::model::image::RegistryHost;
use crate::model::settings::RegistrySettings;

/// Looks a name up in place of the system: for tests of what a hostile name server could say.
pub type NameLookup = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// All that decides how a place is reached.
pub(crate) struct Connector {
    /// The places that the settings name, which may be private.
    named: BTreeSet<HostPort>,
    /// The authorities of places that have their own.
    authorities: BTreeMap<HostPort, (String, Vec<Certificate>)>,
    ways: ProxyRoutes,
    lookup: Option<NameLookup>,
    limits: ClientLimits,
    clients: Mutex<HashMap<ClientKey, Client>>,
    /// What names lead to from here that a proxy connects to in our place.
    beyond: Mutex<HashMap<String, Arc<OnceCell<Vec<IpAddr>>>>>,
}

/// How a place is gone to.
pub(crate) struct HostRoute {
    /// Sends.
    pub(crate) client: Client,
    /// Whether a proxy connects in our place. Who answers has no address then that says anything.
    pub(crate) is_proxied: bool,
}

/// What a client is shared by.
#[derive(Clone, PartialEq, Eq, Hash)]
struct ClientKey {
    /// With TLS; without it no authority is loaded.
    is_secure: bool,
    /// To addresses as far as this goes; none where a proxy connects in our place.
    direct: Option<PrivateAccess>,
    /// The file of authorities in place of those of the system.
    authority: Option<String>,
}

impl Connector {
    /// Reads the authorities of all registries.
    ///
    /// # Errors
    /// A sentence, where a file is missing or holds no certificate, or a proxy cannot be read.
    pub(super) fn new(
        registries: &BTreeMap<RegistryHost, RegistrySettings>,
        files: &RootFiles,
        proxies: &Proxies,
        lookup: Option<NameLookup>,
        limits: ClientLimits,
    ) -> Result<Self, String> {
        let mut named = BTreeSet::new();
        let mut authorities = BTreeMap::new();
        for (registry, settings) in registries {
            let place = |host: &RegistryHost| {
                let plain_http = registries.get(host).is_some_and(|settings| settings.plain_http);
                UrlOrigin::of_registry(host, plain_http).map(|origin| origin.place)
            };
            named.extend(settings.mirrors.iter().filter_map(|mirror| place(&mirror.registry)));
            let Some(own) = place(registry) else { continue };
            if let Some(path) = &settings.ca {
                let certificates = read_authority(path, files)?;
                authorities.insert(own.clone(), (path.clone(), certificates));
            }
            named.insert(own);
        }
        Ok(Self {
            named,
            authorities,
            ways: ProxyRoutes::read(proxies)?,
            lookup,
            limits,
            clients: Mutex::default(),
            beyond: Mutex::default(),
        })
    }

    /// A way to one place that is not a registry. `named` is that place where it may be private.
    ///
    /// # Errors
    /// A sentence, where a proxy cannot be read.
    pub(crate) fn to(named: Option<HostPort>, proxies: &Proxies, limits: ClientLimits) -> Result<Self, String> {
        Ok(Self {
            named: named.into_iter().collect(),
            authorities: BTreeMap::new(),
            ways: ProxyRoutes::read(proxies)?,
            lookup: None,
            limits,
            clients: Mutex::default(),
            beyond: Mutex::default(),
        })
    }

    /// Whether the settings name `place`.
    pub(crate) fn is_named(&self, place: &HostPort) -> bool {
        self.named.contains(place)
    }

    /// The way to `url`, whose host may be a private address as far as `reach` goes. The authorities are those of its
    /// place, else those of `authority`.
    ///
    /// # Errors
    /// Where the address may not be contacted, or TLS cannot be set up on this machine.
    pub(crate) async fn route(
        &self,
        url: &Url,
        origin: &UrlOrigin,
        reach: PrivateAccess,
        authority: Option<&HostPort>,
    ) -> Result<HostRoute, ResolveError> {
        reach.check_url(url).map_err(|error| forbidden(&error, origin))?;
        let proxy = self.ways.proxy(origin);
        if let (Some(_), Some(Host::Domain(name))) = (proxy, url.host()) {
            for address in self.look_beyond(name).await {
                reach.check(address).map_err(|error| forbidden(&error, origin))?;
            }
        }
        let own = self.authorities.get(&origin.place).or_else(|| self.authorities.get(authority?));
        let own = own.filter(|_| origin.secure);
        let is_proxied = proxy.is_some();
        let key = ClientKey {
            is_secure: origin.secure,
            direct: (!is_proxied).then_some(reach),
            authority: own.map(|(path, _)| path.clone()),
        };
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(HostRoute { client: client.clone(), is_proxied });
        }
        let certificates = own.map(|(_, certificates)| certificates.as_slice());
        let client = self.build(&key, proxy, certificates).map_err(|error| {
            ResolveError::new(FailureKind::Tls, format!("TLS cannot be set up: {}", plain(&root_cause(&error))))
                .help("see whether this machine has its authorities, as the package `ca-certificates` brings them")
        })?;
        clients.insert(key, client.clone());
        Ok(HostRoute { client, is_proxied })
    }

    /// What `name` leads to from here; nothing where only the proxy can look it up.
    async fn look_beyond(&self, name: &str) -> Vec<IpAddr> {
        let cell = {
            let mut beyond = self.beyond.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(beyond.entry(name.to_owned()).or_default())
        };
        let found = cell.get_or_init(async || {
            let looking = tokio::time::timeout(self.limits.connect, look_up(name, self.lookup.as_ref()));
            looking.await.ok().and_then(Result::ok).unwrap_or_default()
        });
        found.await.clone()
    }

    fn build(
        &self,
        key: &ClientKey,
        proxy: Option<&Url>,
        authority: Option<&[Certificate]>,
    ) -> reqwest::Result<Client> {
        let proxy_host = proxy.and_then(|proxy| proxy.host_str().map(str::to_owned));
        let guard = AddressGuard {
            reach: key.direct.unwrap_or(PrivateAccess::Public),
            proxy: proxy_host,
            lookup: self.lookup.clone(),
        };
        // Nothing is decompressed here, so nothing compressed is asked for.
        let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("identity"))]);
        let mut builder = Client::builder()
            .user_agent(concat!("pinstream/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .connect_timeout(self.limits.connect)
            .min_tls_version(reqwest::tls::Version::TLS_1_2)
            .dns_resolver(Arc::new(guard))
            .no_proxy();
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy.clone())?);
        }
        builder = match (key.is_secure, authority) {
            (false, _) => builder.tls_certs_only([]),
            (true, Some(certificates)) => builder.tls_certs_only(certificates.iter().cloned()),
            (true, None) => builder.https_only(true),
        };
        builder.build()
    }
}

fn read_authority(path: &str, files: &RootFiles) -> Result<Vec<Certificate>, String> {
    let pem = files.get(path).ok_or_else(|| format!("`{path}`, named as `ca` of a registry, is not in the root"))?;
    let certificates = Certificate::from_pem_bundle(pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(format!("`{path}`, named as `ca` of a registry, holds no certificate in PEM form"));
    }
    Ok(certificates)
}

async fn look_up(name: &str, lookup: Option<&NameLookup>) -> io::Result<Vec<IpAddr>> {
    match lookup {
        Some(lookup) => Ok(lookup(name)),
        None => Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()),
    }
}

/// Looks names up and hands out no address that may not be contacted: what was checked is what is connected to.
struct AddressGuard {
    reach: PrivateAccess,
    /// The host of the proxy that this client connects to and to nothing else; the operator named it, so it may be
    /// anywhere. A client without one knows no exception.
    proxy: Option<String>,
    lookup: Option<NameLookup>,
}

impl Resolve for AddressGuard {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let reach = (self.proxy.as_ref() != Some(&name)).then_some(self.reach);
        let lookup = self.lookup.clone();
        Box::pin(async move {
            let found = look_up(&name, lookup.as_ref()).await?;
            // One bad answer spoils all: a name that is both public and private is somebody's trick.
            for address in &found {
                if let Some(reach) = reach {
                    reach.check(*address)?;
                }
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t5_a_name_that_turns_private_is_not_handed_out_the_second_time() {
        let asked = Mutex::new(0);
        let lookup: NameLookup = Arc::new(move |_| {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            let address = if *asked == 1 { "8.8.8.8" } else { "127.0.0.1" };
            vec![address.parse().unwrap()]
        });
        let guard = AddressGuard { reach: PrivateAccess::Public, proxy: None, lookup: Some(lookup) };
        let name = || "registry.example".parse::<Name>().unwrap();
        let first: Vec<SocketAddr> = guard.resolve(name()).await.unwrap().collect();
        assert_eq!(first, ["8.8.8.8:0".parse().unwrap()]);
        let second = guard.resolve(name()).await.err().unwrap();
        assert_eq!(second.to_string(), "127.0.0.1 may not be contacted");
    }

    #[tokio::test]
    async fn t5_a_client_of_a_proxy_looks_up_nothing_else_under_a_laxer_rule() {
        let lookup: NameLookup = Arc::new(|_| vec!["127.0.0.1".parse().unwrap()]);
        let proxy = Some("proxy.example".to_owned());
        let guard = AddressGuard { reach: PrivateAccess::Public, proxy, lookup: Some(lookup) };
        assert!(guard.resolve("proxy.example".parse().unwrap()).await.is_ok());
        assert!(guard.resolve("other.example".parse().unwrap()).await.is_err());
    }
}
