//! Checks of the files and tags that the settings refer to.

use std::io::Write as _;

use crate::cli::{CliError, CommandContext};
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::settings::ReferencedFile;
use crate::model::settings::verify::TrustFile;
use crate::signature::Trust;
use crate::text::diagnostics::{Problem, Problems};

/// Checks that all files that settings, streams and tags refer to exist, and reads the keys that `verify` trusts.
///
/// # Errors
/// Returns all missing or invalid files, with the positions of the references.
pub(in crate::cli) fn read_referenced(work_tree: &WorkTree, root: &Root) -> Result<Trust, CliError> {
    let mut problems = Vec::new();
    let mut trust = Trust::default();
    let look = |named: &ReferencedFile, problems: &mut Vec<Problem>| match work_tree.file(&named.path) {
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

/// Warns about hook patterns that match no tag, and returns them with the hook's name. They may be typos, or refer to
/// future tags.
///
/// # Errors
/// Fails if standard error cannot be written.
pub(super) fn unmatched_hook_patterns(
    context: &CommandContext,
    root: &Root,
) -> Result<Vec<(String, String)>, CliError> {
    let mut err = context.stderr();
    let mut unmatched = Vec::new();
    for hook in &root.settings.hooks {
        for pattern in hook.on.unmatched(root.definitions.tags.keys()) {
            writeln!(err, "warning: {}", unmatched_pattern(&hook.name, pattern))?;
            unmatched.push((hook.name.clone(), pattern.to_string()));
        }
    }
    Ok(unmatched)
}

/// Formats the warning about a hook pattern that matches no tag.
pub(super) fn unmatched_pattern(hook: &str, pattern: &str) -> String {
    format!("`on` of hook `{hook}`: `{pattern}` matches no tag")
}
