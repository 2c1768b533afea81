//! Signatures with SSH keys: `ssh-keygen -Y sign` with the namespace `git` (OpenSSH's PROTOCOL.sshsig).

use std::path::{Path, PathBuf};

use super::{
    DIRECTORY, LIMIT, SigningConfig, check_rsa, failed, locked, not_run, not_written, unusable, wrong_passphrase,
};
use crate::git::GitError;
use crate::http::Secret;
use crate::model::settings::SigningKeyKind;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::{Program, ProgramOutput};

/// The git setting with the program's path.
const SETTING: &str = "gpg.ssh.program";
/// The variable that hands the passphrase to [`ASKPASS`].
const ASKPASS_VARIABLE: &str = "PINSTREAM_ASKPASS";
/// A program that prints the passphrase (ssh-keygen(1), `SSH_ASKPASS`).
const ASKPASS: &str = "#!/bin/sh\nprintf '%s\\n' \"$PINSTREAM_ASKPASS\"\n";
/// The beginnings of public keys.
const PUBLIC: [&str; 3] = ["ssh-", "ecdsa-", "sk-"];

/// An SSH key, and the program that signs with it.
pub(in crate::git) struct SshSigner {
    program: PathBuf,
    key: PathBuf,
    /// The key is public; an agent holds the private part.
    in_agent: bool,
    passphrase: Option<(Secret, PathBuf)>,
    origin: String,
    _directory: Option<PrivateDirectory>,
}

impl SshSigner {
    /// Signs with the private key `text`, or with the agent's key if `text` is a public key.
    pub(super) fn with_key(
        config: &SigningConfig,
        text: &Secret,
        passphrase: Option<Secret>,
        origin: String,
    ) -> Result<Self, GitError> {
        let directory = PrivateDirectory::create(DIRECTORY).map_err(|error| not_written(&error))?;
        let key = directory.write("key", text.reveal()).map_err(|error| not_written(&error))?;
        let in_agent = PUBLIC.iter().any(|start| text.reveal().starts_with(start));
        let signer = Self { in_agent, ..Self::new(config, key, passphrase, origin, Some(directory))? };
        signer.check()?;
        Ok(signer)
    }

    /// Signs with the key that git's configuration names: a path, or a public key after `key::`.
    pub(super) fn configured(config: &SigningConfig, passphrase: Option<Secret>) -> Result<Self, GitError> {
        let key = config.key(SigningKeyKind::Ssh)?;
        let origin = "git's `user.signingKey`".to_owned();
        match key.strip_prefix("key::").or_else(|| key.starts_with("ssh-").then_some(key)) {
            Some(public) => Self::with_key(config, &Secret::new(format!("{}\n", public.trim())), passphrase, origin),
            None => {
                let directory = passphrase.is_some().then(|| PrivateDirectory::create(DIRECTORY)).transpose();
                let directory = directory.map_err(|error| not_written(&error))?;
                Self::new(config, PathBuf::from(key), passphrase, origin, directory)
            }
        }
    }

    fn new(
        config: &SigningConfig,
        key: PathBuf,
        passphrase: Option<Secret>,
        origin: String,
        directory: Option<PrivateDirectory>,
    ) -> Result<Self, GitError> {
        let askpass = |directory: &PrivateDirectory| directory.write_program("askpass", ASKPASS);
        let askpass = passphrase.as_ref().and(directory.as_ref()).map(askpass);
        let askpass = askpass.transpose().map_err(|error| not_written(&error))?;
        let program = config.program.clone().unwrap_or_else(|| PathBuf::from("ssh-keygen"));
        Ok(Self { program, key, in_agent: false, passphrase: passphrase.zip(askpass), origin, _directory: directory })
    }

    /// Checks that the key can be read, is strong and is not locked, for messages better than the program's.
    fn check(&self) -> Result<(), GitError> {
        let not_a_key = || {
            unusable(
                format!("{} does not contain an SSH private key", self.origin),
                "it starts with `-----BEGIN OPENSSH PRIVATE KEY-----`; create one with `ssh-keygen -t ed25519`, or convert \
                 an older one with `ssh-keygen -p -f FILE`",
            )
        };
        let listed = self.run(self.command(["-l", "-f"]))?;
        let bits = listed.stdout.split(' ').next().and_then(|bits| bits.parse().ok());
        let bits = bits.filter(|_| listed.success).ok_or_else(not_a_key)?;
        let kind = listed.stdout.trim_end().rsplit(' ').next().unwrap_or_default();
        match kind {
            "(RSA)" => check_rsa(&self.origin, bits)?,
            "(DSA)" => {
                let message = format!("the key in {} is too weak: DSA", self.origin);
                return Err(unusable(message, "use an Ed25519 key, or RSA with at least 2048 bits"));
            }
            _ => {}
        }
        if self.in_agent || self.passphrase.is_some() {
            return Ok(());
        }
        // `-P ""` opens a key that has no passphrase, and no other.
        let opened = self.run(self.command(["-y", "-P", "", "-f"]))?;
        match opened.success {
            true => Ok(()),
            false if opened.stderr.contains("incorrect passphrase") => Err(locked(&self.origin)),
            false => Err(not_a_key()),
        }
    }

    pub(super) fn sign(&self, commit: &[u8]) -> Result<String, GitError> {
        let mut command = match self.in_agent {
            true => self.command(["-Y", "sign", "-n", "git", "-U", "-f"]),
            false => self.command(["-Y", "sign", "-n", "git", "-f"]),
        };
        command = match &self.passphrase {
            Some((passphrase, askpass)) => command
                .env(ASKPASS_VARIABLE, passphrase.reveal())
                .env("SSH_ASKPASS", askpass)
                .env("SSH_ASKPASS_REQUIRE", "force"),
            None => command,
        };
        let output = self.run(command.input(commit))?;
        if output.success && output.stdout.starts_with("-----BEGIN SSH SIGNATURE-----") {
            return Ok(output.stdout);
        }
        Err(match output.stderr.contains("incorrect passphrase") {
            true if self.passphrase.is_some() => wrong_passphrase(&self.origin),
            true => locked(&self.origin),
            false if self.in_agent => unusable(
                format!("the SSH agent cannot sign with the public key in {}", self.origin),
                "run `ssh-add` for that key, and check that `SSH_AUTH_SOCK` is set",
            ),
            false => failed("ssh-keygen", &output),
        })
    }

    /// The program with these arguments, and the key as the last one.
    fn command<const N: usize>(&self, arguments: [&str; N]) -> Program {
        Program::new(&self.program).args(arguments).args([self.key.as_path()].map(Path::as_os_str))
    }

    fn run(&self, command: Program) -> Result<ProgramOutput, GitError> {
        command.run(LIMIT).map_err(|error| not_run(&error, SETTING))
    }
}
