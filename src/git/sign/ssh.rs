//! Signatures with SSH keys: `ssh-keygen -Y sign` with the namespace `git` (OpenSSH's PROTOCOL.sshsig).

use std::io;

use super::{DIRECTORY, Signer, SigningProgram, check_rsa, not_written, unusable};
use crate::git::{GitError, askpass};
use crate::http::Secret;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

pub(super) const PROGRAM: SigningProgram = SigningProgram {
    name: "ssh-keygen",
    setting: "gpg.ssh.program",
    format: "ssh",
    header: "-----BEGIN SSH SIGNATURE-----",
    locked: &[WRONG_PASSPHRASE],
};

const WRONG_PASSPHRASE: &str = "incorrect passphrase";
/// The beginnings of public keys.
const PUBLIC: [&str; 3] = ["ssh-", "ecdsa-", "sk-"];

/// Returns the text of a public key that git's configuration contains, after `key::`; none if it names a path.
pub(super) fn public_key(key: &str) -> Option<Secret> {
    let public = key.strip_prefix("key::").or_else(|| key.starts_with("ssh-").then_some(key))?;
    Some(Secret::new(format!("{}\n", public.trim())))
}

impl Signer {
    /// Writes the files that `ssh-keygen` reads: the key `text`, a private key or the public key of one in the agent, and
    /// a program that prints the passphrase.
    pub(super) fn prepare_ssh(&mut self, text: Option<&Secret>) -> Result<(), GitError> {
        let mut write = || -> io::Result<()> {
            let directory = PrivateDirectory::create(DIRECTORY)?;
            if let Some(text) = text {
                self.key = directory.write("key", text.reveal(), 0o600)?.into();
                self.in_agent = PUBLIC.iter().any(|start| text.reveal().starts_with(start));
            }
            if self.passphrase.is_some() {
                askpass::write(&directory, askpass::OF_KEYGEN)?;
            }
            self.directory = Some(directory);
            Ok(())
        };
        if text.is_some() || self.passphrase.is_some() {
            write().map_err(|error| not_written(&error))?;
        }
        if text.is_some() { self.check_ssh() } else { Ok(()) }
    }

    /// Checks that the key can be read, is strong and is not locked, for messages better than the program's.
    fn check_ssh(&self) -> Result<(), GitError> {
        let not_a_key = || {
            unusable(
                format!("{} does not contain an SSH private key", self.origin),
                "it starts with `-----BEGIN OPENSSH PRIVATE KEY-----`; create one with `ssh-keygen -t ed25519`, or convert \
                 an older one with `ssh-keygen -p -f FILE`",
            )
        };
        let listed = self.run(self.ssh(["-l", "-f"]))?;
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
        let opened = self.run(self.ssh(["-y", "-P", "", "-f"]))?;
        match opened.success {
            true => Ok(()),
            false if opened.stderr.contains(WRONG_PASSPHRASE) => Err(self.locked()),
            false => Err(not_a_key()),
        }
    }

    /// Prepares the program that signs its input.
    pub(super) fn sign_with_ssh(&self) -> Program {
        let command = match self.in_agent {
            true => self.ssh(["-Y", "sign", "-n", "git", "-U", "-f"]),
            false => self.ssh(["-Y", "sign", "-n", "git", "-f"]),
        };
        match (&self.passphrase, &self.directory) {
            (Some(passphrase), Some(directory)) => askpass::apply(command, passphrase, directory),
            _ => command,
        }
    }

    /// The program with these arguments, and the key as the last one.
    fn ssh<const N: usize>(&self, arguments: [&str; N]) -> Program {
        Program::new(&self.program).args(arguments).args([&self.key])
    }
}
