//! The files that a person names: files as they are, what a folder holds, `-` for standard input.
//!
//! In a folder nothing hidden is looked at, and no symbolic link is followed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::toml::source;

use super::CliError;
use super::context::CommandContext;

/// The largest file that is read, in bytes: all ImageStreams of a large cluster in one list.
const SIZE_MAX: u64 = 16 << 20;
/// How deep folders may stand in each other.
const DEPTH_MAX: usize = 32;
/// How many files of folders are read.
const FILES_MAX: usize = 10_000;

/// Reads what `words` name, in their order; of folders the files whose names are `wanted`, in the order of their paths.
///
/// # Errors
/// What cannot be read, or is no text.
pub fn read(
    context: &CommandContext,
    words: &[PathBuf],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Arc<SourceFile>>, CliError> {
    let mut paths = Vec::new();
    for word in words {
        if *word != *"-" && context.folder.join(word).is_dir() {
            walk(context, word, 0, &wanted, &mut paths)?;
        } else {
            paths.push(word.clone());
        }
    }
    if paths.len() > FILES_MAX {
        return Err(CliError::said(format!("there are {} files, and at most {FILES_MAX} are read", paths.len()))
            .help("name some of the folders"));
    }
    paths.iter().map(|path| file(context, path)).collect()
}

fn walk(
    context: &CommandContext,
    folder: &Path,
    depth: usize,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Vec<PathBuf>,
) -> Result<(), CliError> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let entries = fs::read_dir(context.folder.join(folder)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| unreadable(folder, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path = folder.join(name);
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => walk(context, &path, depth + 1, wanted, found)?,
            Ok(kind) if kind.is_file() && wanted(name) => found.push(path),
            _ => {}
        }
    }
    Ok(())
}

fn file(context: &CommandContext, path: &Path) -> Result<Arc<SourceFile>, CliError> {
    let mut bytes = Vec::new();
    let read = if *path == *"-" {
        io::stdin().lock().take(SIZE_MAX + 1).read_to_end(&mut bytes)
    } else {
        let open = fs::File::open(context.folder.join(path));
        open.and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > SIZE_MAX {
        let message = format!("`{}` is larger than the cap of {} MiB a file", path.display(), SIZE_MAX >> 20);
        return Err(CliError::said(message).help("split it into several files"));
    }
    let (file, problems) = source::decode(&path.display().to_string(), &bytes);
    Problems::check(problems)?;
    Ok(file)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::said(format!("`{}` cannot be read: {error}", path.display()))
}
