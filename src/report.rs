//! Renders a finished pass or check, one file per output format.
//!
//! Plain data in, text out. Nothing here performs effects or decides what happens; [`Report::exit`] only picks the exit
//! code. JSON types ([`v1`]) are built for output and never read back.

pub mod event;
mod excerpt;
pub mod exit;
mod explanation;
pub mod finding;
mod github;
mod gitlab;
pub mod json;
mod junit;
pub mod markdown;
pub mod message;
pub mod pass;
mod pins;
mod sarif;
mod stable_id;
pub mod tag;
#[cfg(test)]
mod tests;
pub mod text;
pub mod v1;

use finding::RunResults;
pub use pass::{FileRow, HookOutcome, HookRow, PassEnd, ProposalOutcome, ProposalRow, RemoteRow, Report, ReportError};
pub use tag::{Deferral, TagOutcome, TagRow};

/// Output format of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum OutputFormat {
    /// Human-readable
    Text,
    /// JSON (`pinstream.report/v1`, `pinstream.check/v1`), empty on early errors
    Json,
    /// Markdown tables for a job summary or a comment
    Markdown,
    /// Annotations and job summary for GitHub, Forgejo and Gitea
    Github,
    /// SARIF 2.1.0 for code scanning
    Sarif,
    /// JUnit test results for Jenkins, GitLab and others
    Junit,
    /// Code Quality report for GitLab
    Gitlab,
}

/// Result of a command. Text, JSON and Markdown are its own; the other formats are rendered from its findings.
pub trait Render {
    /// Renders human-readable text.
    fn text(&self) -> String;
    /// Renders JSON according to its schema.
    fn json(&self) -> String;
    /// Renders a Markdown page.
    fn markdown(&self) -> String;
    /// Lists the individual findings.
    fn results(&self) -> RunResults;
}

impl OutputFormat {
    /// Renders `source` in this format.
    pub fn render(self, source: &impl Render) -> String {
        match self {
            Self::Text => source.text(),
            Self::Json => source.json(),
            Self::Markdown => source.markdown(),
            Self::Github => github::render(&source.results()),
            Self::Sarif => sarif::render(&source.results()),
            Self::Junit => junit::render(&source.results()),
            Self::Gitlab => gitlab::render(&source.results()),
        }
    }

    /// Renders a job summary in Markdown, in formats whose CI systems have one.
    pub fn job_summary(self, source: &impl Render) -> Option<String> {
        (self == Self::Github).then(|| source.markdown())
    }
}
