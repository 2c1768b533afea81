//! The remote of a pass: reads refs and files, and pushes by compare-and-swap. Everything blocks.
//!
//! All remotes are read and written through the smart protocol; a directory of this machine also lends its objects.

pub(super) mod forge_commit;
pub(super) mod handle;
pub(super) mod proposals;
pub(super) mod state_ref;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, Signature, Time};
use jiff::Timestamp;

use super::address::{RemoteAddress, RemoteRoute};
use super::branch::BranchName;
use super::cache::GitCache;
use super::credential::GitCredentialSources;
use super::local_state::LocalState;
use super::lock_history;
use super::repo_path::RepoPath;
use super::sign::{Signer, SigningKeySource};
use super::transport::{AdvertisedRefs, FetchRequest, GitConfiguration, ServerRemote};
use super::tree::{ObjectStore, TreeLeaf};
use super::url_config;
use super::{
    CommitId, GitError, HistoryFacts, HistoryQuery, NewCommit, Push, RemoteTips, RepoFile, RootFiles, TipLock,
};
use crate::formats::path::FilePath;
use crate::model::lock;
use crate::model::settings::{Author, Sign, SigningKeyKind};
use crate::system::lock;
use state_ref::{StateFault, StateRefTip};

/// The address of a remote, and what may be used to access it.
#[derive(Clone)]
pub struct RemoteSetup {
    /// Address as given.
    pub url: String,
    /// Path of the root in the repository; empty for the top.
    pub root: String,
    /// Directory of caches; need not exist. None for a temporary cache without the objects of other repositories.
    pub cache: Option<PathBuf>,
    /// Directory of state that a remote rejects; need not exist.
    pub state: PathBuf,
    /// A checkout that lends its objects and configuration.
    pub checkout: Option<PathBuf>,
    /// Sources of credentials.
    pub credentials: GitCredentialSources,
    /// Longest silence of a server, and longest local work without progress.
    pub timeout: Duration,
}

/// A remote and one root in it.
pub struct Remote {
    server: ServerRemote,
    /// The remote's directory on this machine.
    directory: Option<PathBuf>,
    root: RepoPath,
    checkout: Option<PathBuf>,
    /// The branch of the pass and that of `HEAD`, which are never replaced or deleted.
    protected: Arc<Mutex<Vec<BranchName>>>,
    local_state: LocalState,
    signing: SigningKeySource,
    /// The last signer: preparing one starts programs.
    signer: Option<(SigningKeyKind, Arc<Signer>)>,
    /// True if the state of this root is stored on this machine.
    state_is_local: bool,
    /// True if the remote rejected the state ref; the next process tries again.
    refuses_state: bool,
    /// The reason why the remote's state ref cannot be used; the state is stored on this machine meanwhile.
    state_fault: Option<StateFault>,
}

impl Remote {
    /// Prepares access to a remote; does not connect yet.
    ///
    /// # Errors
    /// If the address or the root's path is invalid, or the cache cannot be created.
    pub fn open(setup: RemoteSetup) -> Result<Self, GitError> {
        let RemoteSetup { url, root, cache, state, checkout, credentials, timeout } = setup;
        let config = git_config(checkout.as_deref());
        let url = config.as_ref().map_or_else(|| url.clone(), |config| url_config::instead_of(config, &url));
        let address = RemoteAddress::parse(&url)?;
        let root = RepoPath::parse(&root)?;
        let local_state = LocalState::new(&state, address.url());
        let signing = credentials.signing.clone();
        let directory = match &address.route {
            RemoteRoute::Directory(path) => Some(path.clone()),
            RemoteRoute::Server(_) => None,
        };
        let lenders = [checkout.as_deref(), directory.as_deref()].into_iter().flatten().filter(|_| cache.is_some());
        let cache = GitCache::open(cache.as_deref(), address.url(), &lenders.collect::<Vec<_>>())?;
        let configuration = GitConfiguration { config, checkout: checkout.clone() };
        let server = ServerRemote::new(address, cache, credentials, configuration, timeout)?;
        Ok(Self {
            server,
            directory,
            root,
            checkout,
            protected: Arc::default(),
            local_state,
            signing,
            signer: None,
            state_is_local: false,
            refuses_state: false,
            state_fault: None,
        })
    }

