//! Edits the files of targets. Pure: the result follows from the files and the lock alone, so that a place that somebody
//! changed by hand is corrected too.

use crate::formats::{EditedFile, TargetPin, TargetWriter};
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::reconcile::PassError;
use crate::reconcile::target_files::TargetFiles;
use crate::text::diagnostics::Problems;

/// Returns the files to edit for the lock `next`. Targets of tags that are not `selected` are skipped, unless the pin
/// changes.
///
/// # Errors
/// All targets without a place, or with one that cannot be edited, and all files that must not be written; then no file
/// is edited.
pub fn edit(
    root: &Root,
    next: &Lock,
    files: &TargetFiles,
    is_selected: &dyn Fn(&TagId) -> bool,
) -> Result<Vec<EditedFile>, PassError> {
    let edited = compare(root, next, files, is_selected)?;
    Problems::check(edited.iter().filter_map(|file| file.refusal.clone()).collect())?;
    Ok(edited)
}

/// Returns the files that differ from what their targets make of them, as [`edit`] does, with those that must not be
/// written.
///
/// # Errors
/// All targets without a place, or with one that cannot be edited.
pub fn compare(
    root: &Root,
    next: &Lock,
    files: &TargetFiles,
    is_selected: &dyn Fn(&TagId) -> bool,
) -> Result<Vec<EditedFile>, PassError> {
    let targets = &root.settings.targets;
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let pins = |id: &TagId| match next.pins.get(id) {
        Some(pin) if is_selected(id) || root.lock.pins.get(id) != Some(pin) => TargetPin::At(pin.reference()),
        Some(_) => TargetPin::Elsewhere,
        None if root.definitions.tags.contains_key(id) => TargetPin::Elsewhere,
        // The stream may still discover the tag.
        None if root.definitions.discover.contains_key(&id.stream) => TargetPin::Elsewhere,
        None => TargetPin::Unknown(root.definitions.nearest(&id.to_string()).cloned()),
    };
    let mut writer = TargetWriter::new(targets, &pins);
    let listed = match &files.listed {
        Some(listed) if !writer.globs().is_empty() => listed.clone()?,
        _ => Vec::new(),
    };
    for (path, numbers) in writer.files(&listed) {
        let bytes = match files.files.get(&path) {
            Some(file) => file.as_ref().map_err(Clone::clone)?.as_deref(),
            None => None,
        };
        writer.file(&path, bytes, &numbers);
    }
    Ok(writer.finish()?)
}
