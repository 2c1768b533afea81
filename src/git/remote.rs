//! The remote of a pass: looked at, read, and moved on by compare-and-swap. All of it blocks.
//!
//! A remote is a folder of this machine or a server; what a caller sees is the same.

pub(super) mod made;
pub(super) mod proposals;
mod state_ref;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use git2::{ObjectType, Oid, Repository, Signature, Time};
use jiff::Timestamp;

use super::address::{BranchName, RemoteAddress, RemoteRoute};
use super::back;
use super::cache::GitCache;
use super::credential::GitCredentialSources;
use super::folder::PathRemote;
use super::local_state::LocalState;
use super::message::local;
use super::sign::{KeySource, Signer};
use super::tree::{ObjectStore, RepoPath, TreeLeaf};
use super::wire::{AdvertisedRefs, FetchRequest, Transport};
use super::{CommitId, GitError, NewCommit, Push, RemoteTips, RepoFile, RootFiles, STATE_REF, TipLock, limit_process};
use crate::formats::path::FilePath;
use crate::model::image::{Digest, TagId};
use crate::model::settings::{Author, Sign, SigningKeyKind};
use state_ref::StateRefTip;

/// Where a remote is and what may be used to reach it.
pub struct RemoteSetup {
    /// The address, as a person gives it.
    pub url: String,
    /// The path of the root's folder in the repository; empty for the top.
    pub root: String,
    /// The folder of our caches; need not exist.
    pub cache: PathBuf,
    /// The folder of state that a remote does not take; need not exist.
    pub state: PathBuf,
    /// A checkout whose objects may be read.
    pub checkout: Option<PathBuf>,
    /// Credentials.
    pub credentials: GitCredentialSources,
    /// How long a server may be silent.
    pub timeout: Duration,
}

/// A remote and one root in it.
pub struct Remote {
    end: End,
    root: RepoPath,
    checkout: Option<PathBuf>,
    local_state: LocalState,
    signing: KeySource,
    /// The key that signed last, which takes a moment to be opened.
    signer: Option<(SigningKeyKind, Arc<Signer>)>,
    /// Whether the state of the root that is worked on is kept on this machine.
    state_is_local: bool,
    /// Whether the remote refused the state ref; it is asked again by the next process.
    refuses_state: bool,
}

/// What the remote is.
enum End {
    Folder(Box<PathRemote>),
    Server(Box<Transport>),
}

impl Remote {
    /// Gets ready to work on a remote; nothing is asked of it yet.
    ///
    /// # Errors
    /// Where the address or the root's path is not accepted, or the cache cannot be made.
    pub fn open(setup: RemoteSetup) -> Result<Self, GitError> {
        let address = RemoteAddress::parse(&setup.url)?;
        let root = RepoPath::parse(&setup.root)?;
        let configured = || git2::Config::open_default().ok()?.get_path("http.sslCAInfo").ok();
        let authorities = setup.credentials.authorities.clone().or_else(configured);
        limit_process(setup.timeout, authorities.as_deref()).map_err(|error| local(&error))?;
        let local_state = LocalState::new(&setup.state, address.url());
        let signing = setup.credentials.signing.clone();
        let end = match address.route() {
            RemoteRoute::Folder(path) => End::Folder(Box::new(PathRemote::open(path, address.shown())?)),
            RemoteRoute::Server(_) => {
                let cache = GitCache::open(&setup.cache, address.url(), setup.checkout.as_deref())?;
                End::Server(Box::new(Transport::new(address, cache, setup.credentials, setup.timeout)))
            }
        };
        Ok(Self {
            end,
            root,
            checkout: setup.checkout,
            local_state,
            signing,
            signer: None,
            state_is_local: false,
            refuses_state: false,
        })
    }

    /// The remote's address, without any credential.
    pub fn url(&self) -> &str {
        match &self.end {
            End::Folder(remote) => remote.url(),
            End::Server(wire) => wire.address.shown(),
        }
    }

