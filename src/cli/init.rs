//! `init`: writes a commented `pinstream.toml` and a first stream, or streams for the images found in files.

mod attributes;
mod from;

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::model::settings;

use super::support::write_files::write_file;
use super::{CliError, CommandContext, Exit};

/// Settings of a new root.
pub(super) const SETTINGS: &str = include_str!("init/pinstream.toml");
/// Example stream of a new root, path and content.
const STREAM: (&str, &str) = ("streams/example.toml", include_str!("init/example.toml"));

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
    /// Create streams for the images found in Dockerfiles, compose files, workflows, Kubernetes and Helm files
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
        attributes::add(context, &mut out)?;
        writeln!(out, "next: run `pinstream update`, then commit all written files")?;
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
    attributes::add(context, &mut out)?;
    let edit = if has_streams { String::new() } else { format!("edit {path}, ") };
    writeln!(out, "next: {edit}run `pinstream update`, then commit all written files")?;
    Ok(Exit::Success)
}

/// Returns true if a path exists; dangling links count.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
