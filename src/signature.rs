//! Signatures of images: whether one of the keys in a file vouches for a digest.
//!
//! Pure: bytes in, a verdict out; where signatures are kept and how they are fetched is not known here. Read are the two
//! formats that `cosign` writes: a payload beside a bare signature (Red Hat's "simple signing"), and the Sigstore bundle
//! around a DSSE envelope with an in-toto statement, or around a signature of the manifest itself. A signature counts
//! only where what was signed names the very digest, so that one cannot be moved to another image.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::pkcs8::DecodePublicKey as _;
use serde::Deserialize;

use crate::image::{Digest, NameError};

/// The media type of a payload whose signature stands beside it.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The annotation of a payload's descriptor that holds its signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What artifacts are called that hold payloads, where they are found as referrers.
pub const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// How the media type of a bundle begins, whatever its version.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// What a payload says that it is.
const PAYLOAD_TYPE: &str = "cosign container image signature";
/// What a statement says that it is, where it signs an image and nothing more: an attestation by the same key, of what a
/// scan found for example, approves of nothing.
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/";
const ENVELOPE_TYPE: &str = "application/vnd.in-toto+json";

/// The most keys of a file, and signatures of an envelope.
const SEVERAL_MAX: usize = 10;
/// The largest file of keys, in bytes.
const FILE_MAX: usize = 64 << 10;

/// The public keys of one file. Each vouches by itself, so that an old one and a new one can stand side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyFile {
    keys: Vec<VerifyingKey>,
    id: Digest,
}

/// The files of keys that a root names, by path.
pub type Keys = BTreeMap<String, Arc<KeyFile>>;

/// Why a signature does not vouch for a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It is by somebody else, or what was signed was changed.
    #[error("it is by another key, or what was signed was changed")]
    Key,
    /// What was signed names another image.
    #[error("what was signed names another image")]
    Image,
    /// It is something else than the signature of an image.
    #[error("what was signed is no approval of an image")]
    Meaning,
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(&'static str),
}

impl KeyFile {
    /// Reads public keys in PEM, one or several.
    ///
    /// # Errors
    /// A sentence and a way out.
    pub fn read(bytes: &[u8]) -> Result<Self, NameError> {
        const BEGIN: &str = "-----BEGIN ";
        let help = "put a public key there as `cosign generate-key-pair` writes it: ECDSA P-256, in PEM";
        let refuse = |what: &str| NameError::new(what).help(help);
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= FILE_MAX);
        let text = text.ok_or_else(|| refuse("it is no text of bearable length"))?;
        let mut keys = Vec::new();
        for (at, _) in text.match_indices(BEGIN) {
            let label = text[at + BEGIN.len()..].split("-----").next().unwrap_or_default();
            if label.ends_with("PRIVATE KEY") {
                let help = "take it out of the repository and of its history, and commit the public key in its place";
                return Err(NameError::new("it holds a private key").help(help));
            }
            if label != "PUBLIC KEY" {
                return Err(refuse("it holds something else than public keys"));
            }
            const END: &str = "-----END PUBLIC KEY-----";
            let end = text[at..].find(END).ok_or_else(|| refuse("a key in it has no end"))? + at + END.len();
            let key = VerifyingKey::from_public_key_pem(&text[at..end].replace("\r\n", "\n"));
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
    pub fn id(&self) -> &Digest {
        &self.id
    }

    /// Whether `signature`, in Base64, of `payload` vouches for `digest`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn vouches_by_payload(&self, digest: &Digest, payload: &[u8], signature: &str) -> Result<(), Flaw> {
        self.signed(payload, &decode(signature)?)?;
        // Nothing of a payload is read before its signature holds.
        let Payload { critical } = read(payload)?;
        if critical.kind != PAYLOAD_TYPE {
            return Err(Flaw::Meaning);
        }
        if critical.image.digest == digest.as_str() { Ok(()) } else { Err(Flaw::Image) }
    }

    /// Whether a Sigstore bundle vouches for `digest`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn vouches_by_bundle(&self, digest: &Digest, bundle: &[u8]) -> Result<(), Flaw> {
        match read(bundle)? {
            Bundle { envelope: Some(envelope), message: None } => self.vouches_by_envelope(digest, &envelope),
            Bundle { envelope: None, message: Some(message) } => {
                // The hash that was signed is the digest itself, whatever the bundle says beside it.
                let hash = digest.as_str().strip_prefix("sha256:").and_then(unhex).ok_or(Flaw::Image)?;
                let signature = Signature::from_der(&decode(&message.signature)?).map_err(|_| NO_SIGNATURE)?;
                let holds = |key: &VerifyingKey| key.verify_prehash(&hash, &signature).is_ok();
                if self.keys.iter().any(holds) { Ok(()) } else { Err(Flaw::Key) }
            }
            Bundle { .. } => Err(Flaw::Unreadable("it has none or both of an envelope and a signature")),
        }
    }

    fn vouches_by_envelope(&self, digest: &Digest, envelope: &Envelope) -> Result<(), Flaw> {
        let Envelope { payload, kind, signatures } = envelope;
        let payload = decode(payload)?;
        // DSSE 1.0, "Protocol": what is signed is the type and the payload, each behind its length.
        let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
        signed.extend(&payload);
        let holds = |one: &EnvelopeSignature| self.signed(&signed, &decode(&one.sig)?);
        if !signatures.iter().take(SEVERAL_MAX).any(|one| holds(one).is_ok()) {
            return Err(Flaw::Key);
        }
        if kind != ENVELOPE_TYPE {
            return Err(Flaw::Meaning);
        }
        let Statement { kind, predicate_type, subject } = read(&payload)?;
        if !kind.starts_with(STATEMENT_TYPE) || predicate_type != PREDICATE_TYPE {
            return Err(Flaw::Meaning);
        }
        let (algorithm, hex) = digest.as_str().split_once(':').unwrap_or_default();
        let names = |one: &Subject| one.digest.get(algorithm).is_some_and(|named| named == hex);
        if subject.iter().any(names) { Ok(()) } else { Err(Flaw::Image) }
    }

    fn signed(&self, message: &[u8], signature: &[u8]) -> Result<(), Flaw> {
        let signature = Signature::from_der(signature).map_err(|_| NO_SIGNATURE)?;
        let holds = |key: &VerifyingKey| key.verify(message, &signature).is_ok();
        if self.keys.iter().any(holds) { Ok(()) } else { Err(Flaw::Key) }
    }
}

const NO_SIGNATURE: Flaw = Flaw::Unreadable("it is no ECDSA signature");

/// What a payload says, as far as it matters here. A key that stands twice is refused by `serde`.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: PayloadImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PayloadImage {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// A Sigstore bundle, as far as a key needs it.
#[derive(Deserialize)]
struct Bundle {
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

/// An in-toto statement.
#[derive(Deserialize)]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: Vec<Subject>,
}

#[derive(Deserialize)]
struct Subject {
    digest: BTreeMap<String, String>,
}

fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, Flaw> {
    serde_json::from_slice(bytes).map_err(|_| Flaw::Unreadable("it is not of its format"))
}

fn decode(text: &str) -> Result<Vec<u8>, Flaw> {
    STANDARD.decode(text.trim()).map_err(|_| Flaw::Unreadable("it is not in Base64"))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
