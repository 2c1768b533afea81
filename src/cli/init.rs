//! `init`: writes a commented `pinstream.toml` and a first stream, or streams for the images that files name.

mod attributes;
mod from;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::model::settings;
use crate::report::exit::Exit;

use super::CliError;
use super::context::CommandContext;

/// The settings that a new root begins with.
pub(super) const SETTINGS: &str = include_str!("init/pinstream.toml");
/// The stream that it begins with where it has none.
const STREAM: (&str, &str) = ("streams/example.toml", include_str!("init/example.toml"));

/// Write a commented `pinstream.toml` and a first stream
#[derive(Debug, clap::Args)]
pub struct InitArgs {
    /// Make streams of the images that Dockerfiles, compose files, workflows, Kubernetes and Helm files name
    #[arg(long, value_name = "FILE|FOLDER", num_args = 1..)]
    from: Vec<PathBuf>,
}

/// Runs it.
///
/// # Errors
/// Where a file cannot be written. Nothing that is there is ever written over.
pub fn run(context: &CommandContext, args: &InitArgs) -> Result<Exit, CliError> {
    if !args.from.is_empty() {
        let mut out = context.stdout();
        from::run(context, &args.from, &mut out)?;
        attributes::add(context, &mut out)?;
        writeln!(out, "next: run `pinstream update`, and commit all that was written")?;
        return Ok(Exit::Success);
    }
    let settings = settings::FILE_NAME;
    if is_there(&context.folder.join(settings)) {
        return Err(
            CliError::said(format!("`{settings}` is already there")).help("this folder is a root; edit its files")
        );
    }
    let mut out = context.stdout();
    write_new(&context.folder.join(settings), SETTINGS)?;
    writeln!(out, "wrote {settings}")?;
    // Somebody has begun already: an example would be in the way.
    if is_there(&context.folder.join("streams")) {
        attributes::add(context, &mut out)?;
        writeln!(out, "next: run `pinstream update` and commit what it writes")?;
        return Ok(Exit::Success);
    }
    let (path, text) = STREAM;
    write_new(&context.folder.join(path), text)?;
    writeln!(out, "wrote {path}")?;
    attributes::add(context, &mut out)?;
    writeln!(out, "next: edit {path}, then run `pinstream update` and commit what it writes")?;
    Ok(Exit::Success)
}

/// Whether anything has that name, a link to nothing too.
fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn write_new(path: &Path, text: &str) -> Result<(), CliError> {
    let write = || {
        path.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    write().map_err(|error: std::io::Error| CliError::said(format!("`{}` cannot be written: {error}", path.display())))
}
