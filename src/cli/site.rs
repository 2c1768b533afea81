//! Where a root stands in its repository, and where in its files tags are defined and pinned: for findings that are shown
//! at their lines. Reads files, and never fails: what cannot be read has no lines.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use crate::effects::real::Repo;
use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::image::{StreamName, TagId};
use crate::model::lock::pin_lines::{self as pins, PinLines};
use crate::model::stream::tag_spans;
use crate::report::finding::{self, FilePosition, lock_location};
use crate::text::diagnostics::lines::SourceSpan;

/// Where a root stands.
pub struct SourceMap {
    /// Its folder in the repository, once it was asked for.
    root: OnceCell<String>,
    /// Its folder on this machine.
    folder: Option<WorkTree>,
    /// What was read of its streams so far.
    streams: RefCell<BTreeMap<StreamName, BTreeMap<String, SourceSpan>>>,
    pins: OnceCell<BTreeMap<TagId, PinLines>>,
}

impl SourceMap {
    /// The site of a root in a folder of this machine.
    pub fn of_folder(folder: WorkTree) -> Self {
        Self { root: OnceCell::new(), folder: Some(folder), ..Self::of_root("") }
    }

    /// The site of a root that is in this folder of a repository elsewhere.
    pub fn of_root(root: &str) -> Self {
        let root = OnceCell::from(root.to_owned());
        Self { root, folder: None, streams: RefCell::default(), pins: OnceCell::new() }
    }

    /// The site of the root of a pass.
    pub fn of_place(place: &Repo) -> Self {
        match place {
            Repo::WorkTree(folder) => Self::of_folder(folder.clone()),
            Repo::Remote { root, .. } => Self::of_root(root),
        }
    }

    /// Its folder in the repository; empty at the top, or where there is no repository.
    pub fn root(&self) -> &str {
        self.root.get_or_init(|| {
            let checkout = self.folder.as_ref().and_then(|folder| checkout::discover(&folder.0).ok().flatten());
            checkout.map(|checkout| checkout.prefix).unwrap_or_default()
        })
    }

    /// Where a tag is defined: its name, or all of its stream's file where that is not known.
    pub fn defined(&self, id: &TagId) -> finding::FindingLocation {
        let path = format!("streams/{}.toml", id.stream);
        let mut streams = self.streams.borrow_mut();
        let known = streams.entry(id.stream.clone()).or_insert_with(|| tag_spans::tag_spans(&self.text(&path)));
        finding::FindingLocation { span: known.get(id.tag.as_str()).copied().map(FilePosition::Part), path }
    }

    /// Where the pin of a tag begins in the lock.
    pub fn pin(&self, id: &TagId) -> finding::FindingLocation {
        lock_location(self.lines(id).map(|lines| lines.start))
    }

    /// Where the digest of a pin stands in the lock.
    pub fn digest(&self, id: &TagId) -> finding::FindingLocation {
        lock_location(self.lines(id).map(|lines| lines.digest))
    }

    fn lines(&self, id: &TagId) -> Option<PinLines> {
        let read = || pins::pin_lines(&self.text(crate::model::lock::FILE_NAME));
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
