//! The address rule, the policy, mirrors and TLS.

use std::net::IpAddr;
use std::sync::Arc;

use pinstream::model::settings::Mirror;
use pinstream::registry::{FailureKind, Registry, RegistryConfig};

use super::{failure, fast, image, passwords, plain, run, secure};
use crate::support::registry::fake::Access;
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::tls::Authority;
use crate::support::registry::{FakeRegistry, Image};

#[test]
fn t5_a_private_address_is_contacted_only_if_it_is_named() {
    let fake = FakeRegistry::start();
    let digest = fake.push("a", "t", &Image::new(1));
    let asked = image(&format!("{}/a:t", fake.host()));
    let (kind, text) = failure(RegistryConfig { limits: fast(), ..RegistryConfig::default() }, &asked);
    assert_eq!(kind, FailureKind::Refused);
    assert!(text.contains(&format!("`[registry.\"{}\"]`", fake.host())), "{text}");
    // Naming another port is not enough.
    let (kind, _) = failure(plain(&["127.0.0.1:1".to_owned()]), &asked);
    assert_eq!(kind, FailureKind::Refused);
    assert_eq!(fake.connections(), 0);
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    assert_eq!(run(registry.digest(&asked)), Ok(digest));
}

#[test]
fn t5_names_with_private_addresses_are_not_connected_to() {
    let fake = FakeRegistry::start();
    let port = fake.host().rsplit_once(':').unwrap().1.to_owned();
    for answers in [
        vec!["127.0.0.1"],
        vec!["::ffff:127.0.0.1"],
        vec!["8.8.8.8", "127.0.0.1"],
        vec!["127.0.0.1", "8.8.8.8"],
        vec!["::1"],
        vec!["169.254.169.254"],
        vec!["0.0.0.0"],
    ] {
        let addresses: Vec<IpAddr> = answers.iter().map(|text| text.parse().unwrap()).collect();
        let setup = RegistryConfig {
            limits: fast(),
            lookup: Some(Arc::new(move |_| addresses.clone())),
            ..RegistryConfig::default()
        };
        let (kind, text) = failure(setup, &image(&format!("registry.example:{port}/a:t")));
        assert_eq!(kind, FailureKind::Refused, "{answers:?} {text}");
    }
    assert_eq!(fake.connections(), 0);
}

#[test]
fn t5_metadata_addresses_are_never_contacted_even_if_named() {
    for host in ["169.254.169.254", "169.254.169.254:80", "[fe80::1]", "[::ffff:169.254.169.254]", "0.0.0.0:5000"] {
        let (kind, text) = failure(plain(&[host.to_owned()]), &image(&format!("{host}/x:y")));
        assert_eq!(kind, FailureKind::Refused, "{host}");
        assert!(text.contains("never contacted"), "{text}");
    }
    let lookup = |_: &str| vec!["169.254.169.254".parse().unwrap()];
    let mut setup = plain(&["metadata.example".to_owned()]);
    setup.lookup = Some(Arc::new(lookup));
    assert_eq!(failure(setup, &image("metadata.example/x:y")).0, FailureKind::Refused);
}

#[test]
fn t5_the_policy_applies_to_registries_and_their_mirrors() {
    let (fake, mirror) = (FakeRegistry::start(), FakeRegistry::start());
    fake.push("a", "t", &Image::new(1));
    let asked = image(&format!("{}/a:t", fake.host()));
    let allowed = |globs: &[&str]| {
        let mut setup = plain(&[fake.host()]);
        setup.policy.allowed = Some(globs.iter().map(|glob| (*glob).to_owned()).collect());
        setup
    };
    let (kind, text) = failure(allowed(&["quay.io", "*.corp.example"]), &asked);
    assert_eq!(kind, FailureKind::Refused);
    assert!(text.contains("the policy does not allow"), "{text}");
    let mut setup = allowed(&[&fake.host()]);
    let own = setup.registries.get_mut(&fake.host().parse().unwrap()).unwrap();
    own.mirrors = vec![Mirror { registry: mirror.host().parse().unwrap(), prefix: String::new() }];
    assert_eq!(failure(setup, &asked).0, FailureKind::Refused);
    assert_eq!((fake.connections(), mirror.connections()), (0, 0));
    run(Registry::new(allowed(&["127.0.0.1:*"])).unwrap().digest(&asked)).unwrap();
}

#[test]
fn mirrors_are_tried_in_order_before_the_registry() {
    let (fake, empty, mirror) = (FakeRegistry::start(), FakeRegistry::start(), FakeRegistry::start());
    let digest = mirror.push("redhat/a", "t", &Image::new(1));
    let source = fake.push("a", "only-here", &Image::new(2));
    let mut setup = plain(&[fake.host(), empty.host(), mirror.host()]);
    let own = setup.registries.get_mut(&fake.host().parse().unwrap()).unwrap();
    own.mirrors = vec![
        Mirror { registry: empty.host().parse().unwrap(), prefix: String::new() },
        Mirror { registry: mirror.host().parse().unwrap(), prefix: "redhat".to_owned() },
    ];
    let registry = Registry::new(setup).unwrap();
    assert_eq!(run(registry.digest(&image(&format!("{}/a:t", fake.host())))), Ok(digest));
    assert_eq!((empty.counts().head, mirror.counts().head, fake.counts().head), (1, 1, 0));
    assert_eq!(run(registry.digest(&image(&format!("{}/a:only-here", fake.host())))), Ok(source));
    let error = run(registry.digest(&image(&format!("{}/a:nowhere", fake.host())))).unwrap_err();
    assert!(error.kind == FailureKind::NotFound && error.message.contains(&fake.host()), "{error}");
}

