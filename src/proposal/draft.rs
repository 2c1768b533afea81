//! Proposals as passes and forges exchange them: what one should be, and what it is.

use std::collections::BTreeMap;

use crate::model::settings::publish::{Publish, Reviewer};
use crate::proposal::marker;

/// Desired title and body of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalDraft {
    /// Branch with the changes.
    pub branch: String,
    /// Branch to merge into.
    pub base: String,
    /// Title, one line.
    pub title: String,
    /// Body in Markdown; may contain hidden lines ([`marker`]).
    pub body: String,
}

/// Settings of new proposals.
#[derive(Clone, Debug)]
pub struct ProposalOptions {
    /// Names of labels.
    pub labels: Vec<String>,
    /// Users to request reviews from.
    pub users: Vec<String>,
    /// Teams to request reviews from.
    pub teams: Vec<String>,
    /// Proposals are opened as drafts.
    pub draft: bool,
    /// Auto-merge is enabled.
    pub auto_merge: bool,
}

/// A proposal on a forge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeProposal {
    /// Branch with the changes.
    pub branch: String,
    /// Number on the forge.
    pub number: u64,
    /// URL of its page.
    pub url: String,
    /// State on the forge.
    pub state: ProposalState,
    /// Tip of the branch, if the forge returned it; may be abbreviated.
    pub head: Option<String>,
    /// Title, without the prefix that marks drafts on some forges.
    pub title: String,
    /// Body, with hidden lines as they were written.
    pub body: String,
    /// It is a draft.
    pub is_draft: bool,
}

/// State of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalState {
    /// Open and undecided.
    Open,
    /// Merged into its base.
    Merged,
    /// Closed by a person, which rejects its digests.
    Closed,
    /// Closed by pinstream, because nothing was left to propose.
    Withdrawn,
}

impl From<&Publish> for ProposalOptions {
    fn from(publish: &Publish) -> Self {
        let (mut users, mut teams) = (Vec::new(), Vec::new());
        for reviewer in &publish.reviewers {
            match reviewer {
                Reviewer::User(name) => users.push(name.clone()),
                Reviewer::Team(name) => teams.push(name.clone()),
            }
        }
        Self { labels: publish.labels.clone(), users, teams, draft: publish.draft, auto_merge: publish.auto_merge }
    }
}

impl ProposalOptions {
    /// Reports whether anyone is to review.
    pub fn has_reviewers(&self) -> bool {
        !self.users.is_empty() || !self.teams.is_empty()
    }
}

impl ProposalState {
    /// Returns the state of a closed proposal by its body, which tells whether pinstream closed it.
    pub fn of_closed(body: &str) -> Self {
        if marker::is_withdrawn(body) { Self::Withdrawn } else { Self::Closed }
    }
}

/// Returns one proposal per branch, in the order of `branches`: the open one, else the newest.
pub fn newest(mut all: Vec<ForgeProposal>, branches: &[String]) -> Vec<ForgeProposal> {
    all.sort_by_key(|proposal| (proposal.state == ProposalState::Open, proposal.number));
    let mut best: BTreeMap<String, ForgeProposal> =
        all.into_iter().map(|proposal| (proposal.branch.clone(), proposal)).collect();
    branches.iter().filter_map(|branch| best.remove(branch)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_proposal_of_a_branch_precedes_newer_closed_ones() {
        let proposal = |branch: &str, number, state| ForgeProposal {
            number,
            url: String::new(),
            branch: branch.to_owned(),
            state,
            head: None,
            title: String::new(),
            body: String::new(),
            is_draft: false,
        };
        let all = vec![
            proposal("b", 9, ProposalState::Closed),
            proposal("a", 3, ProposalState::Open),
            proposal("a", 4, ProposalState::Merged),
            proposal("b", 7, ProposalState::Closed),
            proposal("c", 1, ProposalState::Open),
        ];
        let names = ["a", "b", "d"].map(str::to_owned);
        let found: Vec<_> = newest(all, &names).into_iter().map(|found| (found.branch, found.number)).collect();
        assert_eq!(found, [("a".to_owned(), 3), ("b".to_owned(), 9)]);
    }
}
