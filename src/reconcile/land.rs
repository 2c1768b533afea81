//! Fourth step: shows, writes, pushes or proposes what was decided.

pub mod propose;

use crate::effects::{NewCommit, RefUpdate, World};
use crate::formats::EditedFile;
use crate::git::{CommitId, Push};
use crate::image_diff::Explanations;
use crate::model::lock::diff::{self, PinChange};
use crate::model::lock::{Lock, encode};
use crate::model::root::Root;
use crate::model::settings::GitSettings;
use crate::report::message as messages;
use crate::text::diagnostics::Problems;

use super::facts::RejectedPush;
use super::load::Snapshot;
use super::{Attempt, Effect, PassError, image_diffs};
use propose::Proposals;

/// Result of landing one attempt.
pub enum LandResult {
    /// The attempt is complete.
    Landed(Box<Landed>),
    /// Branch or state moved, or the outcome is unknown: the pass starts over.
    Rejected(RejectedPush),
}

/// The changes that landed or were written, shown or proposed.
#[derive(Debug, Default)]
pub struct Landed {
    /// Our commit on the branch.
    pub commit: Option<CommitId>,
    /// The lock before an earlier push of this pass whose outcome was unknown and which turned out to have landed.
    pub late_base: Option<Lock>,
    /// The changes.
    pub changes: Vec<PinChange>,
    /// Differences between their images.
    pub diffs: Explanations,
    /// The commit message, or the texts of the proposals, that were shown.
    pub message: Option<String>,
    /// The proposals.
    pub proposals: Proposals,
}

impl Landed {
    /// Returns whether changes of this pass are on the branch or in the work tree.
    pub fn is_ours(&self) -> bool {
        self.commit.is_some() || self.late_base.is_some()
    }

    /// Returns the branch tip after the pass.
    pub fn tip(&self, snapshot: &Snapshot) -> CommitId {
        self.commit.clone().unwrap_or_else(|| snapshot.tips.tip.clone())
    }

    /// Returns the root at the tip after the pass.
    pub fn root(&self, root: Root, next: Option<Lock>) -> Root {
        match next {
            Some(lock) if self.commit.is_some() => Root { lock, ..root },
            _ => root,
        }
    }
}

/// Lands what was decided.
///
/// # Errors
/// Errors that stop the pass. A failing proposal is a row.
pub async fn land<W: World>(world: &W, attempt: Attempt<'_>) -> Result<LandResult, PassError> {
    let Attempt { request, snapshot, facts, decision, diffs } = attempt;
    let root = &snapshot.root;
    let next = decision.lock(&root.lock);
    let mut landed = Landed { changes: decision.changes.clone(), diffs: diffs.clone(), ..Landed::default() };
    match (request.effect, request.proposes_to(root)) {
        (Effect::Show, _) if next == &root.lock => {}
        (Effect::Show, _) => {
            landed.message = Some(match &root.settings.publish {
                Some(publish) => propose::show(attempt, publish)?,
                None => commit_message(attempt, &decision.changes)?,
            });
        }
        (Effect::Write, _) | (Effect::Land, None) => match push(world, attempt, next).await? {
            Ok(commit) => landed.commit = commit,
            Err(rejection) => return Ok(LandResult::Rejected(rejection)),
        },
        (Effect::Land, Some(publish)) => {
            let earlier = facts.previous.as_ref().map(|previous| previous.proposals.clone()).unwrap_or_default();
            let mut proposals = propose::propose(world, attempt, publish).await.after(earlier);
            if let Some(reason) = proposals.restart.take() {
                let rejection = RejectedPush { reason, in_doubt: false, proposals: proposals.rows };
                return Ok(LandResult::Rejected(rejection));
            }
            landed.proposals = proposals;
        }
    }
    // An empty decision after a push of unknown outcome means that the push landed.
    let in_doubt = facts.previous.as_ref().filter(|previous| previous.in_doubt && landed.commit.is_none());
    let is_ours = |id: &_| super::shard_filter::contains(root, request.shard, id);
    if let Some(base) = in_doubt.and_then(|previous| previous.base_of_unknown_push(next, is_ours)) {
        landed.changes = diff::changes(&base, next);
        landed.diffs = image_diffs::compare(world, &landed.changes, &facts.images, facts.deadline.with_grace()).await;
        landed.late_base = Some(base);
    }
    Ok(LandResult::Landed(Box::new(landed)))
}

/// Pushes the commit of `next` to the branch, or writes it to the work tree; `None` if nothing changes.
async fn push<W: World>(
    world: &W,
    attempt: Attempt<'_>,
    next: &Lock,
) -> Result<Result<Option<CommitId>, RejectedPush>, PassError> {
    let Some(commit) = new_commit(attempt, next, &attempt.decision.changes, &attempt.decision.edits)? else {
        return Ok(Ok(None));
    };
    let branch = &attempt.snapshot.tips.branch;
    let rejected = |reason, in_doubt| Ok(Err(RejectedPush { reason, in_doubt, proposals: Vec::new() }));
    match world.push(RefUpdate::Branch { branch, commit: &commit }).await? {
        Push::Landed(commit) => Ok(Ok(Some(commit))),
        Push::Moved => rejected(format!("the branch `{branch}` moved"), false),
        Push::Unknown(reason) => rejected(reason, true),
    }
}

/// Builds the commit from the lock at the tip to `next`, and of the edited files; `None` if nothing changes.
///
/// # Errors
/// The lock would be too large to be read again, or the message template fails.
fn new_commit(
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
    let message = if is_pinned { messages::target_edits_message(edits) } else { commit_message(attempt, changes)? };
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
fn commit_message(attempt: Attempt<'_>, changes: &[PinChange]) -> Result<String, Problems> {
    let template = attempt.snapshot.root.settings.git.message.as_ref();
    messages::commit_message(template, changes, attempt.diffs).map_err(|problem| Problems(vec![problem]))
}
