//! The checkout that a person stands in: where it is, what it follows, and the history of its lock. Read, never written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};
use jiff::Timestamp;

use super::message::{local, shown};
use super::tree::{ObjectStore, RepoPath};
use super::{CommitId, GitError, RepoFile, RootFiles};
use crate::model::image::{Digest, TagId};

/// The most commits that are looked at for the history of a lock.
const COMMITS_MAX: usize = 100_000;

/// A checkout.
pub struct Checkout {
    repository: Repository,
    /// The top folder of the work tree.
    pub folder: PathBuf,
    /// The path from there to the folder it was found from; empty for the top.
    pub prefix: String,
    /// The branch: the one that the current branch follows, or else the current branch itself.
    pub branch: Option<String>,
    /// The address of the remote: the one the current branch follows, `origin`, or the only one.
    pub url: Option<String>,
}

/// One version of a lock, and the commit that brought it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockRevision {
    /// The commit.
    pub commit: CommitId,
    /// Its author's name.
    pub author: String,
    /// When it was made, by its author's clock.
    pub time: Timestamp,
    /// The proposal it came by, where its message names one.
    pub proposal: Option<String>,
    /// The lock's bytes.
    pub bytes: Vec<u8>,
}

/// Where a pin's digest comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// The commit that brought it.
    pub commit: CommitId,
    /// Its author's name.
    pub author: String,
    /// When it was made, by its author's clock.
    pub time: Timestamp,
}

/// The checkout that `folder` is in; none where it is in none.
///
/// # Errors
/// Where there is one that cannot be read.
pub fn discover(folder: &Path) -> Result<Option<Checkout>, GitError> {
    let repository = match Repository::discover(folder) {
        Ok(repository) => repository,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) if error.code() == ErrorCode::Owner => {
            let holds_git = |folder: &&Path| folder.join(".git").exists();
            let folder = folder.ancestors().find(holds_git).unwrap_or(folder);
            return Err(GitError::Owner { folder: shown(&folder.display().to_string()) });
        }
        Err(error) => return Err(local(&error)),
    };
    let Some(top) = repository.workdir().map(Path::to_owned) else { return Ok(None) };
    let inside =
        |folder: &Path| Some(folder.canonicalize().ok()?.strip_prefix(top.canonicalize().ok()?).ok()?.to_owned());
    let prefix = inside(folder).and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
    let current = current_branch(&repository);
    let setting = |key: &str| {
        let name = format!("branch.{}.{key}", current.as_deref()?);
        repository.config().ok()?.get_string(&name).ok()
    };
    let followed = setting("merge").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    let url = remote_url(&repository, setting("remote"), &top);
    let branch = followed.or(current.clone());
    Ok(Some(Checkout { folder: top, prefix, branch, url, repository }))
}

fn current_branch(repository: &Repository) -> Option<String> {
    let head = repository.find_reference("HEAD").ok()?;
    head.symbolic_target().ok().flatten()?.strip_prefix("refs/heads/").map(str::to_owned)
}

fn remote_url(repository: &Repository, followed: Option<String>, top: &Path) -> Option<String> {
    let names = repository.remotes().ok()?;
    let mut names = names.iter().flatten().flatten();
    let only = names.next().filter(|_| names.next().is_none()).map(str::to_owned);
    let url = [followed.filter(|name| name != "."), Some("origin".to_owned()), only]
        .into_iter()
        .flatten()
        .find_map(|name| repository.find_remote(&name).ok()?.url().ok().map(str::to_owned))?;
    // A folder is given from the top of the checkout, wherever we stand.
    let path = top.join(&url);
    let is_folder = !url.contains(':') && path.is_dir();
    if is_folder { path.to_str().map(str::to_owned) } else { Some(url) }
}

impl Checkout {
    /// The commit that a revision names (gitrevisions(7)).
    ///
    /// # Errors
    /// Where it names none.
    pub fn commit(&self, revision: &str) -> Result<CommitId, GitError> {
        Ok(CommitId(self.resolve(revision)?.to_string()))
    }

