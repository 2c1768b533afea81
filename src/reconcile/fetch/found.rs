//! What was found: a digest that can come from bytes that were hashed, and from nowhere else.
//!
//! The fields are out of reach even of the step that fills them in, so that no shortcut through it can pin a hint.

use crate::model::image::Digest;
use crate::model::image::facts::ImageFacts;
use crate::model::lock::Details;
use crate::registry::manifest::VerifiedManifest;

/// An image as it is now.
///
/// There is one way to one, and it leads over a [`VerifiedManifest`]:
/// ```compile_fail,E0451
/// use pinstream::reconcile::fetch::Found;
/// let digest = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
/// let unseen = Found { digest, index: None, details: Default::default(), facts: Default::default(), note: None };
/// ```
/// ```
/// use pinstream::model::image::Digest;
/// use pinstream::reconcile::fetch::Found;
/// use pinstream::registry::manifest::Verified;
/// let bytes = br#"{"schemaVersion": 2, "manifests": []}"#;
/// let digest = Digest::sha256(bytes);
/// let seen = Verified::hash(&digest, Some("application/vnd.oci.image.index.v1+json"), bytes).unwrap();
/// assert_eq!(*Found::of(&seen, None, Default::default(), None).digest(), digest);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedImage {
    digest: Digest,
    index: Option<Digest>,
    details: Details,
    facts: ImageFacts,
    note: Option<String>,
}

impl FetchedImage {
    /// What is to be pinned: `manifest`, the child of `index` where one platform was asked for, with what it says of
    /// itself and a sentence about what could not be found out.
    pub fn of(
        manifest: &VerifiedManifest,
        index: Option<&VerifiedManifest>,
        details: Details,
        note: Option<String>,
    ) -> Self {
        let (digest, index) = (manifest.digest().clone(), index.map(|index| index.digest().clone()));
        Self { digest, index, details, facts: ImageFacts::default(), note }
    }

    /// The same with what it is compared by with another image.
    pub(super) fn compared_by(self, facts: ImageFacts) -> Self {
        Self { facts, ..self }
    }

    /// What it is compared by with another image.
    pub fn facts(&self) -> &ImageFacts {
        &self.facts
    }

    /// What is to be pinned.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The index it is a child of, where one platform was asked for.
    pub fn index(&self) -> Option<&Digest> {
        self.index.as_ref()
    }

    /// What the image says of itself.
    pub fn details(&self) -> &Details {
        &self.details
    }

    /// What could not be found out, in a sentence.
    pub fn note(&self) -> Option<&String> {
        self.note.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t17_what_is_found_bears_the_digests_of_bytes_that_were_hashed() {
        const INDEX: &str = "application/vnd.oci.image.index.v1+json";
        let [child, index] =
            [&br#"{"schemaVersion": 2, "manifests": []}"#[..], br#"{"manifests": [], "schemaVersion": 2}"#];
        let hashed = |bytes: &[u8]| VerifiedManifest::hash(&Digest::sha256(bytes), Some(INDEX), bytes).unwrap();
        let found = FetchedImage::of(&hashed(child), Some(&hashed(index)), Details::default(), None);
        assert_eq!(*found.digest(), Digest::sha256(child));
        assert_eq!(found.index(), Some(&Digest::sha256(index)));
        // A hint that the bytes do not bear out makes no `Verified`, and so nothing to pin.
        assert!(VerifiedManifest::hash(&Digest::sha256(b"hint"), Some(INDEX), child).is_err());
    }
}
