//! Name resolution under the address rule: the address that was checked is the address that is connected to.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::OnceCell;

use super::address::PrivateAccess;
use crate::system::lock;
use crate::system::thread;

/// Resolves names instead of the system; tests use it to play a hostile name server.
pub type NameLookup = Arc<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

/// Lifetime of a cached lookup of a name that a proxy connects to.
const CACHE_TTL: Duration = Duration::from_secs(5 * 60);

/// Resolves `name` with `lookup`, or with the system resolver.
async fn resolve(name: &str, lookup: Option<&NameLookup>) -> io::Result<Vec<IpAddr>> {
    match lookup {
        Some(lookup) => Ok(lookup(name)),
        None => {
            let name = name.to_owned();
            let found = thread::run_blocking(move || (name.as_str(), 0).to_socket_addrs()).await??;
            Ok(found.map(|address| address.ip()).collect())
        }
    }
}

/// Resolver of one client; returns no address that must not be contacted.
pub(super) struct GuardedResolver {
    pub(super) access: PrivateAccess,
    /// The proxy, the only host that such a client connects to. The operator chose it, so any address is allowed.
    pub(super) proxy: Option<String>,
    pub(super) lookup: Option<NameLookup>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        let access = (self.proxy.as_ref() != Some(&name)).then_some(self.access);
        let lookup = self.lookup.clone();
        Box::pin(async move {
            let found = resolve(&name, lookup.as_ref()).await?;
            // One forbidden address rejects them all: a name that is both public and private is an attack.
            for address in &found {
                if let Some(access) = access {
                    access.check(*address)?;
                }
            }
            Ok(Box::new(found.into_iter().map(|address| SocketAddr::new(address, 0))) as Addrs)
        })
    }
}

/// Cached addresses of names that a proxy connects to, as this machine resolves them.
#[derive(Default)]
pub(super) struct ProxiedNames(Mutex<HashMap<String, CachedLookup>>);

struct CachedLookup {
    since: Duration,
    addresses: Arc<OnceCell<Vec<IpAddr>>>,
}

impl ProxiedNames {
    /// Returns the addresses of `name`; none if only the proxy can resolve it, or the lookup takes longer than `limit`.
    pub(super) async fn addresses(
        &self,
        name: &str,
        lookup: Option<&NameLookup>,
        limit: Duration,
        now: Duration,
    ) -> Vec<IpAddr> {
        let cell = {
            let mut cache = lock(&self.0);
            let new = || CachedLookup { since: now, addresses: Arc::default() };
            let entry = cache.entry(name.to_owned()).or_insert_with(new);
            if now.saturating_sub(entry.since) >= CACHE_TTL {
                *entry = new();
            }
            Arc::clone(&entry.addresses)
        };
        let found = cell.get_or_init(|| async {
            let found = tokio::time::timeout(limit, resolve(name, lookup)).await;
            found.ok().and_then(Result::ok).unwrap_or_default()
        });
        found.await.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t5_a_name_that_turns_private_is_rejected_the_second_time() {
        let lookups = Mutex::new(0);
        let lookup: NameLookup = Arc::new(move |_| {
            let mut lookups = lookups.lock().unwrap();
            *lookups += 1;
            let address = if *lookups == 1 { "8.8.8.8" } else { "127.0.0.1" };
            vec![address.parse().unwrap()]
        });
        let resolver = GuardedResolver { access: PrivateAccess::Public, proxy: None, lookup: Some(lookup) };
        let name = || "registry.example".parse::<Name>().unwrap();
        let first: Vec<SocketAddr> = resolver.resolve(name()).await.unwrap().collect();
        assert_eq!(first, ["8.8.8.8:0".parse().unwrap()]);
        let second = resolver.resolve(name()).await.err().unwrap();
        assert_eq!(second.to_string(), "127.0.0.1 may not be contacted");
    }

    #[tokio::test]
    async fn t5_only_the_name_of_the_proxy_may_be_private() {
        let lookup: NameLookup = Arc::new(|_| vec!["127.0.0.1".parse().unwrap()]);
        let proxy = Some("proxy.example".to_owned());
        let resolver = GuardedResolver { access: PrivateAccess::Public, proxy, lookup: Some(lookup) };
        assert!(resolver.resolve("proxy.example".parse().unwrap()).await.is_ok());
        assert!(resolver.resolve("other.example".parse().unwrap()).await.is_err());
    }

    #[tokio::test]
    async fn lookups_of_proxied_names_expire() {
        let lookups = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&lookups);
        let lookup: NameLookup = Arc::new(move |_| {
            *counter.lock().unwrap() += 1;
            Vec::new()
        });
        let names = ProxiedNames::default();
        for (now, expected) in [(0, 1), (299, 1), (300, 2), (301, 2)] {
            names.addresses("a", Some(&lookup), CACHE_TTL, Duration::from_secs(now)).await;
            assert_eq!(*lookups.lock().unwrap(), expected, "{now}");
        }
    }
}
