//! Fourth step: shows, writes, pushes or proposes what was decided.

mod commit;
pub mod propose;

use crate::effects::{RefUpdate, World};
use crate::git::{CommitId, Push};
use crate::image_diff::Explanations;
use crate::model::lock::Lock;
use crate::model::lock::diff::{self, PinChange};
use crate::model::root::Root;
use crate::model::settings::publish::Publish;

use super::facts::RejectedPush;
use super::load::Snapshot;
use super::{Attempt, Effect, PassError, image_diffs};
use propose::Proposals;

/// Destination of a decision.
enum Landing<'a> {
    /// The report only.
    Show,
    /// The work tree.
    Write,
    /// The branch.
    Push,
    /// Proposals on a forge.
    Propose(&'a Publish),
}

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
    let landing = match (request.effect, request.proposes_to(root)) {
        (Effect::Show, _) => Landing::Show,
        (Effect::Write, _) => Landing::Write,
        (Effect::Land, None) => Landing::Push,
        (Effect::Land, Some(publish)) => Landing::Propose(publish),
    };
    let mut landed = Landed { changes: decision.changes.clone(), diffs: diffs.clone(), ..Landed::default() };
    match landing {
        Landing::Show if next == &root.lock => {}
        Landing::Show => {
            landed.message = Some(match &root.settings.publish {
                Some(publish) => propose::show(attempt, publish)?,
                None => commit::message(attempt, &decision.changes)?,
            });
        }
        Landing::Write | Landing::Push => match push(world, attempt, next).await? {
            Ok(commit) => landed.commit = commit,
            Err(rejection) => return Ok(LandResult::Rejected(rejection)),
        },
        Landing::Propose(publish) => {
            let earlier = facts.previous.as_ref().map(|previous| previous.proposals.clone()).unwrap_or_default();
            let mut proposals = propose::propose(world, attempt, publish).await?.after(earlier);
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
        landed.diffs = image_diffs::compare(world, &landed.changes, &facts.images).await;
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
    let Some(commit) = commit::commit(attempt, next, &attempt.decision.changes, &attempt.decision.edits)? else {
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
