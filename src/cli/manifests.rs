//! The files that may name images, and what each names: for `check --all-images`, `init --from` and `targets add`.
//!
//! In a folder nothing hidden is looked at but the workflows of forges, nothing that Git ignores, and no symbolic link is
//! followed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formats::find::{FileKind, FoundImage, PATTERNS};
use crate::formats::path::FilePath;
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, TagName};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::toml::text;

use super::error::CliError;
use super::support::context::CommandContext;
use super::support::input;

/// Why an image by its digest alone has no tag.
const NO_TAG: &str = "it names a digest and no tag, so there is nothing to follow";

/// What files name.
#[derive(Default)]
pub struct SearchedFiles {
    /// The files that name images, in the order in which they were looked at.
    pub files: Vec<Manifest>,
    /// Those in which none can be found.
    pub passed: Vec<PassedFiles>,
}

/// A file that names images.
pub struct Manifest {
    /// The file.
    pub file: Arc<SourceFile>,
    /// What kind of file it is.
    pub kind: FileKind,
    /// The images, in the order of their places.
    pub mentions: Vec<FoundImage>,
}

/// A file in which no images can be found.
pub struct PassedFiles {
    /// Its path.
    pub path: String,
    /// The line in which it goes wrong, from 1.
    pub line: Option<usize>,
    /// Why.
    pub why: String,
}

impl PassedFiles {
    /// Its path, and the line.
    pub fn at(&self) -> String {
        self.line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }
}

/// What the files of a folder name.
///
/// # Errors
/// Where a folder or a file cannot be read.
pub fn below(folder: &WorkTree) -> Result<SearchedFiles, CliError> {
    let mut looked = SearchedFiles::default();
    for path in paths(folder)? {
        looked.read(folder, path, false)?;
    }
    Ok(looked)
}

/// What those files of a root name that are `words`, or in folders that are.
///
/// # Errors
/// Where one is not there, not in the root, or cannot be read.
pub fn within(context: &CommandContext, root: &WorkTree, words: &[PathBuf]) -> Result<SearchedFiles, CliError> {
    let mut looked = SearchedFiles::default();
    let all = paths(root)?;
    let mut named = Vec::new();
    for word in words {
        let shown = word.display();
        let whole = context.directory.join(word).canonicalize();
        let whole = whole.map_err(|error| CliError::new(format!("`{shown}` cannot be read: {error}")))?;
        let top = root.0.canonicalize().unwrap_or_else(|_| root.0.clone());
        let inside = whole.strip_prefix(&top).ok().and_then(Path::to_str);
        let inside = inside.ok_or_else(|| {
            CliError::usage(format!("`{shown}` is not in the root"))
                .help("name files below the folder of `pinstream.toml`")
        })?;
        let below = if inside.is_empty() { String::new() } else { format!("{inside}/") };
        match whole.is_dir() {
            true => named.extend(all.iter().filter(|path| path.starts_with(&below)).map(|path| (path.clone(), false))),
            false => named.push((inside.to_owned(), true)),
        }
    }
    named.sort();
    named.dedup_by(|again, first| again.0 == first.0);
    for (path, is_named) in named {
        looked.read(root, path, is_named)?;
    }
    Ok(looked)
}

/// What files anywhere name that a person names, or whose folders.
///
/// # Errors
/// What cannot be read, or is no text.
pub fn anywhere(context: &CommandContext, words: &[PathBuf]) -> Result<SearchedFiles, CliError> {
    let mut files = Vec::new();
    for word in words {
        let folder = WorkTree(context.directory.join(word));
        if *word != *"-" && folder.0.is_dir() {
            files.extend(paths(&folder)?.iter().map(|path| word.join(path)));
        } else {
            files.push(word.clone());
        }
    }
    let mut looked = SearchedFiles::default();
    for file in input::read(context, &files, |_| true)? {
        looked.look(file, false);
    }
    Ok(looked)
}

/// The tag that can be followed.
///
/// # Errors
/// Why there is none.
pub fn followed(image: &ImageRef) -> Result<&TagName, &'static str> {
    image.tag().ok_or(NO_TAG)
}

fn paths(folder: &WorkTree) -> Result<Vec<String>, CliError> {
    let patterns = PATTERNS.iter().filter_map(|pattern| FilePath::new(pattern).ok()).collect::<Vec<_>>();
    Ok(folder.paths(&patterns)?)
}

impl SearchedFiles {
    /// Reads a file of a folder; one that a person named has to be one that names images.
    fn read(&mut self, folder: &WorkTree, path: String, is_named: bool) -> Result<(), CliError> {
        let bytes = match folder.file(&path) {
            Ok(file) => file.map(|file| file.bytes).unwrap_or_default(),
            Err(GitError::Tree { path, reason }) => {
                self.passed.push(PassedFiles { path, line: None, why: reason });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match text::source(&path, &bytes) {
            (file, problems) if problems.is_empty() => self.look(file, is_named),
            (_, problems) => {
                let passed = |problem: Problem| PassedFiles { path: path.clone(), line: None, why: problem.message };
                self.passed.extend(problems.into_iter().map(passed));
            }
        }
        Ok(())
    }

    fn look(&mut self, file: Arc<SourceFile>, is_named: bool) {
        let path = file.path.clone();
        match FileKind::of(&file).map(|kind| (kind, kind.find(&file))) {
            Some((kind, Ok(mentions))) => self.files.push(Manifest { file, kind, mentions }),
            Some((_, Err(problem))) => {
                let line = problem.position().map(|(line, _)| line);
                self.passed.push(PassedFiles { path, line, why: problem.message });
            }
            None if is_named => {
                let why = "it is of no kind in which images are known to be; a comment can name their tag".to_owned();
                self.passed.push(PassedFiles { path, line: None, why });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pattern_over_files_is_one() {
        for pattern in PATTERNS {
            assert!(
                FilePath::new(pattern).is_ok_and(|path| path.is_glob() || pattern.ends_with("Kustomization")),
                "{pattern}"
            );
        }
    }
}
