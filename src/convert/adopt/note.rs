//! What is not as it was: one note a field, and one line for all tags of which the same is to be said.

use std::collections::{HashMap, HashSet};

use crate::text::escape;

/// How many tags one line names.
const NAMED_MAX: usize = 3;

/// Something that was not carried over as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AdoptNote {
    /// The stream or tag.
    at: String,
    /// The field, with its value where that matters.
    field: String,
    /// Why, or what stands in its place.
    why: String,
}

/// All of them, in the order in which they were found.
#[derive(Debug, Default)]
pub struct AdoptNotes(Vec<AdoptNote>);

impl AdoptNotes {
    /// Notes what became of `field` at a stream or a tag.
    pub(super) fn say(&mut self, at: &str, field: impl Into<String>, why: impl Into<String>) {
        let note = AdoptNote { at: escape::terminal(at), field: escape::terminal(&field.into()), why: why.into() };
        self.0.push(AdoptNote { why: escape::terminal(&note.why), ..note });
    }

    /// Adds those of another.
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line for each field and reason: the field, whose it is, and why.
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
