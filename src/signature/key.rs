//! Verifies signatures made with a key.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::content::{
    BundleContent, RawSignature, SEVERAL_MAX, SignatureFlaw, approves_by_payload, approves_by_statement, decode, pem,
};
use super::crypto::{EcdsaSignature, P256Key};
use crate::model::image::{Digest, NameError};
use crate::text::encoding::from_hex;

/// The largest key file, in bytes.
const FILE_MAX: usize = 64 << 10;

/// The public keys of one file. Any of them is accepted, so that keys can be rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    keys: Vec<P256Key>,
    /// Digest of the file; equal digests mean equal keys.
    pub(super) id: Digest,
}

impl KeyFile {
    /// Reads one or more public keys in PEM.
    ///
    /// # Errors
    /// Returns an error if the file is invalid.
    pub fn read(bytes: &[u8]) -> Result<Self, NameError> {
        let help = "use a public key as written by `cosign generate-key-pair`: ECDSA P-256, in PEM";
        let refuse = |what: &str| NameError::new(what).help(help);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX);
        let text = text.ok_or_else(|| refuse("not text, or too large"))?;
        let mut keys = Vec::new();
        for (label, block) in pem(text) {
            if label.ends_with("PRIVATE KEY") {
                let help = "remove it from the repository and its history, and commit the public key instead";
                return Err(NameError::new("it contains a private key").help(help));
            }
            if label != "PUBLIC KEY" {
                return Err(refuse("it contains something other than public keys"));
            }
            let block = block.ok_or_else(|| refuse("it contains a truncated key"))?;
            let key = P256Key::from_pem(&block.replace("\r\n", "\n"));
            keys.push(key.ok_or_else(|| refuse("it contains a key other than ECDSA P-256"))?);
            if keys.len() > SEVERAL_MAX {
                return Err(refuse("it contains more than ten keys"));
            }
        }
        if keys.is_empty() {
            return Err(refuse("it contains no public key"));
        }
        Ok(Self { keys, id: Digest::sha256(bytes) })
    }

    /// Checks that `signed` is a valid signature of `digest`.
    ///
    /// # Errors
    /// Returns the flaw of the signature.
    pub fn verify(&self, digest: &Digest, signed: RawSignature<'_>) -> Result<(), SignatureFlaw> {
        match signed {
            RawSignature::Payload(payload, annotations) => {
                self.verify_hash(&Sha256::digest(payload), &annotations.signature)?;
                approves_by_payload(payload, digest)
            }
            RawSignature::Bundle(bundle) => self.verify_bundle(digest, bundle),
        }
    }

    fn verify_bundle(&self, digest: &Digest, bundle: &[u8]) -> Result<(), SignatureFlaw> {
        match BundleContent::read(bundle)? {
            BundleContent::Envelope(envelope) => self.verify_envelope(digest, &envelope),
            BundleContent::Signature(SignedDigest { signature }) => {
                // The signed hash is the digest itself, whatever else the bundle contains.
                let hash = digest.as_str().strip_prefix("sha256:").and_then(from_hex).ok_or(SignatureFlaw::Image)?;
                self.verify_hash(&hash, &signature)
            }
        }
    }

    fn verify_envelope(&self, digest: &Digest, envelope: &Envelope) -> Result<(), SignatureFlaw> {
        let Envelope { payload, kind, signatures } = envelope;
        let payload = decode(payload)?;
        // DSSE 1.0, "Protocol": the type and the payload are signed, each after its length.
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend(&payload);
        let hash = Sha256::digest(&signed);
        if !signatures.iter().take(SEVERAL_MAX).any(|one| self.verify_hash(&hash, &one.sig).is_ok()) {
            return Err(SignatureFlaw::Key);
        }
        approves_by_statement(kind, &payload, digest)
    }

    /// Verifies a Base64 signature of a message with this SHA-256 hash.
    fn verify_hash(&self, hash: &[u8], signature: &str) -> Result<(), SignatureFlaw> {
        let signature = EcdsaSignature::from_der(&decode(signature)?);
        let signature = signature.ok_or(SignatureFlaw::Unreadable("not an ECDSA signature"))?;
        let is_valid = |key: &P256Key| key.verify(hash, &signature);
        if self.keys.iter().any(is_valid) { Ok(()) } else { Err(SignatureFlaw::Key) }
    }
}

/// A signature of the digest of a manifest.
#[derive(Deserialize)]
struct SignedDigest {
    signature: String,
}

#[derive(Deserialize)]
struct Envelope {
    payload: String,
    #[serde(rename = "payloadType")]
    kind: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[cfg(test)]
mod tests;
