//! Writes new files into a root: all of them, or none if one exists.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use crate::git::work_tree::WorkTree;

use crate::cli::CliError;

/// Treatment of files that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingFile {
    /// Fail before anything is written, with this hint.
    Refuse(&'static str),
    /// Overwrite them.
    Replace,
}

/// Writes `files`, pairs of path and content, into the root.
///
/// # Errors
/// Fails if a file exists and may not be overwritten, is not a regular file, or cannot be written.
pub fn write(root: &WorkTree, files: &[(String, String)], existing: ExistingFile) -> Result<(), CliError> {
    let mut present = Vec::new();
    for (path, _) in files {
        if root.file(path)?.is_some() {
            present.push(format!("`{path}`"));
        }
    }
    if let (ExistingFile::Refuse(help), false) = (existing, present.is_empty()) {
        let exist = if present.len() == 1 { "already exists" } else { "already exist" };
        return Err(CliError::new(format!("{} {exist}; nothing was written", present.join(", "))).help(help));
    }
    let mut options = OpenOptions::new();
    match existing {
        ExistingFile::Refuse(_) => options.write(true).create_new(true),
        ExistingFile::Replace => options.write(true).create(true).truncate(true),
    };
    files.iter().try_for_each(|(path, text)| write_file(&root.0.join(path), text, &options))
}

/// Writes `text` to a file opened with `options`, and creates its directory.
///
/// # Errors
/// Fails if the file cannot be opened or written.
pub fn write_file(path: &Path, text: &str, options: &OpenOptions) -> Result<(), CliError> {
    let write = || -> io::Result<()> {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        options.open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error| CliError::new(format!("cannot write `{}`: {error}", path.display())))
}
