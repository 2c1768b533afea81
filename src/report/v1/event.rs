//! `pinstream.event/v1`: changes that have landed, as passed to a hook.

use schemars::JsonSchema;
use serde::Serialize;

use super::SideV1;
use super::explanation::ExplanationV1;
use super::words::ChangeKindV1;

/// Name and version of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum EventSchema {
    /// Version 1.
    #[serde(rename = "pinstream.event/v1")]
    V1,
}

/// Input of a hook: changes that have landed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EventV1 {
    /// Always `pinstream.event/v1`.
    pub schema: EventSchema,
    /// Id of the event, derived from the ids of its changes; the same on every retry.
    pub id: String,
    /// Name of the hook.
    pub hook: String,
    /// URL of the remote, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Branch on which the changes landed.
    pub branch: String,
    /// Directory of the root within the repository; empty for the top.
    pub root: String,
    /// Commit that contains the changes.
    pub commit: String,
    /// Changes, sorted by tag.
    pub changes: Vec<ChangeV1>,
}

/// One change of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ChangeV1 {
    /// Id of the change: the same on every retry, whichever other changes accompany it, and unique to this change.
    pub id: String,
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Tag that it follows, `stream:tag`; in another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// Image of the tag.
    pub image: String,
    /// Kind of change.
    pub change: ChangeKindV1,
    /// Pin before the change; null if the tag was added.
    pub old: Option<SideV1>,
    /// Pin after the change; null if the tag was removed.
    pub new: Option<SideV1>,
    /// Reference to deploy, `registry/repository:tag@sha256:…`; null if the tag was removed.
    pub reference: Option<String>,
    /// Differences between the old and the new image; absent if the tag was added or removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationV1>,
}
