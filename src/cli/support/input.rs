//! Files named on the command line: single files, directories, and `-` for standard input.
//!
//! Hidden entries of directories are skipped, and symbolic links are not followed.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::toml::source;

use crate::cli::{CliError, CommandContext};

/// Maximum size of a file in bytes: enough for all ImageStreams of a large cluster.
const SIZE_MAX: u64 = 16 << 20;
/// Maximum depth of nested directories.
const DEPTH_MAX: usize = 32;
/// Maximum number of files.
const FILES_MAX: usize = 10_000;

/// Reads the files that `args` name, in order; from directories the files whose names are `wanted`, sorted by path.
///
/// # Errors
/// Fails if a file cannot be read or is not text.
pub fn read(
    context: &CommandContext,
    args: &[PathBuf],
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<Arc<SourceFile>>, CliError> {
    let mut paths = Vec::new();
    for arg in args {
        if *arg != *"-" && context.directory.join(arg).is_dir() {
            walk(context, arg, 0, &wanted, &mut paths)?;
        } else {
            paths.push(arg.clone());
        }
    }
    if paths.len() > FILES_MAX {
        return Err(CliError::new(format!("found {} files, more than the limit of {FILES_MAX}", paths.len()))
            .help("name fewer directories"));
    }
    paths.iter().map(|path| file(context, path)).collect()
}

fn walk(
    context: &CommandContext,
    directory: &Path,
    depth: usize,
    wanted: &impl Fn(&str) -> bool,
    found: &mut Vec<PathBuf>,
) -> Result<(), CliError> {
    if depth > DEPTH_MAX {
        return Ok(());
    }
    let entries = fs::read_dir(context.directory.join(directory)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let mut entries = entries.map_err(|error| unreadable(directory, &error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
        let path = directory.join(name);
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
        let open = fs::File::open(context.directory.join(path));
        open.and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut bytes))
    };
    read.map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > SIZE_MAX {
        let message = format!("`{}` exceeds the limit of {} MiB per file", path.display(), SIZE_MAX >> 20);
        return Err(CliError::new(message).help("split it into several files"));
    }
    let (file, problems) = source::decode(&path.display().to_string(), &bytes);
    Problems::check(problems)?;
    Ok(file)
}

fn unreadable(path: &Path, error: &io::Error) -> CliError {
    CliError::new(format!("cannot read `{}`: {error}", path.display()))
}
