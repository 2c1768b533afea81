//! Credentials from docker's files, tried in order.

use pinstream::http::Secret;
use pinstream::registry::credentials::CredentialSources;
use pinstream::registry::{FailureKind, Registry};

use super::{failure, image, passwords, plain, run};
use crate::support::encoding::base64;
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::Answer;
use crate::support::registry::{FakeRegistry, Image};

pub(super) fn protected(access: Access) -> FakeRegistry {
    let fake = FakeRegistry::start();
    fake.push("acme/web", "t", &Image::new(1));
    fake.require(access);
    fake
}

#[test]
fn a_password_is_sent_with_each_request_after_the_first_challenge() {
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
fn after_a_rejected_credential_the_next_match_is_tried() {
    let rules = TokenRules { user: Some(("user".into(), "right".into())), ..TokenRules::default() };
    for access in [Access::Basic("user".into(), "right".into()), Access::Token(rules)] {
        let fake = protected(access);
        let asked = image(&format!("{}/acme/web:t", fake.host()));
        let mut setup = plain(&[fake.host()]);
        let path = format!("{}/acme", fake.host());
        setup.credentials = passwords(&[(&path, "user", "wrong"), (&fake.host(), "user", "right")]);
        run(Registry::new(setup).unwrap().digest(&asked)).unwrap();
        // All wrong: the error says so, and no request is anonymous.
        let mut setup = plain(&[fake.host()]);
        setup.credentials = passwords(&[(&path, "user", "wrong"), (&fake.host(), "user", "worse")]);
        let (kind, text) = failure(setup, &asked);
        assert_eq!(kind, FailureKind::Unauthorized);
        assert!(text.contains(&format!("docker login {}", fake.host())) && !text.contains("worse"), "{text}");
    }
}

#[test]
fn a_protected_registry_without_credentials_is_reported() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let (kind, text) = failure(plain(&[fake.host()]), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains(&format!("`{}` requires authentication; no credentials found", fake.host())), "{text}");
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
fn an_identity_token_is_exchanged_by_post() {
    let fake = protected(Access::Token(TokenRules { identity: Some("refresh".into()), ..TokenRules::default() }));
    let text = serde_json::json!({"auths": {fake.host(): {"identitytoken": "refresh"}}}).to_string();
    let mut setup = plain(&[fake.host()]);
    setup.credentials =
        CredentialSources { docker_auth_config: Some(Secret::new(text)), ..CredentialSources::default() };
    run(Registry::new(setup).unwrap().digest(&image(&format!("{}/acme/web:t", fake.host())))).unwrap();
    let posts = fake.requests().into_iter().filter(|request| request.method == "POST").count();
    assert_eq!(posts, 1);
}

#[test]
fn the_files_of_docker_and_podman_are_found() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let auth = base64(b"user:right");
    let text = serde_json::json!({"auths": {fake.host(): {"auth": auth}}}).to_string();
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().to_owned();
    let none = CredentialSources::default;
    for (path, sources) in [
        ("home/.docker/config.json", CredentialSources { home: Some(home.join("home")), ..none() }),
        ("docker/config.json", CredentialSources { docker_config: Some(home.join("docker")), ..none() }),
        ("auth.json", CredentialSources { registry_auth_file: Some(home.join("auth.json")), ..none() }),
        ("run/containers/auth.json", CredentialSources { xdg_runtime_dir: Some(home.join("run")), ..none() }),
        ("home2/.config/containers/auth.json", CredentialSources { home: Some(home.join("home2")), ..none() }),
    ] {
        let file = home.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let asked = image(&format!("{}/acme/web:t", fake.host()));
        let setup = |sources: &CredentialSources| pinstream::registry::RegistryConfig {
            credentials: sources.clone(),
            ..plain(&[fake.host()])
        };
        assert_eq!(failure(setup(&sources), &asked).0, FailureKind::Unauthorized, "{path}");
        std::fs::write(&file, &text).unwrap();
        run(Registry::new(setup(&sources)).unwrap().digest(&asked)).unwrap();
        std::fs::write(&file, "{").unwrap();
        let error = Registry::new(setup(&sources)).err().unwrap().to_string();
        assert!(error.contains(path) && error.contains("is not a docker configuration"), "{error}");
    }
}

#[test]
fn after_a_rejected_credential_no_request_is_anonymous() {
    let fake = protected(Access::Token(TokenRules::default()));
    fake.lie(|request| {
        (request.path() == "/token").then(|| request.header("authorization").map(|_| Answer::new(401)))?
    });
    let auth = base64(b"user:wrong");
    let path = format!("{}/acme", fake.host());
    let text = serde_json::json!({"auths": {path: {"auth": auth}, fake.host(): {}}}).to_string();
    let mut setup = plain(&[fake.host()]);
    setup.credentials =
        CredentialSources { docker_auth_config: Some(Secret::new(text)), ..CredentialSources::default() };
    let (kind, text) = failure(setup, &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!((kind, fake.counts().token), (FailureKind::Unauthorized, 1), "{text}");
}

#[test]
fn r06_entries_are_read_as_docker_reads_them() {
    let fake = protected(Access::Basic("user".into(), "right".into()));
    let host = fake.host();
    let auth = base64(b"user:right");
    for auths in [
        serde_json::json!({host.as_str(): {"Username": "user", "Password": "right"}}),
        serde_json::json!({host.as_str(): {"auth": "", "username": "user", "password": "right"}}),
        serde_json::json!({host.as_str(): {"auth": null, "username": "user", "password": "right"}}),
        serde_json::json!({host.as_str(): {"auth": format!(" {auth}\n"), "username": "user", "password": "wrong"}}),
        // A broken entry is skipped.
        serde_json::json!({format!("{host}/acme"): {"auth": "!"}, host.as_str(): {"auth": auth}}),
    ] {
        let mut setup = plain(&[fake.host()]);
        let text = serde_json::json!({"Auths": auths, "credHelpers": null}).to_string();
        setup.credentials.docker_auth_config = Some(Secret::new(text));
        let registry = Registry::new(setup).unwrap();
        let found = run(registry.digest(&image(&format!("{host}/acme/web:t"))));
        assert!(found.is_ok(), "{auths} {found:?}");
    }
}

#[test]
fn r07_lenient_challenges_are_answered_and_an_unusable_one_is_quoted() {
    for challenge in ["Basic", "Basic realm=/", "basic realm=My Registry, charset=UTF-8", "Digest realm=x"] {
        let fake = protected(Access::Basic("user".into(), "right".into()));
        fake.lie(move |request| {
            let is_anonymous = request.header("authorization").is_none();
            is_anonymous.then(|| Answer::new(401).header("www-authenticate", challenge))
        });
        let mut setup = plain(&[fake.host()]);
        setup.credentials = passwords(&[(&fake.host(), "user", "right")]);
        let registry = Registry::new(setup).unwrap();
        match run(registry.digest(&image(&format!("{}/acme/web:t", fake.host())))) {
            Ok(_) => assert!(challenge.to_ascii_lowercase().starts_with("basic")),
            Err(error) => {
                assert_eq!(error.kind, FailureKind::Unauthorized);
                let expected = format!(
                    "`{}` returned 401 with an unsupported `WWW-Authenticate` header: `{challenge}`",
                    fake.host()
                );
                assert_eq!(error.message, expected);
            }
        }
    }
}