    /// Returns the address without credentials.
    pub fn url(&self) -> &str {
        self.server.address.shown()
    }

    /// Lists the tips of the branch (by default that of `HEAD`), the state ref and other branches, and fetches branch and
    /// state unless they are cached, on one connection.
    ///
    /// # Errors
    /// If the remote cannot be reached or has no such branch.
    pub fn fetch_tips(&mut self, branch: Option<&str>) -> Result<RemoteTips, GitError> {
        let AdvertisedRefs { branch, tip, state, state_fault, default, branches } =
            self.tips(branch, FetchRequest::BranchAndState)?;
        *lock(&self.protected) = default.iter().cloned().chain([branch.clone()]).collect();
        self.state_fault = StateFault::next(self.state_fault.take(), state, state_fault);
        let state = StateRefTip { remote: state.map(|id| id.to_string()), local: self.local_state.tip()? };
        let named = |(name, tip): (BranchName, Oid)| (name.to_string(), CommitId(tip.to_string()));
        Ok(RemoteTips {
            branch: branch.to_string(),
            tip: CommitId(tip.to_string()),
            state: state.encode(),
            default: default.map(|name| name.to_string()),
            branches: branches.into_iter().map(named).collect(),
        })
    }

    /// Reads the lock at the tip of the branch, by default that of `HEAD`. Changes nothing on the remote.
    ///
    /// # Errors
    /// If the remote cannot be reached or has no such branch, or the lock is not a plain file.
    pub fn lock_at_tip(&mut self, branch: Option<&str>) -> Result<TipLock, GitError> {
        let commit = CommitId(self.tips(branch, FetchRequest::Branch)?.tip.to_string());
        let root = self.root.clone();
        let bytes = self.with_commit(&commit, |objects, id| objects.lock_at(id, &root))?;
        Ok(TipLock { commit, bytes })
    }

    /// Lists the refs, and fetches those that are `wanted`.
    fn tips(&mut self, branch: Option<&str>, wanted: FetchRequest) -> Result<AdvertisedRefs, GitError> {
        let branch = branch.map(BranchName::parse).transpose()?;
        self.guarded(|remote| remote.server.fetch_tips(branch.as_ref(), wanted))
    }

    /// Calls `act`; if our cache fails, again with an empty one, and then with a temporary one. The remote is not at fault.
    fn guarded<T>(&mut self, mut act: impl FnMut(&mut Self) -> Result<T, GitError>) -> Result<T, GitError> {
        loop {
            match act(self) {
                Err(GitError::Local(reason)) => self.server.cache.fall_back(&reason)?,
                // A damaged header of an object makes the repository look malformed.
                Err(GitError::Tree { reason, .. }) if self.server.cache.is_warm() => {
                    self.server.cache.fall_back(&reason)?;
                }
                done => return done,
            }
        }
    }

    /// Reads `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml` of the root at `commit`.
    ///
    /// # Errors
    /// If the commit cannot be fetched, or a file is unusable.
    pub fn read(&mut self, commit: &CommitId) -> Result<RootFiles, GitError> {
        let root = self.root.clone();
        self.with_commit(commit, |objects, id| objects.files(id, &root))
    }

    /// Reads a file of the root at `commit`; none if there is none.
    ///
    /// # Errors
    /// If the commit cannot be fetched, or the path is not a plain file.
    pub fn file(&mut self, commit: &CommitId, path: &str) -> Result<Option<RepoFile>, GitError> {
        let path = self.root.join(path)?;
        self.with_commit(commit, |objects, id| objects.file(id, &path))
    }

