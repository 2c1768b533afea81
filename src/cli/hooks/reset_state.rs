//! `hooks reset-state`: replaces the state ref of a remote by an empty one, by compare-and-swap.

use std::io::{self, IsTerminal as _, Write as _};

use crate::cli::support::remote;
use crate::cli::{CliError, CommandContext, Exit};
use crate::git::{self, GitError, Push, RemoteHandle, STATE_REF, StateRefStatus};
use crate::reconcile::PassError;
use crate::system::clock;
use crate::text::diagnostics::Problems;
use crate::text::escape;

/// Replace the state ref by an empty one, e.g. because it is damaged
///
/// `refs/pinstream/state` records, for all roots and branches of a repository, which changes each hook has seen, since when
/// digests soak, and when schedules last ran. A reset discards pending hook runs: hooks run only for changes that land afterwards.
/// Soaking starts again. Refs that block the name of the state ref are deleted; nothing else in the repository changes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream hooks reset-state             the remote of this checkout
  pinstream hooks reset-state --yes --remote https://git.example/deploy.git")]
pub(super) struct ResetStateArgs {
    /// Git remote: a path, or a `file`, `https` or `ssh` URL
    #[arg(long, value_name = "URL")]
    remote: Option<String>,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

/// Runs `hooks reset-state`.
///
/// # Errors
/// Fails if the remote refuses, the ref changes meanwhile, or nobody confirms.
pub(super) fn run(context: &CommandContext, args: &ResetStateArgs) -> Result<Exit, CliError> {
    let checkout = remote::checkout(context, args.remote.as_deref())?;
    let setup = remote::setup(args.remote.as_deref(), "", checkout.as_ref())?;
    let policy = context.policy.as_ref();
    if let Some(problem) = policy.and_then(|policy| policy.forbids_remote(&git::display_url(&setup.url))) {
        return Err(PassError::Forbidden(Problems(vec![problem])).into());
    }
    let remote = RemoteHandle::open(setup)?;
    let url = remote.url().to_owned();
    let status = remote.call(|remote| remote.state_ref())?;
    if status.tip.is_none() && status.blocking.is_empty() {
        writeln!(context.stdout(), "`{url}` has no `{STATE_REF}`; nothing to reset")?;
        return Ok(Exit::Success);
    }
    if !args.yes && !confirm(context, &url, &status)? {
        return Err(CliError::new("the state was not reset"));
    }
    let (expected, now) = (status.clone(), clock::now());
    match remote.call(move |remote| remote.reset_state(&expected, now))? {
        Push::Landed(_) => {
            writeln!(context.stdout(), "reset `{STATE_REF}` of `{url}`; replaced {}", found(&status))?;
            Ok(Exit::Success)
        }
        Push::Moved => {
            Err(CliError::new(format!("`{STATE_REF}` of `{url}` changed meanwhile")).help("run the command again"))
        }
        Push::Unknown(reason) => {
            let (url, reference) = (url, STATE_REF.to_owned());
            Err(GitError::Failed { url, reference, reason }.into())
        }
    }
}

/// Describes what a reset replaces.
fn found(status: &StateRefStatus) -> String {
    let condition = match &status.fault {
        Some(fault) => format!("damaged: {}", escape::one_line(fault)),
        None => "intact".to_owned(),
    };
    let tip = status.tip.iter().map(|tip| format!("commit {tip} ({condition})"));
    let removed = status.blocking.iter().map(|(name, tip)| format!("`{}` at {tip}", escape::one_line(name)));
    let removed: Vec<String> = removed.collect();
    let removed = (!removed.is_empty()).then(|| format!("blocking refs: {}", removed.join(", ")));
    tip.chain(removed).collect::<Vec<_>>().join("; ")
}

/// Asks on the terminal.
fn confirm(context: &CommandContext, url: &str, status: &StateRefStatus) -> Result<bool, CliError> {
    if !io::stdin().is_terminal() {
        return Err(CliError::usage("cannot ask for confirmation without a terminal")
            .help("pass `--yes` to reset the state of all roots and branches"));
    }
    let mut out = context.stderr();
    write!(
        out,
        "Reset `{STATE_REF}` of `{url}` for all roots and branches? Pending hook runs are lost. This replaces {}. [y/N] ",
        found(status)
    )?;
    out.flush()?;
    drop(out);
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
