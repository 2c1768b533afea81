//! Proxies: which requests use them, and that the address rule still applies.

use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use pinstream::http::NameLookup;
use pinstream::model::settings::RegistrySettings;
use pinstream::registry::{FailureKind, Registry, RegistryConfig};

use super::{failure, fast, image, plain, run};
use crate::support::registry::http::{Answer, Server};
use crate::support::registry::{FakeRegistry, Image};

/// A proxy that answers all requests itself and records them.
struct Proxy {
    server: Server,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(answer: Answer) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let handler = move |request: &crate::support::registry::http::Request| {
            hearing.lock().unwrap().push(request.target.clone());
            answer.clone()
        };
        Self { server: Server::start(None, Arc::new(handler)), heard }
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

/// Creates a name server for these names only.
fn names(known: &[(&str, &str)]) -> NameLookup {
    let known: Vec<(String, IpAddr)> =
        known.iter().map(|(name, address)| ((*name).to_owned(), address.parse().unwrap())).collect();
    Arc::new(move |name| known.iter().filter(|(known, _)| known == name).map(|(_, address)| *address).collect())
}

#[test]
fn requests_use_the_proxy_except_for_hosts_in_no_proxy() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let proxy = Proxy::start(Answer::new(404));
    let mut setup = plain(&[fake.host(), "r.example".to_owned()]);
    setup.lookup = Some(names(&[]));
    setup.proxies.http = Some(format!("http://{}", proxy.server.host()));
    setup.proxies.except = Some("127.0.0.1".to_owned());
    let registry = Registry::new(setup).unwrap();
    run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap();
    assert_eq!(run(registry.digest(&image("r.example/a:t"))).unwrap_err().kind, FailureKind::NotFound);
    // HEAD, and the GET that decides after its 404.
    assert_eq!(proxy.heard(), ["http://r.example/v2/a/manifests/t"; 2]);
    // TLS uses a tunnel, so the proxy does not see the request.
    let mut setup = RegistryConfig { limits: fast(), lookup: Some(names(&[])), ..RegistryConfig::default() };
    setup.proxies.https = Some(proxy.server.host());
    failure(setup, &image("s.example/a:t"));
    assert_eq!(proxy.heard().last().unwrap(), "s.example:443");
}

#[test]
fn t5_names_behind_a_proxy_are_resolved_here_too() {
    let proxy = Proxy::start(Answer::new(404));
    let setup = || {
        let mut setup = RegistryConfig { limits: fast(), ..RegistryConfig::default() };
        setup.registries.insert("named.example".parse().unwrap(), RegistrySettings::default());
        setup.registries.insert("named-metadata.example".parse().unwrap(), RegistrySettings::default());
        setup.lookup = Some(names(&[
            ("private.example", "10.0.0.1"),
            ("loopback.example", "::ffff:127.0.0.1"),
            ("metadata.example", "169.254.169.254"),
            ("named-metadata.example", "169.254.169.254"),
            ("named.example", "10.0.0.1"),
            ("public.example", "8.8.8.8"),
        ]));
        setup.proxies.https = Some(proxy.server.host());
        setup
    };
    for host in ["private", "loopback", "metadata", "named-metadata"] {
        let (kind, text) = failure(setup(), &image(&format!("{host}.example/a:t")));
        assert_eq!(kind, FailureKind::Refused, "{host} {text}");
    }
    for literal in ["10.0.0.1", "127.0.0.1:5000", "[::1]", "169.254.169.254"] {
        assert_eq!(failure(setup(), &image(&format!("{literal}/a:t"))).0, FailureKind::Refused, "{literal}");
    }
    assert_eq!((proxy.heard().len(), proxy.server.connections()), (0, 0));
    // Named hosts may be private; names that only the proxy can resolve are left to it.
    for host in ["named", "public", "beyond"] {
        let (kind, text) = failure(setup(), &image(&format!("{host}.example/a:t")));
        assert_eq!(kind, FailureKind::Network, "{host} {text}");
        assert_eq!(*proxy.heard().last().unwrap(), format!("{host}.example:443"));
    }
}

#[test]
fn t5_the_name_of_the_proxy_does_not_bypass_the_rule() {
    let (fake, proxy) = (FakeRegistry::start(), Proxy::start(Answer::new(404)));
    let asked = |host: &str| {
        let port = host.rsplit_once(':').unwrap().1;
        image(&format!("proxy.example:{port}/a:t"))
    };
    for except in [None, Some("proxy.example".to_owned())] {
        let mut setup = RegistryConfig {
            limits: fast(),
            lookup: Some(names(&[("proxy.example", "127.0.0.1")])),
            ..RegistryConfig::default()
        };
        let port = proxy.server.port();
        setup.proxies.https = Some(format!("http://proxy.example:{port}"));
        setup.proxies.except = except;
        for host in [fake.host(), proxy.server.host()] {
            let (kind, text) = failure(setup.clone(), &asked(&host));
            assert_eq!(kind, FailureKind::Refused, "{text}");
        }
    }
    assert_eq!((fake.connections(), proxy.server.connections()), (0, 0));
}

#[test]
fn a_proxy_may_have_a_private_address() {
    let proxy = Proxy::start(Answer::new(404));
    let mut setup = RegistryConfig {
        limits: fast(),
        lookup: Some(names(&[("proxy.example", "127.0.0.1")])),
        ..RegistryConfig::default()
    };
    setup.proxies.https = Some(format!("http://proxy.example:{}", proxy.server.port()));
    failure(setup, &image("beyond.example/a:t"));
    assert_eq!(proxy.heard()[0], "beyond.example:443");
}

#[test]
fn t11_a_server_behind_a_proxy_counts_as_public() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let proxy = Proxy::start(Answer::new(307).header("location", format!("{}/v2/a/manifests/t", fake.base())));
    // Both are named, and the proxy is on loopback: a direct response from there could redirect to the other.
    let mut setup = plain(&[fake.host(), "r.example".to_owned()]);
    setup.lookup = Some(names(&[]));
    setup.proxies.http = Some(proxy.server.host());
    setup.proxies.except = Some("127.0.0.1".to_owned());
    let (kind, text) = failure(setup, &image("r.example/a:t"));
    assert_eq!(kind, FailureKind::Refused, "{text}");
    assert_eq!((proxy.heard().len(), fake.connections()), (1, 0));
}
