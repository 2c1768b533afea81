//! Pushes the branch of one proposal, opens or updates the proposal, and closes those with nothing left.

use std::collections::BTreeSet;

use crate::effects::{ForgeProposal, NewCommit, ProposalDraft, ProposalState, ProposeResult, RefUpdate, World};
use crate::forge::ForgeAction;
use crate::git::{CommitId, GitError, ProposalBranch, Push};
use crate::model::image::TagId;
use crate::model::lock::diff::PinChange;
use crate::reconcile::PassError;
use crate::reconcile::gather::open_branches::OpenBranch;
use crate::report::{ProposalOutcome, ProposalRow};

use super::{Context, GroupDraft, Proposals};

/// Makes proposals one after the other.
pub(super) struct Proposer<'a, W> {
    pub(super) world: &'a W,
    pub(super) context: &'a Context<'a>,
    /// The proposals that the forge has.
    pub(super) known: &'a [ForgeProposal],
    pub(super) proposals: &'a mut Proposals,
}

/// A branch that has the content of a proposal.
struct PushedBranch {
    tip: CommitId,
    /// This pass pushed it.
    is_new: bool,
}

impl<'a, W: World> Proposer<'a, W> {
    /// Proposes one group, if there is anything to commit. Records a row, whatever happens to it.
    pub(super) async fn group(
        &mut self,
        branch: String,
        drafted: Result<Option<GroupDraft>, PassError>,
        changes: &[PinChange],
        tags: &BTreeSet<TagId>,
    ) {
        let open = self.open_proposal(&branch);
        let outcome = match drafted {
            Ok(None) => return,
            Ok(Some(drafted)) => self.propose(&branch, drafted, open).await,
            Err(error) => Err(self.proposals.fail_draft(&branch, error)),
        };
        let (outcome, found) = match outcome {
            Ok((outcome, found)) => (outcome, Some(found)),
            Err(outcome) => (outcome, open.cloned()),
        };
        // Changes beside a person's commit are still proposed, by that person.
        if !matches!(outcome, ProposalOutcome::Failed(_)) {
            self.proposals.tags.extend(tags.iter().cloned());
        }
        self.proposals.rows.push(row(branch, found.as_ref(), changes.len(), outcome));
    }

    /// Pushes the branch of a group, and opens or updates its proposal.
    ///
    /// # Errors
    /// The outcome of a proposal that could not be opened or updated.
    async fn propose(
        &mut self,
        branch: &str,
        drafted: GroupDraft,
        open: Option<&ForgeProposal>,
    ) -> Result<(ProposalOutcome, ForgeProposal), ProposalOutcome> {
        let GroupDraft { commit, title, body } = drafted;
        let pushed = self.push(branch, &commit).await?;
        let base = self.context.attempt.snapshot.tips.branch.clone();
        let draft = ProposalDraft { branch: branch.to_owned(), base, title, body, head: pushed.tip };
        let result = self.world.open_proposal(self.context.publish, &draft, open).await;
        let ProposeResult { action, proposal, notes } = result.map_err(|error| self.proposals.fail_forge(&error))?;
        self.proposals.add_notes(notes);
        let expired = |known: &&ForgeProposal| known.branch == branch && known.state == ProposalState::Expired;
        let outcome = match (action, pushed.is_new) {
            (ForgeAction::Created, _) => {
                let expired = self.known.iter().find(expired).map(|known| known.number);
                let note = |number| format!("a bot closed #{number} before anyone decided; it is proposed again");
                self.proposals.add_notes(expired.map(note));
                ProposalOutcome::Created
            }
            (ForgeAction::Unchanged, false) => ProposalOutcome::Unchanged,
            (ForgeAction::Refreshed | ForgeAction::Unchanged, _) => ProposalOutcome::Refreshed,
            (ForgeAction::ClosedMeanwhile, _) => ProposalOutcome::Skipped("it was closed during this pass".to_owned()),
        };
        Ok((outcome, proposal))
    }

