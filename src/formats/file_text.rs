//! The text of a file with everything that was parsed from it, each thing once, however many targets the file has.

use std::any::Any;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, OnceLock};

use crate::system::lock;
use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Problem, SourceFile};

type Parsed = Result<Arc<dyn Any + Send + Sync>, Problem>;

/// A text file without its byte order mark.
pub(super) struct FileText {
    pub(super) file: Arc<SourceFile>,
    /// True if the file starts with a byte order mark.
    pub(super) has_mark: bool,
    /// Other files of its directory that give its images a meaning.
    pub(super) companions: Vec<Arc<SourceFile>>,
    lines: OnceLock<LineIndex>,
    parsed: Mutex<HashMap<&'static str, Parsed>>,
}

impl FileText {
    /// A file whose text has no byte order mark.
    pub(super) fn of(file: Arc<SourceFile>) -> Self {
        Self { file, has_mark: false, companions: Vec::new(), lines: OnceLock::new(), parsed: Mutex::default() }
    }

    /// Adds files of its directory.
    pub(super) fn with(self, companions: &[Arc<SourceFile>]) -> Self {
        Self { companions: companions.to_vec(), ..self }
    }

    /// Reads the file `path`; none if `bytes` are not text.
    pub(super) fn from_bytes(path: &str, bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))?;
        let stripped = text.strip_prefix('\u{feff}');
        let file = SourceFile { path: path.to_owned(), text: stripped.unwrap_or(text).to_owned() };
        Some(Self { has_mark: stripped.is_some(), ..Self::of(Arc::new(file)) })
    }

    pub(super) fn text(&self) -> &str {
        &self.file.text
    }

    pub(super) fn path(&self) -> &str {
        &self.file.path
    }

    /// Returns the line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        self.lines.get_or_init(|| LineIndex::new(self.text())).line_number(at)
    }

    pub(super) fn problem(&self, span: Range<usize>, message: impl Into<String>) -> Problem {
        Problem::at(&self.file, span, message)
    }

    /// Returns what `parse` made of the text the first time it was called for `key`.
    pub(super) fn parsed<T: Any + Send + Sync>(
        &self,
        key: &'static str,
        parse: impl FnOnce() -> Result<T, Problem>,
    ) -> Result<Arc<T>, Problem> {
        let parsed = || lock(&self.parsed);
        let known = parsed().get(key).cloned();
        let value = known.unwrap_or_else(|| {
            // Parsing may ask for other keys.
            let new = parse().map(|value| Arc::new(value) as Arc<dyn Any + Send + Sync>);
            parsed().insert(key, new.clone());
            new
        })?;
        value.downcast().map_err(|_| self.problem(0..0, format!("internal error: two types for `{key}`")))
    }
}
