//! One file that targets edit: its text, and what targets of each kind read in it, each made once however many there are.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{self, YamlNode};

use super::dockerfile::Dockerfile;
use super::spot::ImageSites;
use super::tree::DocumentTree;
use super::way::Selector;
use super::{compose, dockerfile, json, toml, workflow};

/// What was read in a file, or why it cannot be.
type ReadResult<T> = OnceCell<Result<T, Problem>>;

/// A file as text, without the byte order mark it may begin with.
pub(super) struct FileText {
    pub(super) file: Arc<SourceFile>,
    /// Whether it begins with a byte order mark.
    pub(super) has_mark: bool,
    lines: OnceCell<LineIndex>,
    yaml: ReadResult<DocumentTree>,
    json: ReadResult<DocumentTree>,
    toml: ReadResult<DocumentTree>,
    compose: ReadResult<ImageSites>,
    dockerfile: OnceCell<Dockerfile>,
    mentions: ReadResult<ImageSites>,
    workflow: ReadResult<HashMap<workflow::WorkflowSelector, ImageSites>>,
}

impl FileText {
    /// The file `path` with these bytes; none where they are no text.
    pub(super) fn new(path: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        let stripped = text.strip_prefix('\u{feff}');
        let file = SourceFile { path: path.to_owned(), text: stripped.unwrap_or(text).to_owned() };
        let (lines, yaml, json, toml) = Default::default();
        let (compose, dockerfile, mentions, workflow) = Default::default();
        let (file, has_mark) = (Arc::new(file), stripped.is_some());
        Some(Self { file, has_mark, lines, yaml, json, toml, compose, dockerfile, mentions, workflow })
    }

    pub(super) fn text(&self) -> &str {
        &self.file.text
    }

    pub(super) fn path(&self) -> &str {
        &self.file.path
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.get_or_init(|| LineIndex::new(self.text())).line_number(at)
    }

    pub(super) fn problem(&self, span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(&self.file, span.clone(), message)
    }

    /// The problem that `way` leads over what stands in several places.
    pub(super) fn shared(&self, span: &Range<usize>, way: &Selector) -> Problem {
        let message =
            format!("the way `{}` leads over an anchor, an alias or a merge of `{}`", way.as_str(), self.path());
        self.problem(span, message).help("write the value out in full there, without `&`, `*` or `<<`: others share it")
    }

    pub(super) fn yaml(&self) -> Result<&DocumentTree, Problem> {
        let help =
            "where it is a template, write a marker `# pinstream: stream:tag` beside the image, and a target `marker`";
        trees(&self.yaml, || yaml::parse(&self.file).map_err(|problem| problem.help(help)))
    }

    pub(super) fn json(&self) -> Result<&DocumentTree, Problem> {
        trees(&self.json, || json::documents(&self.file))
    }

    pub(super) fn toml(&self) -> Result<&DocumentTree, Problem> {
        trees(&self.toml, || toml::documents(&self.file))
    }

    /// The images of the services of a compose file.
    pub(super) fn compose(&self) -> Result<&ImageSites, Problem> {
        kept(&self.compose, || self.yaml().map(compose::spots))
    }

    /// Its stages and arguments, as those of a Dockerfile.
    pub(super) fn dockerfile(&self) -> &Dockerfile {
        self.dockerfile.get_or_init(|| Dockerfile::read(self))
    }

    /// What a Dockerfile names.
    pub(super) fn mentions(&self) -> Result<&ImageSites, Problem> {
        kept(&self.mentions, || dockerfile::spots(self))
    }

    /// The images of a workflow, by each place that means them.
    pub(super) fn workflow(&self) -> Result<&HashMap<workflow::WorkflowSelector, ImageSites>, Problem> {
        kept(&self.workflow, || self.yaml().map(workflow::spots))
    }
}

fn trees(
    cell: &ReadResult<DocumentTree>,
    read: impl FnOnce() -> Result<Vec<Rc<YamlNode>>, Problem>,
) -> Result<&DocumentTree, Problem> {
    kept(cell, || read().map(DocumentTree::new))
}

/// What is in `cell`: it is read the first time that it is asked for.
fn kept<T>(cell: &ReadResult<T>, read: impl FnOnce() -> Result<T, Problem>) -> Result<&T, Problem> {
    cell.get_or_init(read).as_ref().map_err(Clone::clone)
}
