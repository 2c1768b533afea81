//! `graph`: draws which tags come from which images and tags.

use std::io::Write as _;

use crate::query::graph::{Graph, GraphFormat};

use super::{CliError, CommandContext, Exit};

/// Draw the graph of images, tags and the tags that follow them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream graph                         a tree of all tags
  pinstream graph python:3.12             one tag with its source and followers
  pinstream graph --format svg > graph.svg")]
pub struct GraphArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: GraphFormat,
}

/// Runs `graph`.
///
/// # Errors
/// Fails if the root cannot be read or a pattern matches no tag.
pub fn run(context: &CommandContext, args: &GraphArgs) -> Result<Exit, CliError> {
    let (_, root, only) = context.selected(&args.tags)?;
    let graph = Graph::of(&root.definitions, |id| only.matches(id));
    write!(context.stdout(), "{}", graph.write(args.format))?;
    Ok(Exit::Success)
}
