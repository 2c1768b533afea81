//! Finds changes that people reverted, as far as the available history shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::GitError;
use super::lock_history::LockHistory;
use super::repo_path::RepoPath;
use crate::model::image::{Digest, TagId};
use crate::model::lock::{self, Lock, reverted};
use crate::text::diagnostics::SourceFile;

/// The commits that are searched; earlier reverts were recorded when they were new.
const COMMITS_MAX: usize = 10_000;
/// The versions of the lock that are searched.
const VERSIONS_MAX: usize = 50;

/// Returns the tags whose change to the digest in `candidates` was reverted in the history of `tip`; none if the history is
/// missing or incomplete.
///
/// # Errors
/// If the history cannot be read.
pub(super) fn reverted(
    repository: &Repository,
    tip: Oid,
    root: &RepoPath,
    candidates: &BTreeMap<TagId, Digest>,
) -> Result<Option<BTreeSet<TagId>>, GitError> {
    if repository.is_shallow() || repository.find_commit(tip).is_err() {
        return Ok(None);
    }
    let mut is_complete = true;
    let versions = LockHistory::new(repository, tip, root.clone(), COMMITS_MAX)?.take(VERSIONS_MAX);
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

/// Parses an earlier lock; a malformed one counts as empty.
fn read(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}
