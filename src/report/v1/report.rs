//! `pinstream.report/v1`: the result of a pass.

use schemars::JsonSchema;
use serde::Serialize;

use super::SideV1;
use super::explanation::ExplanationV1;
use super::words::{DeferralV1, EndV1, HookOutcomeV1, KindV1, OutcomeV1, ProposalOutcomeV1, SkipReasonV1};

/// Name and version of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ReportSchema {
    /// Version 1.
    #[serde(rename = "pinstream.report/v1")]
    V1,
}

/// Result of a pass.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReportV1 {
    /// Always `pinstream.report/v1`.
    pub schema: ReportSchema,
    /// End of the pass.
    pub end: EndV1,
    /// Exit code of the process.
    pub exit: u8,
    /// URL of the remote, without credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// Branch that was read and written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Commit at the tip of the branch after the pass, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tip: Option<String>,
    /// Commit that this pass landed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// All tags of the pass, sorted by name.
    pub tags: Vec<TagV1>,
    /// Other repositories whose locks were read.
    pub remotes: Vec<RemoteV1>,
    /// Proposals, if changes are proposed instead of pushed.
    pub proposals: Vec<ProposalV1>,
    /// Target files that change.
    pub files: Vec<FileV1>,
    /// Hooks with pending changes.
    pub hooks: Vec<HookV1>,
    /// Other information about the pass.
    pub notes: Vec<String>,
    /// Errors that belong to no tag, proposal or hook.
    pub errors: Vec<String>,
}

/// Result for one tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TagV1 {
    /// Name of the stream.
    pub stream: String,
    /// Name of the tag within its stream.
    pub tag: String,
    /// Tag that it follows, `stream:tag`; in another repository, `remote//stream:tag`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<String>,
    /// Image; null for a follower that never had a pin.
    pub image: Option<String>,
    /// Outcome of the tag in this pass.
    pub outcome: OutcomeV1,
    /// Pin before the pass; null if there was none.
    pub old: Option<SideV1>,
    /// Pin after the pass; null if there is none.
    pub new: Option<SideV1>,
    /// Differences between the old and the new image; absent if the digest did not change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<ExplanationV1>,
    /// Update that is available but not adopted, for the outcomes `held`, `soaking`, `ignored`, `rejected` and
    /// `reverted`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<HeldV1>,
    /// Reason for the outcome `skipped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<SkipReasonV1>,
    /// Reason for the outcome `deferred`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deferred: Option<DeferralV1>,
    /// Failure, for the outcomes `failed` and `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorV1>,
    /// Failed attempts so far, if the tag, or the one that it follows, fails; only in passes against a remote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing: Option<FailingV1>,
}

/// Failed attempts to resolve a tag since the last success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FailingV1 {
    /// Time of the first failed attempt (RFC 3339).
    pub since: String,
    /// Time of the last attempt (RFC 3339).
    pub last: String,
    /// Time from which `--due` tries again (RFC 3339).
    pub next: String,
    /// Number of failed attempts.
    pub attempts: u32,
    /// Kind of the last failure.
    pub kind: KindV1,
}

/// Available update that is not adopted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HeldV1 {
    /// Digest that is available.
    pub digest: String,
    /// Reason and, if known, end of the hold.
    pub reason: String,
}

/// Failure to resolve a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ErrorV1 {
    /// Kind of failure.
    pub kind: KindV1,
    /// Description of the failure.
    pub message: String,
    /// Suggested remedy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// Another repository that the pass read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RemoteV1 {
    /// Name in `[remote]`.
    pub name: String,
    /// URL, without credentials.
    pub url: String,
    /// Commit at the tip of its branch.
    pub commit: String,
}

/// One proposal of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProposalV1 {
    /// Source branch.
    pub branch: String,
    /// Number on the forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Web page on the forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Number of changes.
    pub changes: usize,
    /// Outcome of the proposal in this pass.
    pub outcome: ProposalOutcomeV1,
    /// Reason for the outcomes `skipped` and `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Target file that changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FileV1 {
    /// Path from the root.
    pub path: String,
    /// Changed lines, from 1.
    pub lines: Vec<usize>,
}

/// One hook of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HookV1 {
    /// Name of the hook.
    pub name: String,
    /// Id of the event passed to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// Number of changes passed to it, or pending.
    pub changes: usize,
    /// Outcome of the hook in this pass.
    pub outcome: HookOutcomeV1,
    /// Reason for the outcomes `failed`, `running` and `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Exit code of its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Output of its process, truncated.
    pub output: String,
}
