//! Redirects: without credentials for other origins, never from TLS to clear text.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pinstream::model::settings::RegistrySettings;
use pinstream::registry::manifest::Descriptor;
use pinstream::registry::{FailureKind, Registry, ResolveError};

use super::{image, passwords, plain, run, secure};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::{Answer, Body};
use crate::support::registry::{FakeRegistry, Image};

const CANARY: &str = "canary-77ab";

#[derive(Clone, Copy, Debug)]
enum Ask {
    Head,
    Manifest,
    Blob,
}

#[derive(Clone, Copy, Debug)]
enum To {
    /// Another path of the same origin.
    Same,
    /// Another server that the settings name.
    Other,
    /// A private server that they do not name.
    Unnamed,
    /// From TLS to a server without it, which they name.
    Downgrade,
    /// From TLS to another server with TLS, which they name.
    Secure,
}

#[test]
fn t11_redirect_matrix() {
    let mut combinations = 0;
    for ask in [Ask::Head, Ask::Manifest, Ask::Blob] {
        for to in [To::Same, To::Other, To::Unnamed, To::Downgrade, To::Secure] {
            for status in [301, 302, 303, 307, 308] {
                combinations += 1;
                redirected(ask, to, status);
            }
        }
    }
    assert_eq!(combinations, 75);
}

fn redirected(ask: Ask, to: To, status: u16) {
    let is_secure = matches!(to, To::Downgrade | To::Secure);
    let fake = if is_secure { FakeRegistry::start_tls() } else { FakeRegistry::start() };
    let other = if matches!(to, To::Secure) { FakeRegistry::start_tls() } else { FakeRegistry::start() };
    let made = Image::new(1);
    fake.push("a", "t", &made);
    fake.push("moved/a", "t", &made);
    other.push("a", "t", &made);
    other.push("moved/a", "t", &made);
    fake.require(Access::Basic("user".into(), CANARY.into()));
    let base = if matches!(to, To::Same) { String::new() } else { other.base() };
    fake.lie(move |request| {
        let is_first = request.path().starts_with("/v2/a/") && request.header("authorization").is_some();
        is_first.then(|| {
            Answer::new(status).header("location", format!("{base}{}", request.target.replace("/a/", "/moved/a/")))
        })
    });
    let mut setup = if is_secure { secure(&[fake.host()], fake.ca()) } else { plain(&[fake.host()]) };
    match to {
        To::Unnamed => {}
        To::Secure => {
            let settings = RegistrySettings { ca: Some("other.pem".to_owned()), ..RegistrySettings::default() };
            setup.registries.insert(other.host().parse().unwrap(), settings);
            setup.authorities.insert("other.pem".to_owned(), other.ca());
        }
        To::Same | To::Other | To::Downgrade => setup.registries.extend(plain(&[other.host()]).registries),
    }
    setup.credentials = passwords(&[(&fake.host(), "user", CANARY)]);
    let registry = Registry::new(setup).unwrap();
    let asked = image(&format!("{}/a:t", fake.host()));
    let found: Result<(), ResolveError> = run(async {
        match ask {
            Ask::Head => registry.digest(&asked).await.map(drop),
            Ask::Manifest => registry.manifest(asked.repository(), &made.digest()).await.map(drop),
            Ask::Blob => {
                let blob = made.build().blobs.remove(0);
                let size = blob.bytes.len() as u64;
                let (media_type, digest) = (blob.media_type, blob.digest);
                let blob = Descriptor::of(media_type, digest, size);
                registry.blob(asked.repository(), &blob).await.map(drop)
            }
        }
    });
    let case = format!("{ask:?} {to:?} {status}: {found:?}");
    let told = other.requests().iter().filter(|request| request.header("authorization").is_some()).count();
    assert_eq!(told, 0, "{case}");
    match to {
        To::Same => assert!(found.is_ok(), "{case}"),
        To::Other | To::Secure => assert!(found.is_ok() && other.requests().len() == 1, "{case}"),
        To::Unnamed | To::Downgrade => {
            assert_eq!(found.unwrap_err().kind, FailureKind::Refused, "{case}");
            assert_eq!(other.connections(), 0, "{case}");
        }
    }
}

