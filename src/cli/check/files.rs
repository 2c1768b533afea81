//! What the settings name besides images: files of the root, and tags that hooks are for.

use std::io::Write as _;

use crate::cli::CliError;
use crate::cli::context::CommandContext;
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::settings::ReferencedFile;
use crate::model::settings::verify::TrustFile;
use crate::signature::Trust;
use crate::text::diagnostics::{Problem, Problems};

/// Holds the files that settings, streams and tags name against those of the folder; what of them `verify` trusts.
///
/// # Errors
/// All that are not there or not fit, each with the place where it is named.
pub(in crate::cli) fn are_there(folder: &WorkTree, root: &Root) -> Result<Trust, CliError> {
    let mut problems = Vec::new();
    let mut trust = Trust::default();
    let look = |named: &ReferencedFile, problems: &mut Vec<Problem>| match folder.file(&named.path) {
        Ok(Some(file)) => Ok(Some(file.bytes)),
        Ok(None) => {
            problems.push(named.missing());
            Ok(None)
        }
        Err(GitError::Tree { reason, .. }) => {
            problems.push(named.unusable(&reason));
            Ok(None)
        }
        Err(error) => Err(error),
    };
    for TrustFile { kind, file: named } in root.trust_files() {
        if let Some(bytes) = look(named, &mut problems)? {
            let read = trust.read(*kind, &named.path, &bytes);
            problems.extend(read.err().map(|error| named.invalid(&error)));
        }
    }
    for named in &root.settings.files {
        look(named, &mut problems)?;
    }
    Problems::check(problems)?;
    Ok(trust)
}

/// Says which patterns of hooks mean no tag, and gives each with its hook: that is right where the tag is still to come,
/// and else a slip.
///
/// # Errors
/// Where standard error cannot be written.
pub(super) fn idle_hooks(context: &CommandContext, root: &Root) -> Result<Vec<(String, String)>, CliError> {
    let mut err = context.stderr();
    let mut idle = Vec::new();
    for hook in &root.settings.hooks {
        for pattern in hook.on.unmatched(root.definitions.tags.keys()) {
            writeln!(err, "warning: `on` of the hook `{}` means no tag: `{pattern}`", hook.name)?;
            idle.push((hook.name.clone(), pattern.to_string()));
        }
    }
    Ok(idle)
}
