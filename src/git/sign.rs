//! Signs commits with `ssh-keygen` or `gpg`, as git does: with a key from the environment, or with the key that git's
//! configuration names, which an agent or a security key may hold. No file of a repository names a key.
//!
//! A key proves that it can sign before anything is sent. Nothing here has a `Debug`, `Display` or `Serialize`.

mod openpgp;
mod ssh;

use std::ffi::OsString;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Config;
use jiff::Timestamp;

use super::{GitError, deadline};
use crate::http::Secret;
use crate::model::settings::SigningKeyKind;
use crate::system::environment;
use crate::system::private_directory::PrivateDirectory;
use crate::system::program::{Program, ProgramError, ProgramOutput};
use crate::text::escape;

/// The variable with a key's text.
const KEY: &str = "PINSTREAM_SIGNING_KEY";
/// The variable with the path of a key.
const KEY_FILE: &str = "PINSTREAM_SIGNING_KEY_FILE";
/// The variable with a key's passphrase.
const PASSPHRASE: &str = "PINSTREAM_SIGNING_PASSPHRASE";
/// The largest key, in bytes.
const KEY_MAX: u64 = 1 << 20;
/// The fewest bits of an RSA key (NIST SP 800-131A, revision 2, section 3).
const RSA_BITS_MIN: u32 = 2_048;
/// The time limit of one run of a signing program: a person may have to enter a PIN or touch a security key.
const LIMIT: Duration = Duration::from_secs(60);
/// The prefix of directories that hold a key while it is used.
const DIRECTORY: &str = "pinstream-sign-";

/// The signing key that the environment provides.
#[derive(Clone, Default)]
pub struct SigningKeySource {
    /// The key's text.
    pub key: Option<Secret>,
    /// A file that holds the key.
    pub file: Option<PathBuf>,
    /// The key's passphrase.
    pub passphrase: Option<Secret>,
}

impl SigningKeySource {
    /// Reads the variables of this process.
    pub fn from_environment() -> Self {
        Self {
            key: environment::var(KEY).map(Secret::new),
            file: environment::var(KEY_FILE).map(PathBuf::from),
            passphrase: environment::var(PASSPHRASE).map(Secret::new),
        }
    }

    /// Reads the key's text, and names its origin for messages; none if neither variable is set.
    fn text(&self) -> Result<Option<(Secret, String)>, GitError> {
        let (key, origin) = match (&self.key, &self.file) {
            (Some(_), Some(_)) => {
                return Err(unusable(format!("`{KEY}` and `{KEY_FILE}` are both set"), "unset one of them"));
            }
            (Some(key), None) => (key.clone(), format!("`{KEY}`")),
            (None, Some(path)) => {
                let name = format!("file `{}` (`{KEY_FILE}`)", escape::terminal(&path.display().to_string()));
                let key = read(path).map_err(|reason| {
                    unusable(
                        format!("cannot read the signing key in {name}: {reason}"),
                        format!("set `{KEY_FILE}` to a key that this user can read"),
                    )
                })?;
                (key, name)
            }
            (None, None) => return Ok(None),
        };
        // CI systems strip the last line break of a secret, or convert line breaks.
        let text = format!("{}\n", key.reveal().replace("\r\n", "\n").trim());
        Ok(Some((Secret::new(text), origin)))
    }
}

fn read(path: &Path) -> std::io::Result<Secret> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(KEY_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > KEY_MAX {
        return Err(std::io::Error::other("larger than 1 MiB"));
    }
    Ok(Secret::new(text))
}

/// The part of git's configuration that concerns signing (git-config(1), `user.signingKey` and `gpg.*`).
struct SigningConfig {
    /// `gpg.format`; git's default is `openpgp`.
    format: String,
    /// `user.signingKey`.
    key: Option<String>,
    /// `gpg.ssh.program` or `gpg.program`.
    program: Option<PathBuf>,
}

