//! Drift between definitions, lock and the files of targets, found offline.

use std::borrow::Cow;

use similar::TextDiff;

use crate::formats::EditedFile;
use crate::git::work_tree::WorkTree;
use crate::model::drift::{DriftKind, find_drift};
use crate::model::image::TagId;
use crate::model::lock::encode::encode;
use crate::model::lock::{FILE_NAME, Lock};
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::decide::decide_offline;
use crate::reconcile::{target_edits, target_files};
use crate::report::v1::words::FindingKindV1;
use crate::text::diagnostics::Problem;
use crate::text::escape;

use crate::cli::support::pass_runner;
use crate::cli::targets::short_reference;
use crate::cli::{CliError, CommandContext, Exit};

/// A failed check of one tag.
pub(super) struct CheckFinding {
    pub(super) tag: TagId,
    pub(super) kind: FindingKindV1,
    /// Exit code that this finding causes.
    pub(super) exit: Exit,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// File and line of a target.
    pub(super) place: Option<(String, usize)>,
}

/// Differences between definitions, lock and targets.
#[derive(Default)]
pub(super) struct LockDrift {
    pub(super) findings: Vec<CheckFinding>,
    /// Unified diff of the lock and of files with targets.
    pub(super) diff: Option<String>,
    /// The command that removes the drift.
    pub(super) remedy: Option<&'static str>,
}

/// Remedy for drift that needs no registry.
const OFFLINE: &str = "pinstream update --offline";
/// Reason for drift between equal characters.
const UNQUOTED: &str = ", unquoted, so YAML does not read it as text";

/// Compares the lock with the definitions, offline.
pub(super) fn offline(root: &Root, only: &TagGlobs) -> LockDrift {
    let mut found = find_drift(&root.definitions, &root.lock);
    found.retain(|one| only.matches(&one.tag));
    if found.is_empty() {
        return LockDrift::default();
    }
    let next = next_lock(root, only);
    let diff = (*next != root.lock).then(|| unified_diff(FILE_NAME, &encode(&root.lock), &encode(&next)));
    let is_offline_enough = !find_drift(&root.definitions, &next).iter().any(|one| only.matches(&one.tag));
    let is_fixed_digest = found.iter().any(|one| matches!(one.kind, DriftKind::FixedDigest));
    let remedy = if is_offline_enough && !is_fixed_digest { OFFLINE } else { "pinstream update" };
    let findings = found.iter().map(|one| CheckFinding {
        tag: one.tag.clone(),
        kind: FindingKindV1::Drift,
        exit: Exit::Drift,
        message: one.to_string(),
        help: None,
        place: None,
    });
    LockDrift { findings: findings.collect(), diff, remedy: Some(remedy) }
}

/// Compares a file with its expected content.
fn unified_diff(path: &str, old: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().context_radius(2).header(path, "expected").to_string()
}

/// Computes the lock that follows from the definitions and existing pins, for the tags that match `only`.
pub(super) fn next_lock<'a>(root: &'a Root, only: &TagGlobs) -> Cow<'a, Lock> {
    let Some(mut next) = decide_offline(root) else { return Cow::Borrowed(&root.lock) };
    if !only.is_all() {
        next.pins.retain(|id, _| only.matches(id));
        let others = root.lock.pins.iter().filter(|(id, _)| !only.matches(id));
        next.pins.extend(others.map(|(id, pin)| (id.clone(), pin.clone())));
    }
    Cow::Owned(next)
}

/// Adds the files that differ from their pins to `drift`.
pub(super) fn add_targets(files: &[EditedFile], drift: &mut LockDrift) {
    for file in files {
        drift.findings.extend(findings(file));
        let diff = unified_diff(&escape::one_line(&file.path), &file.old, &file.new);
        drift.diff.get_or_insert_default().push_str(&diff);
        if file.refusal.is_none() {
            drift.remedy.get_or_insert(OFFLINE);
        }
    }
}

/// Returns the files of a work tree that differ from the lock `next`, with those that must not be written.
///
/// # Errors
/// A target has no place, or one that cannot be edited.
pub(in crate::cli) fn edited(
    context: &CommandContext,
    work_tree: &WorkTree,
    root: &Root,
    next: &Lock,
    only: &TagGlobs,
) -> Result<Vec<EditedFile>, CliError> {
    if root.settings.targets.is_empty() {
        return Ok(Vec::new());
    }
    let world = context.world(work_tree);
    let version = work_tree.version()?;
    let edits = async {
        let files = target_files::read(&world, &version, &root.settings.targets).await;
        target_edits::compare(root, next, &files, &|id| only.matches(id))
    };
    pass_runner::runtime()?.block_on(pass_runner::interruptible(edits))
}

fn findings(file: &EditedFile) -> impl Iterator<Item = CheckFinding> {
    let (path, shown) = (&file.path, escape::one_line(&file.path));
    file.edits.iter().map(move |edit| {
        let found = match edit.was.as_str() {
            "" => "an empty value".to_owned(),
            was => format!("`{}`", short_reference(was)),
        };
        let value = edit.new.trim_matches('"');
        let expected = short_reference(value);
        let unquoted = if edit.was == value && edit.new != value { UNQUOTED } else { "" };
        CheckFinding {
            tag: edit.from.clone(),
            kind: FindingKindV1::Target,
            exit: Exit::Drift,
            message: format!(
                "`{shown}`, line {}: expected `{expected}` (pin of `{}`), found {found}{unquoted}",
                edit.line, edit.from
            ),
            help: file.refusal.as_ref().map(Problem::sentence),
            place: Some((path.clone(), edit.line)),
        }
    })
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
            assert!(!has_no_drift || *next_lock(&root, &TagGlobs::all()) == root.lock);
        }
    }
}
