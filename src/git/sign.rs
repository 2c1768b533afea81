//! Signs commits, with a key that comes from the environment alone: no file of a repository names one.
//!
//! A key that cannot be used is an error before anything is sent. Nothing here has a `Debug`, `Display` or `Serialize`.

mod openpgp;
mod ssh;

use std::io::Read as _;
use std::path::PathBuf;

use jiff::Timestamp;

use super::GitError;
use super::credential::GitSecret;
use super::message::shown;
use crate::model::settings::SigningKeyKind;
use crate::system::environment;

/// The variable that holds a key.
const KEY: &str = "PINSTREAM_SIGNING_KEY";
/// The variable that names the file of a key.
const KEY_FILE: &str = "PINSTREAM_SIGNING_KEY_FILE";
/// The variable that holds what opens a key.
const PASSPHRASE: &str = "PINSTREAM_SIGNING_PASSPHRASE";
/// The largest key, in bytes.
const KEY_MAX: u64 = 1 << 20;
/// The fewest bits of an RSA key (NIST SP 800-131A, revision 2, section 3).
const RSA_BITS_MIN: usize = 2_048;

/// Where the key is.
#[derive(Clone, Default)]
pub struct KeySource {
    /// The key's text.
    pub key: Option<GitSecret>,
    /// A file that holds it.
    pub file: Option<PathBuf>,
    /// What opens it.
    pub passphrase: Option<GitSecret>,
}

impl KeySource {
    /// What the environment of the process says.
    pub fn from_environment() -> Self {
        Self {
            key: environment::var(KEY).map(GitSecret::new),
            file: environment::var(KEY_FILE).map(PathBuf::from),
            passphrase: environment::var(PASSPHRASE).map(GitSecret::new),
        }
    }

    /// The key's text, and what messages call its place.
    fn text(&self) -> Result<(GitSecret, String), GitError> {
        match (&self.key, &self.file) {
            (Some(_), Some(_)) => {
                Err(unusable(format!("both `{KEY}` and `{KEY_FILE}` are set"), "take one of the two away"))
            }
            (Some(key), None) => Ok((key.clone(), format!("`{KEY}`"))),
            (None, Some(path)) => {
                let name = format!("the file `{}` of `{KEY_FILE}`", shown(&path.display().to_string()));
                let help = "name a file that this user may read, and that holds the key alone";
                read(path)
                    .map(|key| (key, name.clone()))
                    .map_err(|why| unusable(format!("{name} cannot be read: {why}"), help))
            }
            (None, None) => Err(unusable(
                "commits are to be signed, and there is no key",
                format!(
                    "set `{KEY}` to the key's text or `{KEY_FILE}` to its path, or take `sign` out of `pinstream.toml`"
                ),
            )),
        }
    }
}

fn read(path: &std::path::Path) -> Result<GitSecret, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(KEY_MAX + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > KEY_MAX { Err("it is larger than 1 MiB".to_owned()) } else { Ok(GitSecret::new(text)) }
}

/// Why a key cannot be used.
enum Trouble {
    /// It is no private key of the kind that is asked for.
    NoKey,
    /// It is locked, and there is no passphrase.
    Locked,
    /// The passphrase does not open it.
    WrongPassphrase,
    /// It can be read and must not, or cannot, sign; a sentence and a way out.
    Unfit(String, &'static str),
}

/// A key that has proved that it can sign.
pub(super) enum Signer {
    Ssh(Box<ssh::Key>),
    OpenPgp(openpgp::Key),
}

impl Signer {
    /// Reads the key of `source`, opens it, and signs something with it to see that it can.
    ///
    /// # Errors
    /// What is wrong with it, by the variable that it comes from.
    pub(super) fn load(sign: SigningKeyKind, source: &KeySource, now: Timestamp) -> Result<Self, GitError> {
        let (key, place) = source.text()?;
        // Secrets of CI systems lose their last line break, or get those of another system.
        let text = GitSecret::new(format!("{}\n", key.reveal().replace("\r\n", "\n").trim()));
        let passphrase = source.passphrase.as_ref();
        let signer = match sign {
            SigningKeyKind::Ssh => ssh::Key::read(&text, passphrase).map(|key| Self::Ssh(Box::new(key))),
            SigningKeyKind::OpenPgp => openpgp::Key::read(&text, passphrase, now).map(Self::OpenPgp),
        };
        let signer = signer.map_err(|trouble| trouble.at(&place, sign))?;
        signer.sign(b"", now)?;
        Ok(signer)
    }

    /// The armored signature of `commit`, the bytes of a commit object.
    ///
    /// # Errors
    /// Where the key cannot sign.
    pub(super) fn sign(&self, commit: &[u8], now: Timestamp) -> Result<String, GitError> {
        let signed = match self {
            Self::Ssh(key) => key.sign(commit),
            Self::OpenPgp(key) => key.sign(commit, now),
        };
        let help = "use a key that signs commits elsewhere, as with `git commit -S`";
        signed.map_err(|why| unusable(format!("the signing key cannot sign: {}", shown(&why)), help))
    }
}

impl Trouble {
    /// The error that the key at `place` has this trouble.
    fn at(self, place: &str, sign: SigningKeyKind) -> GitError {
        match self {
            Self::NoKey => match sign {
                SigningKeyKind::Ssh => unusable(
                    format!("{place} holds no private key in OpenSSH's form"),
                    "it begins with `-----BEGIN OPENSSH PRIVATE KEY-----`, as of `ssh-keygen -t ed25519`; \
                     `ssh-keygen -p -f FILE` brings an older one into that form",
                ),
                SigningKeyKind::OpenPgp => unusable(
                    format!("{place} holds no armored OpenPGP private key"),
                    "it begins with `-----BEGIN PGP PRIVATE KEY BLOCK-----`, as of `gpg --armor --export-secret-keys`",
                ),
            },
            Self::Locked => {
                unusable(format!("the key in {place} is locked by a passphrase"), format!("set `{PASSPHRASE}` to it"))
            }
            Self::WrongPassphrase => unusable(
                format!("`{PASSPHRASE}` does not open the key in {place}"),
                "set it to the passphrase of that key",
            ),
            Self::Unfit(why, help) => unusable(format!("the key in {place} cannot be used: {why}"), help),
        }
    }
}

fn unusable(message: impl Into<String>, help: impl Into<String>) -> GitError {
    GitError::Signing { message: message.into(), help: help.into() }
}

/// The trouble of an RSA key of so many bits, if it is too weak.
fn rsa_of(bits: usize) -> Result<(), Trouble> {
    if bits >= RSA_BITS_MIN {
        return Ok(());
    }
    let why = format!("an RSA key of {bits} bits is too weak");
    Err(Trouble::Unfit(why, "use one of at least 2048 bits, or an Ed25519 key"))
}
