//! A program that gives OpenSSH a passphrase (ssh(1), `SSH_ASKPASS`).

use std::io;

use crate::http::Secret;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

/// The variable that hands the passphrase to the script.
const VARIABLE: &str = "PINSTREAM_ASKPASS";
/// The beginning of OpenSSH's question for the passphrase of a key. A server chooses the text of its own questions, which
/// newer versions show after `(user@host) `.
pub(super) const OF_SSH: &str = "Enter passphrase for key '";
/// The beginning of `ssh-keygen`'s question; it talks to no server.
pub(super) const OF_KEYGEN: &str = "Enter passphrase";

/// The name of the script's file.
const NAME: &str = "askpass";

/// Writes a script that answers questions with this beginning only; it does not contain the passphrase.
///
/// # Errors
/// If it cannot be written.
pub(super) fn write(directory: &PrivateDirectory, question: &str) -> io::Result<()> {
    let answer = format!("printf '%s\\n' \"${VARIABLE}\"");
    let script = format!("#!/bin/sh\ncase \"$1\" in\n\"{question}\"*) {answer} ;;\n*) exit 1 ;;\nesac\n");
    directory.write(NAME, &script, 0o700).map(drop)
}

/// Makes `program` ask the script in `directory` instead of a terminal.
pub(super) fn apply(program: Program, passphrase: &Secret, directory: &PrivateDirectory) -> Program {
    program
        .env(VARIABLE, passphrase.reveal())
        .env("SSH_ASKPASS", directory.path().join(NAME))
        .env("SSH_ASKPASS_REQUIRE", "force")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[track_caller]
    fn check(question: &str, asked: &str, answer: &str) {
        let directory = PrivateDirectory::create("pinstream-test-").unwrap();
        write(&directory, question).unwrap();
        let program = Program::new(directory.path().join(NAME)).args([asked]);
        let output = apply(program, &Secret::new("open sesame"), &directory).run(Duration::from_secs(20)).unwrap();
        assert_eq!(output.stdout, answer, "{asked}");
    }

    #[test]
    fn t18_a_server_cannot_ask_for_the_passphrase() {
        check(OF_SSH, "Enter passphrase for key '/home/me/.ssh/id_ed25519': ", "open sesame\n");
        check(OF_KEYGEN, "Enter passphrase for \"/tmp/key\": ", "open sesame\n");
        for asked in ["(git@host) Enter passphrase: ", "Enter passphrase: ", "git@host's password: ", "yes/no? ", ""] {
            check(OF_SSH, asked, "");
        }
    }
}
