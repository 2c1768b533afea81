//! Notes about fields that were not converted unchanged; equal notes of several tags become one line.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use crate::text::escape;

/// Maximum number of tags that a line names.
const NAMED_MAX: usize = 3;

/// All notes in the order of the objects: stream or tag; field, with its value if relevant; reason, or replacement.
#[derive(Debug, Default)]
pub struct AdoptNotes(Vec<[String; 3]>);

impl AdoptNotes {
    /// Adds a note about `field` of a stream or tag.
    pub(super) fn add(&mut self, at: &str, field: impl AsRef<str>, why: impl AsRef<str>) {
        self.0.push([at, field.as_ref(), why.as_ref()].map(escape::terminal));
    }

    /// Appends all notes of `other`.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Returns whether there are no notes.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a row per field and reason: the field, the tags that have it, and the reason.
    pub fn rows(&self) -> Vec<[String; 3]> {
        let mut lines: Vec<([&str; 2], Vec<&str>)> = Vec::new();
        let mut places: HashMap<[&str; 2], usize> = HashMap::new();
        let mut seen = HashSet::new();
        for [at, field, why] in self.0.iter().filter(|note| seen.insert(*note)) {
            match places.entry([field, why]) {
                Entry::Occupied(place) => lines[*place.get()].1.push(at),
                Entry::Vacant(place) => {
                    place.insert(lines.len());
                    lines.push(([field, why], vec![at]));
                }
            }
        }
        let row = |([field, why], all): ([&str; 2], Vec<&str>)| {
            let named = all[..all.len().min(NAMED_MAX)].join(", ");
            let more = match all.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            [field.to_owned(), format!("{named}{more}"), why.to_owned()]
        };
        lines.into_iter().map(row).collect()
    }
}
