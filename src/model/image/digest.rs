//! Content digests, the immutable identity of an image.

use std::str::FromStr;

use crate::text::byte_class::is_lower_hex;
use crate::text::diagnostics::NameError;
use crate::text::encoding::hex;
use crate::text::escape::excerpt;

/// A content digest, `sha256:…` or `sha512:…` in lower-case hexadecimal (OCI Image Specification 1.1, "Digests").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub(super) String);

impl Digest {
    /// Returns the first twelve hexadecimal digits, for messages.
    pub fn short(&self) -> &str {
        &self.hex()[..12]
    }

    /// Returns true if it starts with `prefix`, with or without the algorithm.
    pub fn begins_with(&self, prefix: &str) -> bool {
        self.0.starts_with(prefix) || self.hex().starts_with(prefix)
    }

    /// Returns the hexadecimal digits, without the algorithm.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or(self.0.as_str(), |(_, hex)| hex)
    }

    /// Computes the SHA-256 digest of `bytes`.
    pub fn sha256(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(format!("sha256:{}", hex(&sha2::Sha256::digest(bytes))))
    }

    /// Returns true if `bytes` hash to this digest, by its own algorithm.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        use sha2::Digest as _;
        match self.0.split_once(':') {
            Some(("sha512", expected)) => hex(&sha2::Sha512::digest(bytes)) == expected,
            _ => *self == Self::sha256(bytes),
        }
    }
}

impl FromStr for Digest {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let algorithms = [("sha256:", 64), ("sha512:", 128)];
        let hex = algorithms.into_iter().find_map(|(algorithm, length)| Some((text.strip_prefix(algorithm)?, length)));
        if hex.is_some_and(|(hex, length)| hex.len() == length && is_lower_hex(hex)) {
            return Ok(Self(text.to_owned()));
        }
        Err(NameError::new(format!("invalid digest `{}`", excerpt(text)))
            .help("write `sha256:` and 64 lower-case hexadecimal digits"))
    }
}
