//! Proposals as passes and forges exchange them: what one should be, and what it is.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::git::CommitId;
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
    /// Tip of the branch.
    pub head: CommitId,
}

/// Labels, reviewers and auto-merge of a proposal: those that are desired, applied or missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProposalOptions {
    /// Names of labels.
    pub labels: Vec<String>,
    /// Users who are requested to review, or did so.
    pub users: Vec<String>,
    /// Teams that are requested to review, or did so.
    pub teams: Vec<String>,
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
    /// Its options, as far as the answer contains them.
    pub options: ProposalOptions,
}

/// State of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalState {
    /// Open and undecided.
    Open,
    /// Merged into its base.
    Merged,
    /// Closed on the forge, which rejects its digests.
    Closed,
    /// Closed by a bot because nobody decided in time, which rejects nothing.
    Expired,
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
        Self { labels: publish.labels.clone(), users, teams, auto_merge: publish.auto_merge }
    }
}

impl ProposalOptions {
    /// Reports whether anyone is to review.
    pub fn has_reviewers(&self) -> bool {
        !self.users.is_empty() || !self.teams.is_empty()
    }

    /// Reports whether there is no option.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the labels only.
    #[must_use]
    pub fn labels_only(&self) -> Self {
        Self { labels: self.labels.clone(), ..Self::default() }
    }

    /// Returns the reviewers only.
    #[must_use]
    pub fn reviewers_only(&self) -> Self {
        Self { users: self.users.clone(), teams: self.teams.clone(), ..Self::default() }
    }

    /// Returns the options of a proposal that requests nothing but auto-merge.
    #[must_use]
    pub fn auto_merge_only(&self) -> Self {
        Self { auto_merge: self.auto_merge, ..Self::default() }
    }

    /// Returns the options that `applied` lacks. Forges ignore the case of names.
    #[must_use]
    pub fn without(&self, applied: &Self) -> Self {
        let missing = |names: &[String], applied: &[String]| {
            let is_missing = |name: &&String| !applied.iter().any(|other| other.eq_ignore_ascii_case(name));
            names.iter().filter(is_missing).cloned().collect()
        };
        Self {
            labels: missing(&self.labels, &applied.labels),
            users: missing(&self.users, &applied.users),
            teams: missing(&self.teams, &applied.teams),
            auto_merge: self.auto_merge && !applied.auto_merge,
        }
    }

    /// Adds the options of `more`.
    pub fn extend(&mut self, more: Self) {
        self.labels.extend(more.labels);
        self.users.extend(more.users);
        self.teams.extend(more.teams);
        self.auto_merge |= more.auto_merge;
    }

    /// Splits the options into one label, reviewer or auto-merge each.
    pub fn each(&self) -> Vec<Self> {
        let label = |name: &String| Self { labels: vec![name.clone()], ..Self::default() };
        let user = |name: &String| Self { users: vec![name.clone()], ..Self::default() };
        let team = |name: &String| Self { teams: vec![name.clone()], ..Self::default() };
        let auto_merge = self.auto_merge.then(|| self.auto_merge_only());
        let names = self.labels.iter().map(label).chain(self.users.iter().map(user));
        names.chain(self.teams.iter().map(team)).chain(auto_merge).collect()
    }
}

/// The end of a proposal that was not merged, as far as the forge reports it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProposalClosure {
    /// A bot closed it.
    pub is_by_bot: bool,
    /// Time for which it was open.
    pub open_for: Option<SignedDuration>,
}

/// A proposal that a bot closes sooner was not closed for want of a decision, but by a rule.
const UNDECIDED_MIN: SignedDuration = SignedDuration::from_hours(24);

impl ProposalState {
    /// Returns the state of a closed proposal by its body, which tells whether pinstream closed it, and by its end.
    pub fn of_closed(body: &str, closure: ProposalClosure) -> Self {
        match marker::is_withdrawn(body) {
            true => Self::Withdrawn,
            false if closure.is_by_bot && closure.open_for >= Some(UNDECIDED_MIN) => Self::Expired,
            false => Self::Closed,
        }
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
            options: ProposalOptions::default(),
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

    #[test]
    fn l15_a_bot_that_closes_a_proposal_after_a_day_rejects_nothing() {
        let state = |is_by_bot, hours: Option<i64>| {
            let open_for = hours.map(SignedDuration::from_hours);
            ProposalState::of_closed("", ProposalClosure { is_by_bot, open_for })
        };
        assert_eq!(state(true, Some(24)), ProposalState::Expired);
        // A rule of the repository, such as one against proposals of bots.
        assert_eq!(state(true, Some(23)), ProposalState::Closed);
        assert_eq!(state(true, None), ProposalState::Closed);
        assert_eq!(state(false, Some(1_000)), ProposalState::Closed);
    }

    #[test]
    fn l04_missing_options_are_those_that_are_not_applied() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let wanted = ProposalOptions {
            labels: names(&["bot", "images"]),
            users: names(&["Alice"]),
            teams: names(&["platform"]),
            auto_merge: true,
        };
        let applied =
            ProposalOptions { labels: names(&["images", "more"]), users: names(&["alice"]), ..wanted.clone() };
        assert_eq!(wanted.without(&applied), ProposalOptions { labels: names(&["bot"]), ..ProposalOptions::default() });
        assert_eq!(wanted.without(&ProposalOptions::default()).each().len(), 5);
        assert!(wanted.without(&wanted).is_empty());
    }
}