    /// Asks for the tips of the branch, or of the remote's `HEAD`, and of the state ref, in one conversation; what is
    /// not at hand of them is fetched in the same.
    ///
    /// # Errors
    /// Where the remote cannot be reached or has no such branch.
    pub fn look(&mut self, branch: Option<&str>) -> Result<RemoteTips, GitError> {
        if let End::Folder(remote) = &self.end {
            remote.mend();
        }
        let AdvertisedRefs { branch, tip, state, default, proposals } =
            self.tips(branch, FetchRequest::BranchAndState)?;
        let state = StateRefTip { remote: state.map(|id| id.to_string()), local: self.local_state.tip()? };
        let named = |(name, tip): (BranchName, Oid)| (name.to_string(), CommitId(tip.to_string()));
        Ok(RemoteTips {
            branch: branch.to_string(),
            tip: CommitId(tip.to_string()),
            state: state.given(),
            default: default.map(|name| name.to_string()),
            proposals: proposals.into_iter().map(named).collect(),
        })
    }

    /// The lock at the tip of the branch, or of the remote's `HEAD`. Nothing of the remote is ever changed by it.
    ///
    /// # Errors
    /// Where the remote cannot be reached or has no such branch, or there is no plain file at the lock's path.
    pub fn lock_at_tip(&mut self, branch: Option<&str>) -> Result<TipLock, GitError> {
        let commit = CommitId(self.tips(branch, FetchRequest::Branch)?.tip.to_string());
        let root = self.root.clone();
        let bytes = self.with_commit(&commit, |objects, id| {
            let lock = objects.lock_id(id, &root)?;
            lock.map(|id| objects.lock(id)).transpose()
        })?;
        Ok(TipLock { commit, bytes })
    }

    /// What the branch and the state ref stand at, with what is `wanted` of them at hand.
    fn tips(&mut self, branch: Option<&str>, wanted: FetchRequest) -> Result<AdvertisedRefs, GitError> {
        let branch = branch.map(BranchName::parse).transpose()?;
        match &mut self.end {
            End::Folder(remote) => {
                let default = remote.default_branch();
                let proposals = remote.proposals()?;
                let (default, branch) = match branch {
                    Some(branch) => (default.ok(), branch),
                    None => default.map(|name| (Some(name.clone()), name))?,
                };
                // The state first: it may be younger than the branch, never older than what is compared with it.
                let state = remote.tip(STATE_REF)?;
                let tip = remote.tip(&branch.reference())?;
                let tip =
                    tip.ok_or_else(|| GitError::NoBranch { url: self.url().to_owned(), branch: branch.to_string() })?;
                Ok(AdvertisedRefs { branch, tip, state, default, proposals })
            }
            End::Server(wire) => {
                let mut tips = wire.look(branch.as_ref(), wanted);
                if let Err(GitError::Local(reason)) = &tips {
                    tracing::debug!(reason, "the cache is broken and made anew");
                    wire.cache.recreate()?;
                    tips = wire.look(branch.as_ref(), wanted);
                }
                tips
            }
        }
    }

    /// `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml` of the root at `commit`, by path from the root.
    ///
    /// # Errors
    /// Where the commit cannot be had, or holds what is not read.
    pub fn read(&mut self, commit: &CommitId) -> Result<RootFiles, GitError> {
        let root = self.root.clone();
        self.with_commit(commit, |objects, id| objects.files(id, &root))
    }

    /// One file of the root at `commit`; none where it is not there.
    ///
    /// # Errors
    /// Where the commit cannot be had, or there is no plain file at `path`.
    pub fn file(&mut self, commit: &CommitId, path: &str) -> Result<Option<RepoFile>, GitError> {
        let path = self.root.join(path)?;
        self.with_commit(commit, |objects, id| objects.file(id, &path))
    }

    /// The plain files of the root at `commit` that `patterns` mean.
    ///
    /// # Errors
    /// Where the commit cannot be had, or they are too many.
    pub fn paths(&mut self, commit: &CommitId, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        let root = self.root.clone();
        self.with_commit(commit, |objects, id| objects.paths(id, &root, patterns))
    }

