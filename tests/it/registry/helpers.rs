//! Credential helpers that succeed, have no credential, fail or hang.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pinstream::http::Secret;
use pinstream::registry::credentials::CredentialSources;
use pinstream::registry::{FailureKind, Registry};
use pinstream::system::process;

use super::credentials::protected;
use super::{failure, image, plain, run};
use crate::support::lane::slow;
use crate::support::registry::FakeRegistry;
use crate::support::registry::fake::{Access, TokenRules};
use crate::support::sandbox::Sandbox;

/// Runs one ignored test of this module in its own process with `script` as a credential helper. Both use the directory
/// `$HELPER_FOLDER`.
fn with_helper(script: &str, test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let helper = folder.path().join("docker-credential-test");
    std::fs::write(&helper, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let ended = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("registry::helpers::{test}"), "--ignored"])
        .env("PATH", path)
        .env("HELPER_FOLDER", folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && text.contains("1 passed"), "{text}");
}

fn helped(fake: &FakeRegistry) -> pinstream::registry::RegistryConfig {
    let text = serde_json::json!({"credHelpers": {fake.host(): "test"}}).to_string();
    let credentials = CredentialSources { docker_auth_config: Some(Secret::new(text)), ..CredentialSources::default() };
    pinstream::registry::RegistryConfig { credentials, ..plain(&[fake.host()]) }
}

/// Path of a file that the helper uses too.
fn shared(name: &str) -> PathBuf {
    PathBuf::from(std::env::var("HELPER_FOLDER").unwrap()).join(name)
}

#[test]
fn a_helper_runs_once_per_host() {
    let script =
        r#"read host; echo "$1 $host" >> "$HELPER_FOLDER/log"; printf '{"Username": "user", "Secret": "right"}'"#;
    with_helper(script, "child_of_a_good_helper");
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_a_good_helper() {
    let rules = TokenRules { user: Some(("user".into(), "right".into())), ..TokenRules::default() };
    for access in [Access::Basic("user".into(), "right".into()), Access::Token(rules)] {
        let fake = protected(access);
        let registry = Registry::new(helped(&fake)).unwrap();
        let asked = image(&format!("{}/acme/web:t", fake.host()));
        let found = run(join_all((0..5).map(|_| registry.digest(&asked))));
        assert!(found.iter().all(Result::is_ok), "{found:?}");
        assert_eq!(std::fs::read_to_string(shared("log")).unwrap(), format!("get {}\n", fake.host()));
        std::fs::remove_file(shared("log")).unwrap();
    }
}

#[test]
fn only_the_documented_message_means_no_credential() {
    with_helper("cat >/dev/null; echo the vault was not found; exit 1", "child_of_a_failing_helper");
}

#[test]
fn without_a_credential_from_the_helper_requests_are_anonymous() {
    with_helper("cat >/dev/null; echo credentials not found in native keychain; exit 1", "child_of_an_empty_helper");
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_an_empty_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    run(Registry::new(helped(&fake)).unwrap().digest(&image(&format!("{}/acme/web:t", fake.host())))).unwrap();
}

#[test]
fn a_failing_helper_is_named_without_its_error_output() {
    with_helper("cat >/dev/null; echo canary >&2; exit 3", "child_of_a_failing_helper");
}

#[test]
fn t22_an_answer_of_a_failing_helper_is_not_shown() {
    for output in [r#"{"Username": "x", "Secret": "canary"}"#, r#"bad answer: {"Secret": "canary"}"#, "canary"] {
        with_helper(&format!("cat >/dev/null; echo '{output}'; exit 3"), "child_of_a_failing_helper");
    }
}

#[test]
fn r08_a_failing_helper_of_a_registry_fails_its_tags_with_its_message() {
    with_helper("cat >/dev/null; echo the vault is sealed; exit 1", "child_of_a_helper_with_a_message");
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_a_helper_with_a_message() {
    let fake = protected(Access::Token(TokenRules::default()));
    let (kind, text) = failure(helped(&fake), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("`docker-credential-test` failed: the vault is sealed"), "{text}");
}

#[test]
fn r08_public_images_are_resolved_although_the_store_fails_which_is_one_warning() {
    let script = "cat >/dev/null; echo the vault is sealed; exit 1";
    with_helper(script, "child_of_a_failing_store");
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_a_failing_store() {
    let (fakes, sandbox) = ([(); 2].map(|()| protected(Access::Token(TokenRules::default()))), Sandbox::new());
    sandbox.write("../home/.docker/config.json", "{\"credsStore\": \"test\"}");
    let hosts = fakes.iter().map(|fake| format!("[registry.\"{}\"]\nplain-http = true\n", fake.host()));
    sandbox.write("pinstream.toml", &hosts.collect::<String>());
    let tags = fakes.iter().enumerate().map(|(at, fake)| format!("t{at} = \"{}/acme/web:t\"\n", fake.host()));
    sandbox.write("streams/s.toml", &format!("[tags]\n{}", tags.collect::<String>()));
    let mut command = sandbox.pinstream(&["update"]);
    command.env("PATH", std::env::var_os("PATH").unwrap());
    let ran = sandbox.finish(command);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    let warning = "`docker-credential-test` failed: the vault is sealed; continuing without its credentials";
    assert_eq!(ran.stderr.matches(warning).count(), 1, "{}", ran.stderr);
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_a_failing_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    let (kind, text) = failure(helped(&fake), &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("`docker-credential-test` failed") && !text.contains("canary"), "{text}");
}

#[test]
fn a_hanging_helper_is_killed_with_all_its_processes() {
    slow!();
    let script = r#"sleep 300 & echo $! >> "$HELPER_FOLDER/pids"; echo $$ >> "$HELPER_FOLDER/pids"; wait"#;
    with_helper(script, "child_of_a_hanging_helper");
}

#[test]
#[ignore = "runs in its own process, with a helper"]
fn child_of_a_hanging_helper() {
    let fake = protected(Access::Token(TokenRules::default()));
    let mut setup = helped(&fake);
    setup.helper_timeout = Some(Duration::from_secs(1));
    let start = Instant::now();
    let (kind, text) = failure(setup, &image(&format!("{}/acme/web:t", fake.host())));
    assert_eq!(kind, FailureKind::Unauthorized);
    assert!(text.contains("did not answer within 1 s"), "{text}");
    assert!(start.elapsed() < Duration::from_secs(4));
    let pids = std::fs::read_to_string(shared("pids")).unwrap();
    let alive = || pids.lines().any(|pid| process::stat(pid.parse().unwrap()).is_ok_and(|stat| stat.is_alive()));
    assert_eq!(pids.lines().count(), 2);
    // They were killed before the error was returned; the kernel may not be done yet.
    while alive() && start.elapsed() < Duration::from_secs(10) {
        std::thread::yield_now();
    }
    assert!(!alive(), "{pids}");
}
