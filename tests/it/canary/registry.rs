//! Registries and token servers that repeat the secrets they receive, and other places that contain them.

use std::os::unix::fs::PermissionsExt as _;

use super::{stage, talk};
use crate::reconcile::stage::Stage;
use crate::support::canary::{CANARY, IN_ADDRESS};
use crate::support::lane::slow;
use crate::support::registry::FakeRegistry;
use crate::support::registry::docker::USER;
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::registry::http::{Answer, Request};

/// The `Authorization` of a request, with the plain password next to it.
fn known(request: &Request) -> Option<String> {
    request.header("authorization").map(|value| format!("{value} {CANARY}"))
}

/// A registry that requires the password.
fn basic() -> FakeRegistry {
    let registry = FakeRegistry::start();
    registry.require(Access::Basic(USER.0.into(), USER.1.into()));
    registry
}

/// A registry that requires tokens, which are issued for the password.
fn token() -> FakeRegistry {
    let registry = FakeRegistry::start();
    let user = Some((USER.0.to_owned(), USER.1.to_owned()));
    registry.require(Access::Token(TokenRules { user, ..TokenRules::default() }));
    registry
}

#[test]
fn t22_a_successful_pass_shows_no_secret() {
    for registry in [basic(), token()] {
        let said = talk(&stage(registry), 0);
        assert!(said.contains("HEAD http://"), "{said}");
    }
}

#[test]
fn t22_a_password_in_an_error_body_is_redacted() {
    slow!();
    let check = |status: u16| {
        let registry = basic();
        registry.lie(move |request| {
            let known = known(request)?;
            Some(
                Answer::new(status)
                    .header("www-authenticate", format!("Basic realm=\"{known}\""))
                    .header("content-type", "application/json")
                    .header("x-request", known.clone())
                    .body(serde_json::json!({"errors": [{"code": "DENIED", "message": known}]}).to_string()),
            )
        });
        talk(&stage(registry), 3);
    };
    // Most of the time is spent on pauses before a request is repeated.
    std::thread::scope(|scope| {
        for status in [401, 403, 404, 429, 500] {
            scope.spawn(move || check(status));
        }
    });
}

#[test]
fn t22_a_password_in_a_header_is_redacted() {
    slow!();
    let lies: [fn(&str, &str) -> Answer; 9] = [
        |known, _| Answer::new(200).header("content-type", known),
        |known, oci| Answer::new(200).header("content-type", oci).header("docker-content-digest", known),
        |known, _| Answer::new(307).header("location", format!("http://127.0.0.1:9/{}", known.replace(' ', "/"))),
        |known, _| Answer::new(307).header("location", format!("/v2/{}", known.replace(' ', "/"))),
        |_, _| Answer::new(307).header("location", format!("http://u:{IN_ADDRESS}@127.0.0.1:9/x")),
        |_, _| Answer::new(307).header("location", format!("http://127.0.0.1:9/x?sig={IN_ADDRESS}")),
        |known, _| Answer::new(401).header("www-authenticate", format!("Bearer realm=\"https://e.example/{known}\"")),
        |_, _| {
            Answer::new(401).header("www-authenticate", format!("Bearer realm=\"https://u:{IN_ADDRESS}@e.example/\""))
        },
        |known, _| Answer::new(401).header("www-authenticate", format!("Bearer realm=\"{}\"", known.replace(' ', "/"))),
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let registry = basic();
        registry
            .lie(move |request| known(request).map(|known| lie(&known, "application/vnd.oci.image.manifest.v1+json")));
        let stage = stage(registry);
        for args in super::TALK {
            let ran = stage.pass(args);
            assert!([3, 4].contains(&ran.code.unwrap()), "{number} {args:?}: {}", stage.sandbox.shown(&ran));
        }
    }
}