    /// Of moves to `candidates`, those that people took back in the history of `tip`; none where that is not at hand.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn taken_back(
        &self,
        tip: &CommitId,
        candidates: &BTreeMap<TagId, Digest>,
    ) -> Result<Option<BTreeSet<TagId>>, GitError> {
        let tip = Oid::from_str(&tip.0).map_err(|error| local(&error))?;
        match (&self.end, &self.checkout) {
            (End::Folder(remote), _) => back::taken_back(&remote.repository, tip, &self.root, candidates),
            // Our cache holds no more history than it takes to push.
            (End::Server(_), Some(checkout)) => match Repository::open(checkout) {
                Ok(repository) => back::taken_back(&repository, tip, &self.root, candidates),
                Err(_) => Ok(None),
            },
            (End::Server(_), None) => Ok(None),
        }
    }

    /// Whether commits can be signed so: the key is there and has proved that it can.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn can_sign(&mut self, sign: Sign, now: Timestamp) -> Result<(), GitError> {
        match sign {
            Sign::Key(kind) => self.signer(kind, now).map(drop),
            // It says so with each commit.
            Sign::GitHub => Ok(()),
        }
    }

    fn signer(&mut self, sign: SigningKeyKind, now: Timestamp) -> Result<Arc<Signer>, GitError> {
        if let Some((_, signer)) = self.signer.as_ref().filter(|(known, _)| *known == sign) {
            return Ok(Arc::clone(signer));
        }
        let signer = Arc::new(Signer::load(sign, &self.signing, now)?);
        self.signer = Some((sign, Arc::clone(&signer)));
        Ok(signer)
    }

    /// Puts one commit with the new lock, and files that are written over, on the branch, if its tip is still
    /// `change.parent`.
    ///
    /// # Errors
    /// Where the remote refuses it, there is no plain file at the path of one of them, or it cannot be signed.
    pub fn land(&mut self, branch: &str, change: &NewCommit, now: Timestamp) -> Result<Push<CommitId>, GitError> {
        let reference = BranchName::parse(branch)?.reference();
        let (parent, new) = self.commit_on(change, now)?;
        self.swap(&reference, Some(parent), Some(parent), new)
    }

    /// Writes the commit that `change` is, and gives its parent and its id; no ref names it yet.
    fn commit_on(&mut self, change: &NewCommit, now: Timestamp) -> Result<(Oid, Oid), GitError> {
        let files = self.files_of(change)?;
        let signer = match (change.sign, &change.made) {
            (Some(Sign::Key(kind)), _) => Some(self.signer(kind, now)?),
            (Some(Sign::GitHub), None) => {
                let message = "GitHub did not make this commit".to_owned();
                return Err(GitError::Signing { message, help: "sign with a key: `ssh` or `openpgp`".to_owned() });
            }
            (Some(Sign::GitHub), Some(_)) | (None, _) => None,
        };
        self.with_commit(&change.parent, |objects, parent| {
            let tree = tree_of(objects, parent, &files)?;
            let words = Words { message: &change.message, author: &change.author, signer: signer.as_deref() };
            match &change.made {
                Some(made) => Ok((parent, made::write(objects.repository, made)?)),
                None => Ok((parent, commit(objects.repository, tree, Some(parent), words, now)?)),
            }
        })
    }

    /// The lock and the files of `change`, by their paths from the top of the repository.
    fn files_of<'a>(&self, change: &'a NewCommit) -> Result<Vec<Blob<'a>>, GitError> {
        let lock = (self.root.join(crate::model::lock::FILE_NAME)?, change.lock.as_bytes(), TreeLeaf::File as Kind);
        let file = |(path, bytes): (&String, &'a Vec<u8>)| {
            Ok((self.root.join(path)?, bytes.as_slice(), TreeLeaf::Edited as Kind))
        };
        std::iter::once(Ok(lock)).chain(change.files.iter().map(file)).collect()
    }

    fn repository(&self) -> &Repository {
        match &self.end {
            End::Folder(remote) => &remote.repository,
            End::Server(wire) => &wire.cache.repository,
        }
    }

    /// Does something with a commit, after fetching it where need be. What is broken in our cache is fetched anew, once.
    fn with_commit<T>(
        &mut self,
        commit: &CommitId,
        mut act: impl FnMut(&ObjectStore<'_>, Oid) -> Result<T, GitError>,
    ) -> Result<T, GitError> {
        let id = Oid::from_str(&commit.0).map_err(|error| local(&error))?;
        let fetched = match &self.end {
            End::Server(wire) if !wire.cache.has(id) => wire.fetch_commit(id),
            End::Server(_) | End::Folder(_) => Ok(()),
        };
        let first = fetched.and_then(|()| act(&ObjectStore::of(self.repository())?, id));
        match (first, &mut self.end) {
            (Err(GitError::Local(reason)), End::Server(wire)) => {
                tracing::debug!(reason, "the cache is broken and made anew");
                wire.cache.recreate()?;
                wire.fetch_commit(id)?;
                act(&ObjectStore::of(&wire.cache.repository)?, id)
            }
            (first, _) => first,
        }
    }

    fn swap(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<CommitId>, GitError> {
        Ok(named(match &mut self.end {
            End::Folder(remote) => remote.swap(reference, expected, new)?,
            End::Server(wire) => wire.push(reference, expected, parent, new)?,
        }))
    }
}

/// The tree of `parent` with `files` in it.
fn tree_of(objects: &ObjectStore<'_>, parent: Oid, files: &[Blob<'_>]) -> Result<Oid, GitError> {
    let mut tree = objects.top(parent)?;
    for (path, bytes, kind) in files {
        let blob = objects.write(ObjectType::Blob, bytes)?;
        let put = objects.put(Some(tree), path, kind(blob))?;
        tree = put.ok_or_else(|| GitError::Local("the new tree is empty".to_owned()))?;
    }
    Ok(tree)
}

