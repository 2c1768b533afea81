//! `json`: the complete pins as `pinstream.export/v1`; `pinstream schema export` prints its schema.

use crate::model::lock::Lock;
use crate::report::v1::export::{ExportV1, ExportedV1};

use super::PinnedTag;

/// Formats the pins as JSON.
pub(super) fn text(pins: &[PinnedTag<'_>], lock: &Lock) -> String {
    let exported = |PinnedTag { id, tag, pin }: &PinnedTag<'_>| ExportedV1::new(id, tag, pin, lock);
    ExportV1::new(pins.iter().map(exported).collect()).to_json()
}
