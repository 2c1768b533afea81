//! Seventh step: what the files become that targets name. Reads those files at the tip; what they hold follows
//! from them and the lock alone, so that a place that somebody changed is put right as well.

use crate::effects::World;
use crate::formats::{EditedFile, TargetPin, TargetWriter};
use crate::git::CommitId;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::root::Root;

use super::PassError;

/// The files of the root at `tip` that are not what its targets make of them with the lock `next`. Places of tags that
/// are not meant are left alone, unless these move.
///
/// # Errors
/// Every target that has no place, or one that cannot be written over: then none is written.
pub async fn edit<W: World>(
    world: &W,
    tip: &CommitId,
    root: &Root,
    next: &Lock,
    is_meant: &dyn Fn(&TagId) -> bool,
) -> Result<Vec<EditedFile>, PassError> {
    let targets = &root.settings.targets;
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let pins = |id: &TagId| match next.pins.get(id) {
        Some(pin) => {
            if is_meant(id) || root.lock.pins.get(id) != Some(pin) {
                TargetPin::At(pin.reference())
            } else {
                TargetPin::Elsewhere
            }
        }
        None if root.definitions.tags.contains_key(id) => TargetPin::Elsewhere,
        // What a stream discovers may still come.
        None if root.definitions.discover.contains_key(&id.stream) => TargetPin::Elsewhere,
        None => TargetPin::Unknown(root.definitions.nearest(&id.to_string()).cloned()),
    };
    let mut editing = TargetWriter::new(targets, &pins);
    let globs = editing.globs();
    let listed = if globs.is_empty() { Vec::new() } else { world.paths(tip, &globs).await? };
    for (path, numbers) in editing.files(&listed) {
        let file = world.file(tip, &path).await?;
        editing.file(&path, file.as_ref().map(|file| file.bytes.as_slice()), &numbers);
    }
    Ok(editing.finish()?)
}
