//! Signed commits, from a pass to a person's clone, verified with `git verify-commit`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::stage::{Stage, TELL};
use crate::support::lane::{needs, slow};
use crate::support::remote::http::HttpBackend;

/// Passphrase of the keys, which must not occur in any output.
const PASSPHRASE: &str = "canary-of-a-passphrase";
/// Identity of the keys.
const PERSON: &str = "pinstream <pinstream@localhost>";

/// A stage whose settings require signatures of `format`, with a tag to pin; and the server of its remote.
fn stage(format: &str) -> (Stage, HttpBackend) {
    let mut stage = Stage::new(&format!("[git]\nsign = \"{format}\"\n{TELL}"));
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    (stage, server)
}

/// Runs a program in the working directory and returns its output.
#[track_caller]
fn run(stage: &Stage, program: &str, args: &[&str]) -> String {
    let mut command = stage.sandbox.command(program);
    command.args(args);
    let ran = stage.sandbox.finish(command);
    assert_eq!(ran.code, Some(0), "{program} {args:?}: {}{}", ran.stdout, ran.stderr);
    ran.stdout
}

/// Output of `git verify-commit` in a person's clone of the remote, which has `config`.
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

/// Generates an SSH key of `bits` bits and returns its file; lists it as an allowed signer.
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

/// Lands a commit over HTTP and verifies it in a person's clone.
#[track_caller]
fn signs_with_ssh(kind: &str, bits: &str, passphrase: &str, as_text: bool) {
    let (mut stage, _server) = stage("ssh");
    let path = ssh_key(&stage, kind, bits, passphrase);
    if as_text {
        // The form in which CI systems provide keys.
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
    // A later change is signed as well, with the same author.
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    verified(&stage, &with_signers(&stage));
    assert_eq!(stage.repo.git(&["log", "-1", "--format=%an <%ae>", "main"]), PERSON);
}

#[test]
fn an_ed25519_key_of_ssh_signs() {
    needs!("ssh-keygen");
    signs_with_ssh("ed25519", "256", "", true);
    signs_with_ssh("ed25519", "256", PASSPHRASE, false);
}

#[test]
fn an_ecdsa_key_of_ssh_signs() {
    needs!("ssh-keygen");
    slow!();
    for bits in ["256", "384"] {
        signs_with_ssh("ecdsa", bits, "", false);
    }
    // Half of the keys have a private number with leading zeros, which are not written.
    for passphrase in ["", PASSPHRASE].repeat(4) {
        signs_with_ssh("ecdsa", "521", passphrase, false);
    }
}

#[test]
fn an_rsa_key_of_ssh_signs() {
    needs!("ssh-keygen");
    slow!();
    signs_with_ssh("rsa", "2048", "", false);
    signs_with_ssh("rsa", "3072", PASSPHRASE, true);
}

/// GnuPG with a home of its own and a fixed time.
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

    /// Generates a key and returns its fingerprint.
    fn key(&self, stage: &Stage, passphrase: &str, kind: &str, usage: &str, expires: &str) -> String {
        self.run(stage, &[passphrase, "--quick-generate-key", PERSON, kind, usage, expires]);
        let list = self.run(stage, &["", "--with-colons", "--list-keys"]);
        let line = list.lines().rfind(|line| line.starts_with("fpr:")).unwrap();
        line.trim_matches(':').rsplit(':').next().unwrap().to_owned()
    }

    fn secret(&self, stage: &Stage, passphrase: &str) -> String {
        self.run(stage, &[passphrase, "--armor", "--export-secret-keys"])
    }

    /// Ends the agent that a run left behind.
    fn end(&self, stage: &Stage) {
        run(stage, "gpgconf", &["--kill", "gpg-agent"]);
    }
}

/// Lands a commit over HTTP with the key that `make` returns, and verifies it in a person's clone.
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
fn keys_of_gnupg_sign() {
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
fn a_subkey_signs_without_the_primary_key() {
    needs!("gpg");
    slow!();
    signs_with_openpgp(PASSPHRASE, |gnupg, stage| {
        let key = gnupg.key(stage, PASSPHRASE, "ed25519", "cert", "never");
        gnupg.run(stage, &[PASSPHRASE, "--quick-add-key", &key, "cv25519", "encr", "never"]);
        gnupg.run(stage, &[PASSPHRASE, "--quick-add-key", &key, "ed25519", "sign", "1y"]);
        gnupg.run_at(stage, "20260301T000000", &[PASSPHRASE, "--quick-add-key", &key, "ed25519", "sign", "1m"]);
        gnupg.run(stage, &[PASSPHRASE, "--armor", "--export-secret-subkeys"])
    });
}

/// Checks that a pass with these variables ends with 1 and this message, and sent nothing.
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
    // A line from the middle of a key, or the whole text if it is not a key.
    let key = variables.iter().find(|(name, value)| *name == "PINSTREAM_SIGNING_KEY" && !value.is_empty());
    assert!(key.is_none_or(|(_, key)| !said.contains(key.lines().nth(2).unwrap_or(key))), "{said}");
    let said: Vec<&str> =
        said.lines().filter(|line| line.starts_with("error: ") || line.starts_with("help: ")).collect();
    stage.sandbox.scrubbed(&said.join("\n"))
}

