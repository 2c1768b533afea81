//! `init`: writes a commented `pinstream.toml` and a first stream.

use std::fs;
use std::io::Write as _;

use crate::report::exit::Exit;

use super::CliError;
use super::context::Context;

/// What a new root begins with.
const FILES: [(&str, &str); 2] = [
    ("pinstream.toml", include_str!("init/pinstream.toml")),
    ("streams/example.toml", include_str!("init/example.toml")),
];

/// Write a commented `pinstream.toml` and a first stream
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs it.
///
/// # Errors
/// Where a file cannot be written. Nothing that is there is ever written over.
pub fn run(context: &Context, _: &Args) -> Result<Exit, CliError> {
    let existing = FILES.iter().find(|(path, _)| context.folder.join(path).exists());
    if let Some((path, _)) = existing {
        return Err(CliError::said(format!("`{path}` is already there")).help("this folder is a root; edit its files"));
    }
    let mut out = context.stdout();
    for (path, text) in FILES {
        let whole = context.folder.join(path);
        let write = || {
            whole.parent().map_or(Ok(()), fs::create_dir_all)?;
            fs::OpenOptions::new().write(true).create_new(true).open(&whole)?.write_all(text.as_bytes())
        };
        write().map_err(|error: std::io::Error| {
            CliError::said(format!("`{}` cannot be written: {error}", whole.display()))
        })?;
        writeln!(out, "wrote {path}")?;
    }
    writeln!(out, "next: edit streams/example.toml, then run `pinstream update` and commit what it writes")?;
    Ok(Exit::Success)
}
