//! `reconcile`: the main job, one pass against a remote.

mod event;

use std::sync::{Arc, Mutex};

use crate::effects::real::Repo;
use crate::git::checkout::{self, Checkout};
use crate::git::{self, GitError, Remote, RemoteSetup};
use crate::model::settings::{self, path};
use crate::model::shard::Shard;
use crate::reconcile::{Effect, Request, Resolve};
use crate::report::OutputFormat;
use crate::report::exit::Exit;
use crate::system::environment;

use super::context::{CommandContext, patterns, usage};
use super::{CliError, pass};

/// Run one pass against a remote: import, commit, push, and run hooks for what landed
///
/// Remote, branch and root are those of the checkout that the current folder is in, unless they are given.
#[derive(Debug, clap::Args)]
pub struct ReconcileArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// The Git remote: a path, or a `file`, `https` or `ssh` URL
    #[arg(long, value_name = "URL")]
    pub(super) remote: Option<String>,
    /// The branch
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
    /// The folder of `pinstream.toml` in the repository
    #[arg(long, value_name = "DIR")]
    pub(super) root: Option<String>,
    /// Only tags whose schedule fired since the last pass, or that are not pinned as they are defined
    #[arg(long)]
    due: bool,
    /// Only the repositories of this share, `1/8` to `8/8`, where so many processes share the root; `auto` for what
    /// Kubernetes, GitLab, CircleCI or Buildkite say in the environment
    #[arg(long, value_name = "I/N")]
    shard: Option<String>,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs it.
///
/// # Errors
/// What stopped the pass.
pub fn run(context: &CommandContext, args: &ReconcileArgs) -> Result<Exit, CliError> {
    event::check()?;
    let checkout = match checkout::discover(&context.folder) {
        // Whose this folder is makes no difference where the remote is said.
        Err(GitError::Owner { .. }) if args.remote.is_some() => None,
        found => found?,
    };
    let (place, request) = prepare(context, args, checkout.as_ref())?;
    pass::run(context, place, &request, ("reconcile", args.format))
}

fn prepare(
    context: &CommandContext,
    args: &ReconcileArgs,
    checkout: Option<&Checkout>,
) -> Result<(Repo, Request), CliError> {
    let of_checkout = || checkout.filter(|_| args.remote.is_none());
    let url = match (&args.remote, of_checkout().and_then(|checkout| checkout.url.clone())) {
        (Some(url), _) => url.clone(),
        (None, Some(url)) => url,
        (None, None) => {
            return Err(CliError::usage("there is no remote: this folder is in no checkout that has one")
                .help("say which: `pinstream reconcile --remote URL`"));
        }
    };
    let root = match (&args.root, of_checkout()) {
        (Some(root), _) => root_of(root)?,
        (None, Some(_)) => match context.root_folder() {
            Ok(folder) => checkout::discover(&folder.0)?.map(|checkout| checkout.prefix).unwrap_or_default(),
            Err(_) => String::new(),
        },
        (None, None) => String::new(),
    };
    let branch = args.branch.as_deref().map(|branch| settings::branch(branch).map_err(usage)).transpose()?;
    let branch = branch.or_else(|| of_checkout().and_then(|checkout| checkout.branch.clone()));
    let only = patterns(&args.tags)?;
    let shard = args.shard.as_deref().map(|word| Shard::resolve(word, environment::var).map_err(usage)).transpose()?;
    let setup = RemoteSetup {
        url,
        root: root.clone(),
        cache: environment::cache_directory(),
        state: environment::state_directory(),
        checkout: checkout.map(|checkout| checkout.directory.clone()),
        credentials: git::credential::GitCredentialSources::from_environment(),
        timeout: git::SILENCE,
    };
    let remote = Remote::open(setup)?;
    let shown = remote.url().to_owned();
    let request = Request {
        branch,
        root: root.clone(),
        remote: Some(shown),
        only,
        shard,
        resolve: if args.due { Resolve::Due } else { Resolve::All },
        effect: Effect::Land,
        policy: context.policy.clone(),
    };
    Ok((Repo::Remote { remote: Arc::new(Mutex::new(remote)), root }, request))
}

/// The folder of the root, as it was typed; empty for the top of the repository.
fn root_of(text: &str) -> Result<String, CliError> {
    match text.trim_end_matches('/') {
        "." | "" if !text.starts_with('/') => Ok(String::new()),
        text => path::parse(text).map_err(|error| {
            CliError::usage(format!("`--root`: {}", error.message))
                .help("name the folder of `pinstream.toml`, counted from the top of the repository, as `deploy/prod`")
        }),
    }
}
