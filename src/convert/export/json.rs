//! `json`: the complete pins as `pinstream.export/v1`; `pinstream schema export` prints its schema.

use crate::model::lock::Lock;
use crate::report::v1::encode;
use crate::report::v1::export::{ExportSchema, ExportV1, ExportedV1};

use super::PinnedTag;

/// Formats the pins as JSON.
pub(super) fn text(pins: &[PinnedTag<'_>], lock: &Lock) -> String {
    let exported = |PinnedTag { id, tag, pin }: &PinnedTag<'_>| ExportedV1::new(id, tag, pin, lock);
    encode(&ExportV1 { schema: ExportSchema::V1, pins: pins.iter().map(exported).collect() })
}
