//! Encodings of bytes as text: Base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Encodes bytes in Base64 with padding (RFC 4648, section 4).
pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

/// Decodes Base64 with padding; panics if it is invalid.
pub(crate) fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap()
}
