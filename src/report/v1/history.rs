//! `pinstream.history/v1`: the digests that tags were pinned to over time.

use schemars::JsonSchema;
use serde::Serialize;

/// Name and version of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum HistorySchema {
    /// Version 1.
    #[serde(rename = "pinstream.history/v1")]
    V1,
}

/// Pin history of tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryV1 {
    /// Always `pinstream.history/v1`.
    pub schema: HistorySchema,
    /// True if all commits were read; false if a limit was reached, in a shallow clone, or without a repository.
    pub complete: bool,
    /// Tags, sorted by name.
    pub tags: Vec<TagHistoryV1>,
}

/// Pin history of one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TagHistoryV1 {
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Changes of the digest, newest first.
    pub changes: Vec<PinChangeV1>,
}

/// Change of a tag to a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinChangeV1 {
    /// New digest.
    pub digest: String,
    /// Image; absent if only the digest is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Version label of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Commit with the change; absent if it is not committed or unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Author of the commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Author date of the commit, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Proposal that was merged, according to the commit message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
}