impl SigningConfig {
    fn of(config: Option<Config>, kind: SigningKeyKind) -> Self {
        let config = config.and_then(|mut config| config.snapshot().ok());
        let text = |name: &str| config.as_ref()?.get_string(name).ok().filter(|value| !value.is_empty());
        let path = |name: &str| config.as_ref()?.get_path(name).ok().filter(|value| !value.as_os_str().is_empty());
        let is_path = |key: &str| key.starts_with(['~', '/', '.']);
        let key = text("user.signingkey").map(|key| match is_path(&key) {
            true => path("user.signingkey").and_then(|path| path.to_str().map(str::to_owned)).unwrap_or(key),
            false => key,
        });
        let program = match kind {
            SigningKeyKind::Ssh => path("gpg.ssh.program"),
            SigningKeyKind::OpenPgp => path("gpg.openpgp.program").or_else(|| path("gpg.program")),
        };
        Self { format: text("gpg.format").unwrap_or_else(|| "openpgp".to_owned()), key, program }
    }

    /// Returns `user.signingKey` if it is a key of this kind.
    fn key(&self, kind: SigningKeyKind) -> Result<&str, GitError> {
        let SigningProgram { format, .. } = program_for(kind);
        match &self.key {
            Some(key) if self.format == *format => Ok(key),
            Some(_) => Err(unusable(
                format!(
                    "git's `user.signingKey` is not a key for `sign = \"{format}\"`: `gpg.format` is `{}`",
                    escape::terminal(&self.format)
                ),
                format!("if it is such a key, set git's `gpg.format` to `{format}`; otherwise set `{KEY}`"),
            )),
            None => Err(unusable(
                "no key to sign commits with",
                format!(
                    "set `{KEY}` (the key's text), `{KEY_FILE}` (its path) or git's `user.signingKey`, or remove `sign` \
                     from `pinstream.toml`"
                ),
            )),
        }
    }
}

/// A program that signs with keys of one kind.
struct SigningProgram {
    name: &'static str,
    /// The git setting with its path.
    setting: &'static str,
    /// `gpg.format` of its keys.
    format: &'static str,
    /// The beginning of its signatures.
    header: &'static str,
    /// Its messages about a missing or wrong passphrase.
    locked: &'static [&'static str],
}

fn program_for(kind: SigningKeyKind) -> &'static SigningProgram {
    match kind {
        SigningKeyKind::Ssh => &ssh::PROGRAM,
        SigningKeyKind::OpenPgp => &openpgp::PROGRAM,
    }
}

/// A key that has proved that it can sign, and the program that signs with it.
pub(super) struct Signer {
    kind: SigningKeyKind,
    program: PathBuf,
    /// The key's argument: a path for SSH; a fingerprint, or whatever git's configuration names, for OpenPGP.
    key: OsString,
    /// The SSH key is public; an agent holds the private part.
    in_agent: bool,
    passphrase: Option<Secret>,
    /// The place that the key comes from, for messages.
    origin: String,
    /// Files for the program: the SSH key of the environment and its passphrase, or the key ring of an OpenPGP key.
    directory: Option<PrivateDirectory>,
}

impl Signer {
    /// Finds the key: in the environment, else in git's configuration. Signs an empty text to prove that it works.
    ///
    /// # Errors
    /// If there is no key, or it cannot sign; names where the key comes from.
    pub(super) fn load(
        kind: SigningKeyKind,
        source: &SigningKeySource,
        config: Option<Config>,
        now: Timestamp,
    ) -> Result<Self, GitError> {
        let config = SigningConfig::of(config, kind);
        let (key, text, origin) = match source.text()? {
            Some((text, origin)) => (OsString::new(), Some(text), origin),
            None => {
                let key = config.key(kind)?;
                let text = if kind == SigningKeyKind::Ssh { ssh::public_key(key) } else { None };
                (key.into(), text, "git's `user.signingKey`".to_owned())
            }
        };
        let program = config.program.unwrap_or_else(|| program_for(kind).name.into());
        let passphrase = source.passphrase.clone();
        let mut signer = Self { kind, program, key, in_agent: false, passphrase, origin, directory: None };
        match (kind, text) {
            (SigningKeyKind::Ssh, text) => signer.prepare_ssh(text.as_ref())?,
            (SigningKeyKind::OpenPgp, Some(text)) => signer.import_openpgp(&text, now)?,
            (SigningKeyKind::OpenPgp, None) => {}
        }
        signer.sign(b"", now)?;
        Ok(signer)
    }

