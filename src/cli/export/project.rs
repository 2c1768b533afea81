//! Finds the compose files of a root: those that `docker compose` reads by default in the only directory that has some.
//! Files that Git ignores are skipped, since other checkouts do not have them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::formats;
use crate::formats::path::FilePath;
use crate::git::work_tree::WorkTree;
use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::toml::source;

use crate::cli::CliError;

/// Names of the main file; the first that exists is read (compose-go, `DefaultFileNames`).
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// Names of the override file (`DefaultOverrideFileNames`).
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];
/// Advice if there is not exactly one project.
const HELP: &str = "name the files of one project, e.g. `--file deploy/compose.yaml`";

/// Returns the files of the project in `folder`; one at the top has precedence.
///
/// # Errors
/// There is no project or more than one, or a file cannot be read.
pub(super) fn files(work_tree: &WorkTree) -> Result<Vec<Arc<SourceFile>>, CliError> {
    let pattern = |name: &&str| FilePath::new(&format!("**/{name}")).ok();
    let patterns: Vec<FilePath> = NAMES.iter().chain(&OVERRIDES).filter_map(pattern).collect();
    let paths: BTreeSet<String> = work_tree.paths(&patterns)?.into_iter().collect();
    // With the trailing `/`, so that the root comes first.
    let home = |path: &String| {
        let (home, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        NAMES.contains(&name).then(|| home.to_owned())
    };
    let homes: Vec<String> = paths.iter().filter_map(home).collect::<BTreeSet<_>>().into_iter().collect();
    let home = match homes.as_slice() {
        [] => return Err(CliError::new("no compose file found in the root").help(HELP)),
        [home, ..] if home.is_empty() || homes.len() == 1 => home,
        several => {
            let shown: Vec<String> = several.iter().map(|home| format!("`{}`", home.trim_end_matches('/'))).collect();
            return Err(CliError::new(format!("several compose projects: {}", formats::list(&shown))).help(HELP));
        }
    };
    let find = |names: &[&str]| names.iter().map(|name| format!("{home}{name}")).find(|path| paths.contains(path));
    let mut files = Vec::new();
    for path in [find(&NAMES), find(&OVERRIDES)].into_iter().flatten() {
        let bytes = work_tree.file(&path)?.map(|file| file.bytes).unwrap_or_default();
        let (file, problems) = source::decode(&path, &bytes);
        Problems::check(problems)?;
        files.push(file);
    }
    Ok(files)
}
