//! Which files of a commit patterns of targets mean.

use git2::Oid;

use super::{ObjectKind, ObjectStore, ReadBudget, RepoPath, below, refuse};
use crate::formats::FILES_MAX;
use crate::formats::path::FilePath;
use crate::git::GitError;

impl ObjectStore<'_> {
    /// The plain files of the root at `root` that `patterns` mean. What is no plain file, or has a path that is never
    /// read, is passed by.
    pub(in crate::git) fn paths(
        &self,
        commit: Oid,
        root: &RepoPath,
        patterns: &[FilePath],
    ) -> Result<Vec<String>, GitError> {
        let mut found = Vec::new();
        if let Some(folder) = self.folder(self.top(commit)?, root)? {
            self.matching(folder, root, "", patterns, &mut found, &mut ReadBudget::whole())?;
        }
        Ok(found)
    }

    fn matching(
        &self,
        tree: Oid,
        root: &RepoPath,
        path: &str,
        patterns: &[FilePath],
        found: &mut Vec<String>,
        budget: &mut ReadBudget,
    ) -> Result<(), GitError> {
        let full = below(&root.text(), path);
        for entry in self.entries(tree, &full)? {
            budget.entry(&full)?;
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = below(path, name);
            if RepoPath::parse(&path).is_err() {
                continue;
            }
            match entry.kind() {
                ObjectKind::Folder if patterns.iter().any(|pattern| pattern.may_match_below(&path)) => {
                    self.matching(entry.id, root, &path, patterns, found, budget)?;
                }
                ObjectKind::Plain | ObjectKind::Executable if patterns.iter().any(|pattern| pattern.matches(&path)) => {
                    found.push(path);
                }
                _ => {}
            }
            if found.len() > FILES_MAX {
                let reason = format!("the patterns mean more than {FILES_MAX} files");
                return Err(refuse(&full, &reason));
            }
        }
        Ok(())
    }
}
