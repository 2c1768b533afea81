//! The signed content: what a payload or a statement must say to be a signature of an image, and the flaws it may have.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::model::image::Digest;

/// The type in a payload.
const PAYLOAD_TYPE: &str = "cosign container image signature";

/// The predicate type of a statement that signs an image. An attestation by the same signer, e.g. of a scan result,
/// does not approve of anything.
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/";

pub(super) const ENVELOPE_TYPE: &str = "application/vnd.in-toto+json";

/// The maximum number of keys in a file, signatures in an envelope, certificates in a chain, or log entries: each costs
/// a verification.
pub(super) const SEVERAL_MAX: usize = 10;

/// A signature as stored in a registry.
#[derive(Clone, Copy, Debug)]
pub enum RawSignature<'a> {
    /// A payload and its annotations.
    Payload(&'a [u8], &'a PayloadAnnotations),
    /// A Sigstore bundle.
    Bundle(&'a [u8]),
}

/// The annotations of a payload, in its descriptor (cosign, "Signature Specification").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadAnnotations {
    /// The signature, in Base64.
    pub(super) signature: String,
    /// The certificate of a keyless signature, in PEM.
    pub(super) certificate: Option<String>,
    /// The intermediate certificates, in PEM.
    pub(super) chain: Option<String>,
    /// The log entry, in JSON.
    pub(super) entry: Option<String>,
    /// The timestamp of an authority, in JSON.
    pub(super) timestamp: Option<String>,
}

impl PayloadAnnotations {
    /// Extracts the annotations; `None` without a signature. Values of unreasonable length are ignored.
    pub fn of(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let short = |key, max| annotations.get(key).filter(|text| text.len() <= max).cloned();
        Some(Self {
            signature: short("dev.cosignproject.cosign/signature", 1 << 10)?,
            certificate: short("dev.sigstore.cosign/certificate", 16 << 10),
            chain: short("dev.sigstore.cosign/chain", 64 << 10),
            entry: short("dev.sigstore.cosign/bundle", 64 << 10),
            timestamp: short("dev.sigstore.cosign/rfc3161timestamp", 64 << 10),
        })
    }
}

/// The reasons why a signature is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFlaw {
    /// The signature does not match any of the keys.
    #[error("signed with another key, or the content was changed")]
    Key,
    /// The signed content names another image.
    #[error("the signed content names another image")]
    Image,
    /// The signed content is not an image signature.
    #[error("the signed content is not an image signature")]
    Meaning,
    /// The signature is malformed.
    #[error("malformed signature: {0}")]
    Unreadable(&'static str),
    /// The signature is not keyless.
    #[error("no certificate: signed with a key")]
    NoCertificate,
    /// The signature is valid, but by another identity.
    #[error("signed by `{identity}` of issuer `{issuer}`")]
    Identity {
        /// The signer, escaped for messages.
        identity: String,
        /// The issuer, escaped for messages.
        issuer: String,
    },
    /// The certificate is not by a trusted authority.
    #[error("the certificate is not issued by an authority of the trusted root, or not for code signing")]
    Authority,
    /// The certificate was not logged.
    #[error("the certificate is not in a certificate log of the trusted root")]
    Unlogged,
    /// The certificate was not valid at signing time: a leaked one-time key could do that.
    #[error("the certificate was not valid at signing time")]
    Expired,
    /// There is no log entry.
    #[error("no log entry")]
    NoEntry,
    /// The log entry is not by a trusted log.
    #[error("the log entry is not signed by a log of the trusted root, or was changed")]
    Entry,
    /// The log entry belongs to another signature.
    #[error("the log entry belongs to another signature")]
    OtherEntry,
    /// There is no trusted timestamp.
    #[error("no timestamp by an authority of the trusted root")]
    Time,
    /// The content differs from the signed one.
    #[error("the content was changed after signing")]
    Changed,
}

/// The relevant part of a payload. `serde` rejects duplicate keys.
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

