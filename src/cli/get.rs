//! `get`: one pinned reference, for scripts.

use std::io::Write as _;

use clap::ValueEnum;

use crate::model::image::TagId;
use crate::report::exit::Exit;

use super::CliError;
use super::context::CommandContext;

/// Print what a tag is pinned to, for scripts
#[derive(Debug, clap::Args)]
pub struct GetArgs {
    /// The tag, `stream:tag`
    #[arg(value_name = "TAG")]
    tag: String,
    /// What to print of it
    #[arg(short, long, value_name = "WHAT", default_value = "reference")]
    output: GetOutput,
}

/// What is printed of a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GetOutput {
    /// `registry/repository:tag@digest`
    Reference,
    /// The digest alone
    Digest,
    /// `registry/repository@digest`, as clients take it that refuse a tag beside a digest
    Repository,
}

/// Runs it.
///
/// # Errors
/// Where there is no such tag, or it is not pinned.
pub fn run(context: &CommandContext, args: &GetArgs) -> Result<Exit, CliError> {
    let (_, root) = context.root()?;
    let id: TagId = args.tag.parse().map_err(|error: crate::model::image::NameError| {
        CliError::usage(error.message).help("name one tag, as `python:3.12`")
    })?;
    if !root.definitions.tags.contains_key(&id) {
        return Err(root.unknown_tag(&args.tag).into());
    }
    let Some(pin) = root.lock.pins.get(&id) else {
        return Err(CliError::said(format!("`{id}` is not pinned yet")).help(format!("run `pinstream update {id}`")));
    };
    let mut out = context.stdout();
    match args.output {
        GetOutput::Reference => writeln!(out, "{}", pin.reference())?,
        GetOutput::Digest => writeln!(out, "{}", pin.digest)?,
        GetOutput::Repository => writeln!(out, "{}", pin.repository_at_digest())?,
    }
    Ok(Exit::Success)
}
