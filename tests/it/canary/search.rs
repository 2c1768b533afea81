//! The search for the secret finds leaks.

use std::panic::catch_unwind;

use crate::support::canary::{CANARY, IN_ADDRESS, absent, decoded, is_in};
use crate::support::encoding::base64;
use crate::support::remote::BareRepo;
use crate::support::sandbox::Sandbox;

#[test]
fn t22_the_search_finds_each_encoding_of_the_secret() {
    let hex = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    for found in [
        CANARY.to_owned(),
        format!("x{CANARY}y"),
        CANARY[..20].to_owned(),
        CANARY[8..].to_owned(),
        IN_ADDRESS.to_owned(),
        IN_ADDRESS.to_lowercase().replace("canary", "Canary"),
        IN_ADDRESS.replace('%', "%25"),
        hex(CANARY),
        base64(CANARY),
        base64(format!("u:{CANARY}")),
        base64(format!("me:{CANARY}")),
        base64(format!("you:{CANARY}:and more")),
        base64(format!("u:{CANARY}")).replace('+', "-").replace('/', "_"),
        hex(&base64(format!("u:{CANARY}"))),
    ] {
        assert!(is_in(&found), "{found}");
        assert!(catch_unwind(|| absent("a test", found.as_bytes())).is_err());
    }
    let mixed = base64(format!("u:{CANARY}"));
    assert!(mixed.contains('+') && mixed.contains('/'), "the alphabets do not differ: {mixed}");
    for absent in ["", "Canary", "%", "%2", "%zz", "100 %", "%25%25", &base64("you: and nobody else")] {
        assert!(!is_in(absent), "{absent}");
    }
    assert_eq!(decoded(IN_ADDRESS), CANARY);
}

/// Reports whether the search catches a program that behaves like `act`, at once or when the sandbox is dropped.
fn is_found(act: impl Fn(&Sandbox) + std::panic::RefUnwindSafe) -> bool {
    catch_unwind(|| {
        let sandbox = Sandbox::new();
        act(&sandbox);
    })
    .is_err()
}

/// Runs a shell in place of the program.
fn shell(sandbox: &Sandbox, script: &str) {
    let mut command = sandbox.as_program("/bin/sh");
    sandbox.finish({
        command.args(["-c", script]);
        command
    });
}

#[test]
fn t22_the_search_catches_a_program_that_leaks() {
    for (script, leaks) in [
        ("echo $GITHUB_TOKEN", true),
        ("echo $PINSTREAM_GIT_TOKEN >&2", true),
        ("printf %s \"$PINSTREAM_GIT_TOKEN\" | base64", true),
        ("cat ~/.docker/config.json", true),
        ("sh -c : $GITLAB_TOKEN", true),
        ("git --version $DEPLOY_TOKEN", true),
        ("mkdir -p ~/.cache/pinstream/a && echo $GH_TOKEN > ~/.cache/pinstream/a/b", true),
        ("mkdir -p ~/.local/state/pinstream && echo $GH_TOKEN > ~/.local/state/pinstream/b", true),
        ("echo $GH_TOKEN > pinstream.lock", true),
        ("echo nothing; echo of it >&2; sh -c : x; echo y > z", false),
    ] {
        assert_eq!(is_found(|sandbox| shell(sandbox, script)), leaks, "{script}");
    }
}

#[test]
fn t22_the_search_catches_a_secret_pushed_to_a_remote() {
    let is_found = |text: &str| catch_unwind(|| drop(BareRepo::with(&[("a/b", text)]))).is_err();
    assert!(is_found(&format!("x = \"{CANARY}\"\n")));
    assert!(!is_found("x\n"));
    // A commit that no branch contains any more was pushed nevertheless.
    let is_found = catch_unwind(|| {
        let repo = BareRepo::with(&[("a", "b")]);
        repo.commit_as("gone", CANARY, &[], &[]);
        repo.git(&["update-ref", "-d", "refs/heads/gone"]);
    });
    assert!(is_found.is_err());
}
