//! Signed commits, from a pass to a person's clone, verified with `git verify-commit`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::stage::{Stage, TELL};
use crate::support::lane::{needs, slow};
use crate::support::remote::http::HttpBackend;

/// The passphrase of the keys of these tests; nothing may print it.
const PASSPHRASE: &str = "canary-of-a-passphrase";
/// The owner of the keys.
const PERSON: &str = "pinstream <pinstream@localhost>";

/// Returns a stage whose settings require signatures of `format`, with a tag to pin, and the server of its remote.
fn stage(format: &str) -> (Stage, HttpBackend) {
    let mut stage = Stage::new(&format!("[git]\nsign = \"{format}\"\n{TELL}"));
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    (stage, server)
}

/// Runs a program in the stage's work directory and returns its output.
#[track_caller]
fn run(stage: &Stage, program: &str, args: &[&str]) -> String {
    let mut command = stage.sandbox.command(program);
    command.args(args);
    let ran = stage.sandbox.finish(command);
    assert_eq!(ran.code, Some(0), "{program} {args:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Clones the remote as a person would, applies `config`, and returns the output of `git verify-commit`.
#[track_caller]
fn verified(stage: &Stage, config: &[String]) -> String {
    let folder = stage.sandbox.work().join("clone");
    let _ = fs::remove_dir_all(&folder);
    run(stage, "git", &["clone", "--quiet", &stage.remote, "clone"]);
    for setting in config {
        let (key, value) = setting.split_once('=').unwrap();
        run(stage, "git", &["-C", "clone", "config", key, value]);
    }
    run(stage, "git", &["-C", "clone", "fsck", "--strict", "--no-dangling"]);
    let mut command = stage.sandbox.command("git");
    command.args(["-C", "clone", "verify-commit", "HEAD"]);
    let ran = stage.sandbox.finish(command);
    assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
    format!("{}{}", ran.stdout, ran.stderr)
}

/// Creates an SSH key and a file of allowed signers beside it, and returns the key's path.
fn ssh_key(stage: &Stage, kind: &str, bits: &str, passphrase: &str) -> PathBuf {
    let path = stage.sandbox.home().join("key");
    let file = path.display().to_string();
    let _ = fs::remove_file(&path);
    run(stage, "ssh-keygen", &["-q", "-t", kind, "-b", bits, "-N", passphrase, "-C", "", "-f", &file]);
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    fs::write(stage.sandbox.home().join("signers"), format!("pinstream@localhost namespaces=\"git\" {public}"))
        .unwrap();
    path
}

fn with_signers(stage: &Stage) -> Vec<String> {
    let signers = stage.sandbox.home().join("signers").display().to_string();
    vec!["gpg.format=ssh".to_owned(), format!("gpg.ssh.allowedSignersFile={signers}")]
}

/// Checks that a pass lands a commit over HTTP that a person's clone verifies.
#[track_caller]
fn signs_with_ssh(kind: &str, bits: &str, passphrase: &str, as_text: bool) {
    let (mut stage, _server) = stage("ssh");
    let path = ssh_key(&stage, kind, bits, passphrase);
    if as_text {
        // CI systems convert line breaks.
        stage.sandbox.env("PINSTREAM_SIGNING_KEY", fs::read_to_string(&path).unwrap().trim_end().replace('\n', "\r\n"));
    } else {
        stage.sandbox.env("PINSTREAM_SIGNING_KEY_FILE", path.display().to_string());
    }
    if !passphrase.is_empty() {
        stage.sandbox.env("PINSTREAM_SIGNING_PASSPHRASE", passphrase);
    }
    stage.ends(0, &[]);
    let said = verified(&stage, &with_signers(&stage));
    assert!(said.starts_with("Good \"git\" signature for pinstream@localhost with "), "{said}");
    // A later change is signed too.
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    verified(&stage, &with_signers(&stage));
    assert_eq!(stage.repo.git(&["log", "-1", "--format=%an <%ae>", "main"]), PERSON);
}

#[test]
fn an_ed25519_ssh_key_signs() {
    slow!();
    needs!("ssh-keygen");
    signs_with_ssh("ed25519", "256", "", true);
    signs_with_ssh("ed25519", "256", PASSPHRASE, false);
}

#[test]
fn an_ecdsa_ssh_key_signs() {
    needs!("ssh-keygen");
    slow!();
    for bits in ["256", "384"] {
        signs_with_ssh("ecdsa", bits, "", false);
    }
    for passphrase in ["", PASSPHRASE] {
        signs_with_ssh("ecdsa", "521", passphrase, false);
    }
}

#[test]
fn an_rsa_ssh_key_signs() {
    needs!("ssh-keygen");
    slow!();
    signs_with_ssh("rsa", "2048", "", false);
    signs_with_ssh("rsa", "3072", PASSPHRASE, true);
}

/// GnuPG with its own home directory and a fixed clock.
struct Gnupg {
    program: String,
}

impl Gnupg {
    fn new(stage: &mut Stage) -> Self {
        let home = stage.sandbox.home().join("gnupg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        stage.sandbox.env("GNUPGHOME", home.display().to_string());
        let program = stage.sandbox.home().join("gpg");
        fs::write(&program, "#!/bin/sh\nexec gpg --batch --faked-system-time \"${AT:-20261124T130000}\" \"$@\"\n")
            .unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self { program: program.display().to_string() }
    }

    #[track_caller]
    fn run(&self, stage: &Stage, args: &[&str]) -> String {
        self.run_at(stage, "20260101T000000", args)
    }

    #[track_caller]
    fn run_at(&self, stage: &Stage, at: &str, args: &[&str]) -> String {
        let mut command = stage.sandbox.command(&self.program);
        command.env("AT", at).args(["--quiet", "--pinentry-mode", "loopback", "--passphrase"]).args(args);
        let ran = stage.sandbox.finish(command);
        assert_eq!(ran.code, Some(0), "{args:?}: {}{}", ran.stdout, ran.stderr);
        ran.stdout
    }

    /// Creates a key and returns its fingerprint.
    fn key(&self, stage: &Stage, passphrase: &str, kind: &str, usage: &str, expires: &str) -> String {
        self.run(stage, &[passphrase, "--quick-generate-key", PERSON, kind, usage, expires]);
        let list = self.run(stage, &["", "--with-colons", "--list-keys"]);
        let line = list.lines().rfind(|line| line.starts_with("fpr:")).unwrap();
        line.trim_matches(':').rsplit(':').next().unwrap().to_owned()
    }

    fn secret(&self, stage: &Stage, passphrase: &str) -> String {
        self.run(stage, &[passphrase, "--armor", "--export-secret-keys"])
    }

    /// Ends the agent that it started.
    fn end(&self, stage: &Stage) {
        run(stage, "gpgconf", &["--kill", "gpg-agent"]);
    }
}

/// Checks that a pass lands a commit over HTTP, signed with the key that `make` exports, that a person's clone verifies.
#[track_caller]
fn signs_with_openpgp(passphrase: &str, make: impl Fn(&Gnupg, &Stage) -> String) {
    let (mut stage, _server) = stage("openpgp");
    let gnupg = Gnupg::new(&mut stage);
    let key = make(&gnupg, &stage);
    stage.sandbox.env("PINSTREAM_SIGNING_KEY", key);
    if !passphrase.is_empty() {
        stage.sandbox.env("PINSTREAM_SIGNING_PASSPHRASE", passphrase);
    }
    stage.ends(0, &[]);
    let config = [format!("gpg.program={}", gnupg.program)];
    let said = verified(&stage, &config);
    gnupg.end(&stage);
    assert!(said.contains("gpg: Good signature from \"pinstream <pinstream@localhost>\""), "{said}");
    assert!(said.contains("gpg: Signature made Tue Nov 24 12:00:00 2026"), "{said}");
}

#[test]
fn an_exported_openpgp_key_signs() {
    needs!("gpg");
    slow!();
    signs_with_openpgp("", |gnupg, stage| {
        gnupg.key(stage, "", "ed25519", "sign", "never");
        gnupg.secret(stage, "")
    });
    signs_with_openpgp(PASSPHRASE, |gnupg, stage| {
        gnupg.key(stage, PASSPHRASE, "rsa3072", "sign", "2y");
        gnupg.secret(stage, PASSPHRASE)
    });
    signs_with_openpgp("", |gnupg, stage| {
        gnupg.key(stage, "", "nistp256", "sign", "never");
        gnupg.secret(stage, "")
    });
}

#[test]
fn a_subkey_signs_without_its_primary_key() {
    slow!();
    needs!("gpg");
    signs_with_openpgp(PASSPHRASE, |gnupg, stage| {
        let key = gnupg.key(stage, PASSPHRASE, "ed25519", "cert", "never");
        gnupg.run(stage, &[PASSPHRASE, "--quick-add-key", &key, "cv25519", "encr", "never"]);
        gnupg.run(stage, &[PASSPHRASE, "--quick-add-key", &key, "ed25519", "sign", "1y"]);
        gnupg.run_at(stage, "20260301T000000", &[PASSPHRASE, "--quick-add-key", &key, "ed25519", "sign", "1m"]);
        gnupg.run(stage, &[PASSPHRASE, "--armor", "--export-secret-subkeys"])
    });
}

/// Checks that a pass with these variables exits with 1 and sends nothing; returns its error and help.
#[track_caller]
fn refuses(stage: &mut Stage, variables: &[(&str, &str)]) -> String {
    let before = stage.repo.git(&["for-each-ref"]);
    let mut command = stage.command(&["-vv"]);
    command.envs(variables.iter().copied());
    let ran = stage.sandbox.finish(command);
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert_eq!(ran.code, Some(1), "{said}");
    assert_eq!(stage.repo.git(&["for-each-ref"]), before);
    assert!(!said.contains("canary"), "{said}");
    // A line from the middle of the key, or all of a text that is not a key.
    let key = variables.iter().find(|(name, value)| *name == "PINSTREAM_SIGNING_KEY" && !value.is_empty());
    assert!(key.is_none_or(|(_, key)| !said.contains(key.lines().nth(2).unwrap_or(key))), "{said}");
    let said: Vec<&str> =
        said.lines().filter(|line| line.starts_with("error: ") || line.starts_with("help: ")).collect();
    stage.sandbox.scrubbed(&said.join("\n"))
}

#[test]
fn t22_an_unusable_ssh_key_stops_a_pass_before_anything_is_sent() {
    needs!("ssh-keygen");
    let (mut stage, _server) = stage("ssh");
    let key =
        |stage: &Stage, kind, bits, passphrase| fs::read_to_string(ssh_key(stage, kind, bits, passphrase)).unwrap();
    let locked = key(&stage, "ed25519", "256", PASSPHRASE);
    let public = fs::read_to_string(stage.sandbox.home().join("key.pub")).unwrap();
    let weak = key(&stage, "rsa", "1024", "");
    let mut check = |variables: &[(&str, &str)]| refuses(&mut stage, variables);
    insta::assert_snapshot!(check(&[]), @"
    error: no key to sign commits with
    help: set `PINSTREAM_SIGNING_KEY` (the key's text), `PINSTREAM_SIGNING_KEY_FILE` (its path) or git's `user.signingKey`, or remove `sign` from `pinstream.toml`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", ""), ("PINSTREAM_SIGNING_KEY_FILE", "no/such")]), @"
    error: cannot read the signing key in file `no/such` (`PINSTREAM_SIGNING_KEY_FILE`): No such file or directory (os error 2)
    help: set `PINSTREAM_SIGNING_KEY_FILE` to a key that this user can read
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", "canary"), ("PINSTREAM_SIGNING_KEY_FILE", "x")]), @"
    error: `PINSTREAM_SIGNING_KEY` and `PINSTREAM_SIGNING_KEY_FILE` are both set
    help: unset one of them
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", "canary")]), @"
    error: `PINSTREAM_SIGNING_KEY` does not contain an SSH private key
    help: it starts with `-----BEGIN OPENSSH PRIVATE KEY-----`; create one with `ssh-keygen -t ed25519`, or convert an older one with `ssh-keygen -p -f FILE`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &public)]), @"
    error: the SSH agent cannot sign with the public key in `PINSTREAM_SIGNING_KEY`
    help: run `ssh-add` for that key, and check that `SSH_AUTH_SOCK` is set
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is protected by a passphrase
    help: set `PINSTREAM_SIGNING_PASSPHRASE` to it
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked), ("PINSTREAM_SIGNING_PASSPHRASE", "canary")]), @"
    error: `PINSTREAM_SIGNING_PASSPHRASE` is not the passphrase of the key in `PINSTREAM_SIGNING_KEY`
    help: set it to the passphrase of that key
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &weak)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is too weak: RSA with 1024 bits
    help: use an Ed25519 key, or RSA with at least 2048 bits
    ");
}