#[test]
fn t22_a_password_in_a_manifest_is_redacted() {
    for text in [r#"{"schemaVersion": 2, "mediaType": "KNOWN"}"#, r#"{"schemaVersion": 2, "KNOWN": 1, "KNOWN": 2}"#] {
        let registry = basic();
        registry.lie(move |request| {
            let body = text.replace("KNOWN", &known(request)?);
            let digest = pinstream::model::image::Digest::sha256(body.as_bytes());
            Some(
                Answer::new(200)
                    .header("content-type", "application/vnd.oci.image.manifest.v1+json")
                    .header("docker-content-digest", digest.as_str())
                    .body(body),
            )
        });
        let said = talk(&stage(registry), 4);
        assert!(said.contains("integrity: response not shown: it contains a credential"), "{said}");
    }
}

#[test]
fn t22_a_password_in_tags_and_links_is_redacted() {
    for link in
        ["<http://127.0.0.1:9/KNOWN>; rel=next", "<http://u:KNOWN@127.0.0.1:9/>; rel=next", "<http://[KNOWN>; rel=next"]
    {
        let registry = basic();
        registry.lie(move |request| {
            let known = known(request)?.replace(' ', "/");
            request.path().ends_with("/tags/list").then(|| {
                let body = serde_json::json!({"name": "web", "tags": ["1.0.0", known]}).to_string();
                Answer::new(200).header("link", link.replace("KNOWN", &known)).body(body)
            })
        });
        let stage = stage(registry);
        stage.commit("streams/more.toml", "[tags]\nhigh = { repository = \"REGISTRY/web\", semver = \"*\" }\n");
        for args in super::TALK {
            assert!([3, 4].contains(&stage.pass(args).code.unwrap()), "{link}");
        }
    }
}

/// Replaces the token server's answer by that of `lie` when a request has the password.
fn lying(lie: fn(&str) -> Answer) -> Stage {
    let registry = token();
    registry.lie(move |request| known(request).filter(|_| request.path() == "/token").map(|known| lie(&known)));
    stage(registry)
}

#[test]
fn t22_a_password_in_the_answer_of_a_token_server_is_redacted() {
    slow!();
    let lies: [fn(&str) -> Answer; 6] = [
        |known| Answer::new(401).header("www-authenticate", known).body(known),
        |known| Answer::new(403).body(serde_json::json!({"error": known, "details": known}).to_string()),
        |known| Answer::new(500).body(known),
        |known| Answer::new(200).body(known),
        |known| Answer::new(200).body(serde_json::json!({"token": {"a": known}}).to_string()),
        |known| Answer::new(200).body(serde_json::json!({"token": format!("{known}\n")}).to_string()),
    ];
    for lie in lies {
        talk(&lying(lie), 3);
    }
}

