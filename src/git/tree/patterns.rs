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
        let mut walk = PatternWalk { objects: self, root, patterns, found: Vec::new(), budget: ReadBudget::whole() };
        if let Some(directory) = self.directory(self.top(commit)?, root)? {
            walk.directory(directory, "")?;
        }
        Ok(walk.found)
    }
}

/// A walk over the files that match patterns.
struct PatternWalk<'a> {
    objects: &'a ObjectStore<'a>,
    root: &'a RepoPath,
    patterns: &'a [FilePath],
    found: Vec<String>,
    budget: ReadBudget,
}

impl PatternWalk<'_> {
    fn directory(&mut self, tree: Oid, path: &str) -> Result<(), GitError> {
        let full = below(&self.root.text(), path);
        for entry in self.objects.entries(tree, &full)? {
            self.budget.entry(&full)?;
            let Ok(name) = std::str::from_utf8(&entry.name) else { continue };
            let path = below(path, name);
            if RepoPath::parse(&path).is_err() {
                continue;
            }
            match entry.kind() {
                ObjectKind::Directory if self.patterns.iter().any(|pattern| pattern.may_match_below(&path)) => {
                    self.directory(entry.id, &path)?;
                }
                ObjectKind::Plain | ObjectKind::Executable
                    if self.patterns.iter().any(|pattern| pattern.matches(&path)) =>
                {
                    self.found.push(path);
                }
                _ => {}
            }
            if self.found.len() > FILES_MAX {
                return Err(refuse(&full, &format!("the globs match more than {FILES_MAX} files")));
            }
        }
        Ok(())
    }
}
