//! What the settings name besides images: files of the root, and tags that hooks are for.

use std::io::Write as _;
use std::sync::Arc;

use crate::cli::CliError;
use crate::cli::context::Context;
use crate::git::GitError;
use crate::problem::Problems;
use crate::root::Root;
use crate::signature::{KeyFile, Keys};
use crate::world::folder::Folder;

/// Holds the files that settings, streams and tags name against those of the folder; the keys that it holds.
///
/// # Errors
/// All that are not there or not fit, each with the place where it is named.
pub(in crate::cli) fn are_there(folder: &Folder, root: &Root) -> Result<Keys, CliError> {
    let mut problems = Vec::new();
    let mut keys = Keys::new();
    for named in root.key_files() {
        match folder.file(&named.path) {
            Ok(Some(file)) => match KeyFile::read(&file.bytes) {
                Ok(read) => drop(keys.insert(named.path.clone(), Arc::new(read))),
                Err(error) => problems.push(named.wrong(&error)),
            },
            Ok(None) => problems.push(named.missing()),
            Err(GitError::Tree { reason, .. }) => problems.push(named.unfit(&reason)),
            Err(error) => return Err(error.into()),
        }
    }
    for named in &root.settings.files {
        match folder.file(&named.path) {
            Ok(Some(_)) => {}
            Ok(None) => problems.push(named.missing()),
            Err(GitError::Tree { reason, .. }) => problems.push(named.unfit(&reason)),
            Err(error) => return Err(error.into()),
        }
    }
    Problems::none_or(problems)?;
    Ok(keys)
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
