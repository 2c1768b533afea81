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
        match newer.lock.introduced(Some(&older.lock), |id| wanted.contains(id)) {
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
    let pins = newer.lock.introduced(None, |id| wanted.contains(id)).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::root::decode_lock;

    /// Encodes a lock whose tag `a:1` has the digest of repeated `digit`, and one of `previous`.
    fn lock(digit: char, previous: Option<char>) -> Vec<u8> {
        let digest = |digit: char| format!("sha256:{}", digit.to_string().repeat(64));
        let previous = previous.map(|digit| format!("previous = [\"{}\"]\n", digest(digit))).unwrap_or_default();
        let pin = format!(
            "[[pin]]\nstream = \"a\"\ntag = \"1\"\nimage = \"quay.io/a/a:1\"\ndigest = \"{}\"\n",
            digest(digit)
        );
        format!("version = 1\n\n{pin}{previous}").into_bytes()
    }

    fn revision(commit: &str, bytes: Vec<u8>) -> Result<LockRevision, GitError> {
        let (author, time) = ("A. Person".to_owned(), Timestamp::UNIX_EPOCH);
        Ok(LockRevision { commit: CommitId(commit.to_owned()), author, time, proposal: None, bytes })
    }

    #[track_caller]
    fn check(now: char, revisions: Vec<Result<LockRevision, GitError>>, limit: usize, expected: &[&str]) {
        let wanted = BTreeSet::from(["a:1".parse().unwrap()]);
        let enough = |tags: &TagHistories| tags.values().all(|entries| entries.len() >= limit);
        let history = trace(&decode_lock(&lock(now, None)).unwrap(), &wanted, revisions.into_iter(), enough).unwrap();
        let row = |entry: &HistoryEntry| {
            let commit = entry.commit.as_ref().map_or("-", |commit| commit.id.0.as_str());
            format!("{} {commit}", &entry.digest.as_str()["sha256:".len()..][..1])
        };
        let rows: Vec<String> = history.tags.values().flatten().map(row).collect();
        assert_eq!(rows, expected);
    }

    #[test]
    fn each_digest_has_the_commit_that_introduced_it() {
        let revisions = || vec![revision("c3", lock('3', Some('2'))), revision("c2", lock('2', Some('1')))];
        check('3', revisions(), 9, &["3 c3", "2 c2", "1 -"]);
        check('4', revisions(), 9, &["4 -", "3 c3", "2 c2", "1 -"]);
        check('4', revisions(), 1, &["4 -"]);
        check('4', Vec::new(), 9, &["4 -"]);
    }

    #[test]
    fn unreadable_versions_are_skipped() {
        let conflict = || revision("bad", b"<<<<<<< HEAD\n".to_vec());
        let revisions = vec![conflict(), revision("c2", lock('2', None)), conflict(), revision("c1", lock('1', None))];
        check('2', revisions, 9, &["2 c2", "1 c1"]);
    }
}
