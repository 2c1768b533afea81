//! Kinds of findings: stable codes and their descriptions.

use serde::Serialize;

/// Kind of a finding; serialized as its stable code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Invalid definition file.
    Definition,
    /// Violation of the operator's policy.
    Policy,
    /// Difference between lock and definitions.
    Lock,
    /// Pin that neither the registry nor the history confirms.
    HandEdited,
    /// Pin that the registry could not confirm.
    Unverified,
    /// Difference between a target file and its pins.
    Target,
    /// Image in a file without a stream or a digest.
    Image,
    /// Change of a pin.
    Change,
    /// Update that a rule holds back.
    Held,
    /// Failure to resolve a tag.
    Resolve,
    /// Refused update.
    Refused,
    /// Problem with a hook.
    Hook,
    /// State of a proposal.
    Proposal,
    /// Message about the whole run.
    Run,
    /// File that Git ignores.
    Ignored,
}

impl Rule {
    /// All rules, in the order of the SARIF rule index.
    pub const ALL: [Self; 15] = [
        Self::Definition,
        Self::Policy,
        Self::Lock,
        Self::HandEdited,
        Self::Unverified,
        Self::Target,
        Self::Image,
        Self::Change,
        Self::Held,
        Self::Resolve,
        Self::Refused,
        Self::Hook,
        Self::Proposal,
        Self::Run,
        Self::Ignored,
    ];

    /// Describes the rule in one sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Definition => "A definition file is invalid or cannot be read.",
            Self::Policy => "The operator's policy does not allow something in the definitions.",
            Self::Lock => "The lock does not match the definitions.",
            Self::HandEdited => "The lock contains a digest that neither the registry nor the history confirms.",
            Self::Unverified => "The registry could not be reached to confirm a pin.",
            Self::Target => "A target file differs from its pins.",
            Self::Image => "A file contains an image that no stream covers, or one without a digest.",
            Self::Change => "The pin of a tag changes.",
            Self::Held => "An update is available, but a rule prevents it.",
            Self::Resolve => "A tag could not be resolved and keeps its pin.",
            Self::Refused => "An update was refused, and the tag keeps its pin.",
            Self::Hook => "A hook failed, was refused or has not run.",
            Self::Proposal => "A proposal was opened, updated, closed or skipped, or failed.",
            Self::Run => "A message concerns the whole run.",
            Self::Ignored => "Git ignores a file that belongs to the root, so it will not be committed.",
        }
    }

    /// Suggests a remedy in one sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Definition => "Correct the file at the reported position.",
            Self::Policy => "Remove it, or ask the operator to extend the policy.",
            Self::Lock => "Run `pinstream update --offline`, or `pinstream update` if a tag is not pinned yet.",
            Self::HandEdited => "Restore the lock from Git, then run `pinstream update` for the tag.",
            Self::Unverified => "Run the check again when the registry is available.",
            Self::Target => "Run `pinstream update --offline` to write the pins.",
            Self::Image => {
                "Cover it with `pinstream tag IMAGE STREAM:TAG`, and add a `[[target]]` to write its digest."
            }
            Self::Change => "Run `pinstream update`, or let `pinstream reconcile` land the change.",
            Self::Held => "Remove the rule from the definition once it is obsolete.",
            Self::Resolve => "Check the reason; the next pass retries.",
            Self::Refused => "Check the reason; a refused update is never pinned automatically.",
            Self::Hook => "Fix the hook; it runs again in the next pass.",
            Self::Proposal => "Review the proposal, or check the reason.",
            Self::Run => "Read the message.",
            Self::Ignored => "Run `git add --force` for the file, or change the rule in `.gitignore`.",
        }
    }

    /// Returns true for failures to verify or do something, as opposed to violations.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Unverified | Self::Resolve | Self::Hook | Self::Proposal | Self::Run)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::tests::sample;
    use crate::report::v1::words::word;

    #[test]
    fn published_codes_do_not_change() {
        let codes = "definition policy lock hand-edited unverified target image change held resolve refused hook proposal run ignored";
        assert_eq!(Rule::ALL.map(word).join(" "), codes);
    }

    #[test]
    fn codes_are_unique_and_descriptions_are_sentences() {
        assert_eq!(Rule::ALL.iter().collect::<BTreeSet<_>>().len(), Rule::ALL.len());
        assert!(Rule::ALL.iter().all(|rule| rule.description().ends_with('.') && rule.help().ends_with('.')));
        let all = [sample::results(), sample::of_pass()].map(|results| results.findings).concat();
        let used: BTreeSet<Rule> = all.iter().map(|finding| finding.rule).collect();
        assert!(used.len() > 8 && used.iter().all(|rule| Rule::ALL.contains(rule)), "{used:?}");
    }
}
