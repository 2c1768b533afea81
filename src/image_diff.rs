//! Explains what a change of a tag's digest changes in the image: one explanation for plan, report, commit message,
//! proposal and hooks.
//!
//! Pure: compares manifests and configurations, never layers. Text from images is kept as it is; each output escapes
//! it.

pub mod config;
pub mod layers;
mod link;
pub mod summary;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::facts::{BaseImage, ImageFacts};
use crate::model::image::version::TagVersion;
use crate::model::image::{ImageRef, Platform, TagId};
use crate::model::lock::diff::PinChange;
pub use config::{Difference, DifferenceKind};
pub use layers::LayerDiff;

/// The explanations of changed tags; tags with the same change share one.
pub type Explanations = BTreeMap<TagId, Arc<Explanation>>;

/// The differences between the old and the new image of a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// The class of the change; `None` if an image could not be read and the versions are unknown.
    pub class: Option<ChangeClass>,
    /// The reason why not everything is known, as a sentence.
    pub unknown: Option<String>,
    /// The URL that compares the source revisions.
    pub compare: Option<String>,
    /// The build times.
    pub created: OldNew<Timestamp>,
    /// The compressed sizes of the layers in bytes, of the platform that describes the image.
    pub size: OldNew<u64>,
    /// Counts of layers kept, added and removed.
    pub layers: Option<LayerDiff>,
    /// The platforms that only the new image supports.
    pub added_platforms: Vec<Platform>,
    /// The platforms that only the old image supports.
    pub removed_platforms: Vec<Platform>,
    /// The base images, if they differ.
    pub base: Option<OldNew<BaseImage>>,
    /// True if the new image runs as root and the old one did not.
    pub becomes_root: bool,
    /// Other differences in configuration and labels.
    pub differences: Vec<Difference>,
}

/// A pair of values, of the old and of the new image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldNew<T> {
    /// Of the old image.
    pub old: Option<T>,
    /// Of the new image.
    pub new: Option<T>,
}

impl<T> Default for OldNew<T> {
    fn default() -> Self {
        Self { old: None, new: None }
    }
}

impl<T: PartialEq> OldNew<T> {
    /// Returns true if both values are known and differ.
    pub fn differ(&self) -> bool {
        self.old.is_some() && self.new.is_some() && self.old != self.new
    }
}

/// Joins `old → new`, or returns one of them if the other is equal or missing.
pub fn arrow(old: Option<String>, new: Option<String>) -> String {
    match (old, new) {
        (Some(old), Some(new)) if old != new => format!("{old} → {new}"),
        (old, new) => old.or(new).unwrap_or_default(),
    }
}

impl Explanation {
    /// Explains `change`, as far as the two images could be read.
    pub fn of<E: Display>(change: &PinChange, old: Result<&ImageFacts, E>, new: Result<&ImageFacts, E>) -> Self {
        let (old, new, unknown) = match (old, new) {
            (Ok(old), Ok(new)) => return Self::between(old, new, tag_versions(change).as_ref()),
            (Err(error), new) => (None, new.ok(), format!("the previous image cannot be read: {error}")),
            (old, Err(error)) => (old.ok(), None, format!("the new image cannot be read: {error}")),
        };
        let [before, after] = [change.before(), change.after()].map(|side| side?.version.as_deref());
        let level = match tag_versions(change) {
            Some((old, new)) => VersionLevel::of(&old, &new),
            None => before.zip(after).and_then(|(old, new)| VersionLevel::between(old, new)),
        };
        Self {
            class: level.map(ChangeClass::Version),
            unknown: Some(unknown),
            created: OldNew { old: old.and_then(|facts| facts.created), new: new.and_then(|facts| facts.created) },
            size: OldNew { old: old.and_then(ImageFacts::size), new: new.and_then(ImageFacts::size) },
            ..Self::default()
        }
    }

    fn between(old: &ImageFacts, new: &ImageFacts, tags: Option<&(TagVersion, TagVersion)>) -> Self {
        let declared = |base: &BaseImage| Some(base.clone()).filter(|base| *base != BaseImage::default());
        let base = OldNew { old: declared(&old.origin.base), new: declared(&new.origin.base) };
        Self {
            class: Some(ChangeClass::between(old, new, tags)),
            unknown: None,
            compare: link::compare(&old.origin, &new.origin),
            created: OldNew { old: old.created, new: new.created },
            size: OldNew { old: old.size(), new: new.size() },
            layers: LayerDiff::between(old, new),
            added_platforms: new.platforms.difference(&old.platforms).cloned().collect(),
            removed_platforms: old.platforms.difference(&new.platforms).cloned().collect(),
            base: (base.old != base.new).then_some(base),
            becomes_root: config::becomes_root(old, new),
            differences: config::differences(old, new),
        }
    }

    /// Returns warnings for reviewers, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let root = self.becomes_root.then(|| "now runs as root".to_owned());
        let removed = self.removed_platforms.iter().map(|platform| format!("no longer runs on {platform}"));
        root.into_iter().chain(removed).collect()
    }
}

/// Returns the versions of the old and the new tag, if the change leads to another tag and both say more than one number:
/// a single one may be a date or a counter.
fn tag_versions(change: &PinChange) -> Option<(TagVersion, TagVersion)> {
    let version = |image: &ImageRef| TagVersion::read(image.tag()?.as_str()).filter(|version| version.parts > 1);
    version(change.previous_image.as_ref()?).zip(version(&change.image))
}

#[cfg(test)]
mod tests;
