//! Branches of proposals: one commit each, built anew where the old one is not the right one any more.
//!
//! Such a branch is moved from exactly what was read of it, to whatever is right now, which need not stand on it: the
//! server compares, so that what somebody else put there meanwhile stays. What is read is read from the bytes of the
//! commit, for a history that was fetched in part hides a commit's parents.

use git2::{Odb, Oid};

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Endpoint, Remote, to_commit_id};
use crate::git::branch::BranchName;
use crate::git::error::local;
use crate::git::repo_path::RepoPath;
use crate::git::tree::ObjectStore;
use crate::git::{CommitId, GitError, NewCommit, Push};
use crate::model::settings::Author;

/// How the branches of proposals are called.
pub const PROPOSALS: &str = "pinstream/";

/// The largest commit that is read, in bytes.
const COMMIT_MAX: usize = 1 << 20;

/// What stands at the tip of a proposal's branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalBranch {
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

impl Remote {
    /// What stands on the branches of proposals, each by its name and its tip.
    ///
    /// # Errors
    /// Where one of them cannot be had or read.
    pub fn proposed(
        &mut self,
        branches: &BTreeMap<String, CommitId>,
    ) -> Result<BTreeMap<String, ProposalBranch>, GitError> {
        if let Endpoint::Server(server) = &self.endpoint {
            let missing = |tip: &CommitId| !Oid::from_str(&tip.0).is_ok_and(|tip| server.cache.has(tip));
            let names = branches.iter().filter(|(_, tip)| missing(tip)).map(|(name, _)| BranchName::parse(name));
            let names: Vec<BranchName> = names.collect::<Result<_, _>>()?;
            if !names.is_empty() {
                server.fetch_branches(names.iter())?;
            }
        }
        let root = self.root.clone();
        let read = |(name, tip): (&String, &CommitId)| {
            let found = self.with_commit(tip, |objects, id| read(objects, id, &root))?;
            Ok((name.clone(), found))
        };
        branches.iter().map(read).collect()
    }

    /// Puts one commit with the lock of `change` on the branch of a proposal, in place of what stands there, if that is
    /// still `expected`.
    ///
    /// # Errors
    /// Where the remote refuses it, there is no plain file at the lock's path, or it cannot be signed.
    pub fn propose(
        &mut self,
        branch: &str,
        expected: Option<&CommitId>,
        change: &NewCommit,
        now: Timestamp,
    ) -> Result<Push<CommitId>, GitError> {
        let reference = proposal_branch(branch)?;
        let expected = expected.map(|id| Oid::from_str(&id.0)).transpose().map_err(|error| local(&error))?;
        let (parent, new) = self.write_commit(change, now)?;
        self.swap(&reference, expected, Some(parent), new)
    }

    /// Takes the branch of a proposal away, if it still stands at `expected`.
    ///
    /// # Errors
    /// Where the remote refuses it.
    pub fn withdraw(&mut self, branch: &str, expected: &CommitId) -> Result<Push<CommitId>, GitError> {
        let reference = proposal_branch(branch)?;
        let expected = Oid::from_str(&expected.0).map_err(|error| local(&error))?;
        let outcome = match &mut self.endpoint {
            Endpoint::Directory(remote) => remote.remove(&reference, expected)?,
            Endpoint::Server(server) => server.remove(&reference, expected)?,
        };
        Ok(to_commit_id(outcome))
    }
}

/// The ref of a proposal's branch: no other branch is ever moved but forward.
fn proposal_branch(name: &str) -> Result<String, GitError> {
    let branch = BranchName::parse(name)?;
    match name.starts_with(PROPOSALS) {
        true => Ok(branch.reference()),
        false => Err(GitError::Branch { branch: name.to_owned() }),
    }
}

/// What stands at `tip`, with the lock of `root`.
fn read(objects: &ObjectStore<'_>, tip: Oid, root: &RepoPath) -> Result<ProposalBranch, GitError> {
    let lock = objects.lock_id(tip, root)?.map(|id| objects.lock(id)).transpose()?;
    let mut found = header(&objects.odb, tip)?;
    found.lock = lock;
    Ok(found)
}

/// A commit as its bytes have it (gitformat-commit: lines of a header, an empty line, the message).
fn header(odb: &Odb<'_>, tip: Oid) -> Result<ProposalBranch, GitError> {
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
    Ok(ProposalBranch {
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
