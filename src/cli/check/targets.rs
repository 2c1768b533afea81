//! Compares the files of targets with the lock.

use crate::formats::EditedFile;
use crate::git::work_tree::WorkTree;
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::target_edits;
use crate::reconcile::target_files;
use crate::report::v1::words::FindingKindV1;
use crate::text::escape;

use crate::cli::support::pass_runner;
use crate::cli::targets::short_reference;
use crate::cli::{CliError, CommandContext, Exit};

use super::drift::{CheckFinding, LockDrift, OFFLINE, unified_diff};

/// Adds the files that differ from their pins to `drift`.
pub(super) fn add(files: &[EditedFile], drift: &mut LockDrift) {
    for file in files {
        drift.findings.extend(findings(file));
        let diff = unified_diff(&escape::one_line(&file.path), &file.old, &file.new);
        drift.diff.get_or_insert_default().push_str(&diff);
        drift.remedy.get_or_insert(OFFLINE);
    }
}

/// Returns the files that targets change in a work tree, given the lock `next`.
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
        target_edits::edit(root, next, &files, &|id| only.matches(id))
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
        let expected = short_reference(edit.new.trim_matches('"'));
        CheckFinding {
            tag: edit.from.clone(),
            kind: FindingKindV1::Target,
            exit: Exit::Drift,
            message: format!(
                "`{shown}`, line {}: expected `{expected}` (pin of `{}`), found {found}",
                edit.line, edit.from
            ),
            help: None,
            place: Some((path.clone(), edit.line)),
        }
    })
}
