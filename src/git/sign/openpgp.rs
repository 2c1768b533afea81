//! Signatures with OpenPGP keys: `gpg --detach-sign --armor` (RFC 9580).
//!
//! A key from the environment is imported into a private `GNUPGHOME`, whose agent is ended with it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::{
    DIRECTORY, LIMIT, SigningConfig, check_rsa, failed, locked, not_run, not_written, unusable, wrong_passphrase,
};
use crate::git::GitError;
use crate::http::Secret;
use crate::model::settings::SigningKeyKind;
use crate::system::clock;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::{Program, ProgramOutput};

/// The git setting with the program's path.
const SETTING: &str = "gpg.program";
const EXPORT: &str = "export a key with a signing subkey that is not revoked, expired or on a smart card";

/// An OpenPGP key, and the program that signs with it.
pub(in crate::git) struct OpenPgpSigner {
    program: PathBuf,
    /// A fingerprint, or whatever git's configuration names.
    key: String,
    passphrase: Option<Secret>,
    origin: String,
    /// The key ring of a key from the environment; none for the user's own.
    home: Option<PrivateDirectory>,
}

impl OpenPgpSigner {
    /// Signs with the armored private key `text`.
    pub(super) fn with_key(
        config: &SigningConfig,
        text: &Secret,
        passphrase: Option<Secret>,
        origin: String,
        now: Timestamp,
    ) -> Result<Self, GitError> {
        let home = PrivateDirectory::create(DIRECTORY).map_err(|error| not_written(&error))?;
        let mut signer = Self::new(config, String::new(), passphrase, origin);
        signer.home = Some(home);
        // The import of a public key succeeds too; the list of private keys tells.
        signer.run(signer.command(now).args(["--import"]).input(text.reveal().as_bytes()))?;
        let listed = signer.run(signer.command(now).args(["--with-colons", "--list-secret-keys"]))?;
        signer.key = usable_key(&listed.stdout, &signer.origin)?;
        Ok(signer)
    }

    /// Signs with the user's key that git's configuration names.
    pub(super) fn configured(config: &SigningConfig, passphrase: Option<Secret>) -> Result<Self, GitError> {
        let key = config.key(SigningKeyKind::OpenPgp)?.to_owned();
        Ok(Self::new(config, key, passphrase, "git's `user.signingKey`".to_owned()))
    }

    fn new(config: &SigningConfig, key: String, passphrase: Option<Secret>, origin: String) -> Self {
        let program = config.program.clone().unwrap_or_else(|| PathBuf::from("gpg"));
        Self { program, key, passphrase, origin, home: None }
    }

    pub(super) fn sign(&self, commit: &[u8], now: Timestamp) -> Result<String, GitError> {
        let mut command = self.command(now);
        let passphrase = self.passphrase.as_ref().map(Secret::reveal);
        // A key of our own must not wait for a person; the user's agent may ask for a PIN.
        if let Some(passphrase) = passphrase.or(self.home.as_ref().map(|_| "")) {
            command = command.args(["--pinentry-mode", "loopback", "--passphrase-fd", "0"]);
            command = command.input(passphrase.as_bytes()).input(b"\n");
        }
        command = command.args(["--detach-sign", "--armor", "--local-user", &self.key]);
        let output = self.run(command.input(commit))?;
        if output.success && output.stdout.starts_with("-----BEGIN PGP SIGNATURE-----") {
            return Ok(output.stdout);
        }
        let has = |text: &str| output.stderr.contains(text);
        Err(match has("Bad passphrase") || has("No passphrase given") {
            true if self.passphrase.is_some() => wrong_passphrase(&self.origin),
            true => locked(&self.origin),
            false if has("No secret key") || has("Unusable secret key") => {
                unusable(format!("the key in {} cannot sign: gpg finds no usable private key", self.origin), EXPORT)
            }
            false => failed("gpg", &output),
        })
    }

    fn command(&self, now: Timestamp) -> Program {
        let command = Program::new(&self.program).args(["--batch", "--no-tty"]);
        let command = match clock::is_frozen() {
            true => command.args(["--faked-system-time", &format!("{}!", now.as_second())]),
            false => command,
        };
        match &self.home {
            Some(home) => command.env("GNUPGHOME", home.path()),
            None => command,
        }
    }

    fn run(&self, command: Program) -> Result<ProgramOutput, GitError> {
        command.run(LIMIT).map_err(|error| not_run(&error, SETTING))
    }
}

impl Drop for OpenPgpSigner {
    fn drop(&mut self) {
        if let Some(home) = &self.home {
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
