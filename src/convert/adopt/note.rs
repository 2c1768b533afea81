//! Notes about fields that were not converted unchanged; equal notes of several tags become one line.

use std::collections::{HashMap, HashSet};

use crate::text::escape;

/// Maximum number of tags that a line names.
const NAMED_MAX: usize = 3;

/// A field that was not converted unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdoptNote {
    /// The stream or tag.
    at: String,
    /// The field, with its value if relevant.
    field: String,
    /// Reason, or replacement.
    why: String,
}

/// All notes in the order of the objects.
#[derive(Debug, Default)]
pub struct AdoptNotes(Vec<AdoptNote>);

impl AdoptNotes {
    /// Adds a note about `field` of a stream or tag.
    pub(super) fn add(&mut self, at: &str, field: impl Into<String>, why: impl Into<String>) {
        let note = AdoptNote { at: escape::terminal(at), field: escape::terminal(&field.into()), why: why.into() };
        self.0.push(AdoptNote { why: escape::terminal(&note.why), ..note });
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
        let mut lines: Vec<(&AdoptNote, Vec<&str>)> = Vec::new();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        let mut seen: HashSet<(&str, &str, &str)> = HashSet::new();
        for note in self.0.iter().filter(|note| seen.insert((&note.at, &note.field, &note.why))) {
            let place = *places.entry((&note.field, &note.why)).or_insert(lines.len());
            match lines.get_mut(place) {
                Some((_, all)) => all.push(&note.at),
                None => lines.push((note, vec![&note.at])),
            }
        }
        let row = |(note, all): (&AdoptNote, Vec<&str>)| {
            let named = all.iter().take(NAMED_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = match all.len().saturating_sub(NAMED_MAX) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            [note.field.clone(), format!("{named}{more}"), note.why.clone()]
        };
        lines.into_iter().map(row).collect()
    }
}
