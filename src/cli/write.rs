//! Files of a root that are written for a person to own: all of them, or none where one is in the way.

use std::fs;
use std::io::{self, Write as _};

use crate::git::work_tree::WorkTree;

use super::CliError;

/// What becomes of files that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExistingFile {
    /// They are an error, before anything is written, with this way out.
    Refuse(&'static str),
    /// They are written over.
    Replace,
}

/// Writes `files` into the root, each by its path.
///
/// # Errors
/// Where a file is there that may not be written over, is no plain file, or cannot be written.
pub fn write(root: &WorkTree, files: &[(String, String)], existing: ExistingFile) -> Result<(), CliError> {
    let mut in_the_way = Vec::new();
    for (path, _) in files {
        if root.file(path)?.is_some() {
            in_the_way.push(format!("`{path}`"));
        }
    }
    if let (ExistingFile::Refuse(help), false) = (existing, in_the_way.is_empty()) {
        let are = if in_the_way.len() == 1 { "is" } else { "are" };
        return Err(
            CliError::said(format!("{} {are} already there; nothing was written", in_the_way.join(", "))).help(help)
        );
    }
    for (path, text) in files {
        let whole = root.0.join(path);
        let write = || -> io::Result<()> {
            whole.parent().map_or(Ok(()), fs::create_dir_all)?;
            let mut options = fs::OpenOptions::new();
            match existing {
                ExistingFile::Refuse(_) => options.write(true).create_new(true),
                ExistingFile::Replace => options.write(true).create(true).truncate(true),
            };
            options.open(&whole)?.write_all(text.as_bytes())
        };
        write().map_err(|error| CliError::said(format!("`{}` cannot be written: {error}", whole.display())))?;
    }
    Ok(())
}