    /// Lists the plain files of the root at `commit` that match `patterns`.
    ///
    /// # Errors
    /// If the commit cannot be fetched, or too many files match.
    pub fn paths(&mut self, commit: &CommitId, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        let root = self.root.clone();
        self.with_commit(commit, |objects, id| objects.matching_files(id, &root, patterns))
    }

    /// Answers a question about the history of `tip`, from a repository of this machine that has it; the server is asked
    /// only for landed commits.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn history(&self, tip: &CommitId, query: &HistoryQuery) -> Result<HistoryFacts, GitError> {
        let tip = Oid::from_str(&tip.0)?;
        // The cache contains no history.
        let local = self.directory.as_ref().or(self.checkout.as_ref()).and_then(|path| Repository::open(path).ok());
        let reverted = match &local {
            Some(repository) => {
                lock_history::reverted(ObjectStore::of(repository)?, tip, &self.root, &query.candidates)?
            }
            None => None,
        };
        let mut lost = BTreeSet::new();
        for landed in &query.landed {
            let commit = Oid::from_str(&landed.0)?;
            let known = local.as_ref().and_then(|repository| lock_history::contains(repository, tip, commit));
            if known.or_else(|| self.server.contains(tip, commit)) == Some(false) {
                lost.insert(landed.clone());
            }
        }
        Ok(HistoryFacts { reverted, lost })
    }

    /// Checks that commits can be signed: finds the key and signs a test text.
    ///
    /// # Errors
    /// If they cannot.
    pub fn check_signing(&mut self, sign: Sign, now: Timestamp) -> Result<(), GitError> {
        match sign {
            Sign::Key(kind) => self.signer(kind, now).map(drop),
            // GitHub reports it with each commit.
            Sign::GitHub => Ok(()),
        }
    }

    fn signer(&mut self, sign: SigningKeyKind, now: Timestamp) -> Result<Arc<Signer>, GitError> {
        if let Some((_, signer)) = self.signer.as_ref().filter(|(known, _)| *known == sign) {
            return Ok(Arc::clone(signer));
        }
        let signer = Arc::new(Signer::load(sign, &self.signing, git_config(self.checkout.as_deref()), now)?);
        self.signer = Some((sign, Arc::clone(&signer)));
        Ok(signer)
    }

    /// Pushes one commit with the new lock and changed files to the branch, if its tip is still `change.parent`.
    ///
    /// # Errors
    /// If the remote refuses it, a path is not a plain file, or the commit cannot be signed.
    pub fn land(&mut self, branch: &str, change: &NewCommit, now: Timestamp) -> Result<Push<CommitId>, GitError> {
        let reference = BranchName::parse(branch)?.reference();
        self.guarded(|remote| {
            let (parent, new) = remote.write_commit(change, now)?;
            remote.swap(&reference, Some(parent), Some(parent), new)
        })
    }

    /// Writes a commit without updating a ref; returns its parent and its id.
    fn write_commit(&mut self, change: &NewCommit, now: Timestamp) -> Result<(Oid, Oid), GitError> {
        let files = self.files_of(change)?;
        let signer = match (change.sign, &change.made) {
            (Some(Sign::Key(kind)), _) => Some(self.signer(kind, now)?),
            (Some(Sign::GitHub), None) => {
                let message = "GitHub did not create and sign this commit".to_owned();
                return Err(GitError::Signing { message, help: "set `sign` to `ssh` or `openpgp`".to_owned() });
            }
            (Some(Sign::GitHub), Some(_)) | (None, _) => None,
        };
        self.with_commit(&change.parent, |objects, parent| {
            let tree = tree_of(objects, parent, &files)?;
            let text = CommitText { message: &change.message, author: &change.author, signer: signer.as_deref() };
            match &change.made {
                Some(made) => Ok((parent, forge_commit::write(objects.repository, made)?)),
                None => Ok((parent, commit(objects.repository, tree, Some(parent), text, now)?)),
            }
        })
    }

    /// Lists the files that a commit writes.
    fn files_of<'a>(&self, change: &'a NewCommit) -> Result<Vec<NewFile<'a>>, GitError> {
        let lock =
            NewFile { path: self.root.join(lock::FILE_NAME)?, bytes: change.lock.as_bytes(), leaf: TreeLeaf::File };
        let file = |(path, bytes): (&String, &'a Vec<u8>)| {
            Ok(NewFile { path: self.root.join(path)?, bytes: bytes.as_slice(), leaf: TreeLeaf::Edited })
        };
        std::iter::once(Ok(lock)).chain(change.files.iter().map(file)).collect()
    }

    fn repository(&self) -> &Repository {
        &self.server.cache.repository
    }

    /// Fetches a commit unless it is cached, and calls `act`.
    fn with_commit<T>(
        &mut self,
        commit: &CommitId,
        mut act: impl FnMut(&ObjectStore<'_>, Oid) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let id = Oid::from_str(&commit.0)?;
        self.guarded(|remote| {
            if !remote.server.cache.has(id) {
                remote.server.fetch_commit(id)?;
            }
            act(&ObjectStore::of(remote.repository())?, id)
        })
    }

    fn swap(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<CommitId>, GitError> {
        Ok(to_commit_id(self.server.push(reference, expected, parent, new)?))
    }
}

/// Reads git's configuration: that of the checkout if there is one, else the user's and the machine's.
fn git_config(checkout: Option<&Path>) -> Option<git2::Config> {
    let repository = checkout.and_then(|path| Repository::open(path).ok());
    repository.and_then(|repository| repository.config().ok()).or_else(|| git2::Config::open_default().ok())
}

/// Writes the tree of `parent` with `files`.
fn tree_of(objects: &ObjectStore<'_>, parent: Oid, files: &[NewFile<'_>]) -> Result<Oid, GitError> {
    let mut tree = objects.top(parent)?;
    for NewFile { path, bytes, leaf } in files {
        let blob = objects.write(ObjectType::Blob, bytes)?;
        let put = objects.put(Some(tree), path, leaf(blob))?;
        tree = put.ok_or_else(|| GitError::Local("the new tree is empty".to_owned()))?;
    }
    Ok(tree)
}

