//! Number of requests per operation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pinstream::registry::{FailureKind, Registry};

use super::{image, plain, run};
use crate::support::lane::slow;
use crate::support::registry::fake::{Access, RequestCounts, TokenRules};
use crate::support::registry::http::{Answer, Server};
use crate::support::registry::{FakeRegistry, Image};

pub(super) fn asked(head: usize, get: usize, token: usize, challenged: usize) -> RequestCounts {
    RequestCounts { head, get, token, ping: 0, challenged }
}

#[test]
fn a_cold_start_with_64_tags_costs_one_challenge_one_token_and_64_requests() {
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules::default()));
    let digest = fake.push("a/b", "t0", &Image::new(0));
    for tag in 1..64 {
        fake.push("a/b", &format!("t{tag}"), &Image::new(0));
    }
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let images: Vec<_> = (0..64).map(|tag| image(&format!("{}/a/b:t{tag}", fake.host()))).collect();
    let found = run(join_all(images.iter().map(|image| registry.digest(image))));
    assert!(found.iter().all(|found| *found == Ok(digest.clone())), "{found:?}");
    assert_eq!(fake.counts(), asked(65, 0, 1, 1));
    let counts = registry.counts();
    assert_eq!((counts.head, counts.get, counts.token, counts.retries), (65, 0, 1, 0));
}

#[test]
fn an_open_registry_costs_one_request_per_tag_and_no_ping() {
    let fake = FakeRegistry::start();
    for tag in 0..20 {
        fake.push("a/b", &format!("t{tag}"), &Image::new(tag));
    }
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let images: Vec<_> = (0..20).map(|tag| image(&format!("{}/a/b:t{tag}", fake.host()))).collect();
    run(join_all(images.iter().map(|image| registry.digest(image)))).into_iter().for_each(|found| drop(found.unwrap()));
    assert_eq!(fake.counts(), asked(20, 0, 0, 0));
}

#[test]
fn a_changed_tag_costs_one_more_get_and_a_blob_another() {
    let fake = FakeRegistry::start();
    let made = Image::new(1).version("1.2").platforms(&["linux/amd64", "linux/arm64"]);
    let digest = fake.push("a", "t", &made);
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    run(async {
        let image = image(&format!("{}/a:t", fake.host()));
        assert_eq!(registry.digest(&image).await.unwrap(), digest);
        let index = registry.manifest(image.repository(), &digest).await.unwrap();
        let pinstream::registry::manifest::ManifestContent::Index { children } = index.content() else {
            panic!("an index")
        };
        let child = registry.manifest(image.repository(), &children[1].digest).await.unwrap();
        let pinstream::registry::manifest::ManifestContent::Image { config, .. } = child.content() else {
            panic!("an image")
        };
        let config = registry.blob(image.repository(), config).await.unwrap();
        let config = pinstream::registry::manifest::ImageConfig::read(&config).unwrap();
        assert_eq!(config.platform.unwrap().to_string(), "linux/arm64");
        assert_eq!(config.labels["org.opencontainers.image.version"], "1.2");
    });
    assert_eq!(fake.counts(), asked(1, 3, 0, 0));
}

#[test]
fn an_invalid_token_is_renewed_once() {
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules { uses: 3, ..TokenRules::default() }));
    fake.push("a", "t", &Image::new(1));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let image = image(&format!("{}/a:t", fake.host()));
    for _ in 0..7 {
        run(registry.digest(&image)).unwrap();
    }
    // 7 responses, one challenge, and two used-up tokens.
    assert_eq!(fake.counts(), asked(10, 0, 3, 3));
    // A registry that accepts no token gets a bounded number of requests.
    let challenge = format!("Bearer realm=\"{}/token\",service=\"fake\",error=\"invalid_token\"", fake.base());
    fake.lie(move |request| {
        (request.path() != "/token").then(|| Answer::new(401).header("www-authenticate", challenge.clone()))
    });
    fake.forget();
    assert_eq!(run(registry.digest(&image)).unwrap_err().kind, FailureKind::Unauthorized);
    assert_eq!((fake.counts().head, fake.counts().token), (2, 1));
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    slow!();
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules { expires_in: Some(1), ..TokenRules::default() }));
    fake.push("a", "t", &Image::new(1));
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let image = image(&format!("{}/a:t", fake.host()));
    run(async {
        registry.digest(&image).await.unwrap();
        tokio::time::sleep(Duration::from_millis(900)).await;
        registry.digest(&image).await.unwrap();
    });
    assert_eq!(fake.counts(), asked(3, 0, 2, 1));
}

#[test]
fn connections_are_kept_and_their_number_is_bounded() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    let mut setup = plain(&[fake.host()]);
    setup.registries.values_mut().for_each(|settings| settings.requests = 4);
    let registry = Registry::new(setup).unwrap();
    let image = image(&format!("{}/a:t", fake.host()));
    run(join_all((0..200).map(|_| registry.digest(&image)))).into_iter().for_each(|found| drop(found.unwrap()));
    assert!(fake.connections() <= 5, "{}", fake.connections());
}

#[test]
fn a_fixed_digest_costs_no_request() {
    let registry = Registry::new(plain(&[])).unwrap();
    let digest = Image::new(1).digest();
    let image = image(&format!("quay.example/a@{digest}"));
    assert_eq!(run(registry.digest(&image)), Ok(digest));
    assert_eq!(registry.counts().head, 0);
}

#[test]
fn a_thousand_tags_over_a_slow_connection_run_in_parallel() {
    slow!();
    let made = Image::new(1).build().top;
    let slow = Server::start(
        None,
        Arc::new(move |request| {
            std::thread::sleep(Duration::from_millis(80));
            match (request.path(), request.header("authorization")) {
                ("/token", _) => Answer::new(200).body("{\"token\": \"t\"}"),
                (_, None) => {
                    let realm = format!("http://{}/token", request.header("host").unwrap());
                    Answer::new(401).header("www-authenticate", format!("Bearer realm=\"{realm}\""))
                }
                _ => Answer::new(200)
                    .header("content-type", &*made.media_type)
                    .header("docker-content-digest", made.digest.as_str()),
            }
        }),
    );
    let registry = Registry::new(plain(&[slow.host()])).unwrap();
    let images: Vec<_> = (0..1000).map(|tag| image(&format!("{}/r{}:t{tag}", slow.host(), tag % 20))).collect();
    registry.announce(&images.iter().map(|image| image.repository().clone()).collect::<Vec<_>>());
    let start = Instant::now();
    run(join_all(images.iter().map(|image| registry.digest(image)))).into_iter().for_each(|found| drop(found.unwrap()));
    // A challenge, a token and 16 rounds of 64 are 1.44 s; the rest is for busy machines.
    assert!(start.elapsed() < Duration::from_millis(2200), "{:?}", start.elapsed());
    assert_eq!((registry.counts().head, registry.counts().token), (1001, 1));
}
