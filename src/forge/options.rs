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
    /// The event and its cause, to follow the name of an option.
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
        let reason = &self.reason;
        match &self.options {
            ProposalOptions { labels, .. } if !labels.is_empty() => format!("label `{}` {reason}", labels.join("`, `")),
            ProposalOptions { users, .. } if !users.is_empty() => format!("reviewer `{}` {reason}", users.join("`, `")),
            ProposalOptions { teams, .. } if !teams.is_empty() => {
                format!("reviewer `team:{}` {reason}", teams.join("`, `team:"))
            }
            _ => format!("auto-merge of #{number} {reason}"),
        }
    }
}
