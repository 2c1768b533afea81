//! The tags of a root in a chosen order, each with its definition, pin and status.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::drift::{DriftKind, find_drift};
use crate::model::image::TagId;
use crate::model::image::version::TagVersion;
use crate::model::lock::{Pin, diff};
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::{Tag, TagSource};
use crate::report::v1::words::StatusV1;

/// Sort order of tags; ties are broken by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ListOrder {
    /// By stream and tag
    Tag,
    /// By image; tags without a pin last
    Image,
    /// By version, highest first; tags without a version last
    Version,
    /// By build time, newest first
    Created,
    /// Drifted tags first, then tags without a pin
    Status,
}

/// One tag with its definition and pin.
#[derive(Clone, Debug)]
pub struct ListedTag<'a> {
    /// Name of the tag.
    pub id: &'a TagId,
    /// Definition of the tag.
    pub tag: &'a Tag,
    /// Pin of the tag, if it has one.
    pub pin: Option<&'a Pin>,
    /// Version according to the pinned image (untrusted text).
    pub version: Option<String>,
    /// Creation time according to the pinned image.
    pub created: Option<Timestamp>,
    /// Agreement of pin and definition.
    pub status: StatusV1,
}

/// Returns the tags of `root` that match `only`, in `order`.
pub fn list<'a>(root: &'a Root, only: &TagGlobs, order: ListOrder) -> Vec<ListedTag<'a>> {
    let drift = find_drift(&root.definitions, &root.lock);
    let drift: BTreeMap<&TagId, &DriftKind> = drift.iter().map(|drift| (&drift.tag, &drift.kind)).collect();
    let listed = |(id, tag): (&'a TagId, &'a Tag)| {
        let pin = root.lock.pins.get(id);
        let side = pin.map(|pin| diff::side(&root.lock, pin));
        ListedTag {
            id,
            tag,
            pin,
            created: side.as_ref().and_then(|side| side.created.as_ref()?.parse().ok()),
            version: side.and_then(|side| side.version),
            status: match drift.get(id) {
                None => StatusV1::Pinned,
                Some(DriftKind::Missing) => StatusV1::NotPinned,
                Some(_) => StatusV1::Stale,
            },
        }
    };
    let mut tags: Vec<ListedTag> =
        root.definitions.tags.iter().filter(|(id, _)| only.matches(id)).map(listed).collect();
    match order {
        ListOrder::Tag => {}
        ListOrder::Image => tags.sort_by_key(|tag| (tag.pin.is_none(), tag.pin.map(|pin| &pin.image))),
        ListOrder::Version => tags.sort_by_cached_key(|tag| {
            let version = tag.version.as_deref().and_then(TagVersion::read);
            Reverse(version.map(|version| version.version))
        }),
        ListOrder::Created => tags.sort_by_key(|tag| Reverse(tag.created)),
        ListOrder::Status => tags.sort_by_key(|tag| Reverse(tag.status)),
    }
    tags
}

/// Formats the source of a tag: an image, a repository with its selection rule, or the tag that it follows.
pub fn source_label(source: &TagSource) -> String {
    match source {
        TagSource::Image { image, .. } => image.to_string(),
        TagSource::Select { repository, select, .. } => format!("{repository} {select}"),
        TagSource::Follow(target) => target.to_string(),
        TagSource::Remote(remote) => remote.to_string(),
    }
}
