//! Writes what a command has to tell: to standard output, and for GitHub into the summary of the job.

use std::fs::OpenOptions;
use std::io::Write as _;

use crate::report::{OutputFormat, Render};
use crate::system::environment;
use crate::text::escape;

use super::{CliError, context};

/// The variable that names the file to which a step of a job adds its summary, in Markdown (GitHub: "Workflow commands",
/// "Adding a job summary"; Forgejo and Gitea set it, too).
const SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// Writes `told` in `format`, whole.
///
/// # Errors
/// Where standard output cannot be written. A summary that cannot be is a warning: the answer is what it is.
pub fn write(format: OutputFormat, told: &impl Render) -> Result<(), CliError> {
    let mut out = context::stdout();
    let rendered = format.render(told);
    write!(out, "{}", rendered.stdout)?;
    out.flush()?;
    let (Some(summary), Some(path)) = (rendered.job_summary, environment::var(SUMMARY)) else { return Ok(()) };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    if let Err(error) = file.and_then(|mut file| writeln!(file, "{summary}")) {
        let path = escape::terminal(&path);
        writeln!(
            context::stderr(),
            "warning: the summary `{path}`, which `{SUMMARY}` names, cannot be written: {error}"
        )?;
    }
    Ok(())
}
