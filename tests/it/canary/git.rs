//! Passwords of Git remotes: in URLs, from the environment, from helpers; correct and wrong ones.

use super::{TALK, talk};
use crate::reconcile::stage::{Stage, TELL};
use crate::support::canary::{CANARY, IN_ADDRESS};
use crate::support::lane::{needs, slow};
use crate::support::remote::http::{Fault, HttpBackend};
use crate::support::sandbox::Sandbox;

fn stage() -> Stage {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage
}

/// URL of `server` with the secret as password.
fn with_user(server: &HttpBackend) -> String {
    server.url().replace("://", &format!("://someone:{IN_ADDRESS}@"))
}

#[test]
fn t22_a_correct_password_in_a_url_is_not_shown() {
    let mut stage = stage();
    stage.sandbox.env("PINSTREAM_GIT_TOKEN", "");
    let server = HttpBackend::with_password(stage.repo.base(), "someone", CANARY);
    stage.remote = with_user(&server);
    talk(&stage, 0);
    let told = stage.events();
    assert_eq!(told[0]["remote"], server.url());
}

#[test]
fn t22_a_wrong_password_in_a_url_is_not_shown() {
    slow!();
    let mut stage = stage();
    let server = HttpBackend::with_password(stage.repo.base(), "someone", "another");
    stage.remote = with_user(&server);
    let said = talk(&stage, 1);
    assert!(said.contains("the password of the address"), "{said}");
    // A read has three attempts after a 500.
    let redirect = Fault::Redirect(server.port());
    for (fault, times) in [(Fault::Status(403), 1), (Fault::Status(500), 3), (redirect, 1), (Fault::LosePush, 1)] {
        for args in TALK {
            (0..times).for_each(|_| server.fail_once(fault));
            assert_eq!(stage.pass(args).code, Some(1), "{fault:?}");
        }
    }
    drop(server);
    for args in TALK {
        assert!([1, 5].contains(&stage.pass(args).code.unwrap()));
    }
}

#[test]
fn t22_an_invalid_url_is_shown_without_its_password() {
    let mut stage = stage();
    for remote in [
        format!("http://someone:{IN_ADDRESS}@127.0.0.1:port/repo.git"),
        format!("http://someone:{CANARY}@127.0.0.1:9/repo.git"),
        format!("ftp://someone:{IN_ADDRESS}@127.0.0.1:9/repo.git"),
        format!("ssh://someone:{IN_ADDRESS}@127.0.0.1:9/repo.git"),
        format!("someone:{IN_ADDRESS}@127.0.0.1:repo.git"),
        format!("http://{IN_ADDRESS}@127.0.0.1:9/repo.git"),
        format!("http://someone:{IN_ADDRESS}@[::1/repo.git"),
        format!("http://127.0.0.1:9/repo.git?token={IN_ADDRESS}"),
        format!("//someone:{IN_ADDRESS}@127.0.0.1/repo.git"),
    ] {
        stage.remote = remote;
        for args in TALK {
            let code = stage.pass(args).code;
            assert!(code.is_some_and(|code| [1, 4, 5, 64].contains(&code)), "{} {args:?}: {code:?}", stage.remote);
        }
    }
}

#[test]
fn t22_the_password_of_a_checkouts_remote_is_not_shown() {
    let mut stage = stage();
    stage.sandbox.env("PINSTREAM_GIT_TOKEN", "");
    let server = HttpBackend::with_password(stage.repo.base(), "someone", CANARY);
    stage.sandbox.git(&["clone", "--quiet", &with_user(&server), "clone"]);
    let run = |args: &[&str]| {
        let mut command = stage.sandbox.pinstream(args);
        command.current_dir(stage.sandbox.work().join("clone"));
        stage.sandbox.finish(command)
    };
    for args in [
        &["reconcile", "-v"][..],
        &["reconcile", "--format", "json"],
        &["plan", "-vv"],
        &["update", "-vv"],
        &["check", "--format", "json"],
        &["reconcile", "--format", "github"],
        &["check", "--upstream", "--format", "sarif"],
        &["check", "--upstream", "-vv"],
        &["check", "--base", "main", "-vv"],
        &["list", "-vv"],
        &["list", "--format", "json"],
        &["describe", "-vv"],
        &["history", "web:1", "-vv"],
        &["history", "web:1", "--format", "json"],
        &["init", "-vv"],
        &["rollback", "web:1", "--reason", "x", "-vv"],
    ] {
        run(args);
    }
    // The output does name the remote, so the absence of the secret means something.
    let ran = run(&["reconcile", "--format", "json"]);
    assert!(ran.stdout.contains(&server.url()), "{}{}", ran.stdout, ran.stderr);
}

