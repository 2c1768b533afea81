//! Credentials as docker keeps them, tried in order, and helpers that answer, refuse or hang.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use pinstream::registry::credential::{Secret, Sources};
use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, passwords, plain, run};
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

fn protected(access: Access) -> FakeRegistry {
    let fake = FakeRegistry::start();
    fake.push("acme/web", "t", &Image::new(1));
    fake.require(access);
    fake
}

#[test]
fn a_password_is_sent_with_each_request_once_it_is_asked_for() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let asked = image(&format!("{}/acme/web:t", fake.host()));
    let mut setup = plain(&[fake.host()]);
    setup.credentials = passwords(&[(&fake.host(), "user", "right")]);
    let registry = Registry::new(setup).unwrap();
    run(registry.digest(&asked)).unwrap();
    run(registry.digest(&asked)).unwrap();
    assert_eq!((fake.counts().head, fake.counts().challenged), (3, 1));
}

#[test]
fn a_refused_credential_gives_way_to_the_next_match() {
    let rules = TokenRules { user: Some(("user".into(), "right".into())), ..TokenRules::default() };
    for access in [Access::Basic("user".into(), "right".into()), Access::Token(rules)] {
        let fake = protected(access);
        let asked = image(&format!("{}/acme/web:t", fake.host()));
        let mut setup = plain(&[fake.host()]);
        let path = format!("{}/acme", fake.host());
        setup.credentials = passwords(&[(&path, "user", "wrong"), (&fake.host(), "user", "right")]);
        run(Registry::new(setup).unwrap().digest(&asked)).unwrap();
        // All wrong: said as such, and never anonymous.
        let mut setup = plain(&[fake.host()]);
        setup.credentials = passwords(&[(&path, "user", "wrong"), (&fake.host(), "user", "worse")]);
        let (kind, text) = failure(setup, &asked);
        assert_eq!(kind, FailureKind::Unauthorized);
        assert!(text.contains(&format!("docker login {}", fake.host())) && !text.contains("worse"), "{text}");
    }
}

#[test]
fn a_protected_registry_without_a_credential_says_so() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let (kind, text) = failure(plain(&[fake.host()]), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("asks for a password, and none is configured"), "{text}");
}

#[test]
fn a_credential_of_another_port_is_not_sent() {
    let (fake, other) = (protected(Access::Basic("user".into(), "right".into())), FakeRegistry::start());
    let mut setup = plain(&[fake.host()]);
    setup.credentials = passwords(&[(&other.host(), "user", "right"), ("127.0.0.1", "user", "right")]);
    assert_eq!(failure(setup, &image(&format!("{}/acme/web:t", fake.host()))).0, FailureKind::Unauthorized);
    assert!(fake.requests().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn an_identity_token_buys_tokens_by_post() {
    let fake = protected(Access::Token(TokenRules { identity: Some("refresh".into()), ..TokenRules::default() }));
    let text = serde_json::json!({"auths": {fake.host(): {"identitytoken": "refresh"}}}).to_string();
    let mut setup = plain(&[fake.host()]);
    setup.credentials = Sources { docker_auth_config: Some(Secret::new(text)), ..Sources::default() };
    run(Registry::new(setup).unwrap().digest(&image(&format!("{}/acme/web:t", fake.host())))).unwrap();
    let posts = fake.requests().into_iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1);
}

#[test]
fn files_are_found_where_docker_and_podman_keep_them() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let auth = openssl::base64::encode_block(b"user:right");
    let text = serde_json::json!({"auths": {fake.host(): {"auth": auth}}}).to_string();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_owned();
    let none = Sources::default;
    for (path, sources) in [
        ("home/.docker/config.json", Sources { home: Some(home.join("home")), ..none() }),
        ("docker/config.json", Sources { docker_config: Some(home.join("docker")), ..none() }),
        ("auth.json", Sources { registry_auth_file: Some(home.join("auth.json")), ..none() }),
        ("run/containers/auth.json", Sources { xdg_runtime_dir: Some(home.join("run")), ..none() }),
        ("home2/.config/containers/auth.json", Sources { home: Some(home.join("home2")), ..none() }),
    ] {
        let file = home.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let asked = image(&format!("{}/acme/web:t", fake.host()));
        let setup =
            |sources: &Sources| pinstream::registry::Setup { credentials: sources.clone(), ..plain(&[fake.host()]) };
        assert_eq!(failure(setup(&sources), &asked).0, FailureKind::Unauthorized, "{path}");
        std::fs::write(&file, &text).unwrap();
        run(Registry::new(setup(&sources)).unwrap().digest(&asked)).unwrap();
        std::fs::write(&file, "{").unwrap();
        let error = Registry::new(setup(&sources)).err().unwrap();
        assert!(error.contains(path) && error.contains("is not a docker configuration"), "{error}");
    }
}

