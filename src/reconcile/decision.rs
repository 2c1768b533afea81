//! The decision of an attempt, as plain data.

use std::collections::BTreeMap;

use crate::formats::EditedFile;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff::PinChange;
use crate::model::settings::adoption_rules::HeldUpdate;
use crate::model::state::FailingTags;
use crate::registry::ResolveError;

/// Tags that could not be resolved, with the cause.
pub type Failures = BTreeMap<TagId, ResolveError>;

/// The changes of a pass, and the tags that do not change.
#[derive(Debug, Default)]
pub struct Decision {
    /// The next lock; `None` if it equals the old one.
    pub lock: Option<Lock>,
    /// The differences between the two.
    pub changes: Vec<PinChange>,
    /// Tags that could not be resolved; they keep their pins.
    pub failures: Failures,
    /// Tags that fail, in this pass or an earlier one, for the state.
    pub failing: FailingTags,
    /// Updates that a rule holds back.
    pub held: BTreeMap<TagId, HeldUpdate>,
    /// Files of targets that change on the branch itself.
    pub edits: Vec<EditedFile>,
    /// Notes about updates.
    pub notes: Vec<String>,
}

impl Decision {
    /// Returns the next lock, given the old one.
    pub fn lock<'a>(&'a self, base: &'a Lock) -> &'a Lock {
        self.lock.as_ref().unwrap_or(base)
    }

    /// Returns whether something is to be landed or proposed.
    pub fn has_changes(&self) -> bool {
        self.lock.is_some() || !self.edits.is_empty()
    }
}
