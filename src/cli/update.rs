//! `update`: resolves tags and rewrites lock and targets in the work tree. Never commits.

mod settle;

use crate::effects::repo::Repo;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;
use crate::report::exit::Exit;

use super::error::CliError;
use super::support::context::{CommandContext, patterns};
use super::support::pass_runner::{self, PassCommand};

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
        branch: None,
        checkout_branch: None,
        root: String::new(),
        remote: None,
        only: patterns(&args.tags)?,
        shard: None,
        resolve: if args.offline { Resolve::Nothing } else { Resolve::All },
        effect: Effect::Write,
        policy: context.policy.clone(),
    };
    let command = PassCommand { name: "update", format: args.format };
    pass_runner::run(context, Repo::WorkTree(work_tree), &request, command)
}