    /// Returns the armored signature of `commit`, the bytes of a commit object.
    ///
    /// # Errors
    /// If the program fails.
    pub(super) fn sign(&self, commit: &[u8], now: Timestamp) -> Result<String, GitError> {
        let SigningProgram { name, header, locked, .. } = program_for(self.kind);
        let command = match self.kind {
            SigningKeyKind::Ssh => self.sign_with_ssh(),
            SigningKeyKind::OpenPgp => self.sign_with_openpgp(now),
        };
        let output = self.run(command.input(commit))?;
        if output.success && output.stdout.starts_with(header) {
            return Ok(output.stdout);
        }
        let (origin, has) = (&self.origin, |text: &&str| output.stderr.contains(text));
        Err(if locked.iter().any(has) {
            match self.passphrase {
                Some(_) => unusable(
                    format!("`{PASSPHRASE}` is not the passphrase of the key in {origin}"),
                    "set it to the passphrase of that key",
                ),
                None => self.locked(),
            }
        } else if self.in_agent {
            unusable(
                format!("the SSH agent cannot sign with the public key in {origin}"),
                "run `ssh-add` for that key, and check that `SSH_AUTH_SOCK` is set",
            )
        } else if self.kind == SigningKeyKind::OpenPgp && openpgp::NO_KEY.iter().any(has) {
            let message = format!("the key in {origin} cannot sign: gpg finds no usable private key");
            unusable(message, openpgp::EXPORT)
        } else {
            failed(name, &output)
        })
    }

    fn run(&self, command: Program) -> Result<ProgramOutput, GitError> {
        deadline::waiting(|| command.run(LIMIT)).map_err(|error| {
            let setting = program_for(self.kind).setting;
            let help = match &error {
                ProgramError::Missing { .. } => format!("install it, or set git's `{setting}` to its path"),
                ProgramError::Start { .. } => format!("check git's `{setting}`"),
                ProgramError::TimedOut { .. } => {
                    "check that the agent or security key can sign without user interaction".to_owned()
                }
            };
            unusable(format!("cannot sign commits: {error}"), help)
        })
    }

    /// Reports that the key has a passphrase and none is set.
    fn locked(&self) -> GitError {
        let message = format!("the key in {} is protected by a passphrase", self.origin);
        unusable(message, format!("set `{PASSPHRASE}` to it"))
    }
}

fn unusable(message: impl Into<String>, help: impl Into<String>) -> GitError {
    GitError::Signing { message: message.into(), help: help.into() }
}

/// Reports that a signing program failed; quotes the last line that it printed.
fn failed(program: &str, output: &ProgramOutput) -> GitError {
    let mut lines =
        output.stderr.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("[GNUPG:]"));
    let reason = lines.next_back().map_or_else(|| "no signature was printed".to_owned(), escape::terminal);
    unusable(
        format!("cannot sign commits: `{program}` failed: {reason}"),
        "check that `git commit -S` works for this user with the same key",
    )
}

fn not_written(error: &std::io::Error) -> GitError {
    unusable(
        format!("cannot write the signing key to a private directory: {error}"),
        "set `XDG_RUNTIME_DIR` or `TMPDIR` to a directory that this user can write",
    )
}

/// Reports that the RSA key of `origin` is too short, if it is.
fn check_rsa(origin: &str, bits: u32) -> Result<(), GitError> {
    if bits >= RSA_BITS_MIN {
        return Ok(());
    }
    Err(unusable(
        format!("the key in {origin} is too weak: RSA with {bits} bits"),
        "use an Ed25519 key, or RSA with at least 2048 bits",
    ))
}
