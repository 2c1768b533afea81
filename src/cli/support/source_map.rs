//! Source positions of tags and pins, so that findings point at lines. Reads files lazily and never fails: unreadable
//! files have no positions.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::effects::real::Repo;
use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::image::{StreamName, TagId};
use crate::model::lock::places::{self as pins, PinLines};
use crate::model::stream::places;
use crate::report::finding::{self, FilePosition, of_lock};
use crate::text::diagnostics::lines::SourceSpan;

/// Location of a root, and positions within its files.
pub struct SourceMap {
    /// Directory of the root in the repository, found on demand.
    root: OnceLock<String>,
    /// Directory of the root on this machine.
    folder: Option<WorkTree>,
    /// Positions in the stream files read so far.
    streams: Mutex<BTreeMap<StreamName, BTreeMap<String, SourceSpan>>>,
    pins: OnceLock<BTreeMap<TagId, PinLines>>,
}

impl SourceMap {
    /// Maps a root in a directory of this machine.
    pub fn of_folder(folder: WorkTree) -> Self {
        Self { root: OnceLock::new(), folder: Some(folder), ..Self::of_root("") }
    }

    /// Maps a root in directory `root` of a remote repository; its files are not available.
    pub fn of_root(root: &str) -> Self {
        let root = OnceLock::from(root.to_owned());
        Self { root, folder: None, streams: Mutex::default(), pins: OnceLock::new() }
    }

    /// Maps the root of a pass.
    pub fn of_place(place: &Repo) -> Self {
        match place {
            Repo::Folder(folder) => Self::of_folder(folder.clone()),
            Repo::Remote { root, .. } => Self::of_root(root),
        }
    }

    /// Returns the directory of the root in the repository; empty at the top or outside a repository.
    pub fn root(&self) -> &str {
        self.root.get_or_init(|| {
            let checkout = self.folder.as_ref().and_then(|folder| checkout::discover(&folder.0).ok().flatten());
            checkout.map(|checkout| checkout.prefix).unwrap_or_default()
        })
    }

    /// Returns the position of a tag's definition, or the whole stream file if it is unknown.
    pub fn defined(&self, id: &TagId) -> finding::FindingLocation {
        let path = format!("streams/{}.toml", id.stream);
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        let known = streams.entry(id.stream.clone()).or_insert_with(|| places::places(&self.text(&path)));
        finding::FindingLocation { span: known.get(id.tag.as_str()).copied().map(FilePosition::Part), path }
    }

    /// Returns the position of a tag's pin in the lock.
    pub fn pin(&self, id: &TagId) -> finding::FindingLocation {
        of_lock(self.lines(id).map(|lines| lines.begin))
    }

    /// Returns the position of a pin's digest in the lock.
    pub fn digest(&self, id: &TagId) -> finding::FindingLocation {
        of_lock(self.lines(id).map(|lines| lines.digest))
    }

    fn lines(&self, id: &TagId) -> Option<PinLines> {
        let read = || pins::places(&self.text(crate::model::lock::FILE_NAME));
        self.pins.get_or_init(read).get(id).copied()
    }

    fn text(&self, path: &str) -> String {
        let file = self.folder.as_ref().and_then(|folder| match path {
            crate::model::lock::FILE_NAME => folder.lock().ok().flatten(),
            path => folder.file(path).ok().flatten().map(|file| file.bytes),
        });
        String::from_utf8(file.unwrap_or_default()).unwrap_or_default()
    }
}