/// Checks that a payload is a signature of `digest`. Must only be called after verifying the payload's signature.
pub(super) fn approves_by_payload(payload: &[u8], digest: &Digest) -> Result<(), SignatureFlaw> {
    let Payload { critical } = read(payload)?;
    if critical.kind != PAYLOAD_TYPE {
        return Err(SignatureFlaw::Meaning);
    }
    if critical.image.digest == digest.as_str() { Ok(()) } else { Err(SignatureFlaw::Image) }
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

/// Checks that a statement of type `kind` is a signature of `digest`. Must only be called after verifying its
/// signature.
pub(super) fn approves_by_statement(kind: &str, statement: &[u8], digest: &Digest) -> Result<(), SignatureFlaw> {
    if kind != ENVELOPE_TYPE {
        return Err(SignatureFlaw::Meaning);
    }
    let Statement { kind, predicate_type, subject } = read(statement)?;
    if !kind.starts_with(STATEMENT_TYPE) || predicate_type != PREDICATE_TYPE {
        return Err(SignatureFlaw::Meaning);
    }
    let (algorithm, hex) = digest.as_str().split_once(':').unwrap_or_default();
    let names = |one: &Subject| one.digest.get(algorithm).is_some_and(|named| named == hex);
    if subject.iter().any(names) { Ok(()) } else { Err(SignatureFlaw::Image) }
}

/// The content of a Sigstore bundle, as `E` or `S`.
pub(super) enum BundleContent<E, S> {
    /// A DSSE envelope around a statement.
    Envelope(E),
    /// A signature of the manifest itself.
    Signature(S),
}

impl<'de, E: Deserialize<'de>, S: Deserialize<'de>> BundleContent<E, S> {
    /// Reads a bundle, which must have exactly one of the two.
    pub(super) fn read(bundle: &'de [u8]) -> Result<Self, SignatureFlaw> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Contents<E, S> {
            dsse_envelope: Option<E>,
            message_signature: Option<S>,
        }
        match read(bundle)? {
            Contents { dsse_envelope: Some(envelope), message_signature: None } => Ok(Self::Envelope(envelope)),
            Contents { dsse_envelope: None, message_signature: Some(signature) } => Ok(Self::Signature(signature)),
            Contents { .. } => Err(SignatureFlaw::Unreadable("expected either an envelope or a signature")),
        }
    }
}

pub(super) fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, SignatureFlaw> {
    serde_json::from_slice(bytes).map_err(|_| SignatureFlaw::Unreadable("unexpected format"))
}

pub(super) fn decode(text: &str) -> Result<Vec<u8>, SignatureFlaw> {
    STANDARD.decode(text.trim()).map_err(|_| SignatureFlaw::Unreadable("invalid Base64"))
}

/// Splits PEM text (RFC 7468) into labels and blocks; `None` for a block without an end.
pub(super) fn pem(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
    const BEGIN: &str = "-----BEGIN ";
    text.match_indices(BEGIN).map(move |(at, _)| {
        let label = text[at + BEGIN.len()..].split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        (label, text[at..].find(&end).map(|length| &text[at..at + length + end.len()]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_of_unreasonable_length_are_ignored() {
        let of = |pairs: &[(&str, usize)]| {
            let text = |(key, length): &(&str, usize)| ((*key).to_owned(), "x".repeat(*length));
            PayloadAnnotations::of(&pairs.iter().map(text).collect())
        };
        let (signature, entry) = ("dev.cosignproject.cosign/signature", "dev.sigstore.cosign/bundle");
        assert_eq!(of(&[(entry, 1)]), None);
        assert_eq!(of(&[(signature, 1_025)]), None);
        let lengths = |found: Option<PayloadAnnotations>| {
            found.map(|annotations| (annotations.signature.len(), annotations.entry))
        };
        assert_eq!(lengths(of(&[(signature, 1_024), (entry, 1)])), Some((1_024, Some("x".to_owned()))));
        assert_eq!(lengths(of(&[(signature, 1), (entry, (64 << 10) + 1)])), Some((1, None)));
    }
}
