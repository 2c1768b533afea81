//! Eighth step: the commit, where there is anything to commit. Pure.

use crate::effects::NewCommit;
use crate::formats::EditedFile;
use crate::image_diff::Explanations;
use crate::model::lock::diff::PinChange;
use crate::model::lock::{Lock, encode};
use crate::model::settings::GitSettings;
use crate::report::message as messages;
use crate::text::diagnostics::Problems;

use super::load::Snapshot;

/// The commit that takes the lock of the root in the folder `root` to `next` by `moves`, and files to what their targets
/// make of them; none where all of it already is.
///
/// # Errors
/// Where that lock could not be read again.
pub fn commit(
    scene: &Snapshot,
    root: &str,
    next: &Lock,
    moves: &[PinChange],
    explained: &Explanations,
    edited: &[EditedFile],
) -> Result<Option<NewCommit>, Problems> {
    let is_pinned = next == &scene.root.lock;
    if is_pinned && edited.is_empty() {
        return Ok(None);
    }
    let GitSettings { author, sign, .. } = scene.root.settings.git.clone();
    let text = encode::encode(next);
    encode::fits(text.len())?;
    let parent = scene.sight.tip.clone();
    let message = if is_pinned { messages::target_edits_message(edited) } else { message(scene, moves, explained)? };
    Ok(Some(NewCommit {
        message: messages::with_trailers(&message, root, &parent, text.as_bytes()),
        parent,
        lock: text,
        files: edited.iter().map(|file| (file.path.clone(), file.new.clone().into_bytes())).collect(),
        author: author.unwrap_or_default(),
        sign,
        made: None,
    }))
}

/// The message that a commit of `moves` would have, without its trailers: they depend on what it stands on.
///
/// # Errors
/// What is wrong with the template of the settings.
pub fn message(scene: &Snapshot, moves: &[PinChange], explained: &Explanations) -> Result<String, Problems> {
    let template = scene.root.settings.git.message.as_ref();
    messages::commit_message(template, moves, explained).map_err(|problem| Problems(vec![problem]))
}
