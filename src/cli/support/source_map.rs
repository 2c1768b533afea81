//! Source positions of tags and pins, so that findings point at lines. Reads files lazily and never fails: unreadable
//! files have no positions.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;

use crate::effects::repo::Repo;
use crate::git::checkout;
use crate::git::work_tree::WorkTree;
use crate::model::image::{StreamName, TagId};
use crate::model::lock::pin_lines::{self as pins, PinLines};
use crate::model::stream::tag_spans;
use crate::report::finding::{self, FilePosition, lock_location};
use crate::text::diagnostics::lines::SourceSpan;

/// Location of a root, and positions within its files.
#[derive(Default)]
pub struct SourceMap {
    /// Directory of the root in the repository, found on demand.
    root: OnceCell<String>,
    /// Directory of the root on this machine.
    work_tree: Option<WorkTree>,
    /// Positions in the stream files read so far.
    streams: RefCell<BTreeMap<StreamName, BTreeMap<String, SourceSpan>>>,
    pins: OnceCell<BTreeMap<TagId, PinLines>>,
}

impl SourceMap {
    /// Maps a root in a directory of this machine.
    pub fn of_work_tree(work_tree: WorkTree) -> Self {
        Self { work_tree: Some(work_tree), ..Self::default() }
    }

    /// Maps the root of a pass; the files of a remote repository are not available.
    pub fn of_repo(repo: &Repo) -> Self {
        match repo {
            Repo::WorkTree(work_tree) => Self::of_work_tree(work_tree.clone()),
            Repo::Remote { root, .. } => Self { root: OnceCell::from(root.clone()), ..Self::default() },
        }
    }

    /// Returns the directory of the root in the repository; empty at the top or outside a repository.
    pub fn root(&self) -> &str {
        self.root.get_or_init(|| {
            let checkout =
                self.work_tree.as_ref().and_then(|work_tree| checkout::discover(&work_tree.0).ok().flatten());
            checkout.map(|checkout| checkout.prefix).unwrap_or_default()
        })
    }

    /// Returns the position of a tag's definition, or the whole stream file if it is unknown.
    pub fn defined(&self, id: &TagId) -> finding::FindingLocation {
        let path = format!("streams/{}.toml", id.stream);
        let mut streams = self.streams.borrow_mut();
        let known = streams.entry(id.stream.clone()).or_insert_with(|| tag_spans::tag_spans(&self.text(&path)));
        finding::FindingLocation { span: known.get(id.tag.as_str()).copied().map(FilePosition::Part), path }
    }

    /// Returns the position of a tag's pin in the lock.
    pub fn pin(&self, id: &TagId) -> finding::FindingLocation {
        lock_location(self.lines(id).map(|lines| lines.start))
    }

    /// Returns the position of a pin's digest in the lock.
    pub fn digest(&self, id: &TagId) -> finding::FindingLocation {
        lock_location(self.lines(id).map(|lines| lines.digest))
    }

    fn lines(&self, id: &TagId) -> Option<PinLines> {
        let read = || pins::pin_lines(&self.text(crate::model::lock::FILE_NAME));
        self.pins.get_or_init(read).get(id).copied()
    }

    fn text(&self, path: &str) -> String {
        let file = self.work_tree.as_ref().and_then(|work_tree| match path {
            crate::model::lock::FILE_NAME => work_tree.lock().ok().flatten(),
            path => work_tree.file(path).ok().flatten().map(|file| file.bytes),
        });
        String::from_utf8(file.unwrap_or_default()).unwrap_or_default()
    }
}
