//! `plan`: what a pass would do, and why. Writes nothing.

use crate::reconcile::{Effect, Imports, Request};
use crate::report::exit::Exit;
use crate::world::real::Place;

use super::context::Context;
use super::{CliError, Format, pass};

/// Show what a pass would do, and why; write nothing
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// End with 2 where anything would move
    #[arg(long)]
    exit_code: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

/// Runs it.
///
/// # Errors
/// What stopped the pass.
pub fn run(context: &Context, args: &Args) -> Result<Exit, CliError> {
    let (folder, only) = context.selection(&args.tags)?;
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only,
        imports: Imports::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    let report = pass::report(context, Place::Folder(folder), &request)?;
    pass::show(context, &report, args.format)?;
    let drift = if args.exit_code && report.moves() { Exit::Drift } else { Exit::Success };
    Ok(report.exit().worst(drift))
}
