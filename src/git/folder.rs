//! A remote that is a folder of this machine: its objects are read where they lie, and its refs moved under Git's own
//! lock.
//!
//! libgit2's local transport is not used: it overwrites a ref without comparing it. No hook of the folder is run.

use std::path::Path;

use git2::{ErrorCode, Oid, Repository};
use jiff::Timestamp;

use super::address::BranchName;
use super::message::{local, shown};
use super::turn::Turn;
use super::{GitError, Push};

/// After how many seconds a lock file was not left by somebody who is still writing.
const STALE_LOCK: i64 = 60;

/// An open repository that is the remote.
pub(super) struct FolderRemote {
    pub(super) repository: Repository,
    url: String,
}

impl FolderRemote {
    pub(super) fn open(path: &Path, url: &str) -> Result<Self, GitError> {
        let url = url.to_owned();
        match Repository::open(path) {
            Ok(repository) => Ok(Self { repository, url }),
            Err(error) if error.code() == ErrorCode::Owner => {
                let reason =
                    format!("it belongs to somebody else; `git config --global --add safe.directory {url}` trusts it");
                Err(GitError::Untrusted { url, reason })
            }
            Err(error) => Err(GitError::Unreachable { url, reason: shown(error.message()) }),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The branch that `HEAD` names.
    pub(super) fn default_branch(&self) -> Result<BranchName, GitError> {
        let head = self.repository.find_reference("HEAD").ok();
        let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
        let name = target.and_then(|target| target.strip_prefix("refs/heads/"));
        BranchName::parse(name.ok_or_else(|| GitError::NoBranch { url: self.url.clone(), branch: "HEAD".to_owned() })?)
    }

    /// What a ref stands at.
    pub(super) fn tip(&self, reference: &str) -> Result<Option<Oid>, GitError> {
        match self.repository.find_reference(reference).and_then(|found| found.resolve()) {
            Ok(found) => Ok(found.target()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(local(&error)),
        }
    }

    /// Moves a ref from `expected`, or from nothing, to `new`.
    pub(super) fn swap(
        &self,
        reference: &str,
        expected: Option<Oid>,
        new: Oid,
        now: Timestamp,
    ) -> Result<Push<Oid>, GitError> {
        let refused =
            |reason: String| Err(GitError::Refused { url: self.url.clone(), reference: reference.to_owned(), reason });
        if !self.repository.is_bare() && self.head_is(reference) {
            return refused("it is checked out there; push to a bare repository, or to another branch".to_owned());
        }
        let _turn = match Turn::take(self.repository.commondir(), reference) {
            Ok(turn) => turn,
            Err(error) => return refused(error.to_string()),
        };
        let old = expected.unwrap_or(Oid::ZERO_SHA1);
        match self.repository.reference_matching(reference, new, expected.is_some(), old, "pinstream: update") {
            Ok(_) => Ok(Push::Landed(new)),
            Err(error) => match error.code() {
                ErrorCode::Modified | ErrorCode::Exists | ErrorCode::NotFound => Ok(Push::Moved),
                ErrorCode::Locked => match self.stale_lock(reference, now) {
                    Some(path) => {
                        refused(format!("`{path}` is held for over a minute; remove it if no git is running"))
                    }
                    None => Ok(Push::Moved),
                },
                _ => refused(shown(error.message())),
            },
        }
    }

    fn head_is(&self, reference: &str) -> bool {
        let head = self.repository.find_reference("HEAD").ok();
        head.is_some_and(|head| head.symbolic_target().ok().flatten() == Some(reference))
    }

    /// A lock file on the ref that nobody can still be using.
    fn stale_lock(&self, reference: &str, now: Timestamp) -> Option<String> {
        let path = self.repository.commondir().join(format!("{reference}.lock"));
        let written = std::fs::metadata(&path).ok()?.modified().ok()?;
        let written = Timestamp::try_from(written).ok()?;
        (now.as_second() - written.as_second() > STALE_LOCK).then(|| path.display().to_string())
    }
}
