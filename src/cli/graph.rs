//! `graph`: what follows what.

use std::io::Write as _;

use clap::ValueEnum;

use crate::query::graph::{Graph, GraphFormat};
use crate::report::exit::Exit;

use super::CliError;
use super::context::{CommandContext, patterns};

/// Draw what follows what: images, tags, and the tags that follow them
#[derive(Debug, clap::Args)]
pub struct GraphArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Form,
}

/// In which form a graph is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A tree of lines
    Text,
    /// For Graphviz
    Dot,
    /// For Mermaid, as forges draw it in Markdown
    Mermaid,
    /// A picture
    Svg,
}

/// Runs it.
///
/// # Errors
/// Where the root cannot be read.
pub fn run(context: &CommandContext, args: &GraphArgs) -> Result<Exit, CliError> {
    let (_, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.check_patterns(&only)?;
    let graph = Graph::of(&root.definitions, |id| only.matches(id));
    let format = match args.format {
        Form::Text => GraphFormat::Text,
        Form::Dot => GraphFormat::Dot,
        Form::Mermaid => GraphFormat::Mermaid,
        Form::Svg => GraphFormat::Svg,
    };
    write!(context.stdout(), "{}", graph.write(format))?;
    Ok(Exit::Success)
}
