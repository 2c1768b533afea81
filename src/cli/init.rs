//! `init`: writes a commented `pinstream.toml` and a first stream, or streams for the images found in files.

mod attributes;
mod from;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::model::settings;

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
    if exists(&context.directory.join(settings)) {
        return Err(
            CliError::new(format!("`{settings}` already exists")).help("edit it, or run `init` in another directory")
        );
    }
    let mut out = context.stdout();
    write_new(&context.directory.join(settings), SETTINGS)?;
    writeln!(out, "wrote {settings}")?;
    // The root has streams already; do not add an example.
    if exists(&context.directory.join("streams")) {
        attributes::add(context, &mut out)?;
        writeln!(out, "next: run `pinstream update`, then commit all written files")?;
        return Ok(Exit::Success);
    }
    let (path, text) = STREAM;
    write_new(&context.directory.join(path), text)?;
    writeln!(out, "wrote {path}")?;
    attributes::add(context, &mut out)?;
    writeln!(out, "next: edit {path}, run `pinstream update`, then commit all written files")?;
    Ok(Exit::Success)
}

/// Returns true if a path exists; dangling links count.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error: std::io::Error| CliError::new(format!("cannot write `{}`: {error}", path.display())))
}
