//! Whether the files that targets name hold what the lock pins.

use similar::TextDiff;

use crate::effects::real::{RealWorld, Repo};
use crate::formats::EditedFile;
use crate::git::work_tree::WorkTree;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::reconcile::edit::edit;
use crate::report::exit::Exit;
use crate::report::v1::words::FindingKindV1;
use crate::text::escape;

use super::super::error::CliError;
use super::super::support::context::CommandContext;
use super::super::support::pass_runner;
use super::drift::{CheckFinding, LockDrift, OFFLINE};

/// How much of what stands in a file is shown, in characters.
const SHOWN_MAX: usize = 120;

/// Adds to `drift` the places of targets that do not hold what `next`, the lock as it should be, pins.
///
/// # Errors
/// Where a target has no place, or one that cannot be written over.
pub(super) fn look(
    context: &CommandContext,
    folder: &WorkTree,
    (root, next): (&Root, &Lock),
    only: &TagGlobs,
    drift: &mut LockDrift,
) -> Result<(), CliError> {
    for file in &edited(context, folder, (root, next), Some(only).filter(|only| !only.is_all()))? {
        drift.findings.extend(findings(file));
        drift.diff.get_or_insert_default().push_str(&diff(file));
        drift.remedy.get_or_insert(OFFLINE);
    }
    Ok(())
}

/// The files of a folder that are not what targets make of them with the lock `next`.
///
/// # Errors
/// Where a target has no place, or one that cannot be written over.
pub(in crate::cli) fn edited(
    context: &CommandContext,
    folder: &WorkTree,
    (root, next): (&Root, &Lock),
    only: Option<&TagGlobs>,
) -> Result<Vec<EditedFile>, CliError> {
    if root.settings.targets.is_empty() {
        return Ok(Vec::new());
    }
    let world = RealWorld::new(Repo::Folder(folder.clone()), context.policy.clone(), Box::new(|_| {}));
    let version = folder.version()?;
    let is_meant = |id: &TagId| only.is_none_or(|only| only.matches(id));
    pass_runner::runtime()?.block_on(pass_runner::interruptible(edit(&world, &version, root, next, &is_meant)))
}

fn findings(file: &EditedFile) -> impl Iterator<Item = CheckFinding> {
    let (path, shown) = (&file.path, escape::one_line(&file.path));
    file.edits.iter().map(move |edit| {
        let stands = match edit.was.as_str() {
            "" => "nothing stands there".to_owned(),
            was => format!("`{}` stands there", escape::within(was, SHOWN_MAX)),
        };
        CheckFinding {
            tag: edit.from.clone(),
            kind: FindingKindV1::Target,
            exit: Exit::Drift,
            message: format!("`{shown}`, line {}: {stands}, not what `{}` is pinned to", edit.line, edit.from),
            help: None,
            place: Some((path.clone(), edit.line)),
        }
    })
}

fn diff(file: &EditedFile) -> String {
    let diff = TextDiff::from_lines(&file.old, &file.new);
    diff.unified_diff().context_radius(2).header(&escape::one_line(&file.path), "expected").to_string()
}