#[test]
fn t22_a_redirect_of_a_token_server_shows_no_user_and_no_key() {
    type Lie = fn(&str) -> Answer;
    let lies: [(Lie, &str); 4] = [
        (
            |_| Answer::new(302).header("location", format!("https://u:{IN_ADDRESS}@e.example/token")),
            "e.example/token`",
        ),
        (
            |_| Answer::new(302).header("location", format!("https://e.example/token?sig={IN_ADDRESS}")),
            "e.example/token`",
        ),
        (|known| Answer::new(307).header("location", format!("https://[{known}")), "redirects to another URL"),
        (|known| Answer::new(307).header("location", format!("https://e.example/{known}")), "response not shown"),
    ];
    for (lie, expected) in lies {
        let said = talk(&lying(lie), 4);
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn t22_a_token_is_redacted_like_a_password() {
    let registry = token();
    registry.lie(|request| {
        let token = serde_json::json!({"token": CANARY}).to_string();
        (request.path() == "/token").then(|| Answer::new(200).body(token))
    });
    registry.lie(|request| {
        let known = request.header("authorization").filter(|_| request.path() != "/token")?.to_owned();
        Some(Answer::new(200).header("content-type", known.clone()).header("docker-content-digest", known))
    });
    let said = talk(&stage(registry), 3);
    assert!(said.contains("unsupported: response not shown: it contains a credential"), "{said}");
}

#[test]
fn t22_broken_credential_files_and_helpers_are_named_but_not_quoted() {
    let stage = stage(basic());
    let config = stage.sandbox.home().join(".docker/config.json");
    let host = stage.registry.host();
    for text in [
        format!("{{\"auths\": {{\"x\": \"{CANARY}\"}}"),
        format!("{{\"auths\": \"{CANARY}\"}}"),
        format!("{{\"auths\": {{\"{host}\": {{\"auth\": \"{CANARY}\"}}}}}}"),
        format!("{{\"auths\": {{\"{host}\": {{\"auth\": {{\"{CANARY}\": 1}}}}}}}}"),
        format!("{{\"{CANARY}\": "),
    ] {
        std::fs::write(&config, &text).unwrap();
        for args in super::TALK {
            assert!([1, 3].contains(&stage.pass(args).code.unwrap()), "{text}");
        }
    }
}

#[test]
fn t22_a_secret_in_the_error_of_a_helper_is_redacted() {
    let mut stage = stage(basic());
    let bin = stage.sandbox.home().join("helpers");
    std::fs::create_dir(&bin).unwrap();
    // A link, because no file can run that another process being started has open for writing.
    std::os::unix::fs::symlink("/bin/sh", bin.join("docker-credential-x")).unwrap();
    stage.sandbox.env("PATH", format!("{}:{}", bin.display(), std::env::var("PATH").unwrap()));
    let config = serde_json::json!({"credHelpers": {stage.registry.host(): "x"}}).to_string();
    std::fs::write(stage.sandbox.home().join(".docker/config.json"), config).unwrap();
    // The shell that plays the helper reads the script `get` in its working directory.
    for script in [
        format!("echo '{CANARY}'"),
        format!("echo '{CANARY}' >&2; exit 3"),
        format!("echo '{{\"Username\": \"u\", \"Secret\": \"{CANARY}\"'"),
        format!("echo '{{\"Username\": \"u\", \"Secret\": \"{CANARY}\"}}'"),
        "tr '\\0' '\\n' < /proc/$PPID/cmdline; exit 1".to_owned(),
    ] {
        let get = stage.sandbox.home().join("get");
        std::fs::write(&get, script).unwrap();
        std::fs::set_permissions(&get, std::fs::Permissions::from_mode(0o755)).unwrap();
        for args in super::TALK {
            let mut command = stage.command(args);
            command.current_dir(stage.sandbox.home());
            let ran = stage.sandbox.finish(command);
            assert_eq!(ran.code, Some(3), "{}", stage.sandbox.shown(&ran));
        }
    }
}

#[test]
fn t22_the_password_of_a_proxy_is_not_shown() {
    slow!();
    // Answers every request with what it received, as a broken proxy might.
    let proxy = FakeRegistry::start();
    proxy.lie(|request| {
        let known = request.headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>();
        Some(Answer::new(407).header("proxy-authenticate", "Basic realm=\"x\"").body(known))
    });
    let mut stage = stage(FakeRegistry::start());
    let address = format!("http://user:{IN_ADDRESS}@{}", proxy.host());
    stage.sandbox.env("http_proxy", address.clone());
    stage.sandbox.env("https_proxy", address);
    stage.commit("streams/far.toml", "[tags]\na = \"registry.example/a:1\"\n");
    let said = talk(&stage, 3);
    assert!(said.contains("far:a"), "{said}");
    // A proxy URL that cannot be parsed is named without its password.
    stage.sandbox.env("http_proxy", format!("http://user:{IN_ADDRESS}@[::"));
    for args in super::TALK {
        let code = stage.pass(args).code;
        assert!(code.is_some_and(|code| [1, 3].contains(&code)), "{code:?}");
    }
}
