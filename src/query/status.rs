//! Status of tags: whether each pin matches its definition, judged offline.

use crate::model::drift::{Drift, DriftKind, find_drift};
use crate::model::image::TagId;
use crate::model::root::Root;
use crate::report::v1::words::StatusV1;

/// All drift of a root, indexed by tag.
#[derive(Debug)]
pub struct DriftIndex(Vec<Drift>);

impl DriftIndex {
    /// Compares the lock of `root` with its definitions.
    pub fn of(root: &Root) -> Self {
        Self(find_drift(&root.definitions, &root.lock))
    }

    /// Returns the drift of one tag, if its pin is missing or differs.
    pub fn get(&self, id: &TagId) -> Option<&Drift> {
        // `find_drift` sorts by tag.
        let at = self.0.binary_search_by(|drift| drift.tag.cmp(id));
        at.ok().map(|at| &self.0[at])
    }

    /// Returns the status of a defined tag.
    pub fn status(&self, id: &TagId) -> StatusV1 {
        match self.get(id).map(|drift| &drift.kind) {
            None => StatusV1::Pinned,
            Some(DriftKind::Missing) => StatusV1::NotPinned,
            Some(_) => StatusV1::Stale,
        }
    }
}
