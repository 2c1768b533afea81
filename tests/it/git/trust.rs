//! Trust: host keys, certificates, keys and agents. Tests that need their own home directory run in their own process,
//! because libgit2 reads the home directory once.

use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pinstream::git::GitError;
use pinstream::http::Secret;

use super::Machine;
use super::story::{repository, tell};
use crate::support::lane::{needs, slow};
use crate::support::registry::tls::Identity;
use crate::support::remote::http::HttpBackend;
use crate::support::remote::ssh::Sshd;
use crate::support::remote::{bare_environment, run};
use crate::support::signing_key::SigningKey;

/// The variable that marks a process with its own home directory.
const INSIDE: &str = "PINSTREAM_TEST_INSIDE";

/// Runs the test `name` of this binary in a process with its own home directory.
fn in_a_home(name: &str) {
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", &format!("git::trust::{name}"), "--ignored", "--nocapture"])
        .env_clear()
        .envs(bare_environment(home.path()))
        .env("SSH_AUTH_SOCK", home.path().join("agent"))
        .env("HELPER_TOKEN", "token")
        .env("GIT_SSH_COMMAND", Sshd::command(home.path()))
        .env(INSIDE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("1 passed"), "{said}");
}

/// Returns the home directory of such a process.
fn home() -> Option<PathBuf> {
    std::env::var_os(INSIDE)?;
    std::env::var_os("HOME").map(PathBuf::from)
}

fn with_key(server: &Sshd, name: &str) -> Machine {
    let mut machine = Machine::new(server.url());
    machine.credentials.ssh_key = Some(server.file(name));
    machine
}

#[test]
fn ssh_with_a_key_file_is_a_remote() {
    slow!();
    needs!("sshd", "ssh-keygen");
    in_a_home("inside_ssh_with_a_key_file");
}

#[test]
#[ignore = "run by `ssh_with_a_key_file_is_a_remote`"]
fn inside_ssh_with_a_key_file() {
    let Some(home) = home() else { return };
    let repo = repository();
    let server = Sshd::start(repo.base(), &home);
    tell(&repo, &with_key(&server, "user"));

    // A key with the right and a wrong passphrase; a key that is not authorized.
    let mut machine = with_key(&server, "locked");
    machine.credentials.ssh_passphrase = Some(Secret::new("open sesame".to_owned()));
    machine.open().fetch_tips(None).unwrap();
    machine.credentials.ssh_passphrase = Some(Secret::new("open barley".to_owned()));
    for machine in [machine, with_key(&server, "stranger"), with_key(&server, "missing")] {
        let error = machine.open().fetch_tips(None).unwrap_err();
        let GitError::Unauthorized { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains("PINSTREAM_GIT_SSH_KEY") && !reason.contains("barley"), "{reason}");
    }
}

#[test]
fn ssh_with_an_agent_is_a_remote() {
    slow!();
    needs!("sshd", "ssh-keygen", "ssh-agent");
    in_a_home("inside_ssh_with_an_agent");
}

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "run by `ssh_with_an_agent_is_a_remote`"]
fn inside_ssh_with_an_agent() {
    let Some(home) = home() else { return };
    let repo = repository();
    let server = Sshd::start(repo.base(), &home);
    let socket = home.join("agent");
    let _agent =
        Agent(Command::new("ssh-agent").arg("-D").arg("-a").arg(&socket).stdout(Stdio::null()).spawn().unwrap());
    let begin = Instant::now();
    while !socket.exists() {
        assert!(begin.elapsed() < Duration::from_secs(20), "no agent");
        std::thread::sleep(Duration::from_millis(5));
    }
    run(Command::new("ssh-add").arg("-q").arg(server.file("user")), b"");
    let machine = Machine::new(server.url());
    tell(&repo, &machine);
    run(Command::new("ssh-add").args(["-q", "-D"]), b"");
    let error = machine.open().fetch_tips(None).unwrap_err();
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error}");
}

#[test]
fn a_credential_helper_runs_once_and_within_a_time_limit() {
    in_a_home("inside_credential_helper");
}

#[test]
#[ignore = "run by `a_credential_helper_runs_once_and_within_a_time_limit`"]
fn inside_credential_helper() {
    let Some(home) = home() else { return };
    let repo = repository();
    let server = HttpBackend::with_password(repo.base(), "someone", "token");
    let helper = |script: &str| {
        let text = format!("[credential]\n\thelper = \"!f() {{ {script}; }}; f\"\n");
        std::fs::write(home.join(".gitconfig"), text).unwrap();
    };
    helper("echo username=someone; echo password=$HELPER_TOKEN");
    tell(&repo, &Machine::new(server.url()));
    server.take_requests();

    helper("echo username=someone; echo password=wrong");
    let error = Machine::new(server.url()).open().fetch_tips(None).unwrap_err();
    let GitError::Unauthorized { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("credential helper") && !reason.contains("wrong"), "{reason}");
    assert_eq!(server.take_requests().iter().filter(|asked| asked.authorization.is_some()).count(), 1);

    helper("exec sleep 30");
    let mut machine = Machine::new(server.url());
    machine.timeout = Duration::from_millis(300);
    let begin = Instant::now();
    let error = machine.open().fetch_tips(None).unwrap_err();
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(10));
}

