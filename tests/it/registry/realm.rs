//! Secrets are sent to their registry and its own token server only.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use pinstream::http::Secret;
use pinstream::registry::credentials::CredentialSources;
use pinstream::registry::{FailureKind, Registry};

use super::{image, import, passwords, plain, run, secure};
use crate::support::encoding::base64;
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::{Answer, Request, Server};
use crate::support::registry::tls::Authority;
use crate::support::registry::{FakeRegistry, Image};

const CANARY: &str = "canary-5f0c";

/// A server that records all requests and issues tokens.
struct Evil {
    server: Server,
    heard: Arc<Mutex<Vec<Request>>>,
}

impl Evil {
    fn start(authority: Option<&Authority>) -> Self {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hearing = Arc::clone(&heard);
        let identity = authority.map(|authority| authority.identity(&[]));
        let server = Server::start(
            identity.as_ref(),
            Arc::new(move |request| {
                hearing.lock().unwrap().push(request.clone());
                Answer::new(200).body("{\"token\": \"evil\"}")
            }),
        );
        Self { server, heard }
    }

    /// Reports whether the secret arrived in any encoding.
    fn heard_canary(&self) -> bool {
        let dressed = base64(format!("user:{CANARY}"));
        let heard = format!("{:?}", self.heard.lock().unwrap());
        heard.contains(CANARY) || heard.contains(&dressed)
    }

