//! The versions of a lock along the first parents of a commit.

use git2::{Oid, Repository};
use jiff::Timestamp;

use super::error::shown;
use super::repo_path::RepoPath;
use super::tree::ObjectStore;
use super::{CommitId, GitError};

/// One version of a lock, and the commit that introduced it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRevision {
    /// Its commit.
    pub commit: CommitId,
    /// Name of the author.
    pub author: String,
    /// Author date.
    pub time: Timestamp,
    /// The proposal that its message names.
    pub proposal: Option<String>,
    /// Contents of the lock.
    pub bytes: Vec<u8>,
}

/// An iterator over the versions of a lock, newest first.
pub struct LockHistory<'r> {
    objects: ObjectStore<'r>,
    root: RepoPath,
    next: Option<Oid>,
    left: usize,
}

impl<'r> LockHistory<'r> {
    /// Starts at `tip`, and walks at most `commits` first parents.
    pub(super) fn new(repository: &'r Repository, tip: Oid, root: RepoPath, commits: usize) -> Result<Self, GitError> {
        Ok(Self { objects: ObjectStore::of(repository)?, root, next: Some(tip), left: commits })
    }

    /// Walks to the commit that introduced the next version.
    fn step(&mut self) -> Result<Option<LockRevision>, GitError> {
        let Some(mut at) = self.next.take() else { return Ok(None) };
        let mut lock = self.objects.lock_id(at, &self.root)?;
        loop {
            let commit = self.objects.repository.find_commit(at)?;
            // In a shallow clone, the oldest commit names a parent that is missing.
            let parent = commit.parent_ids().next().filter(|parent| self.left > 0 && self.objects.odb.exists(*parent));
            self.left = self.left.saturating_sub(1);
            let before = match parent {
                Some(parent) => {
                    // Most commits do not touch the root: then its directory is not even read.
                    let same = self.objects.top(parent)? == commit.tree_id();
                    if same { lock } else { self.objects.lock_id(parent, &self.root)? }
                }
                None => None,
            };
            if before == lock
                && let Some(parent) = parent
            {
                at = parent;
                continue;
            }
            self.next = parent;
            let Some(blob) = lock else {
                // The lock was removed here, or did not exist yet.
                let Some(parent) = parent else { return Ok(None) };
                (at, lock) = (parent, before);
                continue;
            };
            let author = commit.author();
            return Ok(Some(LockRevision {
                commit: CommitId(at.to_string()),
                author: shown(&String::from_utf8_lossy(author.name_bytes())),
                time: Timestamp::from_second(author.when().seconds()).unwrap_or_default(),
                proposal: super::proposal::proposal(&String::from_utf8_lossy(commit.message_bytes())),
                bytes: self.objects.lock(blob)?,
            }));
        }
    }
}

impl Iterator for LockHistory<'_> {
    type Item = Result<LockRevision, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
