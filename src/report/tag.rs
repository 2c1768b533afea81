//! Result of a pass for one tag.

use std::sync::Arc;

use super::exit::Exit;
use super::v1::words::{KindV1, OutcomeV1, word};
use crate::image_diff::Explanation;
use crate::model::image::{FollowedTag, ImageRef, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{ChangeKind, PinChange, PinSide, side};
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::state::FailingTag;
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
    /// Failed attempts so far, if the tag, or the one that it follows, fails.
    pub failing: Option<FailingTag>,
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
    /// It fails, and the next attempt is not due yet.
    BackingOff,
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
            failing: None,
        }
    }

    /// Creates the row of a pin that no longer has a definition.
    pub fn removed(change: PinChange) -> Self {
        let old = change.before().cloned();
        let PinChange { tag, follow, image, .. } = change;
        let (outcome, image) = (TagOutcome::Removed, Some(image));
        Self { tag, follow, image, outcome, old, new: None, explanation: None, failing: None }
    }

    /// Describes the failed attempts before this pass and the next one, unless this was the first.
    pub(super) fn failing_note(&self) -> Option<String> {
        let FailingTag { since, last, next, attempts, kind, .. } = self.failing.as_ref()?;
        let attempts = count((*attempts).try_into().unwrap_or(usize::MAX), "attempt");
        match self.outcome {
            TagOutcome::BackingOff => {
                let kind = word(KindV1::from(*kind));
                Some(format!("failing since {since} ({kind}, {attempts}); next attempt {next}"))
            }
            TagOutcome::Failed(_) if since < last => {
                Some(format!("failing since {since} ({attempts}); next attempt {next}"))
            }
            _ => None,
        }
    }

    /// Returns that description as the end of a sentence; empty if there is none.
    pub(super) fn failing_suffix(&self) -> String {
        self.failing_note().map(|note| format!("; {note}")).unwrap_or_default()
    }

    /// Describes why the tag was skipped.
    pub(super) fn skip_note(&self) -> Option<String> {
        let reason = self.outcome.skip_reason()?;
        Some(match self.failing_note() {
            Some(note) => format!("{reason}: {note}"),
            None => reason.to_owned(),
        })
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
            Self::BackingOff => Some("backing off"),
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

/// Formats a number of things, as in `2 changes`.
pub(crate) fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}
