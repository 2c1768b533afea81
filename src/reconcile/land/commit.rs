//! Builds the commit of a lock and its target edits. Pure.

use crate::effects::NewCommit;
use crate::formats::EditedFile;
use crate::model::lock::diff::PinChange;
use crate::model::lock::{Lock, encode};
use crate::model::settings::GitSettings;
use crate::reconcile::Attempt;
use crate::report::message as messages;
use crate::text::diagnostics::Problems;

/// Builds the commit from the lock at the tip to `next`, and of the edited files; `None` if nothing changes.
///
/// # Errors
/// The lock would be too large to be read again, or the message template fails.
pub(super) fn commit(
    attempt: Attempt<'_>,
    next: &Lock,
    changes: &[PinChange],
    edits: &[EditedFile],
) -> Result<Option<NewCommit>, Problems> {
    let snapshot = attempt.snapshot;
    let is_pinned = next == &snapshot.root.lock;
    if is_pinned && edits.is_empty() {
        return Ok(None);
    }
    let GitSettings { author, sign, .. } = snapshot.root.settings.git.clone();
    let text = encode::encode(next);
    encode::check_size(text.len())?;
    let parent = snapshot.tips.tip.clone();
    let message = if is_pinned { messages::target_edits_message(edits) } else { message(attempt, changes)? };
    Ok(Some(NewCommit {
        message: messages::with_trailers(&message, &attempt.request.root, &parent, text.as_bytes()),
        parent,
        lock: text,
        files: edits.iter().map(|file| (file.path.clone(), file.new.clone().into_bytes())).collect(),
        author: author.unwrap_or_default(),
        sign,
        made: None,
    }))
}

/// Renders the commit message of `changes`, without trailers, which depend on the parent.
///
/// # Errors
/// The message template fails.
pub(super) fn message(attempt: Attempt<'_>, changes: &[PinChange]) -> Result<String, Problems> {
    let template = attempt.snapshot.root.settings.git.message.as_ref();
    messages::commit_message(template, changes, attempt.diffs).map_err(|problem| Problems(vec![problem]))
}