#[test]
fn t11_the_target_of_a_redirect_gets_at_most_an_anonymous_token() {
    let (fake, other) = (FakeRegistry::start(), FakeRegistry::start());
    let digest = other.push("a", "t", &Image::new(1));
    other.require(Access::Token(TokenRules::default()));
    fake.require(Access::Basic("user".into(), CANARY.into()));
    let base = other.base();
    fake.lie(move |request| {
        request.header("authorization")?;
        Some(Answer::new(307).header("location", format!("{base}{}", request.target)))
    });
    let mut setup = plain(&[fake.host(), other.host()]);
    setup.credentials = passwords(&[(&fake.host(), "user", CANARY), (&other.host(), "user", CANARY)]);
    let registry = Registry::new(setup).unwrap();
    let asked = image(&format!("{}/a:t", fake.host()));
    assert_eq!(run(registry.digest(&asked)), Ok(digest.clone()));
    assert_eq!(run(registry.digest(&asked)), Ok(digest));
    assert_eq!(other.counts().token, 1);
    assert!(other.requests().iter().all(|request| !request.header("authorization").unwrap_or("").starts_with("Basic")));
    // A server that demands more gets nothing.
    other.require(Access::Basic("user".into(), CANARY.into()));
    other.forget();
    assert_eq!(run(registry.digest(&asked)).unwrap_err().kind, FailureKind::Unauthorized);
    assert!(other.requests().iter().all(|request| !request.header("authorization").unwrap_or("").starts_with("Basic")));
}

#[test]
fn a_failing_token_server_of_a_redirect_gets_one_request() {
    for status in [401, 403, 500] {
        let (fake, other) = (FakeRegistry::start(), FakeRegistry::start());
        other.push("a", "t", &Image::new(1));
        other.require(Access::Token(TokenRules::default()));
        other.fail("/token", status);
        let base = other.base();
        fake.lie(move |request| Some(Answer::new(307).header("location", format!("{base}{}", request.target))));
        let registry = Registry::new(plain(&[fake.host(), other.host()])).unwrap();
        let asked = image(&format!("{}/a:t", fake.host()));
        let found = run(join_all((0..20).map(|_| registry.digest(&asked))));
        assert!(found.iter().all(Result::is_err), "{status}");
        assert_eq!(other.counts().token, 1, "{status}");
    }
}

#[test]
fn t14_a_slow_token_server_of_a_redirect_delays_no_other() {
    let (slow, quick) = (FakeRegistry::start(), FakeRegistry::start());
    let digest = quick.push("a", "t", &Image::new(1));
    for other in [&slow, &quick] {
        other.require(Access::Token(TokenRules::default()));
    }
    slow.lie(|request| {
        (request.path() == "/token").then(|| Answer::new(200).sent(Body::Drip(Duration::from_millis(20))))
    });
    let fake = FakeRegistry::start();
    let (to_slow, to_quick) = (slow.base(), quick.base());
    fake.lie(move |request| {
        let base = if request.path().ends_with("/slow") { &to_slow } else { &to_quick };
        if request.path().ends_with("/missing") {
            return None;
        }
        let target = request.target.replace("/quick", "/t");
        Some(Answer::new(307).header("location", format!("{base}{target}")))
    });
    let mut setup = plain(&[fake.host(), slow.host(), quick.host()]);
    setup.limits.request = Duration::from_secs(4);
    let registry = Registry::new(setup).unwrap();
    let [none, first, second] = ["missing", "slow", "quick"].map(|tag| image(&format!("{}/a:{tag}", fake.host())));
    run(async {
        // The scheme of the registry is known by then.
        registry.digest(&none).await.unwrap_err();
        let start = Instant::now();
        let late = async { registry.digest(&first).await.map(drop).map_err(|error| error.kind) };
        let soon = async {
            let found = registry.digest(&second).await;
            (found, start.elapsed())
        };
        let (late, (found, took)) = futures_util::future::join(late, soon).await;
        assert_eq!((late, found), (Err(FailureKind::Network), Ok(digest)));
        assert!(took < Duration::from_secs(3), "{took:?}");
    });
}

#[test]
fn endless_or_invalid_redirects_are_failures() {
    for location in ["/v2/a/manifests/t?again", "http://[", "ftp://127.0.0.1/", "http://u:p@127.0.0.1/"] {
        let fake = FakeRegistry::start();
        fake.lie(move |_| Some(Answer::new(307).header("location", location)));
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        let error = run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap_err();
        assert!(matches!(error.kind, FailureKind::Network | FailureKind::Refused), "{error}");
        assert!(fake.counts().head <= 6, "{location}");
    }
}
