//! Files of a root that Git ignores and does not track: commands read them here, and every other clone lacks them.

use std::collections::BTreeSet;
use std::io::Write as _;

use crate::cli::{CliError, CommandContext};
use crate::git::checkout::{self, IgnoredFile};
use crate::git::work_tree::WorkTree;
use crate::model::root::Root;
use crate::model::settings::Settings;
use crate::model::stream::validate::DIRECTORY;
use crate::model::{lock, settings};
use crate::text::escape;

/// Finds the ignored ones among definitions, lock, targets and other files that a root refers to.
pub fn find(work_tree: &WorkTree, root: &Root) -> Vec<IgnoredFile> {
    let streams = root.definitions.streams.keys().map(|name| format!("{DIRECTORY}{name}.toml"));
    let trusted = root.trust_files().map(|file| file.file.path.clone());
    among(work_tree, streams.chain(trusted), &root.settings)
}

/// Warns about the ignored files of a root on standard error.
///
/// # Errors
/// Fails if the root cannot be read or standard error cannot be written.
pub fn warn(context: &CommandContext, work_tree: &WorkTree) -> Result<(), CliError> {
    let mut files = work_tree.read()?;
    let (settings, _) = settings::read(&files.remove(settings::FILE_NAME).unwrap_or_default());
    let mut err = context.stderr();
    for file in among(work_tree, files.into_keys(), &settings) {
        writeln!(err, "warning: {}\n  help: {}", escape::terminal(&file.to_string()), escape::terminal(&file.help()))?;
    }
    Ok(())
}

/// Finds the ignored ones among `paths`, settings, lock and files that `settings` name; none outside a checkout.
fn among(work_tree: &WorkTree, paths: impl Iterator<Item = String>, settings: &Settings) -> Vec<IgnoredFile> {
    // Other steps report a checkout that cannot be read.
    let Ok(Some(checkout)) = checkout::discover(&work_tree.0) else { return Vec::new() };
    let own = [settings::FILE_NAME, lock::FILE_NAME].map(str::to_owned);
    // The files that match a glob were searched without ignored ones.
    let targets = settings.targets.iter().map(|target| &target.path).filter(|path| !path.is_glob());
    let named = settings.files.iter().map(|file| file.path.clone());
    let all: BTreeSet<String> =
        paths.chain(own).chain(targets.map(|path| path.as_str().to_owned())).chain(named).collect();
    checkout.ignored(all)
}
