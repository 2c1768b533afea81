//! `check`: the CI gate. Offline by default: definitions are valid, and lock and targets match them. Never fails because an
//! image changed upstream, unless `--upstream` is given. Runs no hook and pushes nothing.

mod base;
pub(in crate::cli) mod drift;
pub(in crate::cli) mod files;
mod images;
mod report;

use crate::effects::repo::Repo;
use crate::git;
use crate::git::work_tree::WorkTree;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::{PassError, Request};
use crate::report::{OutputFormat, Report};
use crate::text::diagnostics::Problems;

use super::support::source_map::SourceMap;
use super::support::{ignored_files, output, pass_runner};
use super::{CliError, CommandContext, Exit};
use base::BaseCheck;
use drift::{add_targets, edited, next_lock, offline};
use report::CheckResult;

/// Check that definitions are valid and that lock and targets match them
///
/// The gate for CI. By default, no registry is contacted: the result depends on the files only. Exits 2 if the lock or a
/// target differs, or if Git ignores a file that other clones need.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pinstream check                         definitions, lock and targets
  pinstream check --base origin/main      also verify changed digests
  pinstream check --upstream              also fail if a newer digest exists
  pinstream check --format github         annotations in a GitHub workflow")]
pub struct CheckArgs {
    /// Streams, tags (`stream:tag`) or globs; default: all tags
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Verify pins that differ from REV: the registry must serve the digest for the tag, or the history of REV must
    /// contain it
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Fail if a file of the root contains an invalid image, one without a digest or one that no stream covers; warn
    /// about images that depend on variables, and count the files that were not read (`-v` lists them)
    #[arg(long)]
    all_images: bool,
    /// Fail if a registry serves a newer digest
    #[arg(long)]
    upstream: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// Runs `check`.
///
/// # Errors
/// Returns the error that stopped the check; findings determine the exit code only.
pub fn run(context: &CommandContext, args: &CheckArgs) -> Result<Exit, CliError> {
    let (work_tree, root, only) = context.selected(&args.tags)?;
    let refused =
        context.policy.as_ref().map(|policy| root.policy_problems(policy, None, git::display_url)).unwrap_or_default();
    Problems::check(refused).map_err(PassError::Forbidden)?;
    let trust = files::read_referenced(&work_tree, &root)?;
    let unmatched = files::unmatched_hook_patterns(context, &root)?;

    let mut drift = offline(&root, &only);
    if !root.settings.targets.is_empty() {
        let next = next_lock(&root, &only);
        let files = edited(context, &work_tree, &root, &next, &only)?;
        add_targets(&files, &mut drift);
    }
    let unverified = match &args.base {
        Some(revision) => {
            let base = BaseCheck { context, work_tree: &work_tree, root: &root, trust: &trust, revision };
            base.unverified(&only)?
        }
        None => Vec::new(),
    };
    let ignored = ignored_files::find(&work_tree, &root);
    let images = if args.all_images { Some(images::find(context, &work_tree, &root)?) } else { None };
    let upstream = if args.upstream { Some(upstream(context, &work_tree, &only)?) } else { None };

    let exits = drift.findings.iter().chain(&unverified).map(|finding| finding.exit);
    let drift_if = |is_drift| if is_drift { Exit::Drift } else { Exit::Success };
    let upstream_exit =
        upstream.as_ref().map_or(Exit::Success, |report| report.exit().worst(drift_if(report.has_changes())));
    let images_exit = drift_if(images.as_ref().is_some_and(|found| !found.images.is_empty()));
    let ignored_exit = drift_if(!ignored.is_empty());
    let exit = exits.fold(upstream_exit.worst(images_exit).worst(ignored_exit), Exit::worst);
    let sources = SourceMap::of_work_tree(work_tree);
    let result = CheckResult {
        context,
        root: &root,
        only: &only,
        sources,
        exit,
        drift,
        unverified,
        ignored,
        images,
        upstream,
        unmatched,
    };
    output::write(args.format, &result)?;
    // The process ends here; freeing a large root would take a seventh of the run time.
    std::mem::forget(root);
    Ok(exit)
}

/// Plans a pass.
fn upstream(context: &CommandContext, work_tree: &WorkTree, only: &TagGlobs) -> Result<Report, CliError> {
    let only = Some(only.clone()).filter(|only| !only.is_all());
    let request = Request { only, policy: context.policy.clone(), ..Request::default() };
    pass_runner::report(context, Repo::WorkTree(work_tree.clone()), &request)
}
