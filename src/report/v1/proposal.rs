//! A proposal, as it leaves the process.

use schemars::JsonSchema;
use serde::Serialize;

/// One proposal of a report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProposalV1 {
    /// Its branch.
    pub branch: String,
    /// Its number on the forge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Where people see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How many tags it moves.
    pub moves: usize,
    /// What became of it in this pass.
    pub outcome: ProposalOutcomeV1,
    /// Why it was left alone, or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What became of a proposal in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProposalOutcomeV1 {
    /// It was made.
    Created,
    /// It was there, and was brought up to date in place.
    Refreshed,
    /// It is as it should be.
    Unchanged,
    /// It had nothing left to propose.
    Closed,
    /// Somebody else's work on its branch was left alone.
    Skipped,
    /// It could not be done.
    Failed,
}
