//! Tokens for several repositories: requested together, or one by one if necessary.

use futures_util::future::join_all;
use pinstream::registry::{FailureKind, Registry};

use super::counts::asked;
use super::{image, passwords, plain, repository, run};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

#[test]
fn a_token_serves_fifty_announced_repositories() {
    let fake = FakeRegistry::start();
    let names: Vec<String> = (0..120).map(|number| format!("team/r{number}")).collect();
    fake.require(Access::Token(TokenRules { user: Some(("u".into(), "p".into())), ..TokenRules::default() }));
    for name in &names {
        fake.push(name, "t", &Image::new(1));
    }
    let mut setup = plain(&[fake.host()]);
    setup.credentials = passwords(&[(&fake.host(), "u", "p")]);
    let registry = Registry::new(setup).unwrap();
    let repositories: Vec<_> = names.iter().map(|name| repository(&format!("{}/{name}", fake.host()))).collect();
    registry.announce(&repositories);
    let images: Vec<_> = names.iter().map(|name| image(&format!("{}/{name}:t", fake.host()))).collect();
    run(join_all(images.iter().map(|image| registry.digest(image)))).into_iter().for_each(|found| drop(found.unwrap()));
    // 120 repositories in requests of at most 50 scopes.
    assert_eq!(fake.counts(), asked(121, 0, 3, 1));
}

#[test]
fn a_server_that_refuses_several_scopes_gets_one_request_each() {
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules { scopes: 1, ..TokenRules::default() }));
    several(&fake);
    // One request for all three, refused, and one for each.
    assert_eq!(fake.counts().token, 4);
}

#[test]
fn an_insufficient_token_is_detected_by_the_registrys_response() {
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules { grants_first_only: true, ..TokenRules::default() }));
    several(&fake);
    // One request for all three that grants one, and one for each of the others.
    assert_eq!(fake.counts().token, 3);
}

#[test]
fn a_server_that_fails_for_several_scopes_gets_one_request_each() {
    let answers = [Answer::new(401), Answer::new(403), Answer::new(404), Answer::new(500), Answer::new(200).body("{}")];
    for answer in answers {
        let fake = FakeRegistry::start();
        fake.require(Access::Token(TokenRules::default()));
        let is_trouble = answer.status == 500;
        fake.lie(move |request| (request.query("scope").len() > 1).then(|| answer.clone()));
        several(&fake);
        // A 500 is tried three times first.
        assert_eq!(fake.counts().token, if is_trouble { 6 } else { 4 });
    }
}

#[test]
fn a_rate_limited_server_does_not_get_one_request_each() {
    let fake = FakeRegistry::start();
    fake.push("a", "t", &Image::new(1));
    fake.require(Access::Token(TokenRules::default()));
    fake.fail("/token", 429);
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let name = |name: &str| format!("{}/{name}", fake.host());
    registry.announce(&[repository(&name("a")), repository(&name("b"))]);
    let images = ["a:t", "b:t"].map(|text| image(&name(text)));
    for found in run(join_all(images.iter().map(|image| registry.digest(image)))) {
        assert_eq!(found.unwrap_err().kind, FailureKind::RateLimited);
    }
    assert_eq!(fake.counts().token, 3);
}

#[test]
fn a_token_that_is_too_long_for_the_registry_is_split() {
    for status in [400, 414, 431] {
        let fake = FakeRegistry::start();
        fake.require(Access::Token(TokenRules::default()));
        // The first token is the shared one.
        fake.lie(move |request| {
            (request.header("authorization") == Some("Bearer token-0")).then(|| Answer::new(status))
        });
        several(&fake);
        assert_eq!(fake.counts().token, 4, "{status}");
    }
}

#[test]
fn repositories_may_have_different_token_servers() {
    let fake = FakeRegistry::start();
    let (base, made) = (fake.base(), Image::new(1).build().top);
    let digest = made.digest.clone();
    fake.lie(move |request| {
        if request.path().starts_with("/token") {
            return Some(Answer::new(200).body(format!("{{\"token\": \"{}\"}}", request.path().replace('/', "-"))));
        }
        let name = request.path().split('/').nth(2).unwrap();
        if request.header("authorization") == Some(&format!("Bearer -token-{name}")) {
            let answer = Answer::new(200).header("content-type", &*made.media_type);
            return Some(answer.header("docker-content-digest", made.digest.as_str()));
        }
        let challenge = format!("Bearer realm=\"{base}/token/{name}\",service=\"s\",scope=\"repository:{name}:pull\"");
        Some(Answer::new(401).header("www-authenticate", challenge))
    });
    let mut setup = plain(&[fake.host()]);
    // The only credential: it would be rejected if such a challenge counted against it.
    setup.credentials = passwords(&[(&fake.host(), "u", "p")]);
    let registry = Registry::new(setup).unwrap();
    let names = ["a", "b", "c"].map(|name| format!("{}/{name}", fake.host()));
    registry.announce(&names.each_ref().map(|name| repository(name)));
    let images: Vec<_> = (0..30).map(|tag| image(&format!("{}:t{tag}", names[tag % 3]))).collect();
    for _ in 0..2 {
        let found = run(join_all(images.iter().map(|image| registry.digest(image))));
        assert!(found.iter().all(|found| *found == Ok(digest.clone())), "{found:?}");
    }
    // A shared token at the first server, and one at each of the other two.
    assert_eq!(registry.counts().token, 3);
}

fn several(fake: &FakeRegistry) {
    let names = ["a", "b", "c"];
    for name in names {
        fake.push(name, "t", &Image::new(1));
    }
    let registry = Registry::new(plain(&[fake.host()])).unwrap();
    let repositories: Vec<_> = names.iter().map(|name| repository(&format!("{}/{name}", fake.host()))).collect();
    registry.announce(&repositories);
    let images: Vec<_> = names.iter().map(|name| image(&format!("{}/{name}:t", fake.host()))).collect();
    run(join_all(images.iter().map(|image| registry.digest(image)))).into_iter().for_each(|found| drop(found.unwrap()));
}
