//! Pins for other programs, as `pinstream.export/v1`: all that the lock knows of each.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::text;
use crate::model::image::TagId;
use crate::model::lock::diff::details;
use crate::model::lock::{Lock, Pin};
use crate::model::stream::Tag;

/// The name and version of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ExportSchema {
    /// Version 1.
    #[serde(rename = "pinstream.export/v1")]
    V1,
}

/// Tags, and what they are pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportV1 {
    /// Always `pinstream.export/v1`.
    pub schema: ExportSchema,
    /// The pins, in the order of streams and tags.
    pub pins: Vec<ExportedV1>,
}

/// One tag, and what it is pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportedV1 {
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// The tag it follows, `stream:tag`; of another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// The image, as it was found: `registry/repository:tag`.
    pub image: String,
    /// The image's repository with its registry.
    pub repository: String,
    /// The digest.
    pub digest: String,
    /// The digest of the index that `digest` is one platform's child of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// The reference to deploy, `registry/repository:tag@sha256:…`.
    pub reference: String,
    /// The image's own version; null if it has none.
    pub version: Option<String>,
    /// The revision of the source that the image says it was made of; null if it does not.
    pub revision: Option<String>,
    /// When the image was made, RFC 3339, as it says itself; null if it does not.
    pub created: Option<String>,
    /// The platforms it runs on; none where that is not known.
    pub platforms: Vec<String>,
    /// Up to five earlier digests, newest first.
    pub previous: Vec<String>,
    /// The annotations of the tag's definition.
    pub annotations: BTreeMap<String, String>,
}

impl ExportV1 {
    /// The export of `pins`.
    pub fn new(pins: Vec<ExportedV1>) -> Self {
        Self { schema: ExportSchema::V1, pins }
    }

    /// The export as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

impl ExportedV1 {
    /// The tag `id`, defined as `tag` and pinned as `pin`, one of `lock`.
    pub fn new(id: &TagId, tag: &Tag, pin: &Pin, lock: &Lock) -> Self {
        let details = details(lock, pin);
        Self {
            stream: id.stream.to_string(),
            tag: id.tag.to_string(),
            follow: pin.follow.as_ref().map(ToString::to_string),
            image: pin.image.to_string(),
            repository: pin.image.repository().to_string(),
            digest: pin.digest.to_string(),
            index: pin.index.as_ref().map(ToString::to_string),
            reference: pin.reference().to_string(),
            version: details.version.clone(),
            revision: details.revision.clone(),
            created: details.created.clone(),
            platforms: details.platforms.iter().map(ToString::to_string).collect(),
            previous: pin.previous.iter().map(ToString::to_string).collect(),
            annotations: tag.annotations.clone(),
        }
    }
}

/// The JSON schema of an export.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(ExportV1)
}
