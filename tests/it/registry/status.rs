//! No status makes an unverified response a success.

use pinstream::registry::{FailureKind, Registry};

use super::{image, import, passwords, plain, run};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

const STATUSES: [u16; 12] = [201, 204, 206, 304, 400, 401, 403, 404, 418, 429, 500, 503];

#[derive(Clone, Copy, Debug)]
enum Verb {
    Head,
    Get,
    Token,
}

fn expected(verb: Verb, status: u16) -> FailureKind {
    match (verb, status) {
        (_, 429) => FailureKind::RateLimited,
        (_, 401 | 403) => FailureKind::Unauthorized,
        (Verb::Head | Verb::Get, 404) => FailureKind::NotFound,
        _ => FailureKind::Network,
    }
}

#[test]
fn t19_status_matrix() {
    for verb in [Verb::Head, Verb::Get, Verb::Token] {
        for status in STATUSES {
            let fake = FakeRegistry::start();
            let digest = fake.push("a", "t", &Image::new(1));
            fake.require(Access::Token(TokenRules { user: Some(("u".into(), "p".into())), ..TokenRules::default() }));
            // Apart from its status, the response is a good one.
            fake.lie(move |request| {
                let is_token = request.path() == "/token";
                let is_hit = match verb {
                    Verb::Head => request.method == "HEAD" && request.header("authorization").is_some(),
                    Verb::Get => request.method == "GET" && !is_token,
                    Verb::Token => is_token,
                };
                is_hit.then(|| {
                    Answer::new(status)
                        .header("docker-content-digest", digest.as_str())
                        .header("content-type", "application/vnd.oci.image.manifest.v1+json")
                        .body("{\"token\": \"t\"}")
                })
            });
            let mut setup = plain(&[fake.host()]);
            setup.credentials = passwords(&[(&fake.host(), "u", "p")]);
            let registry = Registry::new(setup).unwrap();
            let found = run(import(&registry, &image(&format!("{}/a:t", fake.host()))));
            if matches!((verb, status), (Verb::Head, 403 | 404)) {
                // A negative HEAD is a hint as well: one GET by tag decides, and its bytes are hashed.
                assert!(found.is_ok(), "{status} {found:?}");
                assert_eq!((fake.counts().head, fake.counts().get), (2, 2), "{status}");
                continue;
            }
            let error = found.unwrap_err();
            assert_eq!(error.kind, expected(verb, status), "{verb:?} {status}: {error}");
            assert!(error.message.contains(&fake.host()) || error.message.contains("token"), "{error}");
            let asked = fake.counts();
            match (verb, status) {
                (Verb::Head, 429) => assert_eq!((asked.head, asked.get), (4, 0), "429 on HEAD never becomes GET"),
                (Verb::Head, 500 | 503) => assert_eq!(asked.head, 4, "three tries after the challenge"),
                (Verb::Head, _) => assert_eq!((asked.head, asked.get), (2, 0), "{status}"),
                (Verb::Token, 429 | 500 | 503) => assert_eq!(asked.token, 3),
                (Verb::Token, _) => assert_eq!(asked.token, 1, "{status}"),
                _ => {}
            }
        }
    }
}