#[test]
fn t22_an_unusable_openpgp_key_stops_a_pass_before_anything_is_sent() {
    slow!();
    needs!("gpg");
    let (mut stage, _server) = stage("openpgp");
    let made = |stage: &mut Stage, passphrase: &str, kind: &str, usage: &str, expires: &str| {
        let gnupg = Gnupg::new(stage);
        gnupg.key(stage, passphrase, kind, usage, expires);
        let key = gnupg.secret(stage, passphrase);
        let public = gnupg.run(stage, &["", "--armor", "--export"]);
        gnupg.end(stage);
        fs::remove_dir_all(stage.sandbox.home().join("gnupg")).unwrap();
        (key, public)
    };
    let (locked, public) = made(&mut stage, PASSPHRASE, "ed25519", "sign", "never");
    let (weak, _) = made(&mut stage, "", "rsa1024", "sign", "never");
    let (over, _) = made(&mut stage, "", "ed25519", "sign", "30d");
    let (other, _) = made(&mut stage, "", "ed25519", "cert", "never");
    let mut check = |variables: &[(&str, &str)]| refuses(&mut stage, variables);
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", "canary")]), @"
    error: `PINSTREAM_SIGNING_KEY` does not contain an armored OpenPGP private key
    help: it starts with `-----BEGIN PGP PRIVATE KEY BLOCK-----`; print it with `gpg --armor --export-secret-keys`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &public)]), @"
    error: `PINSTREAM_SIGNING_KEY` does not contain an armored OpenPGP private key
    help: it starts with `-----BEGIN PGP PRIVATE KEY BLOCK-----`; print it with `gpg --armor --export-secret-keys`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is protected by a passphrase
    help: set `PINSTREAM_SIGNING_PASSPHRASE` to it
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked), ("PINSTREAM_SIGNING_PASSPHRASE", "canary")]), @"
    error: `PINSTREAM_SIGNING_PASSPHRASE` is not the passphrase of the key in `PINSTREAM_SIGNING_KEY`
    help: set it to the passphrase of that key
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &weak)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is too weak: RSA with 1024 bits
    help: use an Ed25519 key, or RSA with at least 2048 bits
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &over)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` has expired
    help: extend it with `gpg --quick-set-expire`, and export it again
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &other)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` cannot sign: it has no usable signing key
    help: export a key with a signing subkey that is not revoked, expired or on a smart card
    ");
}