#[test]
fn t22_an_unusable_ssh_key_stops_a_pass_before_any_request() {
    needs!("ssh-keygen");
    let (mut stage, _server) = stage("ssh");
    let key =
        |stage: &Stage, kind, bits, passphrase| fs::read_to_string(ssh_key(stage, kind, bits, passphrase)).unwrap();
    let locked = key(&stage, "ed25519", "256", PASSPHRASE);
    let weak = key(&stage, "rsa", "1024", "");
    let public = fs::read_to_string(stage.sandbox.home().join("key.pub")).unwrap();
    let mut check = |variables: &[(&str, &str)]| refuses(&mut stage, variables);
    insta::assert_snapshot!(check(&[]), @"
    error: commits are to be signed, and there is no key
    help: set `PINSTREAM_SIGNING_KEY` to the key's text or `PINSTREAM_SIGNING_KEY_FILE` to its path, or take `sign` out of `pinstream.toml`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", ""), ("PINSTREAM_SIGNING_KEY_FILE", "no/such")]), @"
    error: the file `no/such` of `PINSTREAM_SIGNING_KEY_FILE` cannot be read: No such file or directory (os error 2)
    help: name a file that this user may read, and that holds the key alone
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", "canary"), ("PINSTREAM_SIGNING_KEY_FILE", "x")]), @"
    error: both `PINSTREAM_SIGNING_KEY` and `PINSTREAM_SIGNING_KEY_FILE` are set
    help: take one of the two away
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", "canary")]), @"
    error: `PINSTREAM_SIGNING_KEY` holds no private key in OpenSSH's form
    help: it begins with `-----BEGIN OPENSSH PRIVATE KEY-----`, as of `ssh-keygen -t ed25519`; `ssh-keygen -p -f FILE` brings an older one into that form
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &public)]), @"
    error: `PINSTREAM_SIGNING_KEY` holds no private key in OpenSSH's form
    help: it begins with `-----BEGIN OPENSSH PRIVATE KEY-----`, as of `ssh-keygen -t ed25519`; `ssh-keygen -p -f FILE` brings an older one into that form
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is locked by a passphrase
    help: set `PINSTREAM_SIGNING_PASSPHRASE` to it
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked), ("PINSTREAM_SIGNING_PASSPHRASE", "canary")]), @"
    error: `PINSTREAM_SIGNING_PASSPHRASE` does not open the key in `PINSTREAM_SIGNING_KEY`
    help: set it to the passphrase of that key
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &weak)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` cannot be used: an RSA key of 1024 bits is too weak
    help: use one of at least 2048 bits, or an Ed25519 key
    ");
}

#[test]
fn t22_an_unusable_openpgp_key_stops_a_pass_before_any_request() {
    needs!("gpg");
    slow!();
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
    error: `PINSTREAM_SIGNING_KEY` holds no armored OpenPGP private key
    help: it begins with `-----BEGIN PGP PRIVATE KEY BLOCK-----`, as of `gpg --armor --export-secret-keys`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &public)]), @"
    error: `PINSTREAM_SIGNING_KEY` holds no armored OpenPGP private key
    help: it begins with `-----BEGIN PGP PRIVATE KEY BLOCK-----`, as of `gpg --armor --export-secret-keys`
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` is locked by a passphrase
    help: set `PINSTREAM_SIGNING_PASSPHRASE` to it
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &locked), ("PINSTREAM_SIGNING_PASSPHRASE", "canary")]), @"
    error: `PINSTREAM_SIGNING_PASSPHRASE` does not open the key in `PINSTREAM_SIGNING_KEY`
    help: set it to the passphrase of that key
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &weak)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` cannot be used: an RSA key of 1024 bits is too weak
    help: use one of at least 2048 bits, or an Ed25519 key
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &over)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` cannot be used: it has expired
    help: extend it, as with `gpg --quick-set-expire`, and export it anew
    ");
    insta::assert_snapshot!(check(&[("PINSTREAM_SIGNING_KEY", &other)]), @"
    error: the key in `PINSTREAM_SIGNING_KEY` cannot be used: none of its parts may sign and is there with its secret
    help: export a key with a part for signing that is neither revoked nor expired, nor on a card
    ");
}

#[test]
fn writing_to_the_work_tree_needs_no_key() {
    let (stage, _server) = stage("ssh");
    run(&stage, "git", &["clone", "--quiet", &stage.remote, "clone"]);
    for command in ["check", "plan", "update"] {
        let ran = stage.sandbox.run(&["-C", "clone", command]);
        assert!(!ran.stderr.contains("PINSTREAM_SIGNING"), "{command}: {}", ran.stderr);
    }
    assert!(fs::read_to_string(stage.sandbox.work().join("clone/pinstream.lock")).unwrap().contains("web"));
}
