//! Files that a sparse checkout leaves out of the work tree (git-sparse-checkout(1)). They are read from the index: a file
//! that is left out is not a file that was removed.

use std::path::{Path, PathBuf};

use git2::{Index, IndexEntryExtendedFlag, Repository};

use super::GitError;

/// The modes of plain files.
const PLAIN: [u32; 2] = [0o100_644, 0o100_755];

/// The index of a sparse checkout.
pub(super) struct SparseIndex {
    repository: Repository,
    index: Index,
    /// The directory of the root from the top of the work tree, with a slash at its end unless it is empty.
    prefix: String,
}

impl SparseIndex {
    /// Opens the index of the checkout that contains `root`; none if it is not sparse.
    ///
    /// # Errors
    /// If the index has a format that libgit2 does not read, as with `index.sparse`.
    pub(super) fn of(root: &Path) -> Result<Option<Self>, GitError> {
        let Ok(repository) = Repository::discover(root) else { return Ok(None) };
        let is_sparse = repository.config().and_then(|config| config.get_bool("core.sparseCheckout")).unwrap_or(false);
        let Some(prefix) = is_sparse.then(|| prefix(&repository, root)).flatten() else { return Ok(None) };
        match repository.index() {
            Ok(index) => Ok(Some(Self { repository, index, prefix })),
            Err(_) => Err(left_out(&format!("{prefix}streams"), "the index is sparse too")),
        }
    }

    /// Reads a file that is left out; none if the index has no such file, or the work tree contains it.
    ///
    /// # Errors
    /// If its contents are not in the repository, as in a partial clone.
    pub(super) fn file(&self, path: &str) -> Result<Option<(Vec<u8>, bool)>, GitError> {
        let path = format!("{}{path}", self.prefix);
        let entry = self.index.get_path(Path::new(&path), 0).filter(is_left_out);
        let Some(entry) = entry.filter(|entry| PLAIN.contains(&entry.mode)) else { return Ok(None) };
        match self.repository.find_blob(entry.id) {
            Ok(blob) => Ok(Some((blob.content().to_vec(), entry.mode == PLAIN[1]))),
            Err(_) => Err(left_out(&path, "its contents were not fetched")),
        }
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

fn left_out(path: &str, reason: &str) -> GitError {
    let directory =
        path.rsplit_once('/').filter(|(_, name)| name.contains('.')).map_or(path, |(directory, _)| directory);
    GitError::LeftOut { path: path.to_owned(), directory: directory.to_owned(), reason: reason.to_owned() }
}
