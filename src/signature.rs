//! Verifies signatures of images: whether a trusted signer signed a digest.
//!
//! Pure: takes bytes and returns a verdict; never fetches signatures. Supports the two formats written by `cosign`: a
//! payload with a detached signature (Red Hat's "simple signing"), and the Sigstore bundle with a DSSE envelope around
//! an in-toto statement, or with a signature of the manifest itself. Either is made with a long-lived key, or keyless:
//! with a one-time key that a certificate binds to an identity. A signature counts only if the signed content names the
//! very digest, so that it cannot be transferred to another image.

mod crypto;
mod content;
mod identity;
mod key;
mod keyless;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::model::image::{Digest, NameError};
pub use content::{PayloadAnnotations, RawSignature, SignatureFlaw};
pub use identity::{CertificateIdentity, Identity, Issuer};
pub use key::KeyFile;
pub use keyless::TrustedRoot;

/// The media type of a payload with a detached signature.
pub const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The artifact type of payloads attached as referrers.
pub const ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// The prefix of the media type of bundles, whatever their version.
pub const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// `verify`: the required signer of a digest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verify {
    /// The holder of one of the keys in this file of the root.
    Key(String),
    /// An identity in a certificate.
    Keyless(CertificateIdentity),
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
            Self::Key(file) => &file.id,
            Self::Keyless(root, _) => &root.id,
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
