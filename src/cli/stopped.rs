//! What stopped a command, in the forms for CI systems: each is a whole document, whatever happened. People read it on
//! standard error, in every form.

use crate::git::GitError;
use crate::reconcile::PassError;
use crate::report::finding::{Finding, Rule, RunResults, Severity, Subject};
use crate::report::{Render, markdown};
use crate::text::diagnostics::Problems;

use super::CliError;

/// How many problems are told, one by one.
const PROBLEMS_MAX: usize = 1_000;

/// What stopped a command.
pub(super) struct FailureReport<'a> {
    /// The command, as `check`.
    pub(super) command: &'static str,
    /// The folder of the root in its repository.
    pub(super) root: String,
    /// What it was.
    pub(super) error: &'a CliError,
}

impl CliError {
    /// The problems of files that it consists of, and the rule that finds such.
    pub(super) fn problems(&self) -> Option<(Rule, &Problems)> {
        match self {
            Self::Pass(PassError::Problems(problems) | PassError::Git(GitError::Problems(problems))) => {
                Some((Rule::Definition, problems))
            }
            Self::Pass(PassError::Forbidden(problems)) => Some((Rule::Policy, problems)),
            _ => None,
        }
    }
}

impl Render for FailureReport<'_> {
    fn text(&self) -> String {
        String::new()
    }

    fn json(&self) -> String {
        String::new()
    }

    fn markdown(&self) -> String {
        markdown::findings(&self.results(), None)
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new(self.command, &self.root, self.error.exit());
        let run = |level, message: &str| Finding::new(Rule::Run, level, Subject::new("run", self.command), message);
        let Some((rule, Problems(problems))) = self.error.problems() else {
            let message = self.error.to_string();
            results
                .add(run(Severity::Error, &message).distinguished_by(&message).help(self.error.way_out().as_deref()));
            return results;
        };
        for problem in problems.iter().take(PROBLEMS_MAX) {
            results.add(Finding::from_problem(rule, problem));
        }
        if problems.len() > PROBLEMS_MAX {
            let more = format!("and {} more problems", problems.len() - PROBLEMS_MAX);
            results.add(run(Severity::Error, &more).distinguished_by("more"));
        }
        results
    }
}