/// Runs one ignored test of this module in a process of its own that finds `script` as a credential helper.
fn with_helper(script: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-test");
    std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("registry::credentials::{test}"), "--ignored"])
        .env("PATH", path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
}

fn helped(fake: &FakeRegistry) -> pinstream::registry::Setup {
    let text = serde_json::json!({"credHelpers": {fake.host(): "test"}}).to_string();
    let credentials = Sources { docker_auth_config: Some(Secret::new(text)), ..Sources::default() };
    pinstream::registry::Setup { credentials, ..plain(&[fake.host()]) }
}

#[test]
fn a_helper_is_asked_for_the_host_once() {
    with_helper(r#"read host; printf '{"Username": "%s", "Secret": "right"}' "$host""#, "child_of_a_good_helper");
}

#[test]
#[ignore = "runs in a process of its own, with a helper"]
fn child_of_a_good_helper() {
    let fake = protected(Access::Open);
    // The helper names the host it was asked for as the user; a colon is no part of a user, so the port tells.
    fake.require(Access::Basic("never".into(), "right".into()));
    let (kind, text) = failure(helped(&fake), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("the one configured is malformed"), "{text}");
}

#[test]
fn a_helper_that_has_nothing_means_anonymous() {
    with_helper("cat >/dev/null; echo credentials not found in native keychain; exit 1", "child_of_an_empty_helper");
}

#[test]
#[ignore = "runs in a process of its own, with a helper"]
fn child_of_an_empty_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    run(Registry::new(helped(&fake)).unwrap().digest(&image(&format!("{}/acme/web:t", fake.host())))).unwrap();
}

#[test]
fn a_helper_that_fails_is_named_and_what_it_printed_is_not() {
    with_helper("cat >/dev/null; echo canary; echo canary >&2; exit 3", "child_of_a_failing_helper");
}

#[test]
#[ignore = "runs in a process of its own, with a helper"]
fn child_of_a_failing_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    let (kind, text) = failure(helped(&fake), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("`docker-credential-test` failed") && !text.contains("canary"), "{text}");
}

#[test]
fn a_helper_that_hangs_is_given_up() {
    with_helper("exec sleep 8", "child_of_a_hanging_helper");
}

#[test]
#[ignore = "runs in a process of its own, with a helper"]
fn child_of_a_hanging_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    let mut setup = helped(&fake);
    setup.limits.helper = Duration::from_millis(200);
    let start = Instant::now();
    let (kind, text) = failure(setup, &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("within 0.2 s"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_refused_credential_never_gives_way_to_none() {
    let fake = protected(Access::Token(TokenRules::default()));
    fake.lie(|request| {
        (request.path() == "/token").then(|| request.header("authorization").map(|_| Answer::new(401)))?
    });
    let auth = openssl::base64::encode_block(b"user:wrong");
    let path = format!("{}/acme", fake.host());
    let text = serde_json::json!({"auths": {path: {"auth": auth}, fake.host(): {}}}).to_string();
    let mut setup = plain(&[fake.host()]);
    setup.credentials = Sources { docker_auth_config: Some(Secret::new(text)), ..Sources::default() };
    let (kind, text) = failure(setup, &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!((kind, fake.counts().token), (FailureKind::Unauthorized, 1), "{text}");
}
