//! The state of a remote that rejects `refs/pinstream/state`: one file of this machine per remote.
//!
//! The file is replaced atomically while a neighbouring file is locked. It is a fallback, because machines do not see each
//! other's: its contents move to the remote as soon as that accepts them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cache::name_of;
use super::{CommitId, GitError, Push, RootFiles};
use crate::text::encoding::hex;

/// The state of one remote on this machine.
pub(super) struct LocalState {
    directory: PathBuf,
    name: String,
}

/// The contents of the file.
#[derive(Debug, Default, Serialize, Deserialize)]
struct LocalStateContents {
    version: u32,
    /// Number of the write, so that no two contents are equal.
    serial: u64,
    files: BTreeMap<String, String>,
    /// For a prefix whose files came from the remote: the commit of the state ref.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    taken: BTreeMap<String, String>,
}

/// The files below one prefix.
pub(super) struct LocalStateFile {
    /// The commit of the state ref that they follow; none if the remote had none.
    pub(super) base: Option<String>,
    /// Files by their paths below the prefix.
    pub(super) files: RootFiles,
}

impl LocalState {
    pub(super) fn new(directory: &Path, url: &str) -> Self {
        Self { directory: directory.to_owned(), name: name_of(url) }
    }

    /// Returns a hash of the contents in place of a tip; none if there are no files.
    pub(super) fn tip(&self) -> Result<Option<CommitId>, GitError> {
        Ok(self.read()?.and_then(|(contents, tip)| (!contents.files.is_empty()).then_some(tip)))
    }

    /// Reads the files below `prefix`; none if there are none.
    pub(super) fn below(&self, prefix: &str) -> Result<Option<LocalStateFile>, GitError> {
        let Some((contents, _)) = self.read()? else { return Ok(None) };
        let base = contents.taken.get(prefix).cloned();
        let below = |path: &str| path.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned);
        let files = contents.files.into_iter().filter_map(|(path, text)| Some((below(&path)?, text.into_bytes())));
        let files: RootFiles = files.collect();
        Ok((!files.is_empty()).then_some(LocalStateFile { base, files }))
    }

    /// Replaces the files below `prefix`, if the tip is still `expected`. An empty set removes the prefix.
    pub(super) fn swap(
        &self,
        expected: Option<&CommitId>,
        prefix: &str,
        new: &LocalStateFile,
    ) -> Result<Push<CommitId>, GitError> {
        std::fs::create_dir_all(&self.directory).map_err(|error| failed("create", &self.directory, &error))?;
        let lock_path = self.directory.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|error| failed("open", &lock_path, &error))?;
        lock.lock().map_err(|error| failed("lock", &lock_path, &error))?;
        if self.tip()?.as_ref() != expected {
            return Ok(Push::Moved);
        }
        let mut contents = self.read()?.map(|(contents, _)| contents).unwrap_or_default();
        contents.version = 1;
        contents.serial += 1;
        contents.files.retain(|path, _| path.strip_prefix(prefix).is_none_or(|rest| !rest.starts_with('/')));
        contents.taken.remove(prefix);
        contents.taken.extend(new.base.clone().map(|base| (prefix.to_owned(), base)));
        for (path, bytes) in &new.files {
            let text = String::from_utf8(bytes.clone());
            let text = text.map_err(|_| GitError::Machine(format!("`{path}` of the state is not UTF-8")))?;
            contents.files.insert(format!("{prefix}/{path}"), text);
        }
        let bytes = serde_json::to_vec_pretty(&contents).map_err(|error| GitError::Machine(error.to_string()))?;
        self.replace(&bytes).map_err(|error| failed("write", &self.path(), &error))?;
        Ok(Push::Landed(id_of(&bytes)))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        // The rename is durable once the directory is.
        File::open(&self.directory)?.sync_all()
    }

    fn read(&self) -> Result<Option<(LocalStateContents, CommitId)>, GitError> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed("read", &path, &error)),
        };
        let contents: LocalStateContents = serde_json::from_slice(&bytes)
            .map_err(|error| GitError::Machine(format!("cannot parse `{}`: {error}", path.display())))?;
        if contents.version > 1 {
            return Err(GitError::Machine(format!("`{}` was written by a newer pinstream", path.display())));
        }
        Ok(Some((contents, id_of(&bytes))))
    }

    fn path(&self) -> PathBuf {
        self.directory.join(format!("{}.json", self.name))
    }
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> GitError {
    GitError::Machine(format!("cannot {verb} `{}`: {error}", path.display()))
}

fn id_of(bytes: &[u8]) -> CommitId {
    CommitId(hex(&Sha256::digest(bytes)))
}
