//! Files that a sparse checkout leaves out of the work tree (git-sparse-checkout(1)). They are read from the index: a file
//! that is left out is not a file that was removed.

use std::path::{Path, PathBuf};

use git2::{ErrorCode, Index, IndexEntryExtendedFlag, Oid, Repository};

use super::promisor::Promisor;
use super::{GitError, RepoFile, format};

/// The modes of plain files.
const PLAIN: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;

/// The index of a sparse checkout.
pub(super) struct SparseIndex {
    repository: Repository,
    promisor: Option<Promisor>,
    index: Index,
    /// The directory of the root from the top of the work tree, with a slash at its end unless it is empty.
    prefix: String,
}

impl SparseIndex {
    /// Opens the index of the checkout that contains `root`; none if it is not sparse.
    ///
    /// # Errors
    /// If the checkout may be sparse and cannot be read, or its index has a format that libgit2 does not read, as with
    /// `index.sparse`.
    pub(super) fn of(root: &Path) -> Result<Option<Self>, GitError> {
        let repository = match Repository::discover(root) {
            Ok(repository) => repository,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return unreadable(root, &error).map_or(Ok(None), Err),
        };
        let is_sparse = match repository.config()?.get_bool("core.sparseCheckout") {
            Err(error) if error.code() == ErrorCode::NotFound => false,
            read => read?,
        };
        let Some(prefix) = is_sparse.then(|| prefix(&repository, root)).flatten() else { return Ok(None) };
        match repository.index() {
            Ok(index) => Ok(Some(Self { promisor: Promisor::of(&repository), repository, index, prefix })),
            Err(_) => {
                let path = format!("{prefix}streams");
                let help = format!("run `git sparse-checkout add {path}`");
                Err(GitError::LeftOut { path, reason: "the index is sparse (`index.sparse`)".to_owned(), help })
            }
        }
    }

    /// Reads at most `most` bytes of a file that is left out; none if the index has no such file, or the work tree contains
    /// it.
    ///
    /// # Errors
    /// If its contents are not in the repository, as in a partial clone.
    pub(super) fn file(&self, path: &str, most: u64) -> Result<Option<RepoFile>, GitError> {
        let path = format!("{}{path}", self.prefix);
        let entry = self.index.get_path(Path::new(&path), 0).filter(is_left_out);
        let Some(entry) = entry.filter(|entry| matches!(entry.mode, PLAIN | EXECUTABLE)) else { return Ok(None) };
        let fetched = || self.fetch([entry.id]).and_then(|()| Ok(self.repository.find_blob(entry.id)?));
        match self.repository.find_blob(entry.id).or_else(|_| fetched()) {
            Ok(blob) => {
                let size = blob.size().min(usize::try_from(most).unwrap_or(usize::MAX));
                Ok(Some(RepoFile { bytes: blob.content()[..size].to_vec(), executable: entry.mode == EXECUTABLE }))
            }
            Err(error) => {
                let directory = path.rsplit_once('/').map_or(".", |(directory, _)| directory);
                let help = format!("run `git sparse-checkout add {directory}`");
                Err(GitError::LeftOut { reason: error.to_string(), help, path })
            }
        }
    }

    /// Fetches the contents of files that a partial clone lacks, at once. A failure is an error of each file later.
    pub(super) fn prefetch(&self, paths: &[String]) {
        let entry = |path: &String| self.index.get_path(Path::new(&format!("{}{path}", self.prefix)), 0);
        let Ok(odb) = self.repository.odb() else { return };
        let missing: Vec<Oid> =
            paths.iter().filter_map(|path| Some(entry(path)?.id)).filter(|id| !odb.exists(*id)).collect();
        if !missing.is_empty() {
            let _ = self.fetch(missing);
        }
    }

    fn fetch(&self, ids: impl AsRef<[Oid]>) -> Result<(), GitError> {
        self.promisor.as_ref().map_or(Ok(()), |promisor| promisor.fetch(ids.as_ref()))
    }

    /// Lists the files that are left out and wanted, relative to the root.
    pub(super) fn list(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let path = |entry: git2::IndexEntry| {
            let path = str::from_utf8(&entry.path).ok()?.strip_prefix(&self.prefix)?;
            (is_left_out(&entry) && is_wanted(path)).then(|| path.to_owned())
        };
        self.index.iter().filter_map(path).collect()
    }
}

fn prefix(repository: &Repository, root: &Path) -> Option<String> {
    let canonical = |path: &Path| path.canonicalize().ok();
    let (top, root) = (canonical(repository.workdir()?)?, canonical(root)?);
    let below: PathBuf = root.strip_prefix(top).ok()?.to_owned();
    let below = below.to_str()?.to_owned();
    Some(if below.is_empty() { below } else { below + "/" })
}

fn is_left_out(entry: &git2::IndexEntry) -> bool {
    let flags = IndexEntryExtendedFlag::from_bits_truncate(entry.flags_extended);
    flags.contains(IndexEntryExtendedFlag::SKIP_WORKTREE)
}

/// Returns the error for a checkout that libgit2 cannot open, if it may be sparse.
fn unreadable(root: &Path, error: &git2::Error) -> Option<GitError> {
    let top = format::top(&root.canonicalize().ok()?)?;
    let is_set = |file: PathBuf| {
        let text = std::fs::read_to_string(file).unwrap_or_default().to_ascii_lowercase();
        text.replace([' ', '\t'], "").contains("sparsecheckout=true")
    };
    let directories = format::config_directories(&top);
    if !directories.iter().any(|git| is_set(git.join("config")) || is_set(git.join("config.worktree"))) {
        return None;
    }
    Some(match format::cannot_open(&top, error) {
        error @ GitError::Owner { .. } => error,
        error => GitError::LeftOut {
            path: "streams".to_owned(),
            reason: error.to_string(),
            help: "run `git sparse-checkout disable`".to_owned(),
        },
    })
}
