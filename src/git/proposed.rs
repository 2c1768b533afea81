//! Branches of proposals: one commit each, built anew where the old one is not the right one any more.
//!
//! Such a branch is moved from exactly what was read of it, to whatever is right now, which need not stand on it: the
//! server compares, so that what somebody else put there meanwhile stays. What is read is read from the bytes of the
//! commit, for a history that was fetched in part hides a commit's parents.

use git2::{Odb, Oid};

use super::message::local;
use super::tree::{Objects, RepoPath};
use super::{CommitId, GitError};
use crate::settings::Author;

/// How the branches of proposals are called.
pub const PROPOSALS: &str = "pinstream/";

/// The largest commit that is read, in bytes.
const COMMIT_MAX: usize = 1 << 20;

/// What stands at the tip of a proposal's branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The tip.
    pub tip: CommitId,
    /// Its parents.
    pub parents: Vec<CommitId>,
    /// Who wrote it; none where that is not plain UTF-8.
    pub author: Option<Author>,
    /// Who made the commit.
    pub committer: Option<Author>,
    /// Its message.
    pub message: String,
    /// The bytes of the root's lock in it; none where there is none.
    pub lock: Option<Vec<u8>>,
}

/// What stands at `tip`, with the lock of `root`.
pub(super) fn read(objects: &Objects<'_>, tip: Oid, root: &RepoPath) -> Result<Proposed, GitError> {
    let lock = objects.lock_id(tip, root)?.map(|id| objects.lock(id)).transpose()?;
    let mut found = header(&objects.odb, tip)?;
    found.lock = lock;
    Ok(found)
}

/// A commit as its bytes have it (gitformat-commit: lines of a header, an empty line, the message).
fn header(odb: &Odb<'_>, tip: Oid) -> Result<Proposed, GitError> {
    let (size, _) = odb.read_header(tip).map_err(|error| local(&error))?;
    if size > COMMIT_MAX {
        return Err(GitError::Tree { path: tip.to_string(), reason: "the commit is too large".to_owned() });
    }
    let object = odb.read(tip).map_err(|error| local(&error))?;
    let text = String::from_utf8_lossy(object.data());
    let (header, message) = text.split_once("\n\n").unwrap_or((&text, ""));
    let all = |key: &'static str| {
        header.lines().filter_map(move |line| line.strip_prefix(key).and_then(|rest| rest.strip_prefix(' ')))
    };
    Ok(Proposed {
        tip: CommitId(tip.to_string()),
        parents: all("parent").map(|id| CommitId(id.to_owned())).collect(),
        author: all("author").next().and_then(person),
        committer: all("committer").next().and_then(person),
        message: message.to_owned(),
        lock: None,
    })
}

/// `name <address> time zone`
fn person(text: &str) -> Option<Author> {
    let (name, rest) = text.split_once(" <")?;
    let (email, _) = rest.split_once('>')?;
    let is_plain = !text.contains('\u{fffd}');
    is_plain.then(|| Author { name: name.to_owned(), email: email.to_owned() })
}
