//! Which moves people took back, as far as the history at hand tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use git2::{Oid, Repository};

use super::GitError;
use super::checkout::LockHistory;
use super::tree::RepoPath;
use crate::model::image::{Digest, TagId};
use crate::model::lock::{self, Lock, reverted};
use crate::text::diagnostics::SourceFile;

/// How many commits, and how many versions of the lock, are looked back over: what is older was noted when it was new.
const COMMITS: usize = 10_000;
const VERSIONS: usize = 50;

/// Of moves to `candidates`, those that people took back in the history of `tip`; none where that is not there or cut
/// off.
///
/// # Errors
/// Where the history cannot be read.
pub(super) fn taken_back(
    repository: &Repository,
    tip: Oid,
    root: &RepoPath,
    candidates: &BTreeMap<TagId, Digest>,
) -> Result<Option<BTreeSet<TagId>>, GitError> {
    if repository.is_shallow() || repository.find_commit(tip).is_err() {
        return Ok(None);
    }
    let mut is_whole = true;
    let versions = LockHistory::new(repository, tip, root.clone(), COMMITS)?.take(VERSIONS);
    let locks = versions.map_while(|version| match version {
        Ok(version) => Some(read(version.bytes)),
        // In a partial clone the files of earlier commits are not there.
        Err(_) => {
            is_whole = false;
            None
        }
    });
    let taken = reverted::find_reverted(candidates, locks);
    Ok(is_whole.then_some(taken))
}

/// The lock in the bytes of an earlier commit; one that cannot be read tells nothing.
fn read(bytes: Vec<u8>) -> Lock {
    let text = String::from_utf8(bytes).unwrap_or_default();
    lock::read::read(&Arc::new(SourceFile { path: lock::FILE_NAME.to_owned(), text })).unwrap_or_default()
}
