//! `pinstream.list/v1`: all tags of a root with their pins.

use schemars::JsonSchema;
use serde::Serialize;

use super::SideV1;
use super::words::StatusV1;

/// Name and version of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ListSchema {
    /// Version 1.
    #[serde(rename = "pinstream.list/v1")]
    V1,
}

/// Tags of a root with their pins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ListV1 {
    /// Always `pinstream.list/v1`.
    pub schema: ListSchema,
    /// Tags, sorted by name or as requested.
    pub tags: Vec<PinV1>,
}

/// One tag of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinV1 {
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Tag that it follows, `stream:tag`; in another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// Image; null for a follower that is not pinned.
    pub image: Option<String>,
    /// Platform, if only one is pinned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Digest of the index, if the pin is the child for one platform.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Pinned digest and version; null if there is no pin.
    pub pin: Option<SideV1>,
    /// Reference to deploy, `registry/repository:tag@sha256:…`; null if there is no pin.
    pub reference: Option<String>,
    /// Build time of the image, RFC 3339; null if unknown or not pinned.
    pub created: Option<String>,
    /// State of the pin relative to the definition.
    pub status: StatusV1,
}
