//! The words that a JSON has for what can be one of few things: each its own type, so that its schema lists them.

use schemars::JsonSchema;
use serde::Serialize;

/// How a pass ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndV1 {
    /// Nothing was to be written: it was only asked what would happen.
    Planned,
    /// The lock in the work tree was written.
    Written,
    /// The lock landed on the branch.
    Landed,
    /// Moves are proposed, and the branch is as it was.
    Proposed,
    /// There was nothing to write.
    Unchanged,
}

/// What became of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeV1 {
    /// It stands where it stood.
    Unchanged,
    /// It stands at another digest.
    Updated,
    /// It is proposed that its entry in the lock be another one.
    Proposed,
    /// It should be proposed and could not be; `errors` says why.
    Deferred,
    /// It stands where it stood, and its entry in the lock is another one.
    Refreshed,
    /// It is new in the lock.
    Added,
    /// It is no longer in the lock.
    Removed,
    /// Its schedule has not fired.
    NotDue,
    /// It was not to be imported in this pass.
    NotAsked,
    /// A person, or what a person says of rollbacks, keeps it where it stands.
    Held,
    /// What was found has not been there for long enough.
    Soaking,
    /// What changed is of a class that is left alone.
    Ignored,
    /// A rule forbids it; it keeps its pin, if it has one.
    Refused,
    /// It could not be imported and keeps its pin, if it has one.
    Failed,
}

/// Why a tag could not be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KindV1 {
    /// The registry does not have it.
    NotFound,
    /// Credentials are missing, wrong or not enough.
    Unauthorized,
    /// The registry asks to come back later.
    RateLimited,
    /// The connection could not be secured.
    Tls,
    /// The registry could not be reached, or did not answer in time or in order.
    Network,
    /// What came is not what was promised.
    Integrity,
    /// It is of a kind that is not pinned.
    Unsupported,
    /// A rule forbids it.
    Refused,
}

/// What became of a hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HookOutcomeV1 {
    /// It ran to its end without an error.
    Succeeded,
    /// It failed, and its moves stay pending.
    Failed,
    /// Somebody else is running it.
    Running,
    /// It would run.
    Pending,
    /// The operator's policy does not allow it.
    Refused,
}

/// What happened to a tag's digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKindV1 {
    /// It had no pin before.
    Added,
    /// It is another one.
    Updated,
    /// It has no pin any more.
    Removed,
}

/// How a tag's pin and its definition go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StatusV1 {
    /// The pin is what the definition asks for.
    Pinned,
    /// It has no pin.
    NotPinned,
    /// The pin is not what the definition asks for.
    Stale,
}

/// How what stands in the place of a target and the pin of its tag go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TargetStatusV1 {
    /// The pin stands there.
    Matches,
    /// Something else does.
    Differs,
    /// The tag has no pin yet.
    NotPinned,
    /// The target has no place, or one that cannot be written over.
    NoMatch,
}

/// What `check` found of a tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKindV1 {
    /// Its pin is not what its definition asks for.
    Drift,
    /// Nobody but who edited the lock vouches for what it says.
    HandEdited,
    /// Its registry could not be asked whether it vouches for what the lock says.
    Unverified,
    /// A place of a target does not hold what it is pinned to.
    Target,
}
