//! `.gitattributes`: assigns the merge driver to the lock. Git's own configuration is never changed.

use std::fs::OpenOptions;
use std::io::Write;

use crate::git::work_tree::WorkTree;
use crate::model::lock::conflict_markers;

use crate::cli::support::write_files::write_file;
use crate::cli::{CliError, CommandContext};

/// Name of the file in the root.
const FILE_NAME: &str = ".gitattributes";

/// Adds the line for the lock and prints the command that enables the driver in a clone.
///
/// # Errors
/// Fails if the file cannot be read or written.
pub(super) fn add(context: &CommandContext, out: &mut impl Write) -> Result<(), CliError> {
    let attribute = conflict_markers::git_attribute();
    let existing = WorkTree(context.directory.clone()).file(FILE_NAME)?.map(|file| file.bytes).unwrap_or_default();
    let existing = String::from_utf8_lossy(&existing);
    if !existing.lines().any(|line| line.trim() == attribute) {
        let path = context.directory.join(FILE_NAME);
        let gap = if existing.is_empty() || existing.ends_with('\n') { "" } else { "\n" };
        write_file(&path, &format!("{gap}{attribute}\n"), OpenOptions::new().create(true).append(true))?;
        writeln!(out, "{} {FILE_NAME}", if existing.is_empty() { "wrote" } else { "added a line to" })?;
    }
    writeln!(out, "to merge locks pin by pin, run once per clone:")?;
    writeln!(out, "  git config merge.pinstream.driver \"pinstream merge-driver %O %A %B %P\"")?;
    Ok(())
}
