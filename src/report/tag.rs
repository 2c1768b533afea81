//! Result of a pass for one tag.

use std::sync::Arc;

use super::exit::Exit;
use crate::image_diff::Explanation;
use crate::model::image::{FollowedTag, ImageRef, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{ChangeKind, PinChange, PinSide, side};
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::stream::{Tag, TagSource};
use crate::registry::{FailureKind, ResolveError};

/// Result for one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRow {
    /// Id of the tag.
    pub tag: TagId,
    /// Tag that it follows.
    pub follow: Option<FollowedTag>,
    /// Image; none for a follower that never had a pin.
    pub image: Option<ImageRef>,
    /// Outcome of the tag in this pass.
    pub outcome: TagOutcome,
    /// Pin before the pass.
    pub old: Option<PinSide>,
    /// Pin after the pass; the old one if the tag could not be resolved.
    pub new: Option<PinSide>,
    /// Differences between the old and the new image.
    pub explanation: Option<Arc<Explanation>>,
}

/// Outcome of a tag in a pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TagOutcome {
    /// The pin is up to date.
    Unchanged,
    /// The digest changed.
    Updated,
    /// The change is proposed.
    Proposed,
    /// The change exceeded a limit or could not be proposed; the report has the reason.
    Deferred,
    /// The digest is unchanged; other fields of the pin changed.
    Refreshed,
    /// The tag is new in the lock.
    Added,
    /// The tag is no longer in the lock.
    Removed,
    /// Its schedule has not fired.
    NotDue,
    /// It was not selected for this pass.
    NotSelected,
    /// An update is available, and a rule keeps the pin.
    Held(HeldUpdate),
    /// It could not be resolved and keeps its pin, if any.
    Failed(ResolveError),
}

/// Findings of a pass about one defined tag.
#[derive(Clone, Debug, Default)]
pub struct TagResult<'a> {
    /// Change of its pin.
    pub change: Option<PinChange>,
    /// True if the tag was to be resolved.
    pub is_selected: bool,
    /// Failure to resolve it.
    pub failure: Option<ResolveError>,
    /// Update that a rule holds back.
    pub held: Option<&'a HeldUpdate>,
}

impl TagRow {
    /// Creates the row of a defined tag, with its pin in the new `lock`.
    pub fn new(id: &TagId, tag: &Tag, lock: &Lock, result: TagResult<'_>) -> Self {
        let TagResult { change, is_selected, failure, held } = result;
        let pin = lock.pins.get(id);
        let new = pin.map(|pin| side(lock, pin));
        let (follow, defined) = match &tag.source {
            TagSource::Follow(_) | TagSource::Remote(_) => (tag.source.followed(), None),
            TagSource::Image { image, .. } => (None, Some(image.clone())),
            TagSource::Select { .. } => (None, None),
        };
        let old = match &change {
            Some(change) => change.before().cloned(),
            None => new.clone(),
        };
        let outcome = match (failure, held, change) {
            (Some(error), ..) => TagOutcome::Failed(error),
            (None, Some(update), _) => TagOutcome::Held(update.clone()),
            (None, None, Some(PinChange { kind: ChangeKind::Added { .. }, .. })) => TagOutcome::Added,
            (None, None, Some(_)) => TagOutcome::Updated,
            (None, None, None) if is_selected => TagOutcome::Unchanged,
            (None, None, None) => TagOutcome::NotDue,
        };
        Self {
            tag: id.clone(),
            follow,
            image: pin.map(|pin| pin.image.clone()).or(defined),
            outcome,
            old,
            new,
            explanation: None,
        }
    }

    /// Creates the row of a pin that no longer has a definition.
    pub fn removed(change: PinChange) -> Self {
        let old = change.before().cloned();
        let PinChange { tag, follow, image, .. } = change;
        Self { tag, follow, image: Some(image), outcome: TagOutcome::Removed, old, new: None, explanation: None }
    }
}

impl TagOutcome {
    /// Words for all outcomes, in the order of summaries.
    pub const WORDS: [&'static str; 15] = [
        "updated",
        "proposed",
        "deferred",
        "refreshed",
        "added",
        "removed",
        "unchanged",
        "held",
        "soaking",
        "ignored",
        "rejected",
        "reverted",
        "skipped",
        "refused",
        "failed",
    ];

    /// Returns the word used in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Updated => "updated",
            Self::Proposed => "proposed",
            Self::Deferred => "deferred",
            Self::Refreshed => "refreshed",
            Self::Added => "added",
            Self::Removed => "removed",
            Self::NotDue | Self::NotSelected => "skipped",
            Self::Held(update) => match update.reason {
                HoldReason::Held(_) | HoldReason::RolledBack => "held",
                HoldReason::BeyondAllow(_) => "refused",
                HoldReason::Rejected => "rejected",
                HoldReason::Reverted => "reverted",
                HoldReason::Ignored(_) => "ignored",
                HoldReason::Soaking { .. } => "soaking",
            },
            Self::Failed(error) if error.kind == FailureKind::Refused => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Returns the reason why the tag was skipped.
    pub fn skip_reason(&self) -> Option<&'static str> {
        match self {
            Self::NotDue => Some("not due"),
            Self::NotSelected => Some("not selected"),
            _ => None,
        }
    }

    /// Returns true if the lock changes.
    pub fn is_change(&self) -> bool {
        matches!(self, Self::Updated | Self::Refreshed | Self::Added | Self::Removed)
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Failed(error) if matches!(error.kind, FailureKind::Refused | FailureKind::Integrity) => Exit::Refused,
            Self::Failed(_) => Exit::Partial,
            Self::Held(HeldUpdate { reason: HoldReason::BeyondAllow(_), .. }) => Exit::Refused,
            _ => Exit::Success,
        }
    }
}