fn to_commit_id(outcome: Push<Oid>) -> Push<CommitId> {
    match outcome {
        Push::Landed(id) => Push::Landed(CommitId(id.to_string())),
        Push::Moved => Push::Moved,
        Push::Unknown(reason) => Push::Unknown(reason),
    }
}

/// A file that a commit writes.
struct NewFile<'a> {
    /// Path from the top of the repository.
    path: RepoPath,
    bytes: &'a [u8],
    /// Makes the tree entry of the blob.
    leaf: fn(Oid) -> TreeLeaf,
}

/// The message, author and signer of a commit.
#[derive(Clone, Copy)]
struct CommitText<'a> {
    message: &'a str,
    author: &'a Author,
    signer: Option<&'a Signer>,
}

/// Writes a commit object without updating a ref.
fn commit(
    repository: &Repository,
    tree: Oid,
    parent: Option<Oid>,
    text: CommitText<'_>,
    now: Timestamp,
) -> Result<Oid, GitError> {
    let CommitText { message, author, signer } = text;
    let person = Signature::new(&author.name, &author.email, &Time::new(now.as_second(), 0))?;
    let tree = repository.find_tree(tree)?;
    let parent = parent.map(|parent| repository.find_commit(parent)).transpose()?;
    let parents: Vec<_> = parent.iter().collect();
    let bytes = repository.commit_create_buffer(&person, &person, message, &tree, &parents)?;
    match signer {
        None => Ok(repository.odb()?.write(ObjectType::Commit, &bytes)?),
        Some(signer) => {
            let signature = signer.sign(&bytes, now)?;
            let text = std::str::from_utf8(&bytes).map_err(|error| GitError::Local(error.to_string()))?;
            Ok(repository.commit_signed(text, signature.trim_end(), Some("gpgsig"))?)
        }
    }
}
