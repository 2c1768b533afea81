//! Verifies signatures of images: whether a trusted signer signed a digest.
//!
//! Pure: takes bytes and returns a verdict; never fetches signatures. Supports the two formats written by `cosign`: a
//! payload with a detached signature (Red Hat's "simple signing"), and the Sigstore bundle with a DSSE envelope around an
//! in-toto statement, or with a signature of the manifest itself. Either is made with a long-lived key, or keyless: with a
//! one-time key that a certificate binds to an identity. A signature counts only if the signed content names the very
//! digest, so that it cannot be transferred to another image.
mod identity;
mod key;
mod keyless;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::model::image::{Digest, NameError};
pub use identity::{Identity, Issuer};
pub use key::KeyFile;
pub use keyless::TrustedRoot;

/// The media type of a payload with a detached signature.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The artifact type of payloads attached as referrers.
pub const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The prefix of the media type of bundles, whatever their version.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// The type in a payload.
const PAYLOAD_TYPE: &str = "cosign container image signature";
/// The predicate type of a statement that signs an image. An attestation by the same signer, e.g. of a scan result, does not
/// approve of anything.
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/";
const ENVELOPE_TYPE: &str = "application/vnd.in-toto+json";

/// The maximum number of keys in a file, signatures in an envelope, certificates in a chain, or log entries: each costs a
/// verification.
const SEVERAL_MAX: usize = 10;

/// `verify`: the required signer of a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verify {
    /// The holder of one of the keys in this file of the root.
    Key(String),
    /// An identity in a certificate.
    Keyless(CertificateIdentity),
}

/// An identity in a certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateIdentity {
    /// The issuer that authenticated the signer.
    pub issuer: Issuer,
    /// The signer.
    pub identity: Identity,
    /// The file of the root with the trusted authorities and logs; `None` for those of Sigstore's public instance.
    pub trusted_root: Option<String>,
}

impl fmt::Display for Verify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(path) => write!(f, "`{path}`"),
            Self::Keyless(CertificateIdentity { issuer, identity, .. }) => write!(f, "`{identity}` of `{issuer}`"),
        }
    }
}

/// Kinds of files that `verify` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Public keys.
    Keys,
    /// Authorities and logs.
    TrustedRoot,
}

/// The trusted keys and authorities: the files that `verify` names, by path.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: BTreeMap<String, Arc<KeyFile>>,
    roots: BTreeMap<String, Arc<TrustedRoot>>,
}

impl Trust {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Returns an error if the file is invalid.
    pub fn read(&mut self, kind: Anchor, path: &str, bytes: &[u8]) -> Result<(), NameError> {
        match kind {
            Anchor::Keys => drop(self.keys.insert(path.to_owned(), Arc::new(KeyFile::read(bytes)?))),
            Anchor::TrustedRoot => drop(self.roots.insert(path.to_owned(), Arc::new(TrustedRoot::read(bytes)?))),
        }
        Ok(())
    }

    /// Returns the verifier for `verify`; `None` if the file it needs was not read.
    pub fn verifier<'a>(&'a self, verify: &'a Verify) -> Option<Verifier<'a>> {
        match verify {
            Verify::Key(path) => Some(Verifier::Key(self.keys.get(path)?)),
            Verify::Keyless(signer) => {
                let root = match &signer.trusted_root {
                    Some(path) => self.roots.get(path)?,
                    None => TrustedRoot::public()?,
                };
                Some(Verifier::Keyless(root, signer))
            }
        }
    }
}

/// Verifies signatures of one required signer.
#[derive(Clone, Copy, Debug)]
pub enum Verifier<'a> {
    /// Accepts signatures by these keys.
    Key(&'a KeyFile),
    /// Accepts signatures by this identity, under these authorities and logs.
    Keyless(&'a TrustedRoot, &'a CertificateIdentity),
}

impl Verifier<'_> {
    /// Returns the digest of the file it uses; another commit may have another file at the same path.
    pub fn id(&self) -> &Digest {
        match self {
            Self::Key(file) => file.id(),
            Self::Keyless(root, _) => root.id(),
        }
    }

    /// Checks that `signed` is a valid signature of `digest`.
    ///
    /// # Errors
    /// Returns the flaw of the signature.
    pub fn verify(&self, digest: &Digest, signed: RawSignature<'_>) -> Result<(), SignatureFlaw> {
        match self {
            Self::Key(file) => file.verify(digest, signed),
            Self::Keyless(root, signer) => root.verify(signer, digest, signed),
        }
    }
}

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
    signature: String,
    /// The certificate of a keyless signature, in PEM.
    certificate: Option<String>,
    /// The intermediate certificates, in PEM.
    chain: Option<String>,
    /// The log entry, in JSON.
    entry: Option<String>,
    /// The timestamp of an authority, in JSON.
    timestamp: Option<String>,
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
fn approves_by_payload(payload: &[u8], digest: &Digest) -> Result<(), SignatureFlaw> {
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

/// Checks that a statement of type `kind` is a signature of `digest`. Must only be called after verifying its signature.
fn approves_by_statement(kind: &str, statement: &[u8], digest: &Digest) -> Result<(), SignatureFlaw> {
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

fn read<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<T, SignatureFlaw> {
    serde_json::from_slice(bytes).map_err(|_| SignatureFlaw::Unreadable("unexpected format"))
}

fn decode(text: &str) -> Result<Vec<u8>, SignatureFlaw> {
    STANDARD.decode(text.trim()).map_err(|_| SignatureFlaw::Unreadable("invalid Base64"))
}

/// Splits PEM text (RFC 7468) into labels and blocks; `None` for a block without an end.
fn pem(text: &str) -> impl Iterator<Item = (&str, Option<&str>)> {
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
    fn what_stands_beside_a_payload_is_kept_as_far_as_it_can_be_honest() {
        let of = |pairs: &[(&str, usize)]| {
            let text = |(key, length): &(&str, usize)| ((*key).to_owned(), "x".repeat(*length));
            PayloadAnnotations::of(&pairs.iter().map(text).collect())
        };
        let (signature, entry) = ("dev.cosignproject.cosign/signature", "dev.sigstore.cosign/bundle");
        assert_eq!(of(&[(entry, 1)]), None);
        assert_eq!(of(&[(signature, 1_025)]), None);
        let lengths = |found: Option<PayloadAnnotations>| found.map(|beside| (beside.signature.len(), beside.entry));
        assert_eq!(lengths(of(&[(signature, 1_024), (entry, 1)])), Some((1_024, Some("x".to_owned()))));
        assert_eq!(lengths(of(&[(signature, 1), (entry, (64 << 10) + 1)])), Some((1, None)));
    }
}