    /// Whether Git ignores what is at `path` of the work tree, and holds nothing of it.
    pub fn ignores(&self, path: &Path, is_folder: bool) -> bool {
        let Ok(inside) = path.strip_prefix(&self.folder) else { return false };
        if !self.repository.is_path_ignored(inside).unwrap_or(false) {
            return false;
        }
        let Ok(index) = self.repository.index() else { return true };
        match is_folder {
            true => index.find_prefix(inside.join("")).is_err(),
            false => index.get_path(inside, 0).is_none(),
        }
    }

    /// Whether its history ends early, as `git clone --depth` leaves it.
    pub fn is_shallow(&self) -> bool {
        self.repository.is_shallow()
    }

    fn resolve(&self, revision: &str) -> Result<Oid, GitError> {
        let unknown = |error: git2::Error| {
            let (revision, reason) = (shown(revision), shown(error.message()));
            GitError::Local(format!("`{revision}` names no commit of this repository: {reason}"))
        };
        if revision.starts_with('-') {
            return Err(GitError::Local(format!("`{}` is not a revision", shown(revision))));
        }
        let found = self.repository.revparse_single(revision).map_err(unknown)?;
        Ok(found.peel_to_commit().map_err(unknown)?.id())
    }

    /// The settings, streams and lock of the root at `root` at a revision.
    ///
    /// # Errors
    /// Where there is no such revision, or it holds what is not read.
    pub fn read_at(&self, revision: &str, root: &str) -> Result<RootFiles, GitError> {
        let root = RepoPath::parse(root)?;
        ObjectStore::of(&self.repository)?.files(self.resolve(revision)?, &root)
    }

    /// One file of the root at `root` at a revision; none where it is not there.
    ///
    /// # Errors
    /// Where there is no such revision, or there is no plain file at `path`.
    pub fn file_at(&self, revision: &str, root: &str, path: &str) -> Result<Option<RepoFile>, GitError> {
        let path = RepoPath::parse(root)?.join(path)?;
        ObjectStore::of(&self.repository)?.file(self.resolve(revision)?, &path)
    }

    /// The lock of the root at `root` at a revision; none where there is none.
    ///
    /// # Errors
    /// Where there is no such revision, or the lock cannot be read.
    pub fn lock_at(&self, revision: &str, root: &str) -> Result<Option<Vec<u8>>, GitError> {
        let objects = ObjectStore::of(&self.repository)?;
        let lock = objects.lock_id(self.resolve(revision)?, &RepoPath::parse(root)?)?;
        lock.map(|id| objects.lock(id)).transpose()
    }

    /// The versions of a root's lock, newest first, along the first parents of a revision. A version that did not
    /// change over many commits comes once, with the commit that brought it.
    ///
    /// # Errors
    /// Where there is no such revision.
    pub fn lock_history(&self, revision: &str, root: &str) -> Result<LockHistory<'_>, GitError> {
        LockHistory::new(&self.repository, self.resolve(revision)?, RepoPath::parse(root)?, COMMITS_MAX)
    }

    /// Of moves to `candidates`, those that people took back in the history of what is checked out; none where that is
    /// cut off, or there is none yet.
    ///
    /// # Errors
    /// Where the history cannot be read.
    pub fn taken_back(&self, candidates: &BTreeMap<TagId, Digest>) -> Result<Option<BTreeSet<TagId>>, GitError> {
        let Ok(tip) = self.resolve("HEAD") else { return Ok(None) };
        super::back::taken_back(&self.repository, tip, &RepoPath::parse(&self.prefix)?, candidates)
    }

    /// For each tag and each of its `wanted` digests, the commit that brought the tag there the last time. `read` gives
    /// the digests of a lock. Where history ends early, as in a shallow clone, its last commit stands for all before
    /// it; a digest that history does not hold is not in the answer. No further is walked than these digests lie back.
    ///
    /// # Errors
    /// Where there is no such revision, or its history cannot be read.
    pub fn blame_lock(
        &self,
        revision: &str,
        root: &str,
        wanted: &BTreeMap<TagId, Vec<Digest>>,
        mut read: impl FnMut(&[u8]) -> BTreeMap<TagId, Digest>,
    ) -> Result<BTreeMap<(TagId, Digest), Provenance>, GitError> {
        let mut found = BTreeMap::new();
        let mut open: BTreeMap<&TagId, HistoryQuery> =
            wanted.iter().map(|(tag, digests)| (tag, HistoryQuery::of(digests))).collect();
        open.retain(|_, wanted| !wanted.left.is_empty());
        for version in self.lock_history(revision, root)? {
            if open.is_empty() {
                break;
            }
            let LockRevision { commit, author, time, bytes, .. } = version?;
            let pins = read(&bytes);
            let brought = Provenance { commit, author, time };
            open.retain(|tag, wanted| {
                // Before a tag was there, it stood nowhere.
                let Some(at) = pins.get(*tag) else { return false };
                wanted.leave_for(at);
                if wanted.left.contains(at) {
                    found.insert(((*tag).clone(), at.clone()), brought.clone());
                }
                !wanted.left.is_empty()
            });
        }
        Ok(found)
    }
}

