//! What tags were pinned to, as `pinstream.history/v1`.

use schemars::JsonSchema;
use serde::Serialize;

use super::text;

/// The name and version of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum HistorySchema {
    /// Version 1.
    #[serde(rename = "pinstream.history/v1")]
    V1,
}

/// What tags were pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HistoryV1 {
    /// Always `pinstream.history/v1`.
    pub schema: HistorySchema,
    /// Whether all commits were looked at: not so where a limit was reached, in a shallow clone, or without a repository.
    pub complete: bool,
    /// The tags, in the order of their names.
    pub tags: Vec<TagHistoryV1>,
}

/// What one tag was pinned to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TagHistoryV1 {
    /// The stream.
    pub stream: String,
    /// The tag's name within it.
    pub tag: String,
    /// Each time that it came to another digest, newest first.
    pub changes: Vec<PinChangeV1>,
}

/// A tag came to a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinChangeV1 {
    /// The digest.
    pub digest: String,
    /// The image; absent where only the digest is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// What the image says its version is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The commit that brought it; absent where it is not committed, or the commit is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The commit's author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// When the commit was made, by its author's clock, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The proposal it came by, as its message names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proposal: Option<String>,
}

impl HistoryV1 {
    /// The history of `tags`.
    pub fn new(complete: bool, tags: Vec<TagHistoryV1>) -> Self {
        Self { schema: HistorySchema::V1, complete, tags }
    }

    /// The history as JSON text.
    pub fn to_json(&self) -> String {
        text(self)
    }
}

/// The JSON schema of a history.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(HistoryV1)
}
