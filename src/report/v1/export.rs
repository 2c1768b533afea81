//! `pinstream.export/v1`: pins with all their details, for other programs.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// Name and version of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ExportSchema {
    /// Version 1.
    #[serde(rename = "pinstream.export/v1")]
    V1,
}

/// Exported pins of a root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportV1 {
    /// Always `pinstream.export/v1`.
    pub schema: ExportSchema,
    /// Pins, sorted by stream and tag.
    pub pins: Vec<ExportedV1>,
}

/// One pinned tag of an export.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ExportedV1 {
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Tag that it follows, `stream:tag`; in another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// Image, `registry/repository:tag`.
    pub image: String,
    /// Repository of the image, including the registry.
    pub repository: String,
    /// Pinned digest.
    pub digest: String,
    /// Digest of the index, if `digest` is the child for one platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Reference to deploy, `registry/repository:tag@sha256:…`.
    pub reference: String,
    /// Version label of the image; null if it has none.
    pub version: Option<String>,
    /// Source revision label of the image; null if it has none.
    pub revision: Option<String>,
    /// Build time of the image, RFC 3339; null if unknown.
    pub created: Option<String>,
    /// Platforms of the image; empty if unknown.
    pub platforms: Vec<String>,
    /// Up to five earlier digests, newest first.
    pub previous: Vec<String>,
    /// Annotations of the tag's definition.
    pub annotations: BTreeMap<String, String>,
}
