//! The error of a command, with its hint.

use std::fmt;
use std::io;

use crate::git::{CommitId, GitError};
use crate::model::image::{Digest, NameError};
use crate::model::root::UnknownTag;
use crate::reconcile::PassError;
use crate::report::exit::Exit;
use crate::report::finding::Rule;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems, nearest};
use crate::text::escape;

/// Maximum number of digests listed in a hint.
const DIGESTS_MAX: usize = 10;

/// An error that stops a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The pass was stopped.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// Standard output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// A signal stopped the command.
    #[error("{event}; run again to continue{}", landed.as_ref().map(|commit| format!(" (landed: {})", commit.short())).unwrap_or_default())]
    Interrupted {
        /// Description of the signal.
        event: &'static str,
        /// The commit that had landed on the branch.
        landed: Option<CommitId>,
    },
    /// Any other error.
    #[error("{message}")]
    Other {
        /// Exit code of the process.
        exit: Exit,
        /// Event, object and cause.
        message: String,
        /// Remedy, shown on a `help:` line.
        help: Option<String>,
    },
}

impl CliError {
    /// Creates an error with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Other { exit: Exit::Error, message: message.into(), help: None }
    }

    /// Creates an error about the command line, with exit code 64.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::Other { exit: Exit::Usage, message: message.into(), help: None }
    }

    /// Adds a remedy, in the imperative.
    pub fn help(self, help: impl Into<String>) -> Self {
        match self {
            Self::Other { exit, message, .. } => Self::Other { exit, message, help: Some(help.into()) },
            other => other,
        }
    }

    /// Completes an error about an unknown name: suggests the most similar of the `known` names, or else gives `help`.
    pub fn did_you_mean<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>, help: &str) -> Self {
        let near = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
        self.help(near.unwrap_or_else(|| help.to_owned()))
    }

    /// Creates the error about a `prefix` that several `digests` of a tag or stream have.
    pub fn ambiguous<'d>(prefix: &str, of: &impl fmt::Display, digests: impl IntoIterator<Item = &'d Digest>) -> Self {
        let help = format!("use a longer prefix of one of {}", listed(digests));
        Self::usage(format!("`{prefix}` matches several digests of `{of}`")).help(help)
    }

    /// Adds the commit that had landed when a signal stopped the command.
    pub fn after(self, landed: Option<CommitId>) -> Self {
        match self {
            Self::Interrupted { event, .. } => Self::Interrupted { event, landed },
            other => other,
        }
    }

    /// Returns the exit code of the process.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Pass(error) => error.exit(),
            Self::Output(_) => Exit::Error,
            Self::Interrupted { .. } => Exit::Interrupted,
            Self::Other { exit, .. } => *exit,
        }
    }

    /// Returns the remedy, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Pass(PassError::Git(error)) => error.help(),
            Self::Pass(PassError::UnknownTag(error)) => Some(error.help()),
            Self::Pass(PassError::Contention { .. }) => Some("run the command again".to_owned()),
            Self::Other { help, .. } => help.clone(),
            _ => None,
        }
    }

    /// Renders the error with its hint, or all its problems with their source lines.
    pub fn render(&self, style: RenderStyle) -> String {
        if let Some((_, problems)) = self.problems() {
            return RenderedProblems(problems, style).to_string();
        }
        let (bold, red, plain) = match style {
            RenderStyle::Colour => ("\u{1b}[1m", "\u{1b}[1;31m", "\u{1b}[0m"),
            RenderStyle::Plain => ("", "", ""),
        };
        // Arguments may be untrusted, e.g. in a CI job.
        let hint = self.hint().map(|help| format!("{bold}help{plain}: {}\n", escape::lines(&help)));
        format!("{red}error{plain}: {}\n{}", escape::lines(&self.to_string()), hint.unwrap_or_default())
    }

    /// Returns the problems in files that this error consists of, and the rule that reports them.
    pub fn problems(&self) -> Option<(Rule, &Problems)> {
        match self {
            Self::Pass(PassError::Problems(problems) | PassError::Git(GitError::Problems(problems))) => {
                Some((Rule::Definition, problems))
            }
            Self::Pass(PassError::Forbidden(problems)) => Some((Rule::Policy, problems)),
            _ => None,
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        Self::Pass(PassError::Problems(problems))
    }
}

impl From<UnknownTag> for CliError {
    fn from(error: UnknownTag) -> Self {
        Self::Pass(PassError::UnknownTag(error))
    }
}

impl From<GitError> for CliError {
    fn from(error: GitError) -> Self {
        Self::Pass(PassError::Git(error))
    }
}

/// Lists digests in a hint.
pub fn listed<'d>(digests: impl IntoIterator<Item = &'d Digest>) -> String {
    let names = digests.into_iter().take(DIGESTS_MAX).map(|digest| format!("`{digest}`"));
    names.collect::<Vec<_>>().join(", ")
}

/// Names in errors of commands come from arguments and variables; those in files are reported as problems.
impl From<NameError> for CliError {
    fn from(NameError { message, help }: NameError) -> Self {
        Self::Other { exit: Exit::Usage, message, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_a_pass_has_its_exit_code() {
        let contention = PassError::Contention { attempts: 9, last: "the branch moved".to_owned() };
        let no_tag = UnknownTag { name: "x".to_owned(), nearest: None };
        for (error, exit) in [
            (contention, Exit::Contention),
            (PassError::UnknownTag(no_tag), Exit::Usage),
            (PassError::Forbidden(Problems(Vec::new())), Exit::Refused),
            (PassError::Problems(Problems(Vec::new())), Exit::Error),
            (PassError::Registries(String::new()), Exit::Error),
        ] {
            assert_eq!(CliError::Pass(error).exit(), exit);
        }
    }
}