#[test]
fn t22_a_password_in_the_settings_is_an_error_that_does_not_quote_it() {
    let sandbox = Sandbox::new();
    let (settings, stream) = (
        format!("[remote.platform]\nurl = \"https://someone:{IN_ADDRESS}@git.example/x.git\"\n"),
        "[tags]\na = { follow = \"platform//b:c\" }\n",
    );
    for settings in [settings.clone(), settings.replace("https://", "htps://"), format!("{settings}x y")] {
        let root = sandbox.home().join("root");
        std::fs::create_dir_all(root.join("streams")).unwrap();
        std::fs::write(root.join("streams/a.toml"), stream).unwrap();
        std::fs::write(root.join("pinstream.toml"), &settings).unwrap();
        for command in [&["check"][..], &["check", "--format", "github"], &["plan", "-vv"], &["list"]] {
            let mut command = sandbox.pinstream(command);
            command.current_dir(&root);
            let ran = sandbox.finish(command);
            assert_eq!(ran.code, Some(1), "{}{}", ran.stdout, ran.stderr);
        }
    }
}

#[test]
fn t22_a_rejected_token_is_not_shown() {
    let mut stage = stage();
    let server = HttpBackend::with_password(stage.repo.base(), "someone", "another");
    stage.remote = server.url();
    std::fs::write(stage.sandbox.home().join("login"), format!("username=me\npassword={CANARY}\n")).unwrap();
    for helper in ["cat $HOME/login", "cat $HOME/login >&2", "cat $HOME/login; exit 1", "sed s/=/-/ $HOME/login"] {
        let config = format!("[credential]\nhelper = \"!f() {{ {helper}; }}; f\"\n");
        std::fs::write(stage.sandbox.home().join(".gitconfig"), config).unwrap();
        let said = talk(&stage, 1);
        assert!(said.contains("`PINSTREAM_GIT_TOKEN`"), "{said}");
    }
}

#[test]
fn t22_a_wrong_passphrase_is_not_shown() {
    slow!();
    needs!("sshd", "ssh-keygen");
    let mut stage = stage();
    let server = crate::support::remote::ssh::Sshd::start(stage.repo.base(), &stage.sandbox.home());
    stage.remote = server.url();
    let key = stage.sandbox.home().join("locked");
    let mut make = stage.sandbox.command("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "another", "-f"]).arg(&key);
    assert_eq!(stage.sandbox.finish(make).code, Some(0));
    stage.sandbox.env("PINSTREAM_GIT_SSH_KEY", key.to_str().unwrap());
    stage.sandbox.env("PINSTREAM_GIT_SSH_PASSPHRASE", CANARY);
    talk(&stage, 1);
}

#[test]
fn t22_a_password_in_the_message_of_a_refused_push_is_redacted() {
    let mut stage = stage();
    let server = HttpBackend::with_password(stage.repo.base(), "x-access-token", CANARY);
    stage.remote = server.url();
    // The server hook has the token and prints it to the client.
    stage.repo.hook("pre-receive", &format!("echo 'denied for x-access-token:{CANARY}' >&2; exit 1"));
    for args in TALK {
        assert!([1, 5].contains(&stage.pass(args).code.unwrap()));
    }
}