#[test]
fn t18_no_credential_is_sent_to_an_unknown_or_changed_host_key() {
    needs!("sshd", "ssh-keygen");
    in_a_home("inside_unknown_host_key");
}

#[test]
#[ignore = "run by `t18_no_credential_is_sent_to_an_unknown_or_changed_host_key`"]
fn inside_unknown_host_key() {
    let Some(home) = home() else { return };
    let repo = repository();
    let server = Sshd::start(repo.base(), &home);
    let machine = with_key(&server, "user");
    server.trust_nobody();
    let unknown = machine.open().fetch_tips(None).unwrap_err();
    server.trust(&server.file("stranger.pub"));
    let changed = machine.open().fetch_tips(None).unwrap_err();
    for error in [unknown, changed] {
        let GitError::Untrusted { reason, .. } = &error else { panic!("{error}") };
        assert!(reason.contains("known_hosts") && reason.contains("ssh-keyscan"), "{reason}");
    }
    assert!(!server.log().contains("userauth-request"), "{}", server.log());
    server.trust(&server.file("host.pub"));
    machine.open().fetch_tips(None).unwrap();
    assert!(server.log().contains("userauth-request"));
}

#[test]
fn a_silent_server_times_out() {
    slow!();
    in_a_home("inside_silent_server");
}

#[test]
#[ignore = "run by `a_silent_server_times_out`"]
fn inside_silent_server() {
    if home().is_none() {
        return;
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    for scheme in ["http", "ssh", "git"] {
        let mut machine = Machine::new(format!("{scheme}://127.0.0.1:{port}/repo.git"));
        machine.timeout = Duration::from_millis(300);
        let begin = Instant::now();
        let error = machine.open().fetch_tips(None).unwrap_err();
        assert!(matches!(error, GitError::Unreachable { .. }), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(15), "{scheme}: {:?}", begin.elapsed());
    }
}

/// Creates a self-signed certificate for `localhost`, with an RSA key.
fn identity() -> Identity {
    Identity::self_signed("localhost", SigningKey::rsa(), &["localhost"])
}

#[test]
fn an_https_server_of_a_private_authority_is_a_remote() {
    in_a_home("inside_https_with_authority");
}

#[test]
#[ignore = "run by `an_https_server_of_a_private_authority_is_a_remote`"]
fn inside_https_with_authority() {
    let Some(home) = home() else { return };
    let identity = identity();
    let file = home.join("authority.pem");
    std::fs::write(&file, identity.certificate_pem()).unwrap();
    let repo = repository();
    let server = HttpBackend::with_tls(repo.base(), "someone", "token", identity.acceptor());
    let mut machine = Machine::new(server.url()).token("someone", "token");
    machine.credentials.authorities = Some(file);
    tell(&repo, &machine);
}

#[test]
fn t18_a_trusted_certificate_of_a_server_must_have_its_name_and_be_valid() {
    let new = |names: &[&str], end: i64| Identity::self_signed_until("localhost", SigningKey::p256(), names, end);
    let far = 2_500_000_000;
    for (identity, expected) in [
        (new(&["localhost"], far), None),
        (new(&["elsewhere"], far), Some("its certificate is for a different name")),
        (new(&[], far), Some("its certificate contains no server name")),
        (new(&["localhost"], 1_700_000_000), Some("its certificate has expired")),
    ] {
        let repo = repository();
        let server = HttpBackend::with_tls(repo.base(), "someone", "token", identity.acceptor());
        let mut machine = Machine::new(server.url()).token("someone", "token");
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("authority.pem");
        std::fs::write(&file, identity.certificate_pem()).unwrap();
        machine.credentials.authorities = Some(file);
        match (machine.open().fetch_tips(None), expected) {
            (Ok(_), None) => {}
            (Err(GitError::Untrusted { reason, .. }), Some(expected)) => {
                assert!(reason.contains(expected), "{reason}");
                assert_eq!(server.take_requests(), []);
            }
            (result, _) => panic!("{expected:?}: {result:?}"),
        }
    }
}

#[test]
fn t18_no_credential_is_sent_to_a_server_with_an_unknown_certificate() {
    let repo = repository();
    let server = HttpBackend::with_tls(repo.base(), "someone", "token", identity().acceptor());
    let error = Machine::new(server.url()).token("someone", "token").open().fetch_tips(None).unwrap_err();
    let GitError::Untrusted { reason, .. } = &error else { panic!("{error}") };
    assert!(reason.contains("GIT_SSL_CAINFO"), "{reason}");
    assert_eq!(server.take_requests(), []);
}

#[test]
fn t18_nothing_is_sent_to_a_server_without_tls() {
    slow!();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        buffer[..count].to_vec()
    });
    let machine = Machine::new(format!("https://localhost:{port}/repo.git")).token("someone", "s3cret-token");
    machine.open().fetch_tips(None).unwrap_err();
    let heard = heard.join().unwrap();
    assert!(!heard.windows(12).any(|window| window == b"s3cret-token"));
}
