//! `check`: the CI gate. Offline by default: definitions are valid, and lock and targets match them. Never fails because an
//! image changed upstream, unless `--upstream` is given. Runs no hook and pushes nothing.

mod base;
pub(in crate::cli) mod files;
mod images;
mod report;
pub(in crate::cli) mod targets;

use std::borrow::Cow;

use similar::TextDiff;

use crate::effects::real::Repo;
use crate::git::work_tree::WorkTree;
use crate::model::adoption::AdoptionPolicy;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::agree::{DriftKind, find_drift};
use crate::model::lock::encode::encode;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::pin::pin;
use crate::reconcile::resolve::Resolutions;
use crate::reconcile::{Effect, Imports, PassError, Request};
use crate::report::exit::Exit;
use crate::report::v1::words::FindingKindV1;
use crate::report::{OutputFormat, Report};
use crate::text::diagnostics::Problems;

use super::error::CliError;
use super::support::context::{CommandContext, patterns};
use super::support::source_map::SourceMap;
use super::support::{output, pass_runner};
use base::BaseCheck;
use report::CheckResult;

/// Check that definitions are valid and that lock and targets match them
///
/// The gate for CI. By default, no registry is contacted: the result depends on the files only. Exits 2 if the lock or a
/// target differs.
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
    /// about images that depend on variables
    #[arg(long)]
    all_images: bool,
    /// Fail if a registry serves a newer digest
    #[arg(long)]
    upstream: bool,
    /// Output format
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// A failed check of one tag.
struct Finding {
    tag: TagId,
    kind: FindingKindV1,
    exit: Exit,
    message: String,
    help: Option<String>,
    /// File and line of a target.
    place: Option<(String, usize)>,
}

/// Remedy for drift that needs no registry.
const OFFLINE: &str = "pinstream update --offline";

/// Differences between definitions, lock and targets.
#[derive(Default)]
struct LockDrift {
    findings: Vec<Finding>,
    /// Unified diff of the lock and of files with targets.
    diff: Option<String>,
    /// The command that removes the drift.
    remedy: Option<&'static str>,
}

/// Runs `check`.
///
/// # Errors
/// Returns the error that stopped the check; findings determine the exit code only.
pub fn run(context: &CommandContext, args: &CheckArgs) -> Result<Exit, CliError> {
    let (folder, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.has(&only)?;
    let refused = context.policy.as_ref().map(|policy| root.refused(policy, None)).unwrap_or_default();
    Problems::none_or(refused).map_err(PassError::Forbidden)?;
    let trust = files::read_referenced(&folder, &root)?;
    let unmatched = files::unmatched_hook_patterns(context, &root)?;

    let mut drift = offline(&root, &only);
    if !root.settings.targets.is_empty() {
        targets::look(context, &folder, (&root, &next(&root, &only)), &only, &mut drift)?;
    }
    let unverified = match &args.base {
        Some(revision) => {
            let base = BaseCheck { context, folder: &folder, root: &root, trust: &trust, revision };
            base.unverified(&only)?
        }
        None => Vec::new(),
    };
    let images = if args.all_images { Some(images::look(context, &folder, &root)?) } else { None };
    let upstream = if args.upstream { Some(upstream(context, &folder, &only)?) } else { None };

    let exits = drift.findings.iter().chain(&unverified).map(|finding| finding.exit);
    let drift_if = |is_drift| if is_drift { Exit::Drift } else { Exit::Success };
    let upstream_exit =
        upstream.as_ref().map_or(Exit::Success, |report| report.exit().worst(drift_if(report.changes())));
    let images_exit = drift_if(images.as_ref().is_some_and(|images| !images.is_empty()));
    let exit = exits.fold(upstream_exit.worst(images_exit), Exit::worst);
    let sources = SourceMap::of_folder(folder);
    let result = CheckResult {
        context,
        root: &root,
        only: &only,
        sources,
        exit,
        drift,
        unverified,
        images,
        upstream,
        unmatched,
    };
    output::write(args.format, &result)?;
    // The process ends here; freeing a large root would take a seventh of the run time.
    std::mem::forget(root);
    Ok(exit)
}

/// Compares the lock with the definitions, offline.
fn offline(root: &Root, only: &TagGlobs) -> LockDrift {
    let mut found = find_drift(&root.definitions, &root.lock);
    found.retain(|one| only.matches(&one.tag));
    if found.is_empty() {
        return LockDrift::default();
    }
    let next = next(root, only);
    let diff = (*next != root.lock).then(|| {
        let (old, new) = (encode(&root.lock), encode(&next));
        let diff = TextDiff::from_lines(&old, &new);
        diff.unified_diff().context_radius(2).header("pinstream.lock", "expected").to_string()
    });
    let is_offline_enough = !find_drift(&root.definitions, &next).iter().any(|one| only.matches(&one.tag));
    let is_fixed_digest = found.iter().any(|one| matches!(one.what, DriftKind::Fixed { .. }));
    let remedy = if is_offline_enough && !is_fixed_digest { OFFLINE } else { "pinstream update" };
    let findings = found.iter().map(|one| Finding {
        tag: one.tag.clone(),
        kind: FindingKindV1::Disagrees,
        exit: Exit::Drift,
        message: one.to_string(),
        help: None,
        place: None,
    });
    LockDrift { findings: findings.collect(), diff, remedy: Some(remedy) }
}

/// Computes the lock that follows from the definitions and existing pins, for the tags that match `only`.
fn next<'a>(root: &'a Root, only: &TagGlobs) -> Cow<'a, Lock> {
    let mut next = pin(&root.definitions, &root.lock, Resolutions::new(), &AdoptionPolicy::OFFLINE).lock;
    if next.pins != root.lock.pins && !only.is_all() {
        let next = next.to_mut();
        next.pins.retain(|id, _| only.matches(id));
        let others = root.lock.pins.iter().filter(|(id, _)| !only.matches(id));
        next.pins.extend(others.map(|(id, pin)| (id.clone(), pin.clone())));
    }
    next
}

/// Plans a pass.
fn upstream(context: &CommandContext, folder: &WorkTree, only: &TagGlobs) -> Result<Report, CliError> {
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only: Some(only.clone()).filter(|only| !only.is_all()),
        shard: None,
        imports: Imports::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    pass_runner::report(context, Repo::Folder(folder.clone()), &request)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::git::RootFiles;
    use crate::model::lock::sample;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_lock_that_would_be_rewritten_is_drift(lock in sample::any_lock()) {
            // Definitions that match the lock more or less, so that some locks have no drift.
            let mut tags = std::collections::BTreeMap::<String, String>::new();
            for (id, pin) in &lock.pins {
                let text = tags.entry(id.stream.to_string()).or_insert_with(|| "[tags]\n".to_owned());
                let followed = pin.followed().filter(|target| *target < id && lock.pins.contains_key(target));
                *text += &match followed {
                    Some(target) => format!("\"{}\" = {{ follow = \"{target}\" }}\n", id.tag),
                    None => format!("\"{}\" = \"{}\"\n", id.tag, pin.image),
                };
            }
            let mut files: RootFiles = tags.into_iter().map(|(name, text)| (format!("streams/{name}.toml"), text.into())).collect();
            files.insert("pinstream.toml".to_owned(), Vec::new());
            let root = Root { lock, ..Root::read(&files).unwrap() };
            let has_no_drift = offline(&root, &TagGlobs::all()).findings.is_empty();
            assert!(!has_no_drift || *next(&root, &TagGlobs::all()) == root.lock);
        }
    }
}
