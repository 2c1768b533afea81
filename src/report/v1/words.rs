//! Enumerated values of JSON keys: one type each, so that schemas list them.

use schemars::JsonSchema;
use serde::Serialize;

/// Returns the word for `value`, a variant of a type without fields.
pub(crate) fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        // Such a value is serialized as a string.
        Ok(_) | Err(_) => String::new(),
    }
}

/// End of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndV1 {
    /// Dry run: nothing was written.
    Planned,
    /// The lock in the work tree was written.
    Written,
    /// A commit landed on the branch.
    Landed,
    /// Changes are proposed; the branch is unchanged.
    Proposed,
    /// There was nothing to write.
    Unchanged,
}

/// Reason why a search for images did not read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadReasonV1 {
    /// The file is not of a kind that is known to name images.
    UnknownKind,
    /// A template, of which only literal images were read.
    Template,
    /// The syntax of the file is not valid.
    Invalid,
    /// The file is too large, a Git LFS pointer, or not text.
    Unreadable,
    /// `[files] ignore` excludes the file.
    Ignored,
}

/// Outcome of a tag in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeV1 {
    /// The pin is up to date.
    Unchanged,
    /// The digest is unchanged; other fields of the pin changed.
    Refreshed,
    /// The digest changed.
    Updated,
    /// The tag is new in the lock.
    Added,
    /// The tag was removed from the lock.
    Removed,
    /// The change is proposed.
    Proposed,
    /// A hold, `on-rollback` or `allow` keeps the pin.
    Held,
    /// The available digest is younger than `soak`.
    Soaking,
    /// The change belongs to a class in `ignore`.
    Ignored,
    /// The definition rejects the available digest.
    Rejected,
    /// Someone reverted the change or closed its proposal; the tag waits for a newer digest.
    Reverted,
    /// The tag was not resolved in this pass; `skipped` has the reason.
    Skipped,
    /// The tag is left for a later pass; `deferred` has the reason.
    Deferred,
    /// A rule forbids the update; the pin, if any, stays.
    Refused,
    /// The tag could not be resolved; the pin, if any, stays.
    Failed,
}

/// Reason why a tag was not resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SkipReasonV1 {
    /// Its schedule has not fired.
    NotDue,
    /// It fails, and the next attempt is not due yet; `failing` has the time.
    BackingOff,
    /// It was not selected for this pass.
    NotSelected,
}

/// Reason why a tag is left for a later pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeferralV1 {
    /// The `budget` of the pass was spent before the tag was resolved.
    Budget,
    /// The change exceeded a limit or could not be proposed.
    Proposal,
}

/// Kind of failure to resolve a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KindV1 {
    /// The registry does not have the image.
    NotFound,
    /// Credentials are missing, wrong or insufficient.
    Unauthorized,
    /// The registry limits requests.
    RateLimited,
    /// The TLS handshake failed.
    Tls,
    /// The registry is unreachable, timed out or returned an error.
    Network,
    /// The content does not match its digest.
    Integrity,
    /// The manifest is of an unsupported kind.
    Unsupported,
    /// A rule forbids the image.
    Refused,
}

/// Outcome of a proposal in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalOutcomeV1 {
    /// It was opened.
    Created,
    /// It was updated in place.
    Refreshed,
    /// It is up to date.
    Unchanged,
    /// It was closed because nothing was left to propose.
    Closed,
    /// It was left alone because of other people's changes.
    Skipped,
    /// It could not be opened or updated.
    Failed,
}

/// Outcome of a hook in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookOutcomeV1 {
    /// It exited with code 0.
    Succeeded,
    /// It failed; its changes stay pending.
    Failed,
    /// Another pass has claimed it and has not confirmed its success; its changes stay pending.
    Running,
    /// New changes landed during each of its runs; they stay pending.
    Pending,
    /// The operator's policy forbids it; its changes stay pending.
    Refused,
}

/// Kind of change of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKindV1 {
    /// The tag had no pin before.
    Added,
    /// The digest changed.
    Updated,
    /// The tag has no pin any more.
    Removed,
}

/// State of a tag's pin relative to its definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusV1 {
    /// The pin matches the definition.
    Pinned,
    /// The tag has no pin.
    NotPinned,
    /// The pin does not match the definition.
    Stale,
}

/// State of one site of a target relative to its pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetStatusV1 {
    /// The site contains the pinned value.
    Matches,
    /// The site contains another value.
    Differs,
    /// The tag has no pin yet.
    NotPinned,
    /// The target selects nothing, or something that cannot be edited.
    NoMatch,
}

/// Kind of problem that `check` found for a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKindV1 {
    /// The pin does not match the definition.
    Drift,
    /// The lock was edited by hand: neither the registry nor the history confirms the pin.
    HandEdited,
    /// The registry could not confirm the pin.
    Unverified,
    /// A target does not contain the pinned value.
    Target,
}
