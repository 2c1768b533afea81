//! `.gitattributes`: has Git call the merge driver for the lock. Git's own settings are for the person to change.

use std::fs;
use std::io::{self, Write};

use crate::git::work_tree::WorkTree;
use crate::model::lock::conflict_markers;

use super::super::CliError;
use super::super::context::CommandContext;

/// The file, in the root's folder.
const FILE_NAME: &str = ".gitattributes";

/// Adds the line for the lock, and says what else a clone needs.
///
/// # Errors
/// Where the file cannot be read or written.
pub(super) fn add(context: &CommandContext, out: &mut impl Write) -> Result<(), CliError> {
    let attribute = conflict_markers::git_attribute();
    let there = WorkTree(context.folder.clone()).file(FILE_NAME)?.map(|file| file.bytes).unwrap_or_default();
    let there = String::from_utf8_lossy(&there);
    if !there.lines().any(|line| line.trim() == attribute) {
        let path = context.folder.join(FILE_NAME);
        let gap = if there.is_empty() || there.ends_with('\n') { "" } else { "\n" };
        let append = || -> io::Result<()> {
            let mut file = fs::OpenOptions::new().create(true).append(true).open(&path)?;
            file.write_all(format!("{gap}{attribute}\n").as_bytes())
        };
        append().map_err(|error| CliError::said(format!("`{}` cannot be written: {error}", path.display())))?;
        writeln!(out, "{} {FILE_NAME}", if there.is_empty() { "wrote" } else { "added a line to" })?;
    }
    writeln!(out, "in each clone, so that `git merge` joins locks pin by pin:")?;
    writeln!(out, "  git config merge.pinstream.driver \"pinstream merge-driver %O %A %B %P\"")?;
    Ok(())
}
