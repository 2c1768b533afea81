//! The versions of a lock along the first parents of a commit, and the changes that people reverted, as far as the
//! available history shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git2::{Commit, Oid, Repository};
use jiff::Timestamp;

use super::deadline;
use super::error::shown;
use super::repo_path::RepoPath;
use super::tree::ObjectStore;
use super::{CommitId, GitError};
use crate::model::image::{Digest, TagId};
use crate::model::lock::{self, Lock, reverted};
use crate::text::diagnostics::SourceFile;

/// The commits that are searched; earlier reverts were recorded when they were new.
const REVERT_COMMITS_MAX: usize = 10_000;
/// The versions of the lock that are searched.
const REVERT_VERSIONS_MAX: usize = 50;

/// The versions after a missing one that are fetched with it.
const AHEAD: usize = 63;

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
pub(super) struct LockHistory<'r> {
    objects: ObjectStore<'r>,
    root: RepoPath,
    at: LockWalk,
}

/// Position in a walk over first parents.
#[derive(Clone, Copy)]
struct LockWalk {
    next: Option<Oid>,
    /// The commits that may still be read.
    left: usize,
}

impl<'r> LockHistory<'r> {
    /// Starts at `tip`, and walks at most `commits` first parents.
    pub(super) fn new(objects: ObjectStore<'r>, tip: Oid, root: RepoPath, commits: usize) -> Self {
        Self { objects, root, at: LockWalk { next: Some(tip), left: commits } }
    }

    /// Walks to the commit that introduced the next version; returns it and the lock's blob.
    fn advance(&self, walk: &mut LockWalk) -> Result<Option<(Commit<'r>, Oid)>, GitError> {
        let Some(mut at) = walk.next.take() else { return Ok(None) };
        let mut lock = self.objects.lock_id(at, &self.root)?;
        loop {
            // A long walk is no hang.
            deadline::progress();
            let commit = self.objects.repository.find_commit(at)?;
            // In a shallow clone, the oldest commit names a parent that is missing.
            let parent = commit.parent_ids().next().filter(|parent| walk.left > 0 && self.objects.odb.exists(*parent));
            walk.left = walk.left.saturating_sub(1);
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
            walk.next = parent;
            match (lock, parent) {
                (Some(blob), _) => return Ok(Some((commit, blob))),
                // The lock was removed here.
                (None, Some(parent)) => (at, lock) = (parent, before),
                // The lock did not exist yet.
                (None, None) => return Ok(None),
            }
        }
    }

    fn step(&mut self) -> Result<Option<LockRevision>, GitError> {
        let mut walk = self.at;
        let Some((commit, blob)) = self.advance(&mut walk)? else { return Ok(None) };
        self.at = walk;
        if self.objects.lacks(blob) {
            let ahead = std::iter::from_fn(|| Some(self.advance(&mut walk).ok()??.1));
            self.objects.require(std::iter::once(blob).chain(ahead.take(AHEAD)))?;
        }
        let author = commit.author();
        Ok(Some(LockRevision {
            commit: CommitId(commit.id().to_string()),
            author: shown(&String::from_utf8_lossy(author.name_bytes())),
            time: Timestamp::from_second(author.when().seconds()).unwrap_or_default(),
            proposal: super::proposal::proposal(&String::from_utf8_lossy(commit.message_bytes())),
            bytes: self.objects.lock(blob)?,
        }))
    }
}

impl Iterator for LockHistory<'_> {
    type Item = Result<LockRevision, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// Returns the tags whose change to the digest in `candidates` was reverted in the history of `tip`; none if the history is
/// missing or incomplete.
///
/// # Errors
/// If the history cannot be read.
pub(super) fn reverted(
    objects: ObjectStore<'_>,
    tip: Oid,
    root: &RepoPath,
    candidates: &BTreeMap<TagId, Digest>,
) -> Result<Option<BTreeSet<TagId>>, GitError> {
    if objects.repository.is_shallow() || objects.repository.find_commit(tip).is_err() {
        return Ok(None);
    }
    let mut is_complete = true;
    let versions = LockHistory::new(objects, tip, root.clone(), REVERT_COMMITS_MAX).take(REVERT_VERSIONS_MAX);
    let locks = versions.map_while(|version| match version {
        Ok(version) => Some(read(version.bytes)),
        // A partial clone lacks the files of earlier commits.
        Err(_) => {
            is_complete = false;
            None
        }
    });
    let reverted = reverted::find_reverted(candidates, locks);
    Ok(is_complete.then_some(reverted))
}

/// Returns whether the history of `tip` contains `commit`; `None` if the repository lacks a part of it.
pub(super) fn contains(repository: &Repository, tip: Oid, commit: Oid) -> Option<bool> {
    if repository.is_shallow() || repository.find_commit(tip).is_err() {
        return None;
    }
    if tip == commit {
        return Some(true);
    }
    deadline::progress();
    // A commit that is missing here is not an ancestor of one whose history is complete.
    repository.find_commit(commit).map_or(Some(false), |_| repository.graph_descendant_of(tip, commit).ok())
}

/// Parses an earlier lock; a malformed one counts as empty.
fn read(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}
