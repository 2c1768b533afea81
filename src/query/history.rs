//! History of tags: the digests they were pinned to, traced from the current lock back through its committed versions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::git::checkout::LockRevision;
use crate::git::{CommitId, GitError};
use crate::model::image::{Digest, TagId};
use crate::model::lock::encode::encode;
use crate::model::lock::history::LockVersion;
use crate::model::lock::{Lock, Pin};

/// One digest in the history of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The digest that the tag was pinned to.
    pub digest: Digest,
    /// The pin; none if only the digest is known, from `previous` of a later pin.
    pub pin: Option<Pin>,
    /// Version according to the image (untrusted text).
    pub version: Option<String>,
    /// The commit that introduced the digest; none if it is uncommitted or unknown.
    pub commit: Option<LockCommit>,
}

/// A commit that changed the lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockCommit {
    /// Commit id.
    pub id: CommitId,
    /// Name of the author.
    pub author: String,
    /// Author date.
    pub time: Timestamp,
    /// The proposal named in the commit message.
    pub proposal: Option<String>,
}

/// History of several tags, newest entry first.
pub type TagHistories = BTreeMap<TagId, Vec<HistoryEntry>>;

/// A possibly incomplete history.
#[derive(Clone, Debug, Default)]
pub struct PinHistory {
    /// Entries of each requested tag.
    pub tags: TagHistories,
    /// True if the history was followed to the first commit.
    pub complete: bool,
}

/// A version of the lock and the commit that introduced it; no commit for the lock of the work tree.
struct Version {
    lock: LockVersion,
    commit: Option<LockCommit>,
}

/// Traces the `wanted` tags from `lock` back through `revisions` (newest first) until `enough` returns true. Versions
/// that cannot be parsed are skipped; their changes count for the next readable version.
///
/// # Errors
/// Returns the first error of `revisions`.
pub fn trace(
    lock: &Lock,
    wanted: &BTreeSet<TagId>,
    revisions: impl Iterator<Item = Result<LockRevision, GitError>>,
    enough: impl Fn(&TagHistories) -> bool,
) -> Result<PinHistory, GitError> {
    let mut tags: TagHistories = wanted.iter().map(|id| (id.clone(), Vec::new())).collect();
    let mut newer = Version { lock: LockVersion::new(encode(lock).as_bytes()), commit: None };
    for revision in revisions {
        let LockRevision { commit, author, time, proposal, bytes } = revision?;
        let commit = Some(LockCommit { id: commit, author, time, proposal });
        let older = Version { lock: LockVersion::new(&bytes), commit };
        match newer.lock.brought(Some(&older.lock), |id| wanted.contains(id)) {
            Some(pins) => add(&mut tags, &newer, pins),
            // The older version is unreadable.
            None if newer.lock.read().is_some() => continue,
            None => {}
        }
        newer = older;
        if enough(&tags) {
            return Ok(PinHistory { tags, complete: false });
        }
    }
    let pins = newer.lock.brought(None, |id| wanted.contains(id)).unwrap_or_default();
    add(&mut tags, &newer, pins);
    tags.values_mut().for_each(add_previous);
    Ok(PinHistory { tags, complete: true })
}

fn add(tags: &mut TagHistories, version: &Version, pins: Vec<(TagId, Pin)>) {
    for (id, pin) in pins {
        let entry = HistoryEntry {
            digest: pin.digest.clone(),
            version: version.lock.version_of(&pin),
            pin: Some(pin),
            commit: version.commit.clone(),
        };
        tags.entry(id).or_default().push(entry);
    }
}

/// Appends digests that are listed as `previous` and were introduced by none of the commits.
fn add_previous(entries: &mut Vec<HistoryEntry>) {
    let pins = entries.iter().filter_map(|entry| entry.pin.as_ref());
    let previous: Vec<Digest> = pins.flat_map(|pin| pin.previous.iter().cloned()).collect();
    for digest in previous {
        if entries.iter().all(|entry| entry.digest != digest) {
            entries.push(HistoryEntry { digest, pin: None, version: None, commit: None });
        }
    }
}
