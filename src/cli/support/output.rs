//! Writes the result of a command to standard output and, for GitHub, to the job summary.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::report::{OutputFormat, Render};
use crate::system::environment;
use crate::text::escape;

use super::context;
use crate::cli::CliError;

/// The variable with the path of the job summary, a Markdown file (GitHub: "Workflow commands", "Adding a job summary";
/// also set by Forgejo and Gitea).
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Output format of lists
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum ListFormat {
    /// Human-readable
    Text,
    /// JSON, for scripts
    Json,
}

/// Writes `result` in `format` as a complete document. Failure to write the job summary is only a warning.
///
/// # Errors
/// Fails if standard output cannot be written.
pub fn write(format: OutputFormat, result: &impl Render) -> Result<(), CliError> {
    let mut out = context::stdout();
    write!(out, "{}", format.render(result))?;
    out.flush()?;
    let (Some(summary), Some(path)) = (format.job_summary(result), environment::var(SUMMARY)) else { return Ok(()) };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{summary}")) {
        let path = escape::terminal(&path);
        writeln!(context::stderr(), "warning: cannot write the job summary `{path}` (`{SUMMARY}`): {error}")?;
    }
    Ok(())
}
