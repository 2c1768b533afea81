//! A program that gives OpenSSH a passphrase (ssh(1), `SSH_ASKPASS`).

use std::io;

use crate::http::Secret;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

/// The variable that hands the passphrase to [`SCRIPT`].
const VARIABLE: &str = "PINSTREAM_ASKPASS";
/// Answers questions for a passphrase only: neither a server's question for a password nor one about an unknown host key.
const SCRIPT: &str =
    "#!/bin/sh\ncase \"$1\" in\n*assphrase*) printf '%s\\n' \"$PINSTREAM_ASKPASS\" ;;\n*) exit 1 ;;\nesac\n";
/// The name of the script's file.
const NAME: &str = "askpass";

/// Writes the script; it does not contain the passphrase.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(directory: &PrivateDirectory) -> io::Result<()> {
    directory.write(NAME, SCRIPT, 0o700).map(drop)
}

/// Makes `program` ask the script in `directory` instead of a terminal.
pub(super) fn apply(program: Program, passphrase: &Secret, directory: &PrivateDirectory) -> Program {
    program
        .env(VARIABLE, passphrase.reveal())
        .env("SSH_ASKPASS", directory.path().join(NAME))
        .env("SSH_ASKPASS_REQUIRE", "force")
}
