//! Digest verification: the only place where fetched bytes become trusted.

use std::collections::BTreeMap;

use super::parse::{Descriptor, ManifestContent, media_type, parse};
use crate::model::image::{Digest, Repository};
use crate::registry::ResolveError;
use crate::text::escape;

/// Largest manifest that is read, in bytes; OCI Distribution 1.1 requires registries to accept at least 4 MiB.
pub const MANIFEST_MAX: usize = 4 << 20;

/// A manifest whose bytes were fetched by digest and hashed: the only source of a pin.
///
/// It cannot be constructed otherwise:
/// ```compile_fail,E0451
/// use pinstream::registry::manifest::{ManifestContent, VerifiedManifest};
/// let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
/// let content = ManifestContent::Index { children: vec![] };
/// let unseen = VerifiedManifest { digest, content, annotations: Default::default() };
/// ```
/// ```
/// use pinstream::model::image::Digest;
/// use pinstream::registry::manifest::VerifiedManifest;
/// let bytes = br#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}"#;
/// let digest = Digest::sha256(bytes);
/// let seen = VerifiedManifest::hash(&digest, Some("application/vnd.oci.image.index.v1+json"), bytes).unwrap();
/// assert_eq!(*seen.digest(), digest);
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedManifest {
    digest: Digest,
    content: ManifestContent,
    annotations: BTreeMap<String, String>,
}

impl VerifiedManifest {
    /// Hashes and parses `bytes`.
    ///
    /// # Errors
    /// `FailureKind::Integrity` if they do not match `digest` or are ambiguous, `FailureKind::Unsupported` if their
    /// media type cannot be pinned.
    pub fn hash(digest: &Digest, content_type: Option<&str>, bytes: &[u8]) -> Result<Self, ResolveError> {
        if bytes.len() > MANIFEST_MAX {
            return Err(ResolveError::integrity(format!("manifest {} is larger than 4 MiB", digest.short())));
        }
        if !digest.matches(bytes) {
            return Err(ResolveError::integrity(format!("manifest does not match its digest `{digest}`")));
        }
        let media_type = media_type(content_type, bytes)?;
        let (content, annotations) = parse(media_type, bytes).map_err(|error| {
            let message = format!("invalid manifest {}: {}", digest.short(), escape::terminal(&error.to_string()));
            ResolveError::integrity(message)
        })?;
        Ok(Self { digest: digest.clone(), content, annotations })
    }

    /// Returns the digest of the bytes.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the parsed content.
    pub fn content(&self) -> &ManifestContent {
        &self.content
    }

    /// Returns the annotations of the manifest.
    pub fn annotations(&self) -> &BTreeMap<String, String> {
        &self.annotations
    }

    /// Creates a manifest without hashing: a fault that the simulator must detect.
    #[cfg(test)]
    pub(crate) fn unhashed(digest: Digest, content: ManifestContent, annotations: BTreeMap<String, String>) -> Self {
        Self { digest, content, annotations }
    }
}

/// Verifies size and digest of a blob of `repository`.
///
/// # Errors
/// `FailureKind::Integrity` if one differs from `descriptor`.
pub(in crate::registry) fn verify_blob(
    descriptor: &Descriptor,
    bytes: Vec<u8>,
    repository: &Repository,
) -> Result<Vec<u8>, ResolveError> {
    let defect = match bytes.len() as u64 == descriptor.size {
        false => "size",
        true if !descriptor.digest.matches(&bytes) => "digest",
        true => return Ok(bytes),
    };
    let message = format!("blob {} of `{repository}` does not match its {defect}", descriptor.digest.short());
    Err(ResolveError::integrity(message))
}
