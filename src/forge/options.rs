//! Labels, reviewers and auto-merge of an open proposal. A refusal is a note, because the proposal exists.

use crate::proposal::draft::ProposalOptions;

/// Outcome of requesting the options that a proposal lacks.
#[derive(Debug, Default)]
pub(super) struct OptionsReply {
    pub(super) refused: Vec<RefusedOptions>,
    /// Other information, one sentence each.
    pub(super) notes: Vec<String>,
}

/// Options that the forge refused together.
#[derive(Debug)]
pub(super) struct RefusedOptions {
    pub(super) options: ProposalOptions,
    /// The cause.
    pub(super) reason: String,
}

impl OptionsReply {
    /// Adds a refusal of `options`, unless there are none.
    pub(super) fn refuse(&mut self, options: ProposalOptions, reason: impl Into<String>) {
        if !options.is_empty() {
            self.refused.push(RefusedOptions { options, reason: reason.into() });
        }
    }
}

impl RefusedOptions {
    /// Describes the refusal of one option of the proposal `number`.
    pub(super) fn note(&self, number: u64) -> String {
        let Self { options, reason } = self;
        match (options.labels.first(), options.users.first(), options.teams.first()) {
            (Some(label), ..) => format!("label `{label}` was not set: {reason}"),
            (_, Some(user), _) => format!("reviewer `{user}` was not requested: {reason}"),
            (.., Some(team)) => format!("reviewer `team:{team}` was not requested: {reason}"),
            _ => format!("auto-merge of #{number} was not enabled: {reason}; the next pass requests it again"),
        }
    }
}