    fn requests(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

/// Behaviour of the registry before it names the foreign realm.
#[derive(Clone, Copy, Debug)]
enum Story {
    /// Names the foreign realm at once.
    AtOnce,
    /// Demands a password first, then names the realm.
    BasicFirst,
    /// Names its own realm first, issues a token, then names the foreign one.
    OwnFirst,
    /// Names its own realm, which redirects to the foreign one.
    Redirect,
}

#[test]
fn t10_realm_matrix() {
    let mut combinations = 0;
    for is_secure in [false, true] {
        for story in [Story::AtOnce, Story::BasicFirst, Story::OwnFirst, Story::Redirect] {
            for is_identity in [false, true] {
                for realm in 0..4 {
                    combinations += 1;
                    foreign_realm(is_secure, story, is_identity, realm);
                }
            }
        }
    }
    assert_eq!(combinations, 64);
}

fn foreign_realm(is_secure: bool, story: Story, is_identity: bool, which: usize) {
    let fake = if is_secure { FakeRegistry::start_tls() } else { FakeRegistry::start() };
    let authority = Authority::new("evil");
    let evil = Evil::start(is_secure.then_some(&authority));
    let host = fake.host();
    let scheme = if is_secure { "https" } else { "http" };
    let foreign = match which {
        // The same host at another port.
        0 => format!("{scheme}://{}/token", evil.server.host()),
        // The same server under another name.
        1 => format!("{scheme}://localhost:{}/token", evil.server.port()),
        // The registry's host as the user of the URL.
        2 => format!("{scheme}://{}@{}/token", host.replace(':', "%3A"), evil.server.host()),
        // The same server by an IPv4-mapped address.
        _ => format!("{scheme}://[::ffff:127.0.0.1]:{}/token", evil.server.port()),
    };
    fake.push("a", "t", &Image::new(1));
    let own = format!("{}/token", fake.base());
    let mut challenges = 0;
    let realm = foreign.clone();
    fake.lie(move |request| {
        let bearer = |realm: &str, error: &str| {
            let text = format!("Bearer realm=\"{realm}\",service=\"s\",scope=\"repository:a:pull\"{error}");
            Some(Answer::new(401).header("www-authenticate", text))
        };
        if request.path() == "/token" {
            return match story {
                Story::Redirect => Some(Answer::new(307).header("location", &*realm)),
                _ => Some(Answer::new(200).body("{\"token\": \"own\"}")),
            };
        }
        challenges += 1;
        match (story, challenges) {
            (Story::BasicFirst, 1) => Some(Answer::new(401).header("www-authenticate", "Basic realm=\"x\"")),
            (Story::OwnFirst, 1) | (Story::Redirect, _) => bearer(&own, ""),
            (Story::OwnFirst, _) => bearer(&realm, ",error=\"invalid_token\""),
            _ => bearer(&realm, ""),
        }
    });
    let hosts = std::slice::from_ref(&host);
    let mut setup = if is_secure { secure(hosts, fake.ca()) } else { plain(hosts) };
    let evil_host = evil.server.host().parse().unwrap();
    let settings = setup.registries[&host.parse().unwrap()].clone();
    // The foreign server is reachable: only the rule keeps the secret from it.
    setup.registries.insert(evil_host, settings.clone());
    setup.registries.insert(format!("localhost:{}", evil.server.port()).parse().unwrap(), settings);
    if let Some(pem) = setup.authorities.get_mut("ca.pem") {
        pem.extend(authority.pem());
    }
    setup.credentials = if is_identity {
        // Passwords are an alternative for registries that accept no identity token.
        let auth = base64(format!("user:{CANARY}"));
        let auths = serde_json::json!({format!("{host}/a"): {"identitytoken": CANARY}, host.as_str(): {"auth": auth}});
        let text = serde_json::json!({"auths": auths}).to_string();
        CredentialSources { docker_auth_config: Some(Secret::new(text)), ..CredentialSources::default() }
    } else {
        passwords(&[(&host, "user", CANARY)])
    };
    let registry = Registry::new(setup).unwrap();
    let error = run(import(&registry, &image(&format!("{host}/a:t")))).unwrap_err();
    let case = format!("{is_secure} {story:?} {is_identity} {foreign}: {error:?}");
    assert!(!evil.heard_canary(), "{case}");
    assert_eq!(evil.requests(), 0, "{case}");
    assert_eq!(error.kind, FailureKind::Refused, "{case}");
    // The message names it without the user.
    let place = foreign.rsplit_once('@').map_or(foreign.as_str(), |(_, place)| place);
    assert!(error.message.contains(&host) && error.message.contains(place), "{case}");
    // The registry got as far as naming the foreign server.
    let shown = fake.requests().iter().filter(|request| request.header("authorization").is_some()).count();
    let posts = fake.requests().iter().filter(|request| request.method == "POST").count();
    match story {
        Story::AtOnce => assert_eq!((shown, posts), (0, 0), "{case}"),
        Story::BasicFirst => assert_eq!((shown, posts), (1, 0), "{case}"),
        Story::OwnFirst => assert_eq!((shown, posts), if is_identity { (1, 1) } else { (2, 0) }, "{case}"),
        Story::Redirect => assert_eq!((shown, posts), if is_identity { (0, 1) } else { (1, 0) }, "{case}"),
    }
    assert!(!format!("{error:?}").contains(CANARY), "{case}");
}

#[test]
fn a_refusal_applies_to_its_repository_and_delays_no_other() {
    for challenge in [Some("Bearer realm=\"https://evil.example/token\""), None, Some("Negotiate")] {
        let fake = FakeRegistry::start();
        let digest = fake.push("r7", "t", &Image::new(1));
        fake.lie(move |request| {
            let answer = Answer::new(401);
            let answer = match challenge {
                Some(challenge) => answer.header("www-authenticate", challenge),
                None => answer,
            };
            (!request.path().contains("/r7/")).then_some(answer)
        });
        let registry = Registry::new(plain(&[fake.host()])).unwrap();
        let images: Vec<_> = (0..1000).map(|tag| image(&format!("{}/r{}:t", fake.host(), tag % 50))).collect();
        let found = run(join_all(images.iter().map(|image| registry.digest(image))));
        let expected = if challenge.is_some_and(|text| text.starts_with("Bearer")) {
            FailureKind::Refused
        } else {
            FailureKind::Unauthorized
        };
        for (tag, found) in found.into_iter().enumerate() {
            match tag % 50 {
                7 => assert_eq!(found, Ok(digest.clone())),
                _ => assert_eq!(found.unwrap_err().kind, expected, "{challenge:?}"),
            }
        }
        // The first request, the tags of the good repository, and requests sent before the first response of their
        // repository: about two for each of 50 repositories with 64 requests in flight.
        assert!(fake.counts().head <= 400, "{challenge:?} {:?}", fake.counts());
    }
}

#[test]
fn a_realm_listed_by_the_operator_is_used() {
    let fake = FakeRegistry::start();
    let evil = Evil::start(None);
    fake.push("a", "t", &Image::new(1));
    let realm = format!("http://{}/token", evil.server.host());
    fake.require(Access::Token(TokenRules { realm: Some(realm), ..TokenRules::default() }));
    let mut setup = plain(&[fake.host(), evil.server.host()]);
    setup.policy.realms = vec![format!("http://{}", evil.server.host())];
    setup.credentials = passwords(&[(&fake.host(), "user", CANARY)]);
    let registry = Registry::new(setup).unwrap();
    let error = run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap_err();
    // Its token is not accepted, but it received the password.
    assert_eq!(error.kind, FailureKind::Unauthorized);
    assert!(evil.heard_canary());
}

#[test]
fn t5_a_private_realm_is_contacted_only_if_it_is_named() {
    let fake = FakeRegistry::start();
    let evil = Evil::start(None);
    fake.push("a", "t", &Image::new(1));
    let realm = format!("http://{}/token", evil.server.host());
    fake.require(Access::Token(TokenRules { realm: Some(realm), ..TokenRules::default() }));
    let mut setup = plain(&[fake.host()]);
    setup.policy.realms = vec![format!("http://{}", evil.server.host())];
    let registry = Registry::new(setup).unwrap();
    let error = run(registry.digest(&image(&format!("{}/a:t", fake.host())))).unwrap_err();
    assert_eq!(error.kind, FailureKind::Refused);
    assert!(error.help.unwrap().contains(&format!("`[registry.\"{}\"]`", evil.server.host())));
    assert_eq!(evil.server.connections(), 0);
}
