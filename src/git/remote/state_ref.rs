//! The state ref: read, written by compare-and-swap, and kept on this machine where the remote does not take it.

use git2::{ObjectType, Oid};
use jiff::Timestamp;

use super::{Remote, Words, commit};
use crate::git::local_state::LocalStateFile;
use crate::git::tree::{ObjectStore, RepoPath, TreeLeaf};
use crate::git::{CommitId, GitError, Push, RootFiles, STATE_REF};
use crate::model::settings::Author;

/// Where the state was read: the commit of the remote's ref, and what this machine keeps beside it because the remote
/// did not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StateRefTip {
    pub(super) remote: Option<String>,
    pub(super) local: Option<CommitId>,
}

impl StateRefTip {
    /// As it is given out: a commit, `commit+hash` or `+hash`.
    pub(super) fn given(&self) -> Option<CommitId> {
        let remote = self.remote.as_deref().unwrap_or_default();
        match &self.local {
            Some(local) => Some(CommitId(format!("{remote}+{local}"))),
            None => self.remote.clone().map(CommitId),
        }
    }

    fn of(given: Option<&CommitId>) -> Self {
        let Some(given) = given else { return Self { remote: None, local: None } };
        let (remote, local) =
            given.0.split_once('+').map_or((&*given.0, None), |(remote, local)| (remote, Some(local)));
        let remote = Some(remote).filter(|remote| !remote.is_empty()).map(str::to_owned);
        Self { remote, local: local.map(|local| CommitId(local.to_owned())) }
    }
}

impl Remote {
    /// The files below `prefix` of the state at `commit`, with what this machine keeps beside them.
    ///
    /// # Errors
    /// Where the state cannot be had or read.
    pub fn read_state(&mut self, commit: Option<&CommitId>, prefix: &str) -> Result<RootFiles, GitError> {
        let path = RepoPath::parse(prefix)?;
        let at = StateRefTip::of(commit);
        let kept = if at.local.is_some() { self.local_state.below(prefix)? } else { None };
        self.state_is_local = kept.is_some();
        let theirs = match &at.remote {
            Some(remote) => self.with_commit(&CommitId(remote.clone()), |objects, id| objects.below(id, &path))?,
            None => RootFiles::new(),
        };
        Ok(match kept {
            None => theirs,
            Some(kept) if kept.base == at.remote => kept.files,
            // The remote has got a state of its own since. What this machine knows was seen is less than what others
            // take for seen who adopted the tip: a hook may be told twice, but of everything.
            Some(kept) => theirs.into_iter().chain(kept.files).collect(),
        })
    }

    /// Replaces what the state has below `prefix`, if it is still at `expected`; all else in it stays. What the remote
    /// refuses is kept on this machine, until a later process finds that the remote takes it.
    ///
    /// # Errors
    /// Where the remote cannot be reached or fails, or this machine cannot store it.
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
        let at = StateRefTip::of(expected);
        if !self.refuses_state {
            if self.local_state.tip()? != at.local {
                return Ok(Push::Moved);
            }
            match self.push_state(at.remote.as_deref(), &path, files, now) {
                Err(GitError::Refused { reason, .. }) => {
                    tracing::debug!(reason, "the remote refuses the state, which is kept on this machine");
                    self.refuses_state = true;
                }
                Ok(Push::Landed(remote)) => {
                    self.state_is_local = false;
                    let local = self.forget(at.local, prefix)?;
                    let at = StateRefTip { remote: Some(remote.0.clone()), local };
                    return Ok(Push::Landed(at.given().unwrap_or(remote)));
                }
                other => return other,
            }
        }
        let kept = LocalStateFile { base: at.remote.clone(), files: files.clone() };
        Ok(match self.local_state.swap(at.local.as_ref(), prefix, &kept)? {
            Push::Landed(local) => {
                self.state_is_local = true;
                let at = StateRefTip { remote: at.remote, local: Some(local.clone()) };
                Push::Landed(at.given().unwrap_or(local))
            }
            other => other,
        })
    }

    /// Pushes the state ref from `expected`, or from nothing.
    fn push_state(
        &mut self,
        expected: Option<&str>,
        path: &RepoPath,
        files: &RootFiles,
        now: Timestamp,
    ) -> Result<Push<CommitId>, GitError> {
        let build = |objects: &ObjectStore<'_>, parent: Option<Oid>| {
            let folder = objects.tree_of(files)?;
            let old = parent.map(|parent| objects.top(parent)).transpose()?;
            let tree = match objects.put(old, path, TreeLeaf::Folder(folder))? {
                Some(tree) => tree,
                None => objects.write(ObjectType::Tree, b"")?,
            };
            let author = Author::default();
            let words = Words { message: "pinstream: state", author: &author, signer: None };
            commit(objects.repository, tree, parent, words, now)
        };
        let (parent, new) = match expected {
            Some(expected) => {
                let expected = CommitId(expected.to_owned());
                self.with_commit(&expected, |objects, id| Ok((Some(id), build(objects, Some(id))?)))?
            }
            None => (None, build(&ObjectStore::of(self.repository())?, None)?),
        };
        self.swap(STATE_REF, parent, parent, new)
    }

    /// Forgets what this machine kept below `prefix`, now that the remote has it; what is left beside it.
    fn forget(&self, tip: Option<CommitId>, prefix: &str) -> Result<Option<CommitId>, GitError> {
        if tip.is_none() || self.local_state.below(prefix)?.is_none() {
            return Ok(tip);
        }
        // Where somebody wrote meanwhile it stays, and is taken to the remote by whoever writes next.
        self.local_state.swap(tip.as_ref(), prefix, &LocalStateFile { base: None, files: RootFiles::new() })?;
        self.local_state.tip()
    }

    /// Whether the state is kept on this machine, because the remote takes no ref for it.
    pub fn state_is_local(&self) -> bool {
        self.state_is_local
    }
}
