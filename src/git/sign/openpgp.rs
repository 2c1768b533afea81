//! Signatures with OpenPGP keys: `gpg --detach-sign --armor` (RFC 9580).
//!
//! A key from the environment is imported into a private `GNUPGHOME`, whose agent is ended with it.

use jiff::Timestamp;

use super::{DIRECTORY, LIMIT, Signer, SigningProgram, check_rsa, not_written, unusable};
use crate::git::GitError;
use crate::http::Secret;
use crate::model::settings::SigningKeyKind;
use crate::system::clock;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::Program;

pub(super) const PROGRAM: SigningProgram = SigningProgram {
    name: "gpg",
    setting: "gpg.program",
    format: "openpgp",
    header: "-----BEGIN PGP SIGNATURE-----",
    locked: &["Bad passphrase", "No passphrase given"],
};

/// Messages about a missing or unusable private key.
pub(super) const NO_KEY: [&str; 2] = ["No secret key", "Unusable secret key"];
pub(super) const EXPORT: &str = "export a key with a signing subkey that is not revoked, expired or on a smart card";

impl Signer {
    /// Imports the armored private key `text` into a key ring of its own.
    pub(super) fn import_openpgp(&mut self, text: &Secret, now: Timestamp) -> Result<(), GitError> {
        self.directory = Some(PrivateDirectory::create(DIRECTORY).map_err(|error| not_written(&error))?);
        // The import of a public key succeeds too; the list of private keys tells.
        self.run(self.gpg(now).args(["--import"]).input(text.reveal().as_bytes()))?;
        let listed = self.run(self.gpg(now).args(["--with-colons", "--list-secret-keys"]))?;
        self.key = usable_key(&listed.stdout, &self.origin)?.into();
        Ok(())
    }

    /// Prepares the program that signs its input.
    pub(super) fn sign_with_openpgp(&self, now: Timestamp) -> Program {
        let mut command = self.gpg(now);
        let passphrase = self.passphrase.as_ref().map(Secret::reveal);
        // A key of our own must not wait for a person; the user's agent may ask for a PIN.
        if let Some(passphrase) = passphrase.or(self.directory.as_ref().map(|_| "")) {
            command = command.args(["--pinentry-mode", "loopback", "--passphrase-fd", "0"]);
            command = command.input(passphrase.as_bytes()).input(b"\n");
        }
        command.args(["--detach-sign", "--armor", "--local-user"]).args([&self.key])
    }

    fn gpg(&self, now: Timestamp) -> Program {
        let mut command = Program::new(&self.program).args(["--batch", "--no-tty"]);
        if clock::is_frozen() {
            command = command.args(["--faked-system-time", &format!("{}!", now.as_second())]);
        }
        match &self.directory {
            Some(home) => command.env("GNUPGHOME", home.path()),
            None => command,
        }
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        if let (SigningKeyKind::OpenPgp, Some(home)) = (self.kind, &self.directory) {
            // The agent also ends by itself some time after its directory is gone.
            let _ = Program::new("gpgconf").args(["--kill", "gpg-agent"]).env("GNUPGHOME", home.path()).run(LIMIT);
        }
    }
}

/// Finds the fingerprint of the first private key that can sign (GnuPG, doc/DETAILS, "Format of the colon listings").
fn usable_key(list: &str, origin: &str) -> Result<String, GitError> {
    let field = |line: &str, number: usize| line.split(':').nth(number - 1).unwrap_or_default().to_owned();
    let mut lines = list.lines().skip_while(|line| !line.starts_with("sec:"));
    let Some(key) = lines.next() else {
        return Err(unusable(
            format!("{origin} does not contain an armored OpenPGP private key"),
            "it starts with `-----BEGIN PGP PRIVATE KEY BLOCK-----`; print it with `gpg --armor --export-secret-keys`",
        ));
    };
    match field(key, 2).as_str() {
        "e" => {
            let help = "extend it with `gpg --quick-set-expire`, and export it again";
            return Err(unusable(format!("the key in {origin} has expired"), help));
        }
        "r" => return Err(unusable(format!("the key in {origin} is revoked"), "use the key that replaced it")),
        _ => {}
    }
    // Public-key algorithms 1 to 3 are RSA (RFC 9580, section 9.1).
    if matches!(field(key, 4).as_str(), "1" | "2" | "3") {
        check_rsa(origin, field(key, 3).parse().unwrap_or_default())?;
    }
    // An upper-case letter is a capability of the key with its valid subkeys.
    if !field(key, 12).contains('S') {
        return Err(unusable(format!("the key in {origin} cannot sign: it has no usable signing key"), EXPORT));
    }
    Ok(lines.find(|line| line.starts_with("fpr:")).map(|line| field(line, 10)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_that_can_sign_is_used() {
        let check = |validity: &str, bits: &str, algorithm: &str, usage: &str| {
            let list = format!("tru::1\nsec:{validity}:{bits}:{algorithm}:AB:1:::u:::{usage}:::+\nfpr:::::::::CDEF:\n");
            usable_key(&list, "X").map_err(|error| error.to_string())
        };
        assert_eq!(check("u", "255", "22", "scSC"), Ok("CDEF".to_owned()));
        assert_eq!(check("-", "2048", "1", "cCS"), Ok("CDEF".to_owned()));
        let errors = [
            (check("e", "255", "22", "sc"), "the key in X has expired"),
            (check("r", "255", "22", "scSC"), "the key in X is revoked"),
            (check("u", "1024", "1", "scSC"), "the key in X is too weak: RSA with 1024 bits"),
            (check("u", "255", "22", "cC"), "the key in X cannot sign: it has no usable signing key"),
            (
                usable_key("", "X").map_err(|error| error.to_string()),
                "X does not contain an armored OpenPGP private key",
            ),
        ];
        for (found, expected) in errors {
            assert_eq!(found, Err(expected.to_owned()));
        }
    }
}
