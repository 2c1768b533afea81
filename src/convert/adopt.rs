//! Converts OpenShift ImageStreams to streams.
//!
//! JSON objects become [`NewStream`]s, with a [`note`] for every meaningful field that is not converted unchanged. Nothing
//! here reads or writes a file.

mod fields;
mod follow;
mod index;
pub mod note;
pub mod object;
mod status;
mod stream;
mod tag;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::model::image::{ImageRef, Platform, StreamName, TagName};
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::stream::write::NewStream;
use crate::text::diagnostics::{Problem, Problems};

use index::StreamIndex;
use note::AdoptNotes;
use object::ImageStreamObject;

/// Options of the conversion from ImageStreams.
#[derive(Clone, Debug, Default)]
pub struct AdoptOptions {
    /// Name streams `namespace/name`.
    pub namespaces: bool,
    /// Create the first lock from the histories.
    pub status: bool,
    /// The platform to pin if OpenShift imported a single image of an index.
    pub platform: Option<Platform>,
}

/// Streams, pins and notes that the conversion gives.
#[derive(Debug, Default)]
pub struct AdoptResult {
    /// The streams, by name.
    pub streams: BTreeMap<StreamName, NewStream>,
    /// Pins from their histories; empty unless requested.
    pub lock: Lock,
    /// Fields that were not converted unchanged.
    pub notes: AdoptNotes,
}

/// One image in the history of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HistoryItem {
    /// Its digest; empty if the cluster recorded none.
    image: String,
    /// Its reference.
    reference: String,
}

/// History of a tag, newest first.
type TagHistory = Vec<HistoryItem>;

/// A stream that is being converted.
#[derive(Debug)]
struct StreamDraft {
    /// File of the object.
    from: String,
    /// Namespace of the object, if given.
    namespace: Option<String>,
    /// Content of the stream file.
    stream: NewStream,
    /// History of each tag.
    histories: BTreeMap<TagName, TagHistory>,
    /// Image that the cluster copied for each tag, used if the followed tag does not exist.
    copies: BTreeMap<TagName, ImageRef>,
}

/// The streams that are being converted, by name.
type StreamDrafts = BTreeMap<StreamName, StreamDraft>;

/// Converts `objects` to new streams of `root`.
///
/// # Errors
/// Two different objects give the same stream.
pub fn adopt(objects: Vec<ImageStreamObject>, root: &Root, options: &AdoptOptions) -> Result<AdoptResult, Problems> {
    let mut notes = AdoptNotes::default();
    let named: Vec<_> = objects.into_iter().filter_map(|object| stream::read(object, options, &mut notes)).collect();
    let index =
        StreamIndex::of(named.iter().map(|stream| (&stream.name, stream.namespace.as_deref(), &stream.histories)));
    let mut drafts = StreamDrafts::new();
    let mut problems = Vec::new();
    for object in named {
        let mut own = AdoptNotes::default();
        let (name, draft) = stream::convert(object, &index, options, &mut own);
        match drafts.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(draft);
                notes.extend(own);
            }
            Entry::Occupied(entry)
                if entry.get().stream == draft.stream && entry.get().histories == draft.histories => {}
            Entry::Occupied(entry) => problems.push(duplicate(entry.key(), entry.get(), &draft)),
        }
    }
    Problems::check(problems)?;
    follow::replace_broken(&mut drafts, root, &mut notes);
    let lock = if options.status { status::lock(&drafts, root, &mut notes) } else { Lock::default() };
    let streams = drafts.into_iter().map(|(name, draft)| (name, draft.stream)).collect();
    Ok(AdoptResult { streams, lock, notes })
}

fn duplicate(name: &StreamName, first: &StreamDraft, second: &StreamDraft) -> Problem {
    let help = match (&first.namespace, &second.namespace) {
        (Some(one), Some(other)) if one != other => "use `--namespaces` to keep streams of different namespaces apart",
        _ => "adopt only one of them",
    };
    let message = if first.from == second.from {
        format!("`{}` contains two different ImageStreams named `{name}`", first.from)
    } else {
        format!("ImageStream `{name}` in `{}` differs from the one in `{}`", second.from, first.from)
    };
    Problem::whole(None, message).help(help)
}

#[cfg(test)]
mod tests;
