//! Files of the root that the settings name: certificates, programs and files of hooks, trusted keys.

use std::sync::Arc;

use super::path;
use crate::text::diagnostics::{At, Diagnostics, NameError, Problem, SourceLocation};

/// A file of the root named by the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencedFile {
    /// The path from the root.
    pub path: String,
    /// The key that names it, e.g. "`ca` of …".
    pub named_by: String,
    /// The source location.
    pub place: SourceLocation,
}

impl ReferencedFile {
    /// Reports that the file does not exist.
    pub fn missing(&self) -> Problem {
        let help = "commit the file at that path, relative to the directory of `pinstream.toml`";
        self.problem("which does not exist").help(help)
    }

    /// Reports that the file cannot be used.
    pub fn unusable(&self, reason: &str) -> Problem {
        self.problem(&format!("which cannot be used: {reason}")).help("use a regular file")
    }

    /// Reports that the file has invalid content.
    pub fn invalid(&self, error: &NameError) -> Problem {
        let problem = self.problem(&format!("which cannot be used: {}", error.message));
        problem.help(error.help.clone().unwrap_or_default())
    }

    fn problem(&self, what: &str) -> Problem {
        let SourceLocation { file, span } = &self.place;
        Problem::at(file, span.clone(), format!("{} names `{}`, {what}", self.named_by, self.path))
    }
}

/// Returns the file that `text` names, if it is a valid path.
pub(crate) fn referenced_file(text: &At<String>, by: String, findings: &Diagnostics<'_>) -> Option<ReferencedFile> {
    let place = SourceLocation { file: Arc::clone(findings.file), span: text.span.clone() };
    path::parse(&text.value).ok().map(|path| ReferencedFile { path, named_by: by, place })
}
