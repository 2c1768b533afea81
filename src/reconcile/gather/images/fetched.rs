//! An image that was fetched: its digest can only come from bytes that were hashed.
//!
//! The fields are private even to the module that fills them in, so that no shortcut can pin a hint.

use crate::model::image::facts::ImageFacts;
use crate::model::image::{Digest, Platform};
use crate::model::lock::Details;
use crate::registry::manifest::VerifiedManifest;

/// An image that was fetched by digest and hashed.
///
/// It can only be built from a [`VerifiedManifest`]:
/// ```compile_fail,E0451
/// use pinstream::reconcile::FetchedImage;
/// let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
/// let unseen = FetchedImage { digest, index: None, details: Default::default(), facts: Default::default(), note: None, unread: vec![] };
/// ```
/// ```
/// use pinstream::model::image::Digest;
/// use pinstream::reconcile::FetchedImage;
/// use pinstream::registry::manifest::VerifiedManifest;
/// let bytes = br#"{"schemaVersion": 2, "manifests": []}"#;
/// let digest = Digest::sha256(bytes);
/// let seen = VerifiedManifest::hash(&digest, Some("application/vnd.oci.image.index.v1+json"), bytes).unwrap();
/// assert_eq!(*FetchedImage::of(&seen, None, Default::default(), None).digest(), digest);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedImage {
    digest: Digest,
    index: Option<Digest>,
    details: Details,
    facts: ImageFacts,
    note: Option<String>,
    unread: Vec<(Platform, Digest)>,
}

impl FetchedImage {
    /// Builds the image of `manifest`, which is a child of `index` if one platform was requested, with its metadata and
    /// a note on metadata that is missing.
    pub fn of(
        manifest: &VerifiedManifest,
        index: Option<&VerifiedManifest>,
        details: Details,
        note: Option<String>,
    ) -> Self {
        let (digest, index) = (manifest.digest().clone(), index.map(|index| index.digest().clone()));
        Self { digest, index, details, facts: ImageFacts::default(), note, unread: Vec::new() }
    }

    /// Adds the facts by which it is compared with another image.
    pub(super) fn with_facts(self, facts: ImageFacts) -> Self {
        Self { facts, ..self }
    }

    /// Adds the children of an index whose manifests were not fetched, by platform.
    pub(super) fn with_unread(self, unread: Vec<(Platform, Digest)>) -> Self {
        Self { unread, ..self }
    }

    /// Returns the facts by which it is compared with another image.
    pub fn facts(&self) -> &ImageFacts {
        &self.facts
    }

    /// Returns the digest to pin.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// Returns the digest of the index, if one platform was requested.
    pub fn index(&self) -> Option<&Digest> {
        self.index.as_ref()
    }

    /// Returns the metadata that goes into the pin.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// Returns the children whose manifests were not fetched.
    pub(super) fn unread(&self) -> &[(Platform, Digest)] {
        &self.unread
    }

    /// Returns a note on metadata that is missing.
    pub fn note(&self) -> Option<&String> {
        self.note.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t17_a_fetched_image_has_the_digests_of_bytes_that_were_hashed() {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let [child, index] =
            [&br#"{"schemaVersion": 2, "manifests": []}"#[..], br#"{"manifests": [], "schemaVersion": 2}"#];
        let hashed = |bytes: &[u8]| VerifiedManifest::hash(&Digest::sha256(bytes), Some(INDEX), bytes).unwrap();
        let image = FetchedImage::of(&hashed(child), Some(&hashed(index)), Details::default(), None);
        assert_eq!(*image.digest(), Digest::sha256(child));
        assert_eq!(image.index(), Some(&Digest::sha256(index)));
        // Bytes that do not match the hint make no `VerifiedManifest`.
        assert!(VerifiedManifest::hash(&Digest::sha256(b"hint"), Some(INDEX), child).is_err());
    }
}
