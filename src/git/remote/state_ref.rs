//! The state ref: read and written by compare-and-swap, and stored on this machine if the remote rejects it.

use std::collections::BTreeMap;

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use super::{CommitText, Remote, commit, to_commit_id};
use crate::git::local_state::LocalStateFile;
use crate::git::repo_path::RepoPath;
use crate::git::transport::{collide, unsent};
use crate::git::tree::{ObjectStore, TreeLeaf};
use crate::git::{CommitId, GitError, Push, RootFiles, STATE_REF};
use crate::model::settings::Author;

/// A version of the state: the commit of the remote's ref, and the hash of the state on this machine, if the remote
/// rejected some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateRefTip {
    pub(super) remote: Option<String>,
    pub(super) local: Option<CommitId>,
}

impl StateRefTip {
    /// Encodes the version as `commit`, `commit+hash` or `+hash`.
    pub(super) fn encode(&self) -> Option<CommitId> {
        let remote = self.remote.as_deref().unwrap_or_default();
        match &self.local {
            Some(local) => Some(CommitId(format!("{remote}+{local}"))),
            None => self.remote.clone().map(CommitId),
        }
    }

    fn decode(text: Option<&CommitId>) -> Self {
        let Some(text) = text else { return Self { remote: None, local: None } };
        let (remote, local) = text.0.split_once('+').map_or((&*text.0, None), |(remote, local)| (remote, Some(local)));
        let remote = Some(remote).filter(|remote| !remote.is_empty()).map(str::to_owned);
        Self { remote, local: local.map(|local| CommitId(local.to_owned())) }
    }
}

/// The reason why a state ref cannot be used.
pub(super) struct StateFault {
    /// The object that the ref names.
    tip: Option<String>,
    reason: String,
}

impl StateFault {
    /// Returns the fault of the ref at `tip`: the `reason` for which the refs could not be fetched, else the `known` fault,
    /// which may have been noticed later, if the ref is unchanged.
    pub(super) fn next(known: Option<Self>, tip: Option<Oid>, reason: Option<String>) -> Option<Self> {
        let tip = tip.map(|tip| tip.to_string());
        match reason {
            Some(reason) => Some(Self { tip, reason }),
            None => known.filter(|known| tip.is_some() && known.tip == tip),
        }
    }
}

/// The state ref of a remote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateRefStatus {
    /// The object that it names; none if there is no such ref.
    pub tip: Option<CommitId>,
    /// Refs that prevent the server from creating it.
    pub blocking: BTreeMap<String, CommitId>,
    /// The reason why it cannot be used.
    pub fault: Option<String>,
}

impl Remote {
    /// Reads the files below `prefix` of the state at `commit`, with those on this machine.
    ///
    /// # Errors
    /// If the state cannot be fetched or read.
    pub fn read_state(&mut self, commit: Option<&CommitId>, prefix: &str) -> Result<RootFiles, GitError> {
        let path = RepoPath::parse(prefix)?;
        let at = StateRefTip::decode(commit);
        let stored = if at.local.is_some() { self.local_state.below(prefix)? } else { None };
        self.state_is_local = stored.is_some();
        let theirs = match &at.remote {
            Some(remote) if self.state_fault.is_none() => {
                match self.with_commit(&CommitId(remote.clone()), |objects, id| objects.below(id, &path)) {
                    Err(error) => {
                        self.state_fault = Some(StateFault { tip: at.remote.clone(), reason: fault_of(error)? });
                        RootFiles::new()
                    }
                    Ok(files) => files,
                }
            }
            Some(_) | None => RootFiles::new(),
        };
        Ok(match stored {
            None => theirs,
            Some(stored) if stored.base == at.remote => stored.files,
            // The remote has accepted a state since. This machine's files are older, so a hook may run twice for a change
            // but misses none.
            Some(stored) => theirs.into_iter().chain(stored.files).collect(),
        })
    }

    /// Replaces the files below `prefix`, if the state is still at `expected`. Stores them on this machine if the remote
    /// rejects them, until a later process succeeds.
    ///
    /// # Errors
    /// If the remote cannot be reached or fails, or this machine cannot store them.
    pub fn write_state(
        &mut self,
        expected: Option<&CommitId>,
        prefix: &str,
        files: &RootFiles,
        now: Timestamp,
    ) -> Result<Push<CommitId>, GitError> {
        let path = RepoPath::parse(prefix)?;
        for name in files.keys() {
            path.join(name)?;
        }
        let at = StateRefTip::decode(expected);
        if !self.refuses_state && self.state_fault.is_none() {
            if self.local_state.tip()? != at.local {
                return Ok(Push::Moved);
            }
            match self.push_state(at.remote.as_deref(), &path, files, now) {
                Err(GitError::Refused { reason, .. }) => {
                    tracing::debug!(reason, "the remote rejects the state, which is stored on this machine");
                    self.refuses_state = true;
                }
                Ok(Push::Landed(remote)) => {
                    self.state_is_local = false;
                    let local = self.forget(at.local, prefix)?;
                    let at = StateRefTip { remote: Some(remote.0.clone()), local };
                    return Ok(Push::Landed(at.encode().unwrap_or(remote)));
                }
                other => return other,
            }
        }
        let stored = LocalStateFile { base: at.remote.clone(), files: files.clone() };
        Ok(match self.local_state.swap(at.local.as_ref(), prefix, &stored)? {
            Push::Landed(local) => {
                self.state_is_local = true;
                let at = StateRefTip { remote: at.remote, local: Some(local.clone()) };
                Push::Landed(at.encode().unwrap_or(local))
            }
            other => other,
        })
    }