#[test]
fn a_command_that_writes_the_work_tree_needs_no_key() {
    let (stage, _server) = stage("ssh");
    run(&stage, "git", &["clone", "--quiet", &stage.remote, "clone"]);
    for command in ["check", "plan", "update"] {
        let ran = stage.sandbox.run(&["-C", "clone", command]);
        assert!(!ran.stderr.contains("PINSTREAM_SIGNING"), "{command}: {}", ran.stderr);
    }
    assert!(fs::read_to_string(stage.sandbox.work().join("clone/pinstream.lock")).unwrap().contains("web"));
}

/// Checks that a pass signs with the key of the user's git configuration, and leaves nothing in the temporary directory.
#[track_caller]
fn signs_as_configured(stage: &mut Stage, config: &[(&str, &str)], clone: &[String]) {
    for (name, value) in config {
        run(stage, "git", &["config", "--global", name, value]);
    }
    let temporary = stage.sandbox.home().join("tmp");
    fs::create_dir_all(&temporary).unwrap();
    stage.sandbox.env("TMPDIR", temporary.display().to_string());
    stage.ends(0, &[]);
    assert!(verified(stage, clone).contains("Good "));
    let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("pinstream-sign-")), "{left:?}");
}

#[test]
fn the_ssh_key_of_the_user_s_git_configuration_signs() {
    slow!();
    needs!("ssh-keygen");
    let (mut stage, _server) = stage("ssh");
    let path = ssh_key(&stage, "ed25519", "256", PASSPHRASE).display().to_string();
    stage.sandbox.env("PINSTREAM_SIGNING_PASSPHRASE", PASSPHRASE);
    let clone = with_signers(&stage);
    signs_as_configured(&mut stage, &[("gpg.format", "ssh"), ("user.signingkey", &path)], &clone);
}

