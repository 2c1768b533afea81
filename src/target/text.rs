//! One file that targets edit: its text, and its trees, each made once.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use crate::problem::{Problem, SourceFile};
use crate::yaml::{self, Node};

use super::{json, toml};

/// The documents of a file as trees.
type Documents = Result<Vec<Rc<Node>>, Problem>;

/// A file as text, without the byte order mark it may begin with.
pub(super) struct Text {
    pub(super) file: Arc<SourceFile>,
    /// Whether it begins with a byte order mark.
    pub(super) has_mark: bool,
    yaml: OnceCell<Documents>,
    json: OnceCell<Documents>,
    toml: OnceCell<Documents>,
}

impl Text {
    /// The file `path` with these bytes; none where they are no text.
    pub(super) fn new(path: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        let stripped = text.strip_prefix('\u{feff}');
        let file = SourceFile { path: path.to_owned(), text: stripped.unwrap_or(text).to_owned() };
        let (yaml, json, toml) = Default::default();
        Some(Self { file: Arc::new(file), has_mark: stripped.is_some(), yaml, json, toml })
    }

    pub(super) fn text(&self) -> &str {
        &self.file.text
    }

    pub(super) fn path(&self) -> &str {
        &self.file.path
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.text().as_bytes().iter().take(at).filter(|b| **b == b'\n').count() + 1
    }

    pub(super) fn problem(&self, span: &Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(&self.file, span.clone(), message)
    }

    /// The problem that `way` leads over what stands in several places.
    pub(super) fn shared(&self, span: &Range<usize>, way: &str) -> Problem {
        let message = format!("the way `{way}` leads over an anchor, an alias or a merge of `{}`", self.path());
        self.problem(span, message).help("write the value out in full there, without `&`, `*` or `<<`: others share it")
    }

    pub(super) fn yaml(&self) -> Result<&[Rc<Node>], Problem> {
        let help =
            "where it is a template, write a marker `# pinstream: stream:tag` beside the image, and a target `marker`";
        trees(&self.yaml, || yaml::documents(&self.file).map_err(|problem| problem.help(help)))
    }

    pub(super) fn json(&self) -> Result<&[Rc<Node>], Problem> {
        trees(&self.json, || json::documents(&self.file))
    }

    pub(super) fn toml(&self) -> Result<&[Rc<Node>], Problem> {
        trees(&self.toml, || toml::documents(&self.file))
    }
}

fn trees(cell: &OnceCell<Documents>, read: impl FnOnce() -> Documents) -> Result<&[Rc<Node>], Problem> {
    cell.get_or_init(read).as_deref().map_err(Clone::clone)
}
