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

use super::{Context, Proposals, texts};

/// Makes proposals one after the other.
pub(super) struct Proposer<'a, W> {
    pub(super) world: &'a W,
    pub(super) context: &'a Context<'a>,
    /// The proposals that the forge has.
    pub(super) known: &'a [ForgeProposal],
    pub(super) proposals: &'a mut Proposals,
}

impl<'a, W: World> Proposer<'a, W> {
    /// Proposes one group. Records a row, whatever happens to it.
    ///
    /// # Errors
    /// A template fails.
    pub(super) async fn group(
        &mut self,
        branch: String,
        commit: NewCommit,
        changes: &[PinChange],
        tags: &BTreeSet<TagId>,
    ) -> Result<(), PassError> {
        let (title, body) = texts(self.context, &commit.message, changes)?;
        let open = self.open_proposal(&branch);
        let mut found = open;
        let result;
        let outcome = match self.push(&branch, &commit).await {
            Err(outcome) => outcome,
            Ok(is_pushed) => {
                let base = self.context.attempt.snapshot.tips.branch.clone();
                let draft = ProposalDraft { branch: branch.clone(), base, title, body };
                result = self.world.open_proposal(self.context.publish, &draft, open).await;
                match &result {
                    Ok(ProposeResult { action, proposal, notes }) => {
                        self.proposals.notes.extend(notes.iter().cloned());
                        found = Some(proposal);
                        match (action, is_pushed) {
                            (ForgeAction::Created, _) => ProposalOutcome::Created,
                            (ForgeAction::Unchanged, false) => ProposalOutcome::Unchanged,
                            (ForgeAction::Refreshed | ForgeAction::Unchanged, _) => ProposalOutcome::Refreshed,
                            (ForgeAction::ClosedMeanwhile, _) => {
                                ProposalOutcome::Skipped("it was closed during this pass".to_owned())
                            }
                        }
                    }
                    Err(error) => self.proposals.fail_forge(error),
                }
            }
        };
        // Changes beside a person's commit are still proposed, by that person.
        if !matches!(outcome, ProposalOutcome::Failed(_)) {
            self.proposals.tags.extend(tags.iter().cloned());
        }
        self.proposals.rows.push(row(branch, found, changes.len(), outcome));
        Ok(())
    }

    /// Closes the proposals that have nothing left to propose, and deletes their branches.
    ///
    /// # Errors
    /// The remote cannot be reached.
    pub(super) async fn close_unused(&mut self, used: &BTreeSet<String>) -> Result<(), PassError> {
        let tips = &self.context.attempt.snapshot.tips;
        let open_branches = &self.context.attempt.facts.open_branches;
        let unused = open_branches.iter().filter(|(branch, _)| !used.contains(*branch) && self.context.is_ours(branch));
        for (branch, there) in unused {
            if self.context.shard.is_some() {
                let now = self.world.tips(Some(&tips.branch)).await?.branches;
                if now.get(branch) != Some(&there.found.tip) {
                    // Another shard proposes something there.
                    continue;
                }
            }
            let open = self.open_proposal(branch);
            if let Some(outcome) = self.close(branch, there, open).await {
                self.proposals.rows.push(row(branch.clone(), open, 0, outcome));
            }
        }
        Ok(())
    }

    fn open_proposal(&self, branch: &str) -> Option<&'a ForgeProposal> {
        self.known.iter().find(|known| known.branch == branch && known.state == ProposalState::Open)
    }

    /// Pushes the commit to its branch, unless the branch already has its content; returns whether it did. Leaves a
    /// branch alone that is not ours.
    ///
    /// # Errors
    /// The outcome of a proposal whose branch cannot be updated.
    async fn push(&mut self, branch: &str, commit: &NewCommit) -> Result<bool, ProposalOutcome> {
        let there = self.context.open_branch(branch);
        if let Some(there) = there {
            if !there.is_ours {
                let reason = format!("the branch has a commit that is not pinstream's, {}", there.found.tip.short());
                return Err(ProposalOutcome::Skipped(reason));
            }
            let has_content = self.has_content(&there.found, commit).await;
            if has_content.map_err(|error| self.proposals.fail_branch(branch, &error))? {
                return Ok(false);
            }
        }
        let expected: Option<&CommitId> = there.map(|there| &there.found.tip);
        Err(match self.world.push(RefUpdate::Proposal { branch, expected, commit: Some(commit) }).await {
            Ok(Push::Landed(_)) => return Ok(true),
            Ok(Push::Moved) => {
                if self.context.shard.is_some() {
                    self.proposals.restart.get_or_insert_with(|| format!("the branch `{branch}` moved"));
                }
                ProposalOutcome::Skipped("someone else pushed to the branch during this pass".to_owned())
            }
            Ok(Push::Unknown(reason)) => self.proposals.fail_unknown(branch, reason),
            Err(error) => self.proposals.fail_branch(branch, &error),
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
            Err(error) => Some(self.proposals.fail_branch(branch, &error)),
        }
    }
}

fn row(branch: String, found: Option<&ForgeProposal>, changes: usize, outcome: ProposalOutcome) -> ProposalRow {
    let (number, url) = (found.map(|found| found.number), found.map(|found| found.url.clone()));
    ProposalRow { branch, number, url, changes, outcome }
}