#[test]
fn a_key_in_an_ssh_agent_signs() {
    needs!("ssh-keygen");
    let (mut stage, _server) = stage("ssh");
    let path = ssh_key(&stage, "ed25519", "256", "");
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    let socket = stage.sandbox.home().join("agent").display().to_string();
    let started = run(&stage, "ssh-agent", &["-a", &socket]);
    let pid = started.split("SSH_AGENT_PID=").nth(1).unwrap().split(';').next().unwrap().to_owned();
    stage.sandbox.env("SSH_AUTH_SOCK", socket);
    run(&stage, "ssh-add", &["-q", path.to_str().unwrap()]);
    fs::remove_file(&path).unwrap();
    let clone = with_signers(&stage);
    let key = format!("key::{}", public.trim());
    signs_as_configured(&mut stage, &[("gpg.format", "ssh"), ("user.signingkey", &key)], &clone);
    run(&stage, "kill", &[&pid]);
}

#[test]
fn the_openpgp_key_of_the_user_s_key_ring_signs() {
    slow!();
    needs!("gpg");
    let (mut stage, _server) = stage("openpgp");
    let gnupg = Gnupg::new(&mut stage);
    let key = gnupg.key(&stage, PASSPHRASE, "ed25519", "sign", "never");
    stage.sandbox.env("PINSTREAM_SIGNING_PASSPHRASE", PASSPHRASE);
    let clone = [format!("gpg.program={}", gnupg.program)];
    signs_as_configured(&mut stage, &[("user.signingkey", &key)], &clone);
    gnupg.end(&stage);
}

