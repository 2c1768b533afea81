//! `plan`: what a pass would do, and why. Writes nothing.

use crate::effects::real::Repo;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;
use crate::report::exit::Exit;

use super::context::{CommandContext, patterns};
use super::pass::{self, PassResult};
use super::site::SourceMap;
use super::{CliError, output};

/// Show what a pass would do, and why; write nothing
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// End with 2 where the lock would change
    #[arg(long)]
    exit_code: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs it.
///
/// # Errors
/// What stopped the pass.
pub fn run(context: &CommandContext, args: &PlanArgs) -> Result<Exit, CliError> {
    let folder = context.root_folder()?;
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only: patterns(&args.tags)?,
        shard: None,
        resolve: Resolve::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    let site = SourceMap::of_folder(folder.clone());
    let report = &pass::report(context, Repo::WorkTree(folder), &request)?;
    let drift = if args.exit_code && report.has_changes() { Exit::Drift } else { Exit::Success };
    let exit = report.exit().worst(drift);
    output::write(args.format, &PassResult { context, command: "plan", report, exit, drift, site: &site })?;
    Ok(exit)
}
