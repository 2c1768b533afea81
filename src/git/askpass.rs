//! A program that gives OpenSSH a passphrase (ssh(1), `SSH_ASKPASS`).

use std::io;
use std::path::PathBuf;

use crate::http::Secret;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

/// The variable that hands the passphrase to [`SCRIPT`].
const VARIABLE: &str = "PINSTREAM_ASKPASS";
/// Answers questions for a passphrase only: neither a server's question for a password nor one about an unknown host key.
const SCRIPT: &str =
    "#!/bin/sh\ncase \"$1\" in\n*assphrase*) printf '%s\\n' \"$PINSTREAM_ASKPASS\" ;;\n*) exit 1 ;;\nesac\n";
/// The beginning of the directory's name.
const DIRECTORY: &str = "pinstream-ask-";

/// A passphrase, and a script that prints it.
pub(super) struct Askpass {
    passphrase: Secret,
    script: PathBuf,
    _directory: PrivateDirectory,
}

impl Askpass {
    /// Writes the script; it does not contain the passphrase.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn create(passphrase: Secret) -> io::Result<Self> {
        let directory = PrivateDirectory::create(DIRECTORY)?;
        let script = directory.write_program("askpass", SCRIPT)?;
        Ok(Self { passphrase, script, _directory: directory })
    }

    /// Makes `program` ask the script instead of a terminal.
    pub(super) fn apply(&self, program: Program) -> Program {
        program
            .env(VARIABLE, self.passphrase.reveal())
            .env("SSH_ASKPASS", self.script.as_os_str())
            .env("SSH_ASKPASS_REQUIRE", "force")
    }
}