#[test]
fn t18_a_wrong_authority_is_a_tls_failure_before_any_secret_is_sent() {
    let fake = FakeRegistry::start_tls();
    let digest = fake.push("a", "t", &Image::new(1));
    fake.require(Access::Basic("user".into(), "canary".into()));
    let asked = image(&format!("{}/a:t", fake.host()));
    let with = |mut setup: RegistryConfig| {
        setup.credentials = passwords(&[(&fake.host(), "user", "canary")]);
        setup
    };
    let mut system = secure(&[fake.host()], fake.ca());
    system.registries.values_mut().for_each(|settings| settings.ca = None);
    for setup in [secure(&[fake.host()], Authority::new("fake registry").pem()), system] {
        let (kind, text) = failure(with(setup), &asked);
        assert_eq!(kind, FailureKind::Tls, "{text}");
        assert!(text.contains(&fake.host()) && text.contains("`ca = "), "{text}");
    }
    // A certificate of the right authority for another name.
    let port = fake.host().rsplit_once(':').unwrap().1.to_owned();
    let named = format!("registry.example:{port}");
    let mut setup = secure(std::slice::from_ref(&named), fake.ca());
    setup.lookup = Some(Arc::new(|_| vec!["127.0.0.1".parse().unwrap()]));
    assert_eq!(failure(setup, &image(&format!("{named}/a:t"))).0, FailureKind::Tls);
    assert_eq!(fake.requests().len(), 0);
    let registry = Registry::new(with(secure(&[fake.host()], fake.ca()))).unwrap();
    assert_eq!(run(registry.digest(&asked)), Ok(digest));
}

#[test]
fn t18_there_is_no_silent_fallback_to_plain_http() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let mut setup = plain(&[fake.host()]);
    setup.registries.values_mut().for_each(|settings| settings.plain_http = false);
    let (kind, text) = failure(setup, &image(&format!("{}/a:t", fake.host())));
    assert!(matches!(kind, FailureKind::Tls | FailureKind::Network), "{text}");
    assert_eq!(fake.requests().len(), 0);
}

#[test]
fn a_lost_connection_is_a_network_failure_and_retried() {
    let fake = FakeRegistry::start_tls();
    let digest = fake.push("a", "t", &Image::new(1));
    let asked = image(&format!("{}/a:t", fake.host()));
    let secured = || secure(&[fake.host()], fake.ca());
    // Closed without TLS shutdown, before the response and within it.
    fake.lie(|_| Some(Answer::new(200).sent(Body::Hangup)));
    let (kind, text) = failure(secured(), &asked);
    assert_eq!((kind, fake.counts().head), (FailureKind::Network, 3), "{text}");
    fake.be_honest();
    fake.lie(|request| {
        let cut = Answer::new(200).header("content-type", "application/vnd.oci.image.manifest.v1+json");
        (request.method == "GET").then(|| cut.sent(Body::Claiming(1000, b"{".to_vec())))
    });
    let (kind, text) = failure(secured(), &asked);
    assert_eq!((kind, fake.counts().get), (FailureKind::Network, 3), "{text}");
    fake.be_honest();
    fake.forget();
    let mut left = 2;
    fake.lie(move |_| {
        left -= 1;
        (left >= 0).then(|| Answer::new(200).sent(Body::Hangup))
    });
    assert_eq!(run(Registry::new(secured()).unwrap().digest(&asked)), Ok(digest));
    // Closed during the handshake.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || listener.incoming().take(3).for_each(drop));
    let (kind, text) = failure(secure(std::slice::from_ref(&host), fake.ca()), &image(&format!("{host}/a:t")));
    assert_eq!(kind, FailureKind::Network, "{text}");
}

#[test]
fn a_machine_without_authorities_gets_the_name_of_the_package() {
    let fake = FakeRegistry::start_tls();
    let mut setup = secure(&[fake.host()], fake.ca());
    setup.registries.values_mut().for_each(|settings| settings.ca = None);
    let (kind, text) = failure(setup, &image(&format!("{}/a:t", fake.host())));
    assert!(kind == FailureKind::Tls && text.contains("`ca-certificates`"), "{text}");
}

#[test]
fn unreadable_authorities_are_reported_at_once() {
    let message = |setup: RegistryConfig| Registry::new(setup).err().unwrap().to_string();
    let missing = RegistryConfig { authorities: [].into(), ..secure(&["r.example".to_owned()], Vec::new()) };
    assert_eq!(message(missing), "`ca.pem`, the `ca` of `r.example`, is not in the root");
    let empty = secure(&["r.example".to_owned()], b"no certificate".to_vec());
    assert_eq!(message(empty), "`ca.pem` contains no PEM certificate");
}
