//! `reconcile`: runs one pass against a Git remote.

mod event;

use std::sync::Arc;

use crate::effects::repo::Repo;
use crate::git::RemoteHandle;
use crate::git::checkout::{self, Checkout};
use crate::model::settings::{self, path};
use crate::model::shard::Shard;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;
use crate::system::environment;

use super::support::context::patterns;
use super::support::{pass_runner, remote};
use super::{CliError, CommandContext, Exit};

/// Run one pass against a Git remote: resolve, commit, push, run hooks
///
/// Remote and root default to those of the checkout that contains the current directory, the branch to `[git] branch` of the
/// settings, else to the remote's HEAD. With a `[publish.<forge>]` table, the changes are proposed instead of pushed to the
/// branch.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream reconcile                     the remote of this checkout
  pinstream reconcile --due --remote https://git.example/deploy.git
  pinstream reconcile --root clusters/prod 'web:*'
  pinstream reconcile --shard 1/8         one of eight processes")]
pub struct ReconcileArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Git remote: a path, or a `file`, `https` or `ssh` URL
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// Branch to read and push to; default: the setting, else the remote's HEAD
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// Directory of `pinstream.toml` in the repository
    #[arg(long, value_name = "DIR")]
    root: Option<String>,
    /// Resolve only tags that are due: their schedule fired since the last pass, they have no schedule, or their pin
    /// differs from the definition. A failing tag is retried with growing intervals (at most a day), or now if named
    #[arg(long)]
    due: bool,
    /// Resolve only share I of N of the repositories, e.g. `1/8`; `auto` reads the environment of Kubernetes, GitLab,
    /// CircleCI or Buildkite
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs `reconcile`.
///
/// # Errors
/// Returns the error that stopped the pass.
pub fn run(context: &CommandContext, args: &ReconcileArgs) -> Result<Exit, CliError> {
    environment::conceal();
    event::check()?;
    let checkout = remote::checkout(context, args.remote.as_deref())?;
    let (repo, request) = prepare(context, args, checkout.as_ref())?;
    pass_runner::run(context, repo, &request, "reconcile", args.format)
}

impl ReconcileArgs {
    /// Returns the root for the report of a failure; none if it is the root of the current directory.
    pub(super) fn root_of_report(&self) -> Option<String> {
        let root = self.root.as_deref().or(self.remote.as_ref().map(|_| ""))?.trim_end_matches('/');
        Some(if root == "." { String::new() } else { root.to_owned() })
    }
}

fn prepare(
    context: &CommandContext,
    args: &ReconcileArgs,
    checkout: Option<&Checkout>,
) -> Result<(Repo, Request), CliError> {
    let of_checkout = || checkout.filter(|_| args.remote.is_none());
    let work_tree = of_checkout().and_then(|_| context.root_directory().ok());
    let root = match (&args.root, work_tree) {
        (Some(root), _) => root_of(root)?,
        (None, Some(work_tree)) => checkout::discover(&work_tree.0)?.map(|found| found.prefix).unwrap_or_default(),
        (None, None) => String::new(),
    };
    let branch = args.branch.as_deref().map(settings::branch).transpose()?;
    let checkout_branch = of_checkout().and_then(|checkout| checkout.branch.clone());
    let only = patterns(&args.tags)?;
    let shard = args.shard.as_deref().map(|shard| Shard::resolve(shard, environment::var)).transpose()?;
    let remote = RemoteHandle::open(remote::setup(args.remote.as_deref(), &root, checkout)?)?;
    let shown = remote.url().to_owned();
    let request = Request {
        branch,
        checkout_branch,
        root: root.clone(),
        remote: Some(shown),
        only,
        shard,
        resolve: if args.due { Resolve::Due } else { Resolve::All },
        effect: Effect::Land,
        policy: context.policy.clone(),
    };
    Ok((Repo::Remote { remote: Arc::new(remote), root }, request))
}

/// Parses `--root`; empty for the top of the repository.
fn root_of(text: &str) -> Result<String, CliError> {
    match text.trim_end_matches('/') {
        "." | "" if !text.starts_with('/') => Ok(String::new()),
        text => path::parse(text).map_err(|error| {
            CliError::usage(format!("`--root`: {}", error.message)).help(
                "name the directory of `pinstream.toml` relative to the top of the repository, e.g. `deploy/prod`",
            )
        }),
    }
}
