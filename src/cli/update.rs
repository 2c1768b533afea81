//! `update`: resolves tags and rewrites lock and targets in the work tree. Never commits.

mod settle;

use crate::effects::repo::Repo;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;

use super::support::context::patterns;
use super::support::{ignored_files, pass_runner};
use super::{CliError, CommandContext, Exit};

/// Resolve tags and rewrite lock and targets in the work tree; do not commit
///
/// If a merge left conflicts in `pinstream.lock`, both sides are merged pin by pin, and pins that both sides changed are
/// resolved again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream update                        all tags
  pinstream update python 'web:*'         some tags and what they follow
  pinstream update --offline              apply edited definitions without any registry")]
pub struct UpdateArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Contact no registry: use the definitions and existing pins only
    #[arg(long)]
    offline: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs `update`.
///
/// # Errors
/// Returns the error that stopped the pass.
pub fn run(context: &CommandContext, args: &UpdateArgs) -> Result<Exit, CliError> {
    if !args.offline {
        settle::settle(context)?;
    }
    let work_tree = context.root_directory()?;
    let request = Request {
        only: patterns(&args.tags)?,
        resolve: if args.offline { Resolve::Nothing } else { Resolve::All },
        effect: Effect::Write,
        policy: context.policy.clone(),
        ..Request::default()
    };
    let exit = pass_runner::run(context, Repo::WorkTree(work_tree.clone()), &request, "update", args.format)?;
    ignored_files::warn(context, &work_tree)?;
    Ok(exit)
}
