//! A proposal as a pass and a forge speak of it.

/// What a proposal should say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalDraft {
    /// The branch that it is of.
    pub branch: String,
    /// The branch that it goes into.
    pub base: String,
    /// Its title.
    pub title: String,
    /// Its body, in Markdown. Its [`hidden`](super::hidden) lines are not shown to people, and never cut away.
    pub body: String,
}

/// A proposal that a forge has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgeProposal {
    /// The branch that it is of.
    pub branch: String,
    /// Its number.
    pub number: u64,
    /// Where people see it.
    pub url: String,
    /// What became of it.
    pub state: ProposalState,
    /// The commit at its head, where the forge tells; it may be shortened.
    pub head: Option<String>,
    /// Its title, without the words by which some forges mark a draft.
    pub title: String,
    /// Its body, with hidden lines as they were written.
    pub body: String,
    /// Whether it is a draft.
    pub is_draft: bool,
}

/// What became of a proposal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProposalState {
    /// It waits for a decision.
    Open,
    /// It was merged.
    Merged,
    /// Somebody closed it: they do not want these moves.
    Closed,
    /// We closed it, as nothing was left of it.
    Withdrawn,
}
