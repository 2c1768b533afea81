//! Manifests and indexes: bytes that were hashed, and what they say.
//!
//! Sources: OCI Image Specification 1.1 ("Image Manifest", "Image Index"), Docker Image Manifest V2 Schema 2;
//! ambiguity rules after CVE-2021-41190.

use crate::image::{Digest, Platform};

/// The four media types that are asked for and pinned.
pub const MEDIA_TYPES: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Points at content by digest (OCI Image Specification 1.1, "Content Descriptors").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// The platform, where an index names one.
    pub platform: Option<Platform>,
    /// Whether it is an attestation in place of something that runs (BuildKit's `attestation-manifest`).
    pub attestation: bool,
}

/// What a manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// One image for one platform.
    Image {
        /// Its configuration.
        config: Descriptor,
        /// Its layers.
        layers: Vec<Descriptor>,
    },
    /// Many images, one a platform.
    Index {
        /// Its children, in its own order.
        children: Vec<Descriptor>,
    },
}

/// A manifest whose bytes were fetched and hashed: the only thing a pin can be made from.
#[derive(Clone, Debug)]
pub struct Verified {
    digest: Digest,
    content: Content,
    annotations: std::collections::BTreeMap<String, String>,
}
