//! Finds the images in files for `check --all-images`, `init --from` and `targets add`.
//!
//! In a directory, hidden files other than the workflows of forges, files that Git ignores, and symbolic links are skipped.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::formats::path::FilePath;
use crate::formats::{FileKind, ImageSite};
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::image::{ImageRef, TagName};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::toml::source;

use super::support::input;
use super::{CliError, CommandContext};

/// Reason why an image without a tag cannot be tracked.
const NO_TAG: &str = "has a digest but no tag, so there is nothing to track";

/// The images in several files.
#[derive(Default)]
pub struct SearchedFiles {
    /// The files that name images, in search order.
    pub files: Vec<Manifest>,
    /// The files that could not be searched.
    pub skipped: Vec<SkippedFile>,
}

/// A file that names images.
pub struct Manifest {
    /// The file.
    pub file: Arc<SourceFile>,
    /// Kind of the file.
    pub kind: FileKind,
    /// The images, in file order.
    pub sites: Vec<ImageSite>,
}

/// A file that could not be searched.
pub struct SkippedFile {
    /// Path of the file.
    pub path: String,
    /// Line of the problem, from 1.
    pub line: Option<usize>,
    /// Reason for a person.
    pub why: String,
}

impl SkippedFile {
    /// Returns the path with the line.
    pub fn at(&self) -> String {
        self.line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path))
    }
}

/// Searches all files below a directory.
///
/// # Errors
/// A directory or a file cannot be read.
pub fn below(work_tree: &WorkTree) -> Result<SearchedFiles, CliError> {
    let mut searched = SearchedFiles::default();
    for path in paths(work_tree)? {
        searched.read(work_tree, path, false)?;
    }
    Ok(searched)
}

/// Searches the files `paths` of a root, and all files in the directories among them.
///
/// # Errors
/// A path does not exist, is outside the root, or cannot be read.
pub fn within(context: &CommandContext, root: &WorkTree, named: &[PathBuf]) -> Result<SearchedFiles, CliError> {
    let mut searched = SearchedFiles::default();
    let all = paths(root)?;
    let mut chosen = Vec::new();
    for path in named {
        let shown = path.display();
        let whole = context.directory.join(path).canonicalize();
        let whole = whole.map_err(|error| CliError::new(format!("cannot read `{shown}`: {error}")))?;
        let top = root.0.canonicalize().unwrap_or_else(|_| root.0.clone());
        let inside = whole.strip_prefix(&top).ok().and_then(Path::to_str);
        let inside = inside.ok_or_else(|| {
            CliError::usage(format!("`{shown}` is outside the root"))
                .help("name files below the directory of `pinstream.toml`")
        })?;
        let below = if inside.is_empty() { String::new() } else { format!("{inside}/") };
        match whole.is_dir() {
            true => chosen.extend(all.iter().filter(|path| path.starts_with(&below)).map(|path| (path.clone(), false))),
            false => chosen.push((inside.to_owned(), true)),
        }
    }
    chosen.sort();
    chosen.dedup_by(|again, first| again.0 == first.0);
    for (path, is_named) in chosen {
        searched.read(root, path, is_named)?;
    }
    Ok(searched)
}

/// Searches files and directories anywhere on disk.
///
/// # Errors
/// A file cannot be read, or is not text.
pub fn anywhere(context: &CommandContext, named: &[PathBuf]) -> Result<SearchedFiles, CliError> {
    let mut files = Vec::new();
    for path in named {
        let directory = WorkTree(context.directory.join(path));
        if *path != *"-" && directory.0.is_dir() {
            files.extend(paths(&directory)?.iter().map(|file| path.join(file)));
        } else {
            files.push(path.clone());
        }
    }
    let mut searched = SearchedFiles::default();
    for file in input::read(context, &files, |_| true)? {
        searched.search(file, false);
    }
    Ok(searched)
}

/// Returns the tag of an image.
///
/// # Errors
/// The reason why the image cannot be tracked.
pub fn tracked_tag(image: &ImageRef) -> Result<&TagName, &'static str> {
    image.tag().ok_or(NO_TAG)
}

fn paths(work_tree: &WorkTree) -> Result<Vec<String>, CliError> {
    let patterns =
        FileKind::ALL.iter().flat_map(|kind| kind.patterns()).filter_map(|pattern| FilePath::new(pattern).ok());
    let patterns = patterns.collect::<Vec<_>>();
    Ok(work_tree.paths(&patterns)?)
}

impl SearchedFiles {
    /// Searches a file of a directory; a file of unknown kind is reported only if a person named it.
    fn read(&mut self, work_tree: &WorkTree, path: String, is_named: bool) -> Result<(), CliError> {
        let bytes = match work_tree.file(&path) {
            Ok(file) => file.map(|file| file.bytes).unwrap_or_default(),
            Err(GitError::Tree { path, reason }) => {
                self.skipped.push(SkippedFile { path, line: None, why: reason });
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        match source::decode(&path, &bytes) {
            (file, problems) if problems.is_empty() => self.search(file, is_named),
            (_, problems) => {
                let skipped = |problem: Problem| SkippedFile { path: path.clone(), line: None, why: problem.message };
                self.skipped.extend(problems.into_iter().map(skipped));
            }
        }
        Ok(())
    }

    fn search(&mut self, file: Arc<SourceFile>, is_named: bool) {
        let path = file.path.clone();
        match FileKind::of(&file).map(|kind| (kind, kind.find(&file))) {
            Some((kind, Ok(sites))) => self.files.push(Manifest { file, kind, sites }),
            Some((_, Err(problem))) => {
                let line = problem.position().map(|(line, _)| line);
                self.skipped.push(SkippedFile { path, line, why: problem.message });
            }
            None if is_named => {
                let why =
                    "not a known kind of file; add `# pinstream: stream:tag` comments and a `marker` target".to_owned();
                self.skipped.push(SkippedFile { path, line: None, why });
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_patterns_are_valid() {
        for pattern in FileKind::ALL.iter().flat_map(|kind| kind.patterns()) {
            assert!(
                FilePath::new(pattern).is_ok_and(|path| path.is_glob() || pattern.ends_with("Kustomization")),
                "{pattern}"
            );
        }
    }
}