    /// Updates the state ref from `expected`, or creates it.
    fn push_state(
        &mut self,
        expected: Option<&str>,
        path: &RepoPath,
        files: &RootFiles,
        now: Timestamp,
    ) -> Result<Push<CommitId>, GitError> {
        let build = |objects: &ObjectStore<'_>, parent: Option<Oid>| -> Result<Oid, GitError> {
            let directory = objects.tree_of(files)?;
            let old = parent.map(|parent| objects.top(parent)).transpose()?;
            let tree = match objects.put(old, path, TreeLeaf::Directory(directory))? {
                Some(tree) => tree,
                None => objects.write(ObjectType::Tree, b"")?,
            };
            state_commit(objects, tree, parent, now)
        };
        self.guarded(|remote| {
            let (parent, new) = match expected {
                Some(expected) => {
                    let expected = CommitId(expected.to_owned());
                    remote.with_commit(&expected, |objects, id| Ok((Some(id), build(objects, Some(id))?)))?
                }
                None => (None, build(&ObjectStore::of(remote.repository())?, None)?),
            };
            remote.swap(STATE_REF, parent, parent, new)
        })
    }

    /// Returns why the remote's state ref cannot be used, if it cannot.
    pub fn state_fault(&self) -> Option<GitError> {
        let reason = self.state_fault.as_ref()?.reason.clone();
        Some(GitError::StateRef { url: self.url().to_owned(), reason })
    }

    /// Looks at the state ref, and at the refs that block its name.
    ///
    /// # Errors
    /// If the remote cannot be reached.
    pub fn state_ref(&mut self) -> Result<StateRefStatus, GitError> {
        let refs = self.guarded(|remote| remote.server.list())?;
        let tip = refs.get(STATE_REF).map(|tip| CommitId(tip.to_string()));
        let blocking = refs.iter().filter(|(name, _)| collide(STATE_REF, name));
        let blocking: BTreeMap<_, _> = blocking.map(|(name, tip)| (name.clone(), CommitId(tip.to_string()))).collect();
        let read = |remote: &mut Self, tip: &CommitId| {
            let id = Oid::from_str(&tip.0)?;
            remote.server.fetch_commit(id)?;
            if let Some(fault) = remote.server.cache.fault_of(id) {
                return Ok(Some(fault.to_owned()));
            }
            let objects = ObjectStore::of(remote.repository())?;
            objects.below(id, &RepoPath::parse("")?).map(|_| None)
        };
        let fault = match &tip {
            Some(tip) => self.guarded(|remote| read(remote, tip)).or_else(|error| fault_of(error).map(Some))?,
            None => None,
        };
        Ok(StateRefStatus { tip, blocking, fault })
    }

    /// Replaces the state of all roots and branches by an empty one, and removes the refs that block its name, if all of
    /// them are still as in `status`.
    ///
    /// # Errors
    /// If the remote refuses.
    pub fn reset_state(&mut self, status: &StateRefStatus, now: Timestamp) -> Result<Push<CommitId>, GitError> {
        for (name, tip) in &status.blocking {
            let tip = Oid::from_str(&tip.0)?;
            match self.guarded(|remote| remote.server.remove(name, tip))? {
                Push::Landed(_) => {}
                other => return Ok(to_commit_id(other)),
            }
        }
        let expected = status.tip.as_ref().map(|tip| Oid::from_str(&tip.0)).transpose()?;
        match (self.push_empty_state(expected, now), expected) {
            // git refuses every push but a deletion while the object of a ref is missing.
            (Err(GitError::Refused { .. } | GitError::Failed { .. }), Some(expected)) => {
                match self.guarded(|remote| remote.server.remove(STATE_REF, expected))? {
                    Push::Landed(_) => self.push_empty_state(None, now),
                    other => Ok(to_commit_id(other)),
                }
            }
            (result, _) => result,
        }
    }

    fn push_empty_state(&mut self, expected: Option<Oid>, now: Timestamp) -> Result<Push<CommitId>, GitError> {
        let write = |objects: &ObjectStore<'_>| state_commit(objects, objects.write(ObjectType::Tree, b"")?, None, now);
        self.guarded(|remote| {
            let new = write(&ObjectStore::of(remote.repository())?)?;
            remote.swap(STATE_REF, expected, None, new)
        })
    }

    /// Removes the files below `prefix` from this machine, now that the remote has them; returns the remaining tip.
    fn forget(&self, tip: Option<CommitId>, prefix: &str) -> Result<Option<CommitId>, GitError> {
        if tip.is_none() || self.local_state.below(prefix)?.is_none() {
            return Ok(tip);
        }
        // A concurrent write stays, and moves to the remote with the next one.
        self.local_state.swap(tip.as_ref(), prefix, &LocalStateFile { base: None, files: RootFiles::new() })?;
        self.local_state.tip()
    }

    /// Returns whether the state is stored on this machine because the remote rejects its ref.
    pub fn state_is_local(&self) -> bool {
        self.state_is_local && self.state_fault.is_none()
    }
}

/// Writes a commit of the state without updating a ref.
fn state_commit(objects: &ObjectStore<'_>, tree: Oid, parent: Option<Oid>, now: Timestamp) -> Result<Oid, GitError> {
    let author = Author::default();
    let text = CommitText { message: "pinstream: state", author: &author, signer: None };
    commit(objects.repository, tree, parent, text, now)
}

/// Returns why the state ref cannot be used, if reading it failed with `error` after the remote had listed it.
fn fault_of(error: GitError) -> Result<String, GitError> {
    match error {
        GitError::Local(reason) | GitError::Tree { reason, .. } => Ok(reason),
        GitError::Unreachable { reason, .. } => Ok(unsent(&reason)),
        other => Err(other),
    }
}
