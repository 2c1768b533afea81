//! OpenShift's ImageStreams as streams: what each of their fields becomes, and what it does not become.
//!
//! Objects come in as JSON, [`NewStream`]s go out, with a [`note`] for every field that means something and is not
//! carried over as it was. Nothing here reads or writes a file.

mod fields;
mod follow;
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

use note::AdoptNotes;
use object::ImageStreamObject;

/// How objects are adopted.
#[derive(Clone, Debug, Default)]
pub struct AdoptOptions {
    /// Streams are named `namespace/name`.
    pub namespaces: bool,
    /// Histories become the first lock.
    pub status: bool,
    /// The platform whose image is pinned where OpenShift kept one image of an index.
    pub platform: Option<Platform>,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct AdoptResult {
    /// The streams, by name.
    pub streams: BTreeMap<StreamName, NewStream>,
    /// The pins that their histories make; empty where those were not asked for.
    pub lock: Lock,
    /// What is not as it was.
    pub notes: AdoptNotes,
}

/// One image of a tag's history.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HistoryItem {
    /// Its digest, as text; empty where the cluster kept none.
    image: String,
    /// Where it was found.
    reference: String,
}

/// A tag's history, newest first.
type TagHistory = Vec<HistoryItem>;

/// An object on its way to a stream.
#[derive(Debug)]
struct StreamDraft {
    /// The file it came from.
    from: String,
    /// The namespace, where it says one.
    namespace: Option<String>,
    /// What is written.
    stream: NewStream,
    /// What each tag stood at.
    histories: BTreeMap<TagName, TagHistory>,
    /// For tags that follow: the image that stands in where what they follow is not there.
    stand_ins: BTreeMap<TagName, ImageRef>,
}

/// The streams by name, while they are made.
type StreamDrafts = BTreeMap<StreamName, StreamDraft>;

/// Makes streams of `objects`, to stand in `root`.
///
/// # Errors
/// Where two objects that differ make the same stream.
pub fn adopt(objects: Vec<ImageStreamObject>, root: &Root, wishes: &AdoptOptions) -> Result<AdoptResult, Problems> {
    let mut notes = AdoptNotes::default();
    let opened: Vec<_> = objects.into_iter().filter_map(|object| stream::open(object, wishes, &mut notes)).collect();
    let shelf = stream::StreamIndex::of(&opened);
    let mut drafts = StreamDrafts::new();
    let mut problems = Vec::new();
    for open in opened {
        let mut own = AdoptNotes::default();
        let (name, draft) = stream::draft(open, &shelf, wishes, &mut own);
        match drafts.entry(name) {
            Entry::Vacant(entry) => {
                entry.insert(draft);
                notes.extend(own);
            }
            Entry::Occupied(entry) if is_same(entry.get(), &draft) => {}
            Entry::Occupied(entry) => problems.push(twice(entry.key(), entry.get(), &draft)),
        }
    }
    Problems::check(problems)?;
    follow::settle(&mut drafts, root, &mut notes);
    let lock = if wishes.status { status::lock(&drafts, root, &mut notes) } else { Lock::default() };
    let streams = drafts.into_iter().map(|(name, draft)| (name, draft.stream)).collect();
    Ok(AdoptResult { streams, lock, notes })
}

fn is_same(one: &StreamDraft, other: &StreamDraft) -> bool {
    one.stream == other.stream && one.histories == other.histories
}

fn twice(name: &StreamName, first: &StreamDraft, second: &StreamDraft) -> Problem {
    let help = match (&first.namespace, &second.namespace) {
        (Some(one), Some(other)) if one != other => {
            "`--namespaces` keeps streams of several namespaces apart".to_owned()
        }
        _ => "adopt one of them".to_owned(),
    };
    let message = if first.from == second.from {
        format!("`{}` has two ImageStreams `{name}`, and they differ", first.from)
    } else {
        format!("the ImageStream `{name}` of `{}` is not that of `{}`", second.from, first.from)
    };
    Problem::whole(None, message).help(help)
}

#[cfg(test)]
mod tests;
