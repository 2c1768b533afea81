//! `get`: prints one pinned reference.

use std::io::Write as _;

use clap::ValueEnum;

use crate::model::image::{NameError, TagId};

use super::{CliError, CommandContext, Exit};

/// Print the pinned reference of a tag, for scripts
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream get python:3.12
  docker pull \"$(pinstream get python:3.12 -o repository)\"
  pinstream get python:3.12 -o digest")]
pub struct GetArgs {
    /// The tag, `stream:tag`
    #[arg(value_name = "TAG")]
    tag: String,
    /// Part of the reference to print
    #[arg(short, long, value_name = "PART", default_value = "reference")]
    output: GetOutput,
}

/// Part of a pin that `get` prints
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GetOutput {
    /// `registry/repository:tag@digest`
    Reference,
    /// Digest only
    Digest,
    /// `registry/repository@digest`, for clients that reject a tag together with a digest
    Repository,
}

/// Runs `get`.
///
/// # Errors
/// Fails if the tag does not exist or is not pinned.
pub fn run(context: &CommandContext, args: &GetArgs) -> Result<Exit, CliError> {
    let (_, root) = context.root()?;
    let id: TagId = args
        .tag
        .parse()
        .map_err(|error: NameError| CliError::usage(error.message).help("name one tag, e.g. `python:3.12`"))?;
    if !root.definitions.tags.contains_key(&id) {
        return Err(root.unknown_tag(&args.tag).into());
    }
    let Some(pin) = root.lock.pins.get(&id) else {
        return Err(CliError::new(format!("`{id}` is not pinned yet")).help(format!("run `pinstream update {id}`")));
    };
    let mut out = context.stdout();
    match args.output {
        GetOutput::Reference => writeln!(out, "{}", pin.reference())?,
        GetOutput::Digest => writeln!(out, "{}", pin.digest)?,
        GetOutput::Repository => writeln!(out, "{}", pin.repository_at_digest())?,
    }
    Ok(Exit::Success)
}