    /// Closes the proposals that have nothing left to propose, and deletes their branches.
    pub(super) async fn close_unused(&mut self, used: &BTreeSet<String>) {
        let tips = &self.context.attempt.snapshot.tips;
        let open_branches = &self.context.attempt.facts.open_branches;
        let unused = open_branches.iter().filter(|(branch, _)| !used.contains(*branch) && self.context.is_ours(branch));
        for (branch, there) in unused.collect::<Vec<_>>() {
            let open = self.open_proposal(branch);
            let outcome = match self.context.shard {
                None => self.close(branch, there, open).await,
                Some(_) => match self.world.tips(Some(&tips.branch)).await {
                    // Another shard proposes something there.
                    Ok(now) if now.branches.get(branch) != Some(&there.found.tip) => continue,
                    Ok(_) => self.close(branch, there, open).await,
                    Err(error) => Some(self.proposals.fail_branch(self.context.scope, branch, &error)),
                },
            };
            if let Some(outcome) = outcome {
                self.proposals.rows.push(row(branch.clone(), open, 0, outcome));
            }
        }
    }

    fn open_proposal(&self, branch: &str) -> Option<&'a ForgeProposal> {
        self.known.iter().find(|known| known.branch == branch && known.state == ProposalState::Open)
    }

    /// Pushes the commit to its branch, unless the branch already has its content. Leaves a branch alone that is not ours.
    ///
    /// # Errors
    /// The outcome of a proposal whose branch cannot be updated.
    async fn push(&mut self, branch: &str, commit: &NewCommit) -> Result<PushedBranch, ProposalOutcome> {
        let scope = self.context.scope;
        let there = self.context.open_branch(branch);
        if let Some(there) = there {
            if !there.is_ours {
                let reason = format!("the branch has a commit that is not pinstream's, {}", there.found.tip.short());
                return Err(ProposalOutcome::Skipped(reason));
            }
            let has_content = self.has_content(&there.found, commit).await;
            if has_content.map_err(|error| self.proposals.fail_branch(scope, branch, &error))? {
                return Ok(PushedBranch { tip: there.found.tip.clone(), is_new: false });
            }
        }
        let expected: Option<&CommitId> = there.map(|there| &there.found.tip);
        Err(match self.world.push(RefUpdate::Proposal { branch, expected, commit: Some(commit) }).await {
            Ok(Push::Landed(tip)) => return Ok(PushedBranch { tip, is_new: true }),
            Ok(Push::Moved) => {
                if self.context.shard.is_some() {
                    self.proposals.restart.get_or_insert_with(|| format!("the branch `{branch}` moved"));
                }
                ProposalOutcome::Skipped("someone else pushed to the branch during this pass".to_owned())
            }
            Ok(Push::Unknown(reason)) => self.proposals.fail_unknown(branch, reason),
            Err(error) => self.proposals.fail_branch(scope, branch, &error),
        })
    }

    /// Returns whether everything that `commit` writes is on the branch already.
    async fn has_content(&self, found: &ProposalBranch, commit: &NewCommit) -> Result<bool, GitError> {
        if found.lock.as_deref() != Some(commit.lock.as_bytes()) {
            return Ok(false);
        }
        for (path, bytes) in &commit.files {
            let there = self.world.file(&found.tip, path).await?;
            if there.is_none_or(|file| file.bytes != *bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Closes one proposal and deletes its branch; of a proposal that is closed already, only the branch. Returns the
    /// outcome, if there is one to report.
    async fn close(
        &mut self,
        branch: &str,
        there: &OpenBranch,
        open: Option<&ForgeProposal>,
    ) -> Option<ProposalOutcome> {
        if !there.is_ours {
            let reason = "nothing left to propose, but the branch has a commit that is not pinstream's".to_owned();
            return open.map(|_| ProposalOutcome::Skipped(reason));
        }
        if let Some(open) = open
            && let Err(error) = self.world.close_proposal(self.context.publish, open).await
        {
            return Some(self.proposals.fail_forge(&error));
        }
        // A commit that somebody pushed meanwhile keeps the branch.
        let expected = Some(&there.found.tip);
        match self.world.push(RefUpdate::Proposal { branch, expected, commit: None }).await {
            Ok(_) => open.map(|_| ProposalOutcome::Closed),
            Err(error) => Some(self.proposals.fail_branch(self.context.scope, branch, &error)),
        }
    }
}

fn row(branch: String, found: Option<&ForgeProposal>, changes: usize, outcome: ProposalOutcome) -> ProposalRow {
    let (number, url) = (found.map(|found| found.number), found.map(|found| found.url.clone()));
    ProposalRow { branch, number, url, changes, outcome }
}