#[test]
fn a_configured_key_or_program_that_does_not_fit_is_named() {
    needs!("ssh-keygen");
    let (mut stage, _server) = stage("ssh");
    let path = ssh_key(&stage, "ed25519", "256", "").display().to_string();
    run(&stage, "git", &["config", "--global", "user.signingkey", &path]);
    insta::assert_snapshot!(refuses(&mut stage, &[]), @r#"
    error: git's `user.signingKey` is not a key for `sign = "ssh"`: `gpg.format` is `openpgp`
    help: if it is such a key, set git's `gpg.format` to `ssh`; otherwise set `PINSTREAM_SIGNING_KEY`
    "#);
    run(&stage, "git", &["config", "--global", "gpg.format", "ssh"]);
    run(&stage, "git", &["config", "--global", "gpg.ssh.program", "no-such-program"]);
    insta::assert_snapshot!(refuses(&mut stage, &[]), @"
    error: cannot sign commits: `no-such-program` is not installed
    help: install it, or set git's `gpg.ssh.program` to its path
    ");
    run(&stage, "git", &["config", "--global", "--unset", "gpg.ssh.program"]);
    run(&stage, "git", &["config", "--global", "user.signingkey", "~/no-such-key"]);
    insta::assert_snapshot!(refuses(&mut stage, &[]), @"
    error: cannot sign commits: `ssh-keygen` failed: Couldn't load public key [SANDBOX]/home/no-such-key: No such file or directory
    help: check that `git commit -S` works for this user with the same key
    ");
}
