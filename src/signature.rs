//! Signatures of images: whether somebody who is trusted vouches for a digest.
//!
//! Pure: bytes in, a verdict out; where signatures are kept and how they are fetched is not known here. Read are the two
//! formats that `cosign` writes: a payload beside a bare signature (Red Hat's "simple signing"), and the Sigstore bundle
//! around a DSSE envelope with an in-toto statement, or around a signature of the manifest itself. Either is signed by a
//! key that a person has, or keyless: by one that a certificate binds to an identity and that is used once. A signature
//! counts only where what was signed names the very digest, so that one cannot be moved to another image.

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

/// The media type of a payload whose signature stands beside it.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// What artifacts are called that hold payloads, where they are found as referrers.
pub const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// How the media type of a bundle begins, whatever its version.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// What a payload says that it is.
const PAYLOAD_TYPE: &str = "cosign container image signature";
/// What a statement says that it is, where it signs an image and nothing more: an attestation by the same signer, of
/// what a scan found for example, approves of nothing.
const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";
const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/";
const ENVELOPE_TYPE: &str = "application/vnd.in-toto+json";

/// The most keys of a file, signatures of an envelope, certificates of a chain, or entries of logs: each costs a
/// verification.
const SEVERAL_MAX: usize = 10;

/// `verify`: who has to have signed a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verify {
    /// The holder of one of the keys in this file of the root.
    Key(String),
    /// Somebody whom a certificate names.
    Keyless(CertificateIdentity),
}

/// Somebody whom a certificate names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CertificateIdentity {
    /// Who said that it is him.
    pub issuer: Issuer,
    /// Who he is.
    pub identity: Identity,
    /// The file of the root with the authorities and logs that are trusted; none for those of Sigstore's public instance.
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

/// What a file is that `verify` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Public keys.
    Keys,
    /// Authorities and logs.
    TrustedRoot,
}

/// All that is trusted: the files that `verify` names, by path.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    keys: BTreeMap<String, Arc<KeyFile>>,
    roots: BTreeMap<String, Arc<TrustedRoot>>,
}

impl Trust {
    /// Takes in the file at `path`.
    ///
    /// # Errors
    /// What is wrong with it, and a way out.
    pub fn read(&mut self, kind: Anchor, path: &str, bytes: &[u8]) -> Result<(), NameError> {
        match kind {
            Anchor::Keys => drop(self.keys.insert(path.to_owned(), Arc::new(KeyFile::read(bytes)?))),
            Anchor::TrustedRoot => drop(self.roots.insert(path.to_owned(), Arc::new(TrustedRoot::read(bytes)?))),
        }
        Ok(())
    }

    /// Who says whether a signature is by whom `verify` names; none where the file that it takes was not read.
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

/// Says whether a signature counts.
#[derive(Clone, Copy, Debug)]
pub enum Verifier<'a> {
    /// Where one of these keys made it.
    Key(&'a KeyFile),
    /// Where it is by this signer, going by these authorities and logs.
    Keyless(&'a TrustedRoot, &'a CertificateIdentity),
}

impl Verifier<'_> {
    /// The digest of the file that it goes by: another commit may have another under the same path.
    pub fn id(&self) -> &Digest {
        match self {
            Self::Key(file) => file.id(),
            Self::Keyless(root, _) => root.id(),
        }
    }

    /// Whether `signed` vouches for `digest`.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, digest: &Digest, signed: RawSignature<'_>) -> Result<(), SignatureFlaw> {
        match self {
            Self::Key(file) => file.verify(digest, signed),
            Self::Keyless(root, signer) => root.vouches(signer, digest, signed),
        }
    }
}

/// A signature as it was found.
#[derive(Clone, Copy, Debug)]
pub enum RawSignature<'a> {
    /// A payload, and what stands beside it.
    Payload(&'a [u8], &'a PayloadAnnotations),
    /// A Sigstore bundle.
    Bundle(&'a [u8]),
}

/// What stands beside a payload, in the annotations of its descriptor (cosign, "Signature Specification").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadAnnotations {
    /// The signature, in Base64.
    signature: String,
    /// The certificate of a keyless one, in PEM.
    certificate: Option<String>,
    /// The certificates between that one and an authority, in PEM.
    chain: Option<String>,
    /// The entry of the log, in JSON.
    entry: Option<String>,
    /// What an authority says of the time, in JSON.
    timestamp: Option<String>,
}

impl PayloadAnnotations {
    /// What `annotations` hold of it; none without a signature. What is longer than any that is honest is left out.
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

/// Why a signature does not vouch for a digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFlaw {
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
    /// It is not keyless.
    #[error("it has no certificate, as none by a key has")]
    NoCertificate,
    /// It is by somebody else, with all that it takes to know that.
    #[error("it is by `{identity}` of `{issuer}`")]
    Identity {
        /// Who it is by, made fit for a message.
        identity: String,
        /// Who said that it is him, made fit for a message.
        issuer: String,
    },
    /// Anybody could have made its certificate.
    #[error("its certificate is by no authority that the trusted root names, or not for signing code")]
    Authority,
    /// Its certificate was made behind everybody's back.
    #[error("its certificate is in no log of certificates that the trusted root names")]
    Unlogged,
    /// It was made when its certificate did not count: whoever finds an old key can do that.
    #[error("its certificate was not valid when it was signed")]
    Expired,
    /// No log knows of it.
    #[error("it has no entry of a log")]
    NoEntry,
    /// The log that it names does not know of it, or is not trusted.
    #[error("its entry is by no log that the trusted root names, or was changed")]
    Entry,
    /// A log knows of another signature.
    #[error("its entry in the log is that of another signature")]
    OtherEntry,
    /// Nobody who is trusted says when it was made.
    #[error("nobody whom the trusted root names says when it was signed")]
    Time,
    /// What was signed is not what is there.
    #[error("what was signed was changed")]
    Changed,
}

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

/// Whether a payload, whose signature holds, approves of `digest`. Nothing of it is read before its signature holds.
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

/// Whether a statement of the type `kind`, whose signature holds, approves of `digest`.
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
    serde_json::from_slice(bytes).map_err(|_| SignatureFlaw::Unreadable("it is not of its format"))
}

fn decode(text: &str) -> Result<Vec<u8>, SignatureFlaw> {
    STANDARD.decode(text.trim()).map_err(|_| SignatureFlaw::Unreadable("it is not in Base64"))
}

/// The label and the whole of each block of a text in PEM (RFC 7468); no block where it has no end.
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
