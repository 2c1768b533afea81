//! The kinds of things that a run finds: codes that stay what they are, and what is said of each.

/// The kinds of things that are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A file of the root is wrong.
    Definition,
    /// The operator's policy forbids something.
    Policy,
    /// The lock is not what its definitions ask for.
    Lock,
    /// Nobody but who edited the lock vouches for it.
    HandEdited,
    /// It could not be asked who vouches for the lock.
    Unverified,
    /// A file does not hold what is pinned.
    Target,
    /// An image of a file that no stream covers, or without a digest.
    Image,
    /// A tag moves.
    PinChange,
    /// A rule keeps a tag where it stands.
    Held,
    /// A tag could not be imported.
    Resolve,
    /// A tag may not move to what was found.
    Refused,
    /// A hook.
    Hook,
    /// A proposal.
    Proposal,
    /// Anything else of a run.
    Run,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Definition,
        Self::Policy,
        Self::Lock,
        Self::HandEdited,
        Self::Unverified,
        Self::Target,
        Self::Image,
        Self::PinChange,
        Self::Held,
        Self::Resolve,
        Self::Refused,
        Self::Hook,
        Self::Proposal,
        Self::Run,
    ];

    /// Its code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Definition => "definition",
            Self::Policy => "policy",
            Self::Lock => "lock",
            Self::HandEdited => "unvouched",
            Self::Unverified => "unverified",
            Self::Target => "target",
            Self::Image => "image",
            Self::PinChange => "move",
            Self::Held => "kept",
            Self::Resolve => "import",
            Self::Refused => "refused",
            Self::Hook => "hook",
            Self::Proposal => "proposal",
            Self::Run => "run",
        }
    }

    /// What is found by it, a sentence.
    pub fn description(self) -> &'static str {
        match self {
            Self::Definition => "A file of the root cannot be read, or is wrong.",
            Self::Policy => "The operator's policy does not allow what the root asks for.",
            Self::Lock => "The lock is not what its definitions ask for.",
            Self::HandEdited => "The lock holds a digest that neither a registry nor the history vouches for.",
            Self::Unverified => "A registry could not be asked whether it vouches for the lock.",
            Self::Target => "A file does not hold the reference that is pinned.",
            Self::Image => "A file names an image that no stream covers, or one without a digest.",
            Self::PinChange => "A tag moves to another digest.",
            Self::Held => "A rule keeps a tag where it stands.",
            Self::Resolve => "A tag could not be imported, and keeps its pin.",
            Self::Refused => "A tag may not move to what was found for it, and keeps its pin.",
            Self::Hook => "A hook did not succeed.",
            Self::Proposal => "A proposal of moves.",
            Self::Run => "Something that holds for a whole run.",
        }
    }

    /// What to do about what it finds, a sentence.
    pub fn help(self) -> &'static str {
        match self {
            Self::Definition => "Mend the file at the place that is named.",
            Self::Policy => "Take it out, or ask whoever runs pinstream there.",
            Self::Lock => "Run `pinstream update --offline`, or `pinstream update` where a tag is not pinned yet.",
            Self::HandEdited => "Restore the lock from Git, and have `pinstream update` move the tag.",
            Self::Unverified => "Run it again once the registry answers.",
            Self::Target => "Run `pinstream update --offline`, which writes what is pinned.",
            Self::Image => "Cover it with `pinstream tag IMAGE STREAM:TAG`, and write its digest with a `[[target]]`.",
            Self::PinChange => "Run `pinstream update`, or have `pinstream reconcile` land it.",
            Self::Held => "Nothing, unless the rule of the definition is not what is wanted.",
            Self::Resolve => "See why; the next pass tries again.",
            Self::Refused => "See why; what is refused is never pinned by itself.",
            Self::Hook => "Mend the hook; it runs again at the next pass.",
            Self::Proposal => "Review it, or see why it could not be made.",
            Self::Run => "See what it says.",
        }
    }

    /// Whether it says that something could not be found out or done, rather than that it is not as it should be.
    pub fn is_failure(self) -> bool {
        matches!(self, Self::Unverified | Self::Resolve | Self::Hook | Self::Proposal | Self::Run)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::report::sample;

    #[test]
    fn rules_are_told_apart() {
        assert_eq!(Rule::ALL.map(Rule::code).iter().collect::<BTreeSet<_>>().len(), Rule::ALL.len());
        assert!(Rule::ALL.iter().all(|rule| rule.description().ends_with('.') && rule.help().ends_with('.')));
        let all = [sample::results(), sample::of_pass()].map(|results| results.findings).concat();
        let used: BTreeSet<Rule> = all.iter().map(|finding| finding.rule).collect();
        assert!(used.len() > 8 && used.iter().all(|rule| Rule::ALL.contains(rule)), "{used:?}");
    }
}