fn named(outcome: Push<Oid>) -> Push<CommitId> {
    match outcome {
        Push::Landed(id) => Push::Landed(CommitId(id.to_string())),
        Push::Moved => Push::Moved,
        Push::Unknown(reason) => Push::Unknown(reason),
    }
}

/// What a blob becomes in a tree.
type Kind = fn(Oid) -> TreeLeaf;
/// A file to be written: its path from the top, its bytes, and what they become.
type Blob<'a> = (RepoPath, &'a [u8], Kind);

/// What a commit says, and whose word it is.
#[derive(Clone, Copy)]
struct Words<'a> {
    message: &'a str,
    author: &'a Author,
    signer: Option<&'a Signer>,
}

/// Writes a commit object; no ref names it yet.
fn commit(
    repository: &Repository,
    tree: Oid,
    parent: Option<Oid>,
    words: Words<'_>,
    now: Timestamp,
) -> Result<Oid, GitError> {
    let Words { message, author, signer } = words;
    let bytes = || {
        let person = Signature::new(&author.name, &author.email, &Time::new(now.as_second(), 0))?;
        let tree = repository.find_tree(tree)?;
        let parent = parent.map(|parent| repository.find_commit(parent)).transpose()?;
        let parents: Vec<_> = parent.iter().collect();
        repository.commit_create_buffer(&person, &person, message, &tree, &parents)
    };
    let bytes = bytes().map_err(|error| local(&error))?;
    let written = match signer {
        None => repository.odb().and_then(|odb| odb.write(ObjectType::Commit, &bytes)),
        Some(signer) => {
            let signature = signer.sign(&bytes, now)?;
            let text = std::str::from_utf8(&bytes).map_err(|error| GitError::Local(error.to_string()))?;
            repository.commit_signed(text, signature.trim_end(), Some("gpgsig"))
        }
    };
    written.map_err(|error| local(&error))
}
