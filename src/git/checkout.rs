//! The checkout that contains a directory: its remote, branch and history. Never written.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use git2::{ErrorCode, Oid, Repository};
use jiff::Timestamp;

use super::error::shown;
use super::format;
use super::ignore_rules;
pub use super::ignore_rules::{IgnoreRule, IgnoredFile};
use super::lock_history::LockHistory;
pub use super::lock_history::LockRevision;
use super::promisor::Promisor;
use super::repo_path::RepoPath;
use super::tree::ObjectStore;
use super::{CommitId, GitError, RepoFile};
use crate::model::image::{Digest, TagId};

/// The commits that are searched for versions of a lock.
const COMMITS_MAX: usize = 100_000;

/// A repository with a work tree.
pub struct Checkout {
    repository: Repository,
    promisor: Option<Promisor>,
    /// Top of the work tree.
    pub directory: PathBuf,
    /// Path from there to the directory it was discovered from; empty for the top.
    pub prefix: String,
    /// Upstream of the current branch, else the current branch.
    pub branch: Option<String>,
    /// Address of the remote: of the current branch, `origin`, or the only one.
    pub url: Option<String>,
}

/// The commit that introduced a pin's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// Its commit.
    pub commit: CommitId,
    /// Name of the author.
    pub author: String,
    /// Author date.
    pub time: Timestamp,
}

/// Finds the checkout that contains `directory`, if there is one.
///
/// # Errors
/// If it cannot be read.
pub fn discover(directory: &Path) -> Result<Option<Checkout>, GitError> {
    let repository = match Repository::discover(directory) {
        Ok(repository) => repository,
        Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
        Err(error) => return Err(format::cannot_open(directory, &error)),
    };
    let Some(top) = repository.workdir().map(Path::to_owned) else { return Ok(None) };
    let inside = |path: &Path| Some(path.canonicalize().ok()?.strip_prefix(top.canonicalize().ok()?).ok()?.to_owned());
    let prefix = inside(directory).and_then(|path| path.to_str().map(str::to_owned)).unwrap_or_default();
    let current = current_branch(&repository);
    let setting = |key: &str| {
        let name = format!("branch.{}.{key}", current.as_deref()?);
        repository.config().ok()?.get_string(&name).ok()
    };
    let followed = setting("merge").and_then(|name| name.strip_prefix("refs/heads/").map(str::to_owned));
    let url = remote_url(&repository, setting("remote"), &top);
    let branch = followed.or(current.clone());
    let promisor = Promisor::of(&repository);
    Ok(Some(Checkout { directory: top, prefix, branch, url, repository, promisor }))
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
    // A path is relative to the top of the checkout.
    let path = top.join(&url);
    let is_path = !url.contains(':') && path.is_dir();
    if is_path { path.to_str().map(str::to_owned) } else { Some(url) }
}

impl Checkout {
    /// Resolves a revision (gitrevisions(7)).
    ///
    /// # Errors
    /// If it names no commit.
    pub fn commit(&self, revision: &str) -> Result<CommitId, GitError> {
        Ok(CommitId(self.resolve(revision)?.to_string()))
    }

    /// Returns whether Git ignores a path of the work tree and tracks nothing below it.
    pub fn ignores(&self, path: &Path, is_directory: bool) -> bool {
        let Ok(inside) = path.strip_prefix(&self.directory) else { return false };
        if !self.repository.is_path_ignored(inside).unwrap_or(false) {
            return false;
        }
        let Ok(index) = self.repository.index() else { return true };
        match is_directory {
            true => index.find_prefix(inside.join("")).is_err(),
            false => index.get_path(inside, 0).is_none(),
        }
    }

    /// Returns those of `paths`, relative to the directory that it was discovered from, that Git ignores and does not track.
    pub fn ignored(&self, paths: impl IntoIterator<Item = String>) -> Vec<IgnoredFile> {
        let whole = |path: &str| self.directory.join(&self.prefix).join(path);
        let ignored: Vec<String> = paths.into_iter().filter(|path| self.ignores(&whole(path), false)).collect();
        ignore_rules::find(&self.directory, &self.prefix, ignored)
    }

    /// Returns why the history that was read is incomplete, with the remedy; none if it is complete.
    pub fn history_gap(&self) -> Option<String> {
        let missing = self.promisor.as_ref().and_then(Promisor::failure).map(|reason| {
            format!(
                "objects are missing from this partial clone and cannot be fetched: {reason}; run the command again when the remote can be reached"
            )
        });
        let shallow = || "this clone is shallow; run `git fetch --unshallow`".to_owned();
        missing.or_else(|| self.repository.is_shallow().then(shallow))
    }

