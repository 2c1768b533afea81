//! Content digests: what an image is, whatever it is called.

use std::str::FromStr;

use super::{NameError, shorten};

/// A content digest, `sha256:…` or `sha512:…` in lower-case hexadecimal (OCI Image Specification 1.1, "Digests").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub(super) String);

impl Digest {
    /// The text, algorithm included.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve hexadecimal digits, for messages to people.
    pub fn short(&self) -> &str {
        let hex = self.0.split_once(':').map_or(self.0.as_str(), |(_, hex)| hex);
        &hex[..12]
    }

    /// Whether it begins with `prefix`, with or without its algorithm.
    pub fn begins_with(&self, prefix: &str) -> bool {
        let hex = self.0.split_once(':').map_or(self.0.as_str(), |(_, hex)| hex);
        self.0.starts_with(prefix) || hex.starts_with(prefix)
    }

    /// The SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex(&sha2::Sha256::digest(bytes))))
    }

    /// Whether `bytes` hash to this digest, by its own algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        use sha2::Digest as _;
        match self.0.split_once(':') {
            Some(("sha512", expected)) => hex(&sha2::Sha512::digest(bytes)) == expected,
            _ => *self == Self::sha256(bytes),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [DIGITS[usize::from(b >> 4)] as char, DIGITS[usize::from(b & 15)] as char]).collect()
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let algorithms = [("sha256:", 64), ("sha512:", 128)];
        let hex = algorithms.into_iter().find_map(|(algorithm, length)| Some((text.strip_prefix(algorithm)?, length)));
        // Without an early end this is done many bytes at a time, and a large lock has tens of thousands.
        let is_lower_hex = |hex: &str| hex.bytes().fold(true, |all, b| all & matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex.is_some_and(|(hex, length)| hex.len() == length && is_lower_hex(hex)) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("`{}` is not a digest", shorten(text)))
            .help("a digest is `sha256:` and 64 lower-case hexadecimal digits"))
    }
}
