//! Result of a pass for one tag.

use std::sync::Arc;

use super::exit::Exit;
use super::v1::words::{OutcomeV1, word};
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

/// Reason why a tag is left for a later pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deferral {
    /// The `budget` of the pass was spent before the tag was resolved.
    Budget,
    /// The change exceeded a limit or could not be proposed; the report has the reason.
    Proposal,
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
    /// It is left for a later pass.
    Deferred(Deferral),
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

impl TagRow {
    /// Creates the row of a defined tag, with the change of its pin to that in the new `lock`.
    pub fn new(id: &TagId, tag: &Tag, lock: &Lock, change: Option<&PinChange>, outcome: TagOutcome) -> Self {
        let pin = lock.pins.get(id);
        let defined = match &tag.source {
            TagSource::Image { image, .. } => Some(image),
            _ => None,
        };
        let new = pin.map(|pin| side(lock, pin));
        Self {
            tag: id.clone(),
            follow: tag.source.followed(),
            image: pin.map(|pin| &pin.image).or(defined).cloned(),
            outcome,
            old: change.map_or_else(|| new.clone(), |change| change.before().cloned()),
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
    /// Returns the outcome of a tag that failed, is held back, or has a change; `is_selected` if it was to be resolved.
    pub fn of(
        failure: Option<&ResolveError>,
        held: Option<&HeldUpdate>,
        change: Option<&PinChange>,
        is_selected: bool,
    ) -> Self {
        match (failure, held, change) {
            (Some(error), ..) => Self::Failed(error.clone()),
            (None, Some(update), _) => Self::Held(update.clone()),
            (None, None, Some(PinChange { kind: ChangeKind::Added { .. }, .. })) => Self::Added,
            (None, None, Some(_)) => Self::Updated,
            (None, None, None) if is_selected => Self::Unchanged,
            (None, None, None) => Self::NotDue,
        }
    }

    /// Returns the word used in reports.
    pub fn word(&self) -> String {
        word(OutcomeV1::from(self))
    }

    /// Returns the reason why the tag was not resolved.
    pub fn skip_reason(&self) -> Option<&'static str> {
        match self {
            Self::NotDue => Some("not due"),
            Self::NotSelected => Some("not selected"),
            Self::Deferred(Deferral::Budget) => Some("budget spent"),
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
            Self::Failed(_) | Self::Deferred(Deferral::Budget) => Exit::Partial,
            Self::Held(HeldUpdate { reason: HoldReason::BeyondAllow(_), .. }) => Exit::Refused,
            _ => Exit::Success,
        }
    }
}