    /// Opens its objects; those that a partial clone lacks are fetched.
    fn objects(&self) -> Result<ObjectStore<'_>, GitError> {
        ObjectStore::of_clone(&self.repository, self.promisor.as_ref())
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

    /// Reads a file of a root at a revision; none if there is none.
    ///
    /// # Errors
    /// If there is no such revision, or the path is not a plain file.
    pub fn file_at(&self, revision: &str, root: &str, path: &str) -> Result<Option<RepoFile>, GitError> {
        let path = RepoPath::parse(root)?.join(path)?;
        self.objects()?.file(self.resolve(revision)?, &path)
    }

    /// Reads the lock of a root at a revision; none if there is none.
    ///
    /// # Errors
    /// If there is no such revision, or the lock cannot be read.
    pub fn lock_at(&self, revision: &str, root: &str) -> Result<Option<Vec<u8>>, GitError> {
        self.objects()?.lock_at(self.resolve(revision)?, &RepoPath::parse(root)?)
    }

    /// Walks the versions of a root's lock, newest first, along the first parents of a revision. Each version comes once,
    /// with the commit that introduced it. The walk ends at a version that is missing, see [`Self::history_gap`].
    ///
    /// # Errors
    /// If there is no such revision, or the lock there cannot be read.
    pub fn lock_history(
        &self,
        revision: &str,
        root: &str,
    ) -> Result<impl Iterator<Item = Result<LockRevision, GitError>>, GitError> {
        let (objects, tip, root) = (self.objects()?, self.resolve(revision)?, RepoPath::parse(root)?);
        match objects.lock_at(tip, &root) {
            Ok(_) | Err(GitError::MissingObject(_)) => {}
            Err(error) => return Err(error),
        }
        let versions = LockHistory::new(objects, tip, root, COMMITS_MAX);
        Ok(versions.take_while(|version| !matches!(version, Err(GitError::MissingObject(_)))))
    }

    /// Returns the tags whose change to the digest in `candidates` was reverted in the history of `HEAD`; none if the
    /// history is missing or incomplete.
    ///
    /// # Errors
    /// If the history cannot be read.
    pub fn reverted(&self, candidates: &BTreeMap<TagId, Digest>) -> Result<Option<BTreeSet<TagId>>, GitError> {
        let Ok(tip) = self.resolve("HEAD") else { return Ok(None) };
        super::lock_history::reverted(self.objects()?, tip, &RepoPath::parse(&self.prefix)?, candidates)
    }

    /// Finds, for each tag and each of its `wanted` digests, the last commit that changed the tag to it. `read` returns the
    /// digests of a lock. In a shallow clone, the oldest commit stands for its ancestors. Digests that the history does
    /// not contain are omitted. Walks no further than needed.
    ///
    /// # Errors
    /// If there is no such revision, or its history cannot be read.
    pub fn blame_lock(
        &self,
        revision: &str,
        root: &str,
        wanted: &BTreeMap<TagId, Vec<Digest>>,
        mut read: impl FnMut(&[u8]) -> BTreeMap<TagId, Digest>,
    ) -> Result<BTreeMap<(TagId, Digest), Provenance>, GitError> {
        let mut found = BTreeMap::new();
        // For each tag: the digests that are left, and its digest in the next newer version.
        let mut open: BTreeMap<&TagId, (Vec<Digest>, Option<Digest>)> =
            wanted.iter().map(|(tag, digests)| (tag, (digests.clone(), None))).collect();
        open.retain(|_, (left, _)| !left.is_empty());
        for version in self.lock_history(revision, root)? {
            if open.is_empty() {
                break;
            }
            let LockRevision { commit, author, time, bytes, .. } = version?;
            let pins = read(&bytes);
            let introduced = Provenance { commit, author, time };
            open.retain(|tag, (left, later)| {
                // The tag did not exist yet.
                let Some(at) = pins.get(*tag) else { return false };
                // A digest that differs from that of this version was introduced after it.
                if let Some(later) = later.replace(at.clone()).filter(|later| later != at) {
                    left.retain(|digest| *digest != later);
                }
                if left.contains(at) {
                    found.insert(((*tag).clone(), at.clone()), introduced.clone());
                }
                !left.is_empty()
            });
        }
        Ok(found)
    }
}
