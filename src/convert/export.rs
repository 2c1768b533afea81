//! Exports pins in formats that other tools read.
//!
//! A format is a variant of [`ExportFormat`]: definitions, lock and selection become text. Equal pins give equal bytes,
//! whatever the order of their definitions. Stale pins are never exported, and what a format cannot express is an error: no
//! digest is omitted or chosen silently. Nothing here reads or writes a file.

mod compose;
mod env;
mod imagestream;
mod kbld;
mod kustomize;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use crate::formats;
use crate::model::drift::{DriftKind, find_drift};
use crate::model::image::TagId;
use crate::model::lock::Pin;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::Tag;
use crate::report::v1::encode;
use crate::report::v1::export::{ExportSchema, ExportV1, ExportedV1};
use crate::text::diagnostics::{Problem, Problems, SourceFile};

/// Formats of other tools.
#[derive(Clone, Copy, Debug)]
pub enum ExportFormat<'a> {
    /// A kustomize component.
    Kustomize,
    /// An override file for the services of these compose files, of which later ones have precedence.
    Compose(&'a [Arc<SourceFile>]),
    /// A kbld configuration.
    Kbld,
    /// Variables for a shell or `docker compose --env-file`.
    Env,
    /// `pinstream.export/v1`
    Json,
    /// OpenShift ImageStreams.
    ImageStream,
}

/// An export with its remarks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportResult {
    /// The exported file.
    pub text: String,
    /// Remarks for a person.
    pub notes: Vec<String>,
}

/// A selected tag whose pin matches its definition.
#[derive(Clone, Copy, Debug)]
struct PinnedTag<'a> {
    id: &'a TagId,
    tag: &'a Tag,
    pin: &'a Pin,
}

/// Exports the pins of the tags that `only` matches.
///
/// # Errors
/// Every tag whose pin is missing or stale; else everything that the format cannot express.
pub fn export(format: ExportFormat<'_>, root: &Root, only: &TagGlobs) -> Result<ExportResult, Problems> {
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    for one in find_drift(&root.definitions, &root.lock).iter().filter(|one| only.matches(&one.tag)) {
        match one.kind {
            DriftKind::Undefined => notes.push(format!("{one}; omitted")),
            _ => problems.push(problem(one.to_string(), format!("run `pinstream update {}`", one.tag))),
        }
    }
    Problems::check(problems)?;
    let tags = root.definitions.tags.iter().filter(|(id, _)| only.matches(id));
    let pinned = |(id, tag)| Some(PinnedTag { id, tag, pin: root.lock.pins.get(id)? });
    let pins: Vec<PinnedTag<'_>> = tags.filter_map(pinned).collect();
    let plain = |text: String| ExportResult { text, notes: Vec::new() };
    let exported = match format {
        ExportFormat::Kustomize => kustomize::text(&pins).map(plain),
        ExportFormat::Compose(files) => compose::text(files, &pins),
        ExportFormat::Kbld => kbld::text(&pins).map(plain),
        ExportFormat::Env => env::text(&pins).map(plain),
        ExportFormat::Json => {
            let pin = |PinnedTag { id, tag, pin }: &PinnedTag<'_>| ExportedV1::new(id, tag, pin, &root.lock);
            Ok(plain(encode(&ExportV1 { schema: ExportSchema::V1, pins: pins.iter().map(pin).collect() })))
        }
        ExportFormat::ImageStream => imagestream::text(&pins, &root.definitions).map(plain),
    };
    let ExportResult { text, notes: more } = exported.map_err(Problems)?;
    notes.extend(more);
    Ok(ExportResult { text, notes })
}

fn problem(message: String, help: impl Into<String>) -> Problem {
    Problem::whole(None, message).help(help)
}

/// Groups pins by their place in a format.
fn group<'p, 'a, K: Ord>(
    pins: &'p [PinnedTag<'a>],
    place: impl Fn(&'p PinnedTag<'a>) -> K,
) -> BTreeMap<K, Vec<&'p PinnedTag<'a>>> {
    let mut groups: BTreeMap<K, Vec<&PinnedTag<'_>>> = BTreeMap::new();
    for pin in pins {
        groups.entry(place(pin)).or_default().push(pin);
    }
    groups
}

/// Converts each group of pins to an entry, or returns the problems of all groups.
fn entries<'p, 'a, K: Ord, T>(
    pins: &'p [PinnedTag<'a>],
    place: impl Fn(&'p PinnedTag<'a>) -> K,
    entry: impl Fn(K, &[&'p PinnedTag<'a>]) -> Result<T, Problem>,
) -> Result<Vec<T>, Vec<Problem>> {
    let (mut entries, mut problems) = (Vec::new(), Vec::new());
    for (key, pins) in group(pins, place) {
        match entry(key, &pins) {
            Ok(entry) => entries.push(entry),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(entries) } else { Err(problems) }
}

/// Returns the pin for a place that several tags share; none if their digests differ.
fn one<'p, 'a>(pins: &[&'p PinnedTag<'a>]) -> Option<&'p PinnedTag<'a>> {
    let (first, rest) = pins.split_first()?;
    rest.iter().all(|other| other.pin.digest == first.pin.digest).then_some(*first)
}

/// Lists the tags of `pins` in a message.
fn named<'p, 'a: 'p>(pins: impl IntoIterator<Item = &'p PinnedTag<'a>>) -> String {
    formats::list(pins.into_iter().map(|pinned| format!("`{}`", pinned.id)).collect::<Vec<_>>())
}

/// Reports pins with different digests of `what`; `why` there can be only one.
fn conflict(pins: &[&PinnedTag<'_>], what: &impl Display, why: &str, format: &str) -> Problem {
    let example = pins.first().map(|pinned| format!(", e.g. `pinstream export {format} {}`", pinned.id));
    let message = format!("{} are pinned to different digests of `{what}`", named(pins.iter().copied()));
    problem(message, format!("{why}; select one tag{}", example.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
