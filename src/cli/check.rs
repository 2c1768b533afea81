//! `check`: the CI gate. Offline, it says whether definitions are valid, and lock and targets agree with them; it never
//! turns red because a registry moved. It runs no hook and pushes nothing.

mod base;
pub(in crate::cli) mod files;
mod images;
pub(in crate::cli) mod targets;
mod told;

use std::borrow::Cow;

use similar::TextDiff;

use crate::effects::real::Repo;
use crate::git::work_tree::WorkTree;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::drift::{DriftKind, find_drift};
use crate::model::lock::encode::encode;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::decide::decide_offline;
use crate::reconcile::{Effect, PassError, Request, Resolve};
use crate::report::exit::Exit;
use crate::report::v1::words::FindingKindV1;
use crate::report::{OutputFormat, Report};
use crate::text::diagnostics::Problems;

use super::context::{CommandContext, patterns};
use super::site::SourceMap;
use super::{CliError, output, pass};
use told::CheckResult;

/// Check definitions, lock and targets: the gate for continuous integration
///
/// Without options nothing is asked of any registry, and the answer depends on the files alone.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Tags: a stream, `stream:tag`, or a glob; all where none is given
    #[arg(value_name = "TAG")]
    tags: Vec<String>,
    /// Refuse digests that were edited by hand: each one that differs from REV must be what its tag serves now, or
    /// one that the history of REV holds
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// Fail also where a manifest of the root names an image that no stream covers, one without a digest, or what is no
    /// image; what cannot be told, as a variable, is a warning
    #[arg(long)]
    all_images: bool,
    /// Fail also where a registry has something newer
    #[arg(long)]
    upstream: bool,
    /// In which form
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(super) format: OutputFormat,
}

/// One thing that is wrong with a tag.
struct Finding {
    tag: TagId,
    kind: FindingKindV1,
    exit: Exit,
    message: String,
    help: Option<String>,
    /// File and line, where it is wrong in the place of a target.
    place: Option<(String, usize)>,
}

/// What mends what follows from the files alone.
const OFFLINE: &str = "pinstream update --offline";

/// How lock, definitions and targets differ, and what would bring them together.
#[derive(Default)]
struct UpstreamDrift {
    findings: Vec<Finding>,
    diff: Option<String>,
    mend: Option<&'static str>,
}

/// Runs it.
///
/// # Errors
/// What stopped it; what it found is its exit code.
pub fn run(context: &CommandContext, args: &CheckArgs) -> Result<Exit, CliError> {
    let (folder, root) = context.root()?;
    let only = patterns(&args.tags)?.unwrap_or_default();
    root.check_patterns(&only)?;
    let refused = context.policy.as_ref().map(|policy| root.policy_problems(policy, None)).unwrap_or_default();
    Problems::check(refused).map_err(PassError::Forbidden)?;
    let trust = files::are_there(&folder, &root)?;
    let idle = files::idle_hooks(context, &root)?;

    let mut drift = offline(&root, &only);
    if !root.settings.targets.is_empty() {
        let selected = Some(&only).filter(|only| !only.is_all());
        targets::add(&targets::edited(context, &folder, &root, &next(&root, &only), selected)?, &mut drift);
    }
    let by_hand = match &args.base {
        Some(base) => base::by_hand(context, &folder, (&root, &trust), &only, base)?,
        None => Vec::new(),
    };
    let images = if args.all_images { Some(images::find(context, &folder, &root)?) } else { None };
    let upstream = if args.upstream { Some(upstream(context, &folder, &only)?) } else { None };

    let exits = drift.findings.iter().chain(&by_hand).map(|finding| finding.exit);
    let of_upstream = upstream.as_ref().map_or(Exit::Success, |report| {
        report.exit().worst(if report.has_changes() { Exit::Drift } else { Exit::Success })
    });
    let of_images = if images.as_ref().is_some_and(|images| !images.is_empty()) { Exit::Drift } else { Exit::Success };
    let exit = exits.fold(of_upstream.worst(of_images), Exit::worst);
    let site = SourceMap::of_folder(folder);
    let checked = CheckResult { context, root: &root, only: &only, site, exit, drift, by_hand, images, upstream, idle };
    output::write(args.format, &checked)?;
    // The process ends here: to give the memory of a large root back piece by piece takes a seventh of its time.
    std::mem::forget(root);
    Ok(exit)
}

/// Compares the lock with the definitions.
fn offline(root: &Root, only: &TagGlobs) -> UpstreamDrift {
    let mut found = find_drift(&root.definitions, &root.lock);
    found.retain(|one| only.matches(&one.tag));
    if found.is_empty() {
        return UpstreamDrift::default();
    }
    let next = next(root, only);
    let diff = (*next != root.lock).then(|| {
        let (old, new) = (encode(&root.lock), encode(&next));
        let diff = TextDiff::from_lines(&old, &new);
        diff.unified_diff().context_radius(2).header("pinstream.lock", "as it should be").to_string()
    });
    let offline_is_enough = !find_drift(&root.definitions, &next).iter().any(|one| only.matches(&one.tag));
    let fixed_elsewhere = found.iter().any(|one| matches!(one.kind, DriftKind::FixedDigest { .. }));
    let mend = if offline_is_enough && !fixed_elsewhere { OFFLINE } else { "pinstream update" };
    let findings = found.iter().map(|one| Finding {
        tag: one.tag.clone(),
        kind: FindingKindV1::Drift,
        exit: Exit::Drift,
        message: one.to_string(),
        help: None,
        place: None,
    });
    UpstreamDrift { findings: findings.collect(), diff, mend: Some(mend) }
}

/// The lock as it follows from itself and the definitions, for the tags that are meant.
fn next<'a>(root: &'a Root, only: &TagGlobs) -> Cow<'a, Lock> {
    let Some(mut next) = decide_offline(root) else { return Cow::Borrowed(&root.lock) };
    if !only.is_all() {
        next.pins.retain(|id, _| only.matches(id));
        let others = root.lock.pins.iter().filter(|(id, _)| !only.matches(id));
        next.pins.extend(others.map(|(id, pin)| (id.clone(), pin.clone())));
    }
    Cow::Owned(next)
}

/// What a pass would do.
fn upstream(context: &CommandContext, folder: &WorkTree, only: &TagGlobs) -> Result<Report, CliError> {
    let request = Request {
        branch: None,
        root: String::new(),
        remote: None,
        only: Some(only.clone()).filter(|only| !only.is_all()),
        shard: None,
        resolve: Resolve::All,
        effect: Effect::Show,
        policy: context.policy.clone(),
    };
    pass::report(context, Repo::WorkTree(folder.clone()), &request)
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
        fn a_lock_that_would_be_written_anew_is_drift(lock in sample::any_lock()) {
            // Definitions that the lock might be of, so that not every lock disagrees with them.
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
            let is_agreed = offline(&root, &TagGlobs::all()).findings.is_empty();
            assert!(!is_agreed || *next(&root, &TagGlobs::all()) == root.lock);
        }
    }
}
