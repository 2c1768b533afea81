//! `init`: writes a commented `pinstream.toml` and a first stream, or streams for the images found in files.

mod from;

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::git::work_tree::WorkTree;
use crate::model::lock::conflict_markers;
use crate::model::settings;

use super::support::ignored_files;
use super::support::write_files::write_file;
use super::{CliError, CommandContext, Exit};

/// Settings of a new root.
pub(super) const SETTINGS: &str = include_str!("init/pinstream.toml");
/// Example stream of a new root, path and content.
const STREAM: (&str, &str) = ("streams/example.toml", include_str!("init/example.toml"));

/// File of the root that assigns the merge driver to the lock.
const ATTRIBUTES: &str = ".gitattributes";

/// Write a commented `pinstream.toml` and a first stream
///
/// Also adds the lock to `.gitattributes` and prints the `git config` command that enables the merge driver in a clone.
/// Existing files are never overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream init                          a root with an example stream
  pinstream init --from Dockerfile deploy/    streams for the images in these files")]
pub struct InitArgs {
    /// Create streams for the images found in Dockerfiles, compose files, Kubernetes, Helm, CI and other files
    #[arg(long, value_name = "PATH", num_args = 1..)]
    from: Vec<PathBuf>,
}

/// Runs `init`.
///
/// # Errors
/// Fails if a file exists or cannot be written.
pub fn run(context: &CommandContext, args: &InitArgs) -> Result<Exit, CliError> {
    if !args.from.is_empty() {
        let mut out = context.stdout();
        from::run(context, &args.from, &mut out)?;
        add_attribute(context, &mut out)?;
        writeln!(out, "next: run `pinstream update`, then commit all written files")?;
        ignored_files::warn(context, &WorkTree(context.directory.clone()))?;
        return Ok(Exit::Success);
    }
    let settings = settings::FILE_NAME;
    let (path, text) = STREAM;
    if exists(&context.directory.join(settings)) {
        return Err(
            CliError::new(format!("`{settings}` already exists")).help("edit it, or run `init` in another directory")
        );
    }
    let mut out = context.stdout();
    let mut write_new = |path: &str, text| -> Result<(), CliError> {
        write_file(&context.directory.join(path), text, OpenOptions::new().write(true).create_new(true))?;
        Ok(writeln!(out, "wrote {path}")?)
    };
    write_new(settings, SETTINGS)?;
    // A root that has streams already gets no example.
    let has_streams = exists(&context.directory.join("streams"));
    if !has_streams {
        write_new(path, text)?;
    }
    add_attribute(context, &mut out)?;
    let edit = if has_streams { String::new() } else { format!("edit {path}, ") };
    writeln!(out, "next: {edit}run `pinstream update`, then commit all written files")?;
    ignored_files::warn(context, &WorkTree(context.directory.clone()))?;
    Ok(Exit::Success)
}

/// Returns true if a path exists; dangling links count.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Adds the line for the lock to `.gitattributes` and prints the command that enables the driver in a clone. Git's own
/// configuration is never changed.
///
/// # Errors
/// Fails if the file cannot be read or written.
fn add_attribute(context: &CommandContext, out: &mut impl Write) -> Result<(), CliError> {
    let attribute = conflict_markers::git_attribute();
    let existing = WorkTree(context.directory.clone()).file(ATTRIBUTES)?.map(|file| file.bytes).unwrap_or_default();
    let existing = String::from_utf8_lossy(&existing);
    if !existing.lines().any(|line| line.trim() == attribute) {
        let path = context.directory.join(ATTRIBUTES);
        let gap = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
        write_file(&path, &format!("{gap}{attribute}\n"), OpenOptions::new().create(true).append(true))?;
        writeln!(out, "{} {ATTRIBUTES}", if existing.is_empty() { "wrote" } else { "added a line to" })?;
    }
    writeln!(out, "to merge locks pin by pin, run once per clone:")?;
    writeln!(out, "  git config merge.pinstream.driver \"pinstream merge-driver %O %A %B %P\"")?;
    Ok(())
}
