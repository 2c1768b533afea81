//! What the settings name besides images: files of the root, and tags that hooks are for.

use std::io::Write as _;

use crate::cli::CliError;
use crate::cli::context::Context;
use crate::git::GitError;
use crate::problem::Problems;
use crate::root::Root;
use crate::world::folder::Folder;

/// Holds the files that settings name against those of the folder.
///
/// # Errors
/// All that are not there, each with the place where it is named.
pub(super) fn are_there(folder: &Folder, root: &Root) -> Result<(), CliError> {
    let mut problems = Vec::new();
    for named in &root.settings.files {
        match folder.file(&named.path) {
            Ok(Some(_)) => {}
            Ok(None) => problems.push(named.missing()),
            Err(GitError::Tree { reason, .. }) => problems.push(named.unfit(&reason)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Problems::none_or(problems)?)
}

/// Says which patterns of hooks mean no tag: that is right where the tag is still to come, and else a slip.
///
/// # Errors
/// Where standard error cannot be written.
pub(super) fn warn_of_idle_hooks(context: &Context, root: &Root) -> Result<(), CliError> {
    let mut err = context.stderr();
    for hook in &root.settings.hooks {
        for pattern in hook.on.idle(root.definitions.tags.keys()) {
            writeln!(err, "warning: `on` of the hook `{}` means no tag: `{pattern}`", hook.name)?;
        }
    }
    Ok(())
}
