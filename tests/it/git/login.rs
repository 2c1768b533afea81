//! Servers that reject a request without asking for the credentials that are configured.

use std::sync::Arc;

use super::Machine;
use crate::support::registry::http::{Answer, Request, Server};

/// Asks a server that gives the same answer to everything; returns the error with its help, and the number of requests
/// with credentials.
fn rejected(answer: fn() -> Answer, prepare: impl FnOnce(String) -> Machine) -> (String, usize) {
    let sent = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let handler = move |request: &Request| {
        let has_credentials = request.header("authorization").is_some();
        counter.fetch_add(usize::from(has_credentials), std::sync::atomic::Ordering::SeqCst);
        answer()
    };
    let server = Server::start(None, Arc::new(handler));
    let mut remote = prepare(format!("http://{}/acme/deploy.git", server.host())).open();
    let error = remote.fetch_tips(None).unwrap_err();
    let text = format!("{error}\n{}", error.help().unwrap_or_default()).replace(&server.host(), "[HOST]");
    (text, sent.load(std::sync::atomic::Ordering::SeqCst))
}

fn with_token(url: String) -> Machine {
    Machine::new(url).token("someone", "secret")
}

#[test]
fn l16_a_403_without_a_challenge_names_the_token_that_was_not_sent() {
    let forbidden = || Answer::new(403);
    insta::assert_snapshot!(rejected(forbidden, with_token).0, @r"
    the remote `http://[HOST]/acme/deploy.git` denied access: it returned 403 Forbidden; `PINSTREAM_GIT_TOKEN` is set, but was not sent because the server did not ask for credentials
    if the address is correct, have git send the credentials unasked: set `http.<url>.extraHeader` to an `Authorization` header
    ");
    let in_address = |url: String| Machine::new(url.replace("http://", "http://someone:secret@"));
    let (text, sent) = rejected(forbidden, in_address);
    assert!(text.contains("the password of the address is set, but was not sent because the server"), "{text}");
    assert_eq!(sent, 0);
    let (text, _) = rejected(forbidden, Machine::new);
    assert!(text.contains("403 Forbidden; the server did not ask for credentials, so none were sent\n"), "{text}");
}

#[test]
fn l16_credentials_are_sent_after_a_401_without_a_challenge() {
    let (text, sent) = rejected(|| Answer::new(401), with_token);
    assert!(text.contains("401 Unauthorized; tried: `PINSTREAM_GIT_TOKEN`\ncheck that they are valid"), "{text}");
    assert_eq!(sent, 1);
    let (text, _) = rejected(|| Answer::new(401), |url| Machine::new(url).token("a:b", "secret"));
    assert!(
        text.contains("was not sent because its user name contains a colon\nset `PINSTREAM_GIT_USERNAME`"),
        "{text}"
    );
}

#[test]
fn l16_a_challenge_of_another_scheme_is_named() {
    let answer =
        || Answer::new(401).header("www-authenticate", "Negotiate").header("www-authenticate", "Bearer realm=\"x\"");
    let (text, sent) = rejected(answer, with_token);
    assert!(text.contains("it only accepts negotiate and bearer authentication"), "{text}");
    assert!(
        text.contains("`PINSTREAM_GIT_TOKEN` is set, but was not sent because the server does not offer `basic`"),
        "{text}"
    );
    assert!(text.ends_with("extraHeader` to an `Authorization` header that the server accepts"), "{text}");
    assert_eq!(sent, 0);
}

#[test]
fn l16_other_rejections_name_it_too() {
    for (answer, expected) in [
        (404, "404 Not Found; check the path of the repository; `PINSTREAM_GIT_TOKEN` is set, but was not sent"),
        (302, "if you trust it, use that address; `PINSTREAM_GIT_TOKEN` is set, but was not sent"),
    ] {
        let answer: fn() -> Answer = match answer {
            404 => || Answer::new(404),
            _ => || Answer::new(302).header("location", "https://login.example/"),
        };
        let (text, _) = rejected(answer, with_token);
        assert!(text.contains(expected), "{text}");
    }
}
