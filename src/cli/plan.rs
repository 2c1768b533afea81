//! `plan`: shows what a pass would do and why. Writes nothing.

use crate::effects::repo::Repo;
use crate::reconcile::Request;
use crate::report::OutputFormat;

use super::support::context::patterns;
use super::support::output;
use super::support::pass_runner::{self, PassResult};
use super::support::source_map::SourceMap;
use super::{CliError, CommandContext, Exit};

/// Show what a pass would do and why; write nothing
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream plan                          all tags
  pinstream plan 'python:3.*' -v          some tags, with unchanged ones
  pinstream plan --exit-code              exit 2 if anything would change")]
pub struct PlanArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Exit 2 if anything would change
    #[arg(long)]
    exit_code: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs `plan`.
///
/// # Errors
/// Returns the error that stopped the pass.
pub fn run(context: &CommandContext, args: &PlanArgs) -> Result<Exit, CliError> {
    let work_tree = context.root_directory()?;
    let request = Request { only: patterns(&args.tags)?, policy: context.policy.clone(), ..Request::default() };
    let sources = SourceMap::of_work_tree(work_tree.clone());
    let report = &pass_runner::report(context, Repo::WorkTree(work_tree), &request)?;
    let drift = if args.exit_code && report.has_changes() { Exit::Drift } else { Exit::Success };
    let exit = report.exit().worst(drift);
    output::write(args.format, &PassResult { context, command: "plan", report, exit, drift, sources: &sources })?;
    Ok(exit)
}
