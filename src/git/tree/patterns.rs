//! Finds the files of a commit that match the patterns of targets.

use git2::Oid;

use super::{ObjectKind, ObjectStore, ReadBudget, below, refuse};
use crate::formats::FILES_MAX;
use crate::formats::path::FilePath;
use crate::git::GitError;
use crate::git::repo_path::RepoPath;

impl ObjectStore<'_> {
    /// Lists the plain files of a root that match `patterns`. Other entries and invalid paths are skipped.
    pub(in crate::git) fn matching_files(
        &self,
        commit: Oid,
        root: &RepoPath,
        patterns: &[FilePath],
    ) -> Result<Vec<String>, GitError> {
        let (mut found, mut budget) = (Vec::new(), ReadBudget::whole());
        let Some(directory) = self.directory(self.top(commit)?, root)? else { return Ok(found) };
        self.walk(directory, root, "", &mut |entry, path| {
            let directory = below(&root.text(), path.rsplit_once('/').map_or("", |(directory, _)| directory));
            budget.entry(&directory)?;
            if std::str::from_utf8(&entry.name).is_err() || RepoPath::parse(path).is_err() {
                return Ok(false);
            }
            match entry.kind() {
                ObjectKind::Directory => return Ok(patterns.iter().any(|pattern| pattern.may_match_below(path))),
                ObjectKind::Plain | ObjectKind::Executable if patterns.iter().any(|pattern| pattern.matches(path)) => {
                    found.push(path.to_owned());
                }
                _ => {}
            }
            match found.len() > FILES_MAX {
                true => Err(refuse(&directory, &format!("the globs match more than {FILES_MAX} files"))),
                false => Ok(false),
            }
        })?;
        Ok(found)
    }
}
