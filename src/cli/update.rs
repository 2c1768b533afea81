//! `update`: imports, and writes the lock in the work tree. Commits nothing.

mod settle;

use crate::effects::real::Repo;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;
use crate::report::exit::Exit;

use super::context::{CommandContext, patterns};
use super::{CliError, pass};

/// Import tags and write the lock in the work tree; commit nothing
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Ask no registry: only write what follows from the lock and the definitions
    #[arg(long)]
    offline: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs it.
///
/// # Errors
/// What stopped the pass.
pub fn run(context: &CommandContext, args: &UpdateArgs) -> Result<Exit, CliError> {
    if !args.offline {
        settle::settle(context)?;
    }
    let folder = context.root_folder()?;
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only: patterns(&args.tags)?,
        shard: None,
        resolve: if args.offline { Resolve::Nothing } else { Resolve::All },
        effect: Effect::Write,
        policy: context.policy.clone(),
    };
    pass::run(context, Repo::WorkTree(folder), &request, ("update", args.format))
}
