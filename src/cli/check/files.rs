//! Checks of the files and tags that the settings refer to.

use std::io::Write as _;

use crate::cli::{CliError, CommandContext};
use crate::git::GitError;
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::settings::ReferencedFile;
use crate::model::settings::verify::TrustFile;
use crate::signature::Trust;
use crate::text::diagnostics::Problems;

/// Checks that all files that settings, streams and tags refer to exist, and reads the keys that `verify` trusts.
///
/// # Errors
/// Returns all missing or invalid files, with the positions of the references.
pub(in crate::cli) fn read_referenced(work_tree: &WorkTree, root: &Root) -> Result<Trust, CliError> {
    let mut problems = Vec::new();
    let mut trust = Trust::default();
    let read = |named: &ReferencedFile| match work_tree.file(&named.path) {
        Ok(file) => Ok(named.content(file.map(|file| file.bytes))),
        Err(GitError::Tree { reason, .. }) => Ok(Err(named.unusable(&reason))),
        Err(error) => Err(error),
    };
    for TrustFile { kind, file: named } in root.trust_files() {
        let trusted = |bytes: Vec<u8>| trust.read(*kind, &named.path, &bytes).map_err(|error| named.invalid(&error));
        problems.extend(read(named)?.and_then(trusted).err());
    }
    for named in &root.settings.files {
        problems.extend(read(named)?.err());
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
