//! Manifests, indexes and image configurations.
//!
//! Only verified bytes become a [`VerifiedManifest`], and ambiguous ones are rejected.

mod config;
mod json;
mod parse;
mod verify;

pub use config::ImageConfig;
pub(crate) use config::short;
pub use parse::{Descriptor, IMAGE_ANNOTATIONS, MEDIA_TYPES, ManifestContent};
pub(super) use parse::{check_media_type, essence, is_generic, media_type, parse_index};
pub(super) use verify::verify_blob;
pub use verify::{MANIFEST_MAX, VerifiedManifest};

/// The `Accept` header of manifest requests: all of [`MEDIA_TYPES`].
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
                                 application/vnd.docker.distribution.manifest.list.v2+json, \
                                 application/vnd.oci.image.manifest.v1+json, \
                                 application/vnd.docker.distribution.manifest.v2+json";

#[cfg(test)]
mod tests;
