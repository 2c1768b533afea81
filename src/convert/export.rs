//! Pins in the forms that other tools read.
//!
//! A format is a member of [`Format`], with one verb: definitions, lock and selection → text. The same pins make the same
//! bytes, in whatever order they were defined. What is not pinned as it is defined is never exported, and what a form
//! cannot say is an error: no digest is left out or chosen silently. Nothing here reads or writes a file.

mod compose;
mod env;
mod imagestream;
mod json;
mod kbld;
mod kustomize;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::formats;
use crate::model::image::TagId;
use crate::model::lock::Pin;
use crate::model::lock::drift::{DriftKind, find_drift};
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::stream::Tag;
use crate::text::diagnostics::{Problem, Problems, SourceFile};

/// In which form pins are written.
#[derive(Clone, Copy, Debug)]
pub enum ExportFormat<'a> {
    /// A component of kustomize.
    Kustomize,
    /// An override file for the services of these compose files, each of which is merged over those before it.
    Compose(&'a [Arc<SourceFile>]),
    /// A configuration of kbld.
    Kbld,
    /// Variables for shells and `docker compose --env-file`.
    Env,
    /// `pinstream.export/v1`
    Json,
    /// ImageStreams of OpenShift.
    ImageStream,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportResult {
    /// The text.
    pub text: String,
    /// What people should know beside it.
    pub notes: Vec<String>,
}

impl From<String> for ExportResult {
    fn from(text: String) -> Self {
        Self { text, notes: Vec::new() }
    }
}

/// A tag that is asked for, pinned as it is defined.
#[derive(Clone, Copy, Debug)]
struct PinnedTag<'a> {
    id: &'a TagId,
    tag: &'a Tag,
    pin: &'a Pin,
}

/// The pins of the tags that `only` means, as a text of `format`.
///
/// # Errors
/// Every tag that is not pinned as it is defined; else all that the form cannot say.
pub fn export(format: ExportFormat<'_>, root: &Root, only: &TagGlobs) -> Result<ExportResult, Problems> {
    let (mut notes, mut problems) = (Vec::new(), Vec::new());
    for one in find_drift(&root.definitions, &root.lock).iter().filter(|one| only.matches(&one.tag)) {
        match one.kind {
            DriftKind::Undefined => notes.push(format!("{one}; it is left out")),
            _ => problems.push(problem(one.to_string(), format!("run `pinstream update {}`", one.tag))),
        }
    }
    Problems::check(problems)?;
    let tags = root.definitions.tags.iter().filter(|(id, _)| only.matches(id));
    let pinned = |(id, tag)| Some(PinnedTag { id, tag, pin: root.lock.pins.get(id)? });
    let pins: Vec<PinnedTag<'_>> = tags.filter_map(pinned).collect();
    let exported = match format {
        ExportFormat::Kustomize => kustomize::text(&pins).map(ExportResult::from),
        ExportFormat::Compose(files) => compose::text(files, &pins),
        ExportFormat::Kbld => kbld::text(&pins).map(ExportResult::from),
        ExportFormat::Env => env::text(&pins).map(ExportResult::from),
        ExportFormat::Json => Ok(json::text(&pins, &root.lock).into()),
        ExportFormat::ImageStream => imagestream::text(&pins, &root.definitions).map(ExportResult::from),
    };
    let ExportResult { text, notes: more } = exported.map_err(Problems)?;
    notes.extend(more);
    Ok(ExportResult { text, notes })
}

fn problem(message: String, help: impl Into<String>) -> Problem {
    Problem::whole(None, message).help(help)
}

/// The pins that have one place in a form, by that place.
fn places<'p, 'a, K: Ord>(
    pins: &'p [PinnedTag<'a>],
    place: impl Fn(&'p PinnedTag<'a>) -> K,
) -> BTreeMap<K, Vec<&'p PinnedTag<'a>>> {
    let mut places: BTreeMap<K, Vec<&PinnedTag<'_>>> = BTreeMap::new();
    for pin in pins {
        places.entry(place(pin)).or_default().push(pin);
    }
    places
}

/// The pin that stands for all of `pins`, which have one place; none where their digests are not the same.
fn one<'p, 'a>(pins: &[&'p PinnedTag<'a>]) -> Option<&'p PinnedTag<'a>> {
    let (first, rest) = pins.split_first()?;
    rest.iter().all(|other| other.pin.digest == first.pin.digest).then_some(*first)
}

/// The tags of `pins` for a message.
fn named<'p, 'a: 'p>(pins: impl IntoIterator<Item = &'p PinnedTag<'a>>) -> String {
    formats::list(pins.into_iter().map(|pinned| format!("`{}`", pinned.id)).collect::<Vec<_>>())
}

/// That `pins` are at several digests of `what`, where `why` there is room for one.
fn several(pins: &[&PinnedTag<'_>], what: &str, why: &str, format: &str) -> Problem {
    let example = pins.first().map(|pinned| format!(", as `pinstream export {format} {}`", pinned.id));
    let message = format!("{} stand at different digests of `{what}`", named(pins.iter().copied()));
    problem(message, format!("{why}: name one of them{}", example.unwrap_or_default()))
}

#[cfg(test)]
mod tests;
