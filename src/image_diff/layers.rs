//! Compares the layers and sizes of two images.

use std::collections::BTreeSet;
use std::fmt;

use super::OldNew;
use crate::model::image::facts::ImageFacts;

/// Counts of layers kept, added and removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerDiff {
    /// Layers in both images.
    pub kept: usize,
    /// Layers in the new image only.
    pub added: usize,
    /// Layers in the old image only.
    pub removed: usize,
}

impl LayerDiff {
    pub(super) fn between(old: &ImageFacts, new: &ImageFacts) -> Option<Self> {
        if old.layers.is_empty() || new.layers.is_empty() {
            return None;
        }
        let digests =
            |facts: &ImageFacts| -> BTreeSet<_> { facts.layers.iter().map(|layer| layer.digest.clone()).collect() };
        let (before, after) = (digests(old), digests(new));
        let kept = before.intersection(&after).count();
        Some(Self { kept, added: after.len() - kept, removed: before.len() - kept })
    }
}

impl fmt::Display for LayerDiff {
    /// Formats e.g. `3 of 5 layers kept, 2 new`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kept, added, removed } = self;
        match kept + removed {
            _ if *added == 0 && *removed == 0 => f.write_str("same layers"),
            before => write!(f, "{kept} of {before} layers kept, {added} new"),
        }
    }
}

/// Formats the sizes, e.g. `12.1 MB → 12.4 MB`.
pub(crate) fn size(size: &OldNew<u64>) -> Option<String> {
    match (size.old.map(bytes), size.new.map(bytes)) {
        (Some(old), Some(new)) if old != new => Some(format!("{old} → {new}")),
        (_, new) => new,
    }
}

/// Formats a size in decimal units, as registries do, with one decimal, rounded down.
fn bytes(size: u64) -> String {
    let units = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, unit)| size >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", size / unit, size % unit / (unit / 10)),
        None => format!("{size} bytes"),
    }
}
