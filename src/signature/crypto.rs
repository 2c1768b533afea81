//! Verification of ECDSA signatures with AWS-LC, the cryptographic library of TLS and of Sigstore's library too.
//!
//! Nothing here creates keys or signs.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;

/// The tags of DER (X.690, section 8).
const INTEGER: u8 = 2;
const SEQUENCE: u8 = 0x30;

/// An ECDSA public key on the curve P-256, as a `SubjectPublicKeyInfo` (RFC 5480, section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct P256Key(Vec<u8>);

impl P256Key {
    /// Reads a `PUBLIC KEY` block of PEM (RFC 7468, section 13).
    pub(super) fn from_pem(block: &str) -> Option<Self> {
        let key = Self(SubjectPublicKeyInfoDer::from_pem_slice(block.as_bytes()).ok()?.to_vec());
        // The library accepts a bare point too.
        (key.0.first() == Some(&SEQUENCE) && key.parsed().is_some()).then_some(key)
    }

    /// Verifies a signature of a message with this SHA-256 hash.
    pub(super) fn verify(&self, hash: &[u8], signature: &EcdsaSignature) -> bool {
        let hash = Digest::import_less_safe(hash, &digest::SHA256).ok();
        let verified = hash.zip(self.parsed()).map(|(hash, key)| key.verify_digest_sig(&hash, &signature.0));
        matches!(verified, Some(Ok(())))
    }

    fn parsed(&self) -> Option<ParsedPublicKey> {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &self.0).ok()
    }
}

/// An ECDSA signature (RFC 3279, section 2.2.3).
pub(super) struct EcdsaSignature(Vec<u8>);

impl EcdsaSignature {
    /// Reads a signature in DER; none if the bytes have any other encoding.
    pub(super) fn from_der(bytes: &[u8]) -> Option<Self> {
        let (numbers, rest) = value(SEQUENCE, bytes)?;
        let (first, numbers) = value(INTEGER, numbers)?;
        let (second, others) = value(INTEGER, numbers)?;
        let is_whole = rest.is_empty() && others.is_empty();
        (is_whole && is_positive(first) && is_positive(second)).then(|| Self(bytes.to_vec()))
    }
}

/// Splits off a value with this tag and a length below 128.
fn value(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    if head[0] != tag || head[1] >= 128 {
        return None;
    }
    rest.split_at_checked(usize::from(head[1]))
}

/// Returns whether an integer is positive and minimally encoded.
fn is_positive(integer: &[u8]) -> bool {
    match integer {
        [0, next, ..] => *next >= 128,
        [first, ..] => (1..128).contains(first),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn a_signature_has_one_encoding() {
        let der = [0x30, 6, 2, 1, 1, 2, 1, 1];
        assert!(EcdsaSignature::from_der(&der).is_some());
        assert!(EcdsaSignature::from_der(&[0x30, 7, 2, 2, 0, 128, 2, 1, 1]).is_some());
        assert!(EcdsaSignature::from_der(&[&der[..], &[0]].concat()).is_none());
        for bad in [&[0x30, 7, 2, 2, 0, 1, 2, 1, 1][..], &[0x30, 6, 2, 1, 255, 2, 1, 1], &[0x30, 6, 2, 1, 0, 2, 1, 1]] {
            assert!(EcdsaSignature::from_der(bad).is_none(), "{bad:?}");
        }
        for length in 0..der.len() {
            assert!(EcdsaSignature::from_der(&der[..length]).is_none());
        }
    }

    #[test]
    fn a_bare_point_is_no_public_key() {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let pem =
            |der: &[u8]| format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(der));
        let info = key.public_key().as_der().unwrap();
        assert!(P256Key::from_pem(&pem(info.as_ref())).is_some());
        let point = key.public_key().as_ref();
        assert!(P256Key(point.to_vec()).parsed().is_some(), "the library accepts it");
        assert!(P256Key::from_pem(&pem(point)).is_none());
    }
}
