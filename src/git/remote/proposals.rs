//! Branches of proposals: one commit each, replaced when it is out of date.
//!
//! The new commit need not be a descendant of the old one. The server compares the tip with the one that was read, so
//! commits that someone else pushed in the meantime are kept. Parents are read from the bytes of the commit, because
//! libgit2 hides them in a shallow history.

use std::collections::BTreeMap;

use git2::Oid;
use jiff::Timestamp;

use super::{Remote, to_commit_id};
use crate::git::branch::BranchName;
use crate::git::repo_path::RepoPath;
use crate::git::tree::ObjectStore;
use crate::git::{CommitId, GitError, NewCommit, Push};
use crate::model::settings::Author;
use crate::system::lock;

/// Maximum size of a commit, in bytes.
const COMMIT_MAX: usize = 1 << 20;

/// Tip of a proposal's branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalBranch {
    /// Id of the commit.
    pub tip: CommitId,
    /// Parents of the commit.
    pub parents: Vec<CommitId>,
    /// Author; none if it is not valid UTF-8.
    pub author: Option<Author>,
    /// Committer; none if it is not valid UTF-8.
    pub committer: Option<Author>,
    /// Commit message.
    pub message: String,
    /// Lock of the root in the commit; none if it has none.
    pub lock: Option<Vec<u8>>,
}

impl Remote {
    /// Reads the tips of branches of proposals, given by name and commit id.
    ///
    /// # Errors
    /// If one of them cannot be fetched or read.
    pub fn read_proposals(
        &mut self,
        branches: &BTreeMap<String, CommitId>,
    ) -> Result<BTreeMap<String, ProposalBranch>, GitError> {
        let root = self.root.clone();
        self.guarded(|remote| {
            let cache = &remote.server.cache;
            let missing = |tip: &CommitId| !Oid::from_str(&tip.0).is_ok_and(|tip| cache.has(tip));
            let names = branches.iter().filter(|(_, tip)| missing(tip)).map(|(name, _)| BranchName::parse(name));
            let names: Vec<BranchName> = names.collect::<Result<_, _>>()?;
            if !names.is_empty() {
                remote.server.fetch_branches(names.iter())?;
            }
            let read = |(name, tip): (&String, &CommitId)| {
                let found = remote.with_commit(tip, |objects, id| read(objects, id, &root))?;
                Ok((name.clone(), found))
            };
            branches.iter().map(read).collect()
        })
    }

    /// Pushes one commit with `change` to the branch of a proposal and replaces the tip, if that is still `expected`.
    ///
    /// # Errors
    /// If the remote refuses, the lock's path is not a plain file, or the commit cannot be signed.
    pub fn propose(
        &mut self,
        branch: &str,
        expected: Option<&CommitId>,
        change: &NewCommit,
        now: Timestamp,
    ) -> Result<Push<CommitId>, GitError> {
        let reference = self.proposal_branch(branch)?;
        let expected = expected.map(|id| Oid::from_str(&id.0)).transpose()?;
        self.guarded(|remote| {
            let (parent, new) = remote.write_commit(change, now)?;
            remote.swap(&reference, expected, Some(parent), new)
        })
    }

    /// Deletes the branch of a proposal, if its tip is still `expected`.
    ///
    /// # Errors
    /// If the remote refuses.
    pub fn withdraw(&mut self, branch: &str, expected: &CommitId) -> Result<Push<CommitId>, GitError> {
        let reference = self.proposal_branch(branch)?;
        let expected = Oid::from_str(&expected.0)?;
        self.guarded(|remote| Ok(to_commit_id(remote.server.remove(&reference, expected)?)))
    }

    /// Returns the ref of a proposal's branch; refuses the branches that are never replaced.
    fn proposal_branch(&self, name: &str) -> Result<String, GitError> {
        let branch = BranchName::parse(name)?;
        match lock(&self.protected).contains(&branch) {
            false => Ok(branch.reference()),
            true => Err(GitError::Branch { branch: name.to_owned() }),
        }
    }
}

/// Reads the commit `tip` with the lock of `root`. People may push anything: an unusable lock counts as missing, and an
/// oversized commit has no parents, so that it is not ours.
fn read(objects: &ObjectStore<'_>, tip: Oid, root: &RepoPath) -> Result<ProposalBranch, GitError> {
    let lock = match objects.lock_id(tip, root).and_then(|id| id.map(|id| objects.lock(id)).transpose()) {
        Err(GitError::Tree { .. }) => None,
        lock => lock?,
    };
    let (size, _) = objects.header(tip)?;
    if size > COMMIT_MAX {
        let (parents, message) = (Vec::new(), String::new());
        return Ok(ProposalBranch {
            tip: CommitId(tip.to_string()),
            parents,
            author: None,
            committer: None,
            message,
            lock,
        });
    }
    let object = objects.odb.read(tip)?;
    // Header lines, an empty line, the message.
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
        lock,
    })
}

/// Parses `name <address> time zone`.
fn person(text: &str) -> Option<Author> {
    let (name, rest) = text.split_once(" <")?;
    let (email, _) = rest.split_once('>')?;
    let is_plain = !text.contains('\u{fffd}');
    is_plain.then(|| Author { name: name.to_owned(), email: email.to_owned() })
}
