//! Wrong passwords: an account is locked after a few of them, however many tags there are.

use futures_util::future::join_all;
use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, passwords, plain, repository, run};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

/// Counts the requests with a password.
fn logins(fake: &FakeRegistry) -> usize {
    let is_login = |header: Option<&str>| header.is_some_and(|text| text.starts_with("Basic "));
    fake.requests().iter().filter(|request| is_login(request.header("authorization"))).count()
}

/// Resolves 50 tags of 10 repositories twice with these passwords; returns the number of successes.
fn import(fake: &FakeRegistry, entries: &[(&str, &str, &str)], is_announced: bool) -> usize {
    let names: Vec<String> = (0..10).map(|number| format!("acme/r{number}")).collect();
    for name in &names {
        fake.push(name, "t", &Image::new(1));
    }
    let mut setup = plain(&[fake.host()]);
    setup.credentials = passwords(entries);
    let registry = Registry::new(setup).unwrap();
    if is_announced {
        let repositories: Vec<_> = names.iter().map(|name| repository(&format!("{}/{name}", fake.host()))).collect();
        registry.announce(&repositories);
    }
    let images: Vec<_> = (0..50).map(|tag| image(&format!("{}/{}:t", fake.host(), names[tag % 10]))).collect();
    let mut had = 0;
    for _ in 0..2 {
        for found in run(join_all(images.iter().map(|image| registry.digest(image)))) {
            match found {
                Ok(_) => had += 1,
                Err(error) => {
                    assert_eq!(error.kind, FailureKind::Unauthorized, "{error}");
                    assert!(error.help.unwrap().contains("docker login"));
                }
            }
        }
    }
    had
}

fn access(is_basic: bool) -> Access {
    let user = ("user".to_owned(), "right".to_owned());
    match is_basic {
        true => Access::Basic(user.0, user.1),
        false => Access::Token(TokenRules { user: Some(user), ..TokenRules::default() }),
    }
}

#[test]
fn a_wrong_password_is_sent_once() {
    for (is_basic, is_announced, expected) in
        // A refusal for many repositories may not apply to one, so one more request follows.
        [(true, false, 1), (true, true, 1), (false, false, 1), (false, true, 2)]
    {
        let fake = FakeRegistry::start();
        fake.require(access(is_basic));
        assert_eq!(import(&fake, &[(&fake.host(), "user", "wrong")], is_announced), 0);
        assert_eq!(logins(&fake), expected, "{is_basic} {is_announced}");
    }
}

#[test]
fn after_a_wrong_password_all_requests_use_the_right_one() {
    for (is_basic, wrong) in [(true, 1), (false, 1)] {
        let fake = FakeRegistry::start();
        fake.require(access(is_basic));
        let path = format!("{}/acme", fake.host());
        assert_eq!(import(&fake, &[(&path, "user", "wrong"), (&fake.host(), "user", "right")], false), 100);
        let expected = wrong + if is_basic { 100 } else { 10 };
        assert_eq!(logins(&fake), expected, "{is_basic}");
    }
}

#[test]
fn a_password_valid_for_some_repositories_is_not_rejected_for_the_others() {
    for is_basic in [true, false] {
        let fake = FakeRegistry::start();
        fake.require(access(is_basic));
        // One repository is closed to this user; the server answers as if the password were wrong.
        fake.lie(move |request| {
            let is_closed = match is_basic {
                true => request.path().contains("/r5/") && request.header("authorization").is_some(),
                false => request.target.contains("r5%3Apull"),
            };
            is_closed.then(|| Answer::new(401).header("www-authenticate", "Basic realm=\"x\""))
        });
        // The first repository proves the password.
        assert_eq!(import(&fake, &[(&fake.host(), "user", "right")], false), 90, "{is_basic}");
    }
}

#[test]
fn r13_a_rejected_login_is_named_with_its_file_and_a_hint_for_public_images() {
    for status in [401, 403] {
        let fake = FakeRegistry::start();
        fake.push("a", "t", &Image::new(1));
        fake.require(access(false));
        fake.lie(move |request| {
            let is_stale = request.path() == "/token" && request.header("authorization").is_some();
            is_stale.then(|| Answer::new(status))
        });
        let mut setup = plain(&[fake.host()]);
        setup.credentials = passwords(&[(&fake.host(), "user", "old")]);
        let (kind, text) = failure(setup, &image(&format!("{}/a:t", fake.host())));
        assert_eq!(kind, FailureKind::Unauthorized);
        assert!(text.contains("the login from `DOCKER_AUTH_CONFIG` was rejected"), "{text}");
        assert!(text.contains(&format!("if the image is public, run `docker logout {}`", fake.host())), "{text}");
    }
}

#[test]
fn r14_insufficient_scope_without_a_login_means_that_the_repository_is_private_or_missing() {
    let fake = FakeRegistry::start();
    fake.require(Access::Token(TokenRules::default()));
    let base = fake.base();
    fake.lie(move |request| {
        let challenge = format!(
            "Bearer realm=\"{base}/token\",service=\"fake\",scope=\"repository:a:pull\",error=\"insufficient_scope\""
        );
        (request.path() != "/token").then(|| Answer::new(401).header("www-authenticate", challenge))
    });
    let (kind, text) = failure(plain(&[fake.host()]), &image(&format!("{}/a:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("no such repository, or it is private"), "{text}");
    assert!(text.contains(&format!("if it is private, run `docker login {}`", fake.host())), "{text}");
}
