//! The compose files of a root where none is named: those that `docker compose` reads by itself in the one folder that has
//! some. What Git ignores is no part of them, for another checkout does not have it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::formats;
use crate::formats::path::FilePath;
use crate::git::work_tree::WorkTree;
use crate::text::diagnostics::{Problems, SourceFile};
use crate::text::toml::text;

use super::super::error::CliError;

/// The names of a project's file, of which the first that is there is read (compose-go, `DefaultFileNames`).
const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
/// The same of the file that is merged over it (`DefaultOverrideFileNames`).
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];
/// How files are named that are not found.
const HELP: &str = "name the files of one project, as `--file deploy/compose.yaml`";

/// The files of the project in `folder`: of the folder itself, where it has one.
///
/// # Errors
/// Where there is no project or more than one, or a file cannot be read.
pub(super) fn files(folder: &WorkTree) -> Result<Vec<Arc<SourceFile>>, CliError> {
    let pattern = |name: &&str| FilePath::new(&format!("**/{name}")).ok();
    let patterns: Vec<FilePath> = NAMES.iter().chain(&OVERRIDES).filter_map(pattern).collect();
    let paths: BTreeSet<String> = folder.paths(&patterns)?.into_iter().collect();
    // Each with its `/`, so that the root's own comes first.
    let home = |path: &String| {
        let (home, name) = path.split_at(path.rfind('/').map_or(0, |at| at + 1));
        NAMES.contains(&name).then(|| home.to_owned())
    };
    let homes: Vec<String> = paths.iter().filter_map(home).collect::<BTreeSet<_>>().into_iter().collect();
    let home = match homes.as_slice() {
        [] => return Err(CliError::new("no compose file was found in the root").help(HELP)),
        [home, ..] if home.is_empty() || homes.len() == 1 => home,
        several => {
            let shown: Vec<String> = several.iter().map(|home| format!("`{}`", home.trim_end_matches('/'))).collect();
            return Err(CliError::new(format!("there are compose files in {}", formats::list(&shown))).help(HELP));
        }
    };
    let find = |names: &[&str]| names.iter().map(|name| format!("{home}{name}")).find(|path| paths.contains(path));
    let mut files = Vec::new();
    for path in [find(&NAMES), find(&OVERRIDES)].into_iter().flatten() {
        let bytes = folder.file(&path)?.map(|file| file.bytes).unwrap_or_default();
        let (file, problems) = text::source(&path, &bytes);
        Problems::none_or(problems)?;
        files.push(file);
    }
    Ok(files)
}