/// Digests of one tag whose commits are looked for, while history is walked back.
struct HistoryQuery {
    left: Vec<Digest>,
    /// Where the tag stood in the version that came after.
    later: Option<Digest>,
}

impl HistoryQuery {
    fn of(digests: &[Digest]) -> Self {
        Self { left: digests.to_vec(), later: None }
    }

    /// Steps back to a version in which the tag stands at `at`: what it stood at after that began there.
    fn leave_for(&mut self, at: &Digest) {
        if let Some(later) = self.later.replace(at.clone()).filter(|later| later != at) {
            self.left.retain(|digest| *digest != later);
        }
    }
}

/// The versions of a lock, newest first.
pub struct LockHistory<'r> {
    objects: ObjectStore<'r>,
    root: RepoPath,
    next: Option<Oid>,
    left: usize,
}

impl<'r> LockHistory<'r> {
    /// The versions that the first parents of `tip` had, over at most `commits` of them.
    pub(super) fn new(repository: &'r Repository, tip: Oid, root: RepoPath, commits: usize) -> Result<Self, GitError> {
        Ok(Self { objects: ObjectStore::of(repository)?, root, next: Some(tip), left: commits })
    }

    /// Walks on to the commit that brought the next version.
    fn step(&mut self) -> Result<Option<LockRevision>, GitError> {
        let Some(mut at) = self.next.take() else { return Ok(None) };
        let mut lock = self.objects.lock_id(at, &self.root)?;
        loop {
            let commit = self.objects.repository.find_commit(at).map_err(|error| local(&error))?;
            // In a shallow clone the last commit names a parent that is not there.
            let parent = commit.parent_ids().next().filter(|parent| self.left > 0 && self.objects.odb.exists(*parent));
            self.left = self.left.saturating_sub(1);
            let before = match parent {
                Some(parent) => {
                    // Most commits do not touch the root at all: then not even its folder is read.
                    let same = self.objects.top(parent)? == commit.tree_id();
                    if same { lock } else { self.objects.lock_id(parent, &self.root)? }
                }
                None => None,
            };
            if before == lock
                && let Some(parent) = parent
            {
                at = parent;
                continue;
            }
            self.next = parent;
            let Some(blob) = lock else {
                // The lock was taken out here, or had not been there yet.
                let Some(parent) = parent else { return Ok(None) };
                (at, lock) = (parent, before);
                continue;
            };
            let author = commit.author();
            return Ok(Some(LockRevision {
                commit: CommitId(at.to_string()),
                author: shown(&String::from_utf8_lossy(author.name_bytes())),
                time: Timestamp::from_second(author.when().seconds()).unwrap_or_default(),
                proposal: super::proposal::proposal(&String::from_utf8_lossy(commit.message_bytes())),
                bytes: self.objects.lock(blob)?,
            }));
        }
    }
}

impl Iterator for LockHistory<'_> {
    type Item = Result<LockRevision, GitError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}
