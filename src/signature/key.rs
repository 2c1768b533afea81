//! Signatures by a key: whether one of the public keys in a file vouches for a digest.

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde::Deserialize;

use super::{RawSignature, SEVERAL_MAX, SignatureFlaw, approves_by_payload, approves_by_statement, decode, pem, read};
use crate::model::image::{Digest, NameError};

/// The largest file of keys, in bytes.
const FILE_MAX: usize = 64 << 10;

/// The public keys of one file. Each vouches by itself, so that an old one and a new one can stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    keys: Vec<VerifyingKey>,
    id: Digest,
}

impl KeyFile {
    /// Reads public keys in PEM, one or several.
    ///
    /// # Errors
    /// A sentence and a way out.
    pub fn read(bytes: &[u8]) -> Result<Self, NameError> {
        let help = "put a public key there as `cosign generate-key-pair` writes it: ECDSA P-256, in PEM";
        let refuse = |what: &str| NameError::new(what).help(help);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX);
        let text = text.ok_or_else(|| refuse("it is no text of bearable length"))?;
        let mut keys = Vec::new();
        for (label, block) in pem(text) {
            if label.ends_with("PRIVATE KEY") {
                let help = "take it out of the repository and of its history, and commit the public key in its place";
                return Err(NameError::new("it holds a private key").help(help));
            }
            if label != "PUBLIC KEY" {
                return Err(refuse("it holds something else than public keys"));
            }
            let block = block.ok_or_else(|| refuse("a key in it has no end"))?;
            let key = VerifyingKey::from_public_key_pem(&block.replace("\r\n", "\n"));
            keys.push(key.map_err(|_| refuse("a key in it is none of ECDSA P-256"))?);
            if keys.len() > SEVERAL_MAX {
                return Err(refuse("it holds more than ten keys"));
            }
        }
        match keys.is_empty() {
            true => Err(refuse("it holds no public key")),
            false => Ok(Self { keys, id: Digest::sha256(bytes) }),
        }
    }

    /// The digest of the file: two with the same one hold the same keys.
    pub(super) fn id(&self) -> &Digest {
        &self.id
    }

    /// Whether `signed` vouches for `digest`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, digest: &Digest, signed: RawSignature<'_>) -> Result<(), SignatureFlaw> {
        match signed {
            RawSignature::Payload(payload, beside) => {
                self.signed(payload, &decode(&beside.signature)?)?;
                approves_by_payload(payload, digest)
            }
            RawSignature::Bundle(bundle) => self.vouches_by_bundle(digest, bundle),
        }
    }

    fn vouches_by_bundle(&self, digest: &Digest, bundle: &[u8]) -> Result<(), SignatureFlaw> {
        match read(bundle)? {
            KeyBundle { envelope: Some(envelope), message: None } => self.vouches_by_envelope(digest, &envelope),
            KeyBundle { envelope: None, message: Some(message) } => {
                // The hash that was signed is the digest itself, whatever the bundle says beside it.
                let hash = digest.as_str().strip_prefix("sha256:").and_then(unhex).ok_or(SignatureFlaw::Image)?;
                let signature = Signature::from_der(&decode(&message.signature)?).map_err(|_| NO_SIGNATURE)?;
                let holds = |key: &VerifyingKey| key.verify_prehash(&hash, &signature).is_ok();
                if self.keys.iter().any(holds) { Ok(()) } else { Err(SignatureFlaw::Key) }
            }
            KeyBundle { .. } => Err(SignatureFlaw::Unreadable("it has none or both of an envelope and a signature")),
        }
    }

    fn vouches_by_envelope(&self, digest: &Digest, envelope: &Envelope) -> Result<(), SignatureFlaw> {
        let Envelope { payload, kind, signatures } = envelope;
        let payload = decode(payload)?;
        // DSSE 1.0, "Protocol": what is signed is the type and the payload, each behind its length.
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend(&payload);
        let holds = |one: &EnvelopeSignature| self.signed(&signed, &decode(&one.sig)?);
        if !signatures.iter().take(SEVERAL_MAX).any(|one| holds(one).is_ok()) {
            return Err(SignatureFlaw::Key);
        }
        approves_by_statement(kind, &payload, digest)
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureFlaw> {
        let signature = Signature::from_der(signature).map_err(|_| NO_SIGNATURE)?;
        let holds = |key: &VerifyingKey| key.verify(message, &signature).is_ok();
        if self.keys.iter().any(holds) { Ok(()) } else { Err(SignatureFlaw::Key) }
    }
}

const NO_SIGNATURE: SignatureFlaw = SignatureFlaw::Unreadable("it is no ECDSA signature");

/// A Sigstore bundle, as far as a key needs it.
#[derive(Deserialize)]
struct KeyBundle {
    #[serde(rename = "dsseEnvelope")]
    envelope: Option<Envelope>,
    #[serde(rename = "messageSignature")]
    message: Option<MessageSignature>,
}

#[derive(Deserialize)]
struct MessageSignature {
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

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
