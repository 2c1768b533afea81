//! The report of a command that was stopped, in the formats of CI systems: always a complete document. The error itself
//! is printed to standard error in every format.

use crate::report::finding::{Finding, Rule, RunResults, Severity, Subject};
use crate::report::{OutputFormat, Render, markdown};
use crate::text::diagnostics::Problems;

use super::output;
use super::source_map::SourceMap;
use crate::cli::{CliError, CommandContext};

/// Maximum number of problems that are reported one by one.
const PROBLEMS_MAX: usize = 1_000;

/// The report that a command was called for.
pub struct ReportRequest {
    /// Name of the command.
    pub command: &'static str,
    /// Output format.
    pub format: OutputFormat,
    /// Directory of the root in its repository; none if it is the root of the current directory.
    pub root: Option<String>,
}

/// The report of a stopped command.
struct FailureReport<'a> {
    command: &'static str,
    root: String,
    error: &'a CliError,
}

impl ReportRequest {
    /// Writes the report of `error`, unless the output is what failed.
    pub fn write_failure(&self, context: Option<&CommandContext>, error: &CliError) {
        if matches!(error, CliError::Output(_)) {
            return;
        }
        let current = || Some(SourceMap::of_work_tree(context?.root_directory().ok()?).root().to_owned());
        let root = self.root.clone().or_else(current).unwrap_or_default();
        // The exit code is that of `error` in any case.
        let _ = output::write(self.format, &FailureReport { command: self.command, root, error });
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
            results.add(run(Severity::Error, &message).distinguished_by(&message).help(self.error.hint().as_deref()));
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
