//! Where the state is kept when the remote takes no `refs/pinstream/state`: one file of this machine for each remote.
//!
//! The file is replaced whole, by a rename after its bytes are on the disk, while the kernel's lock on its neighbour is
//! held. It is a fallback: machines do not see each other's.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cache::name_of;
use super::message::local_io;
use super::{CommitId, Files, GitError, Push};

/// The state of one remote on this machine.
pub(super) struct LocalState {
    folder: PathBuf,
    name: String,
}

/// The file's contents.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Contents {
    version: u32,
    /// Counts the writes, so that no two contents are the same.
    serial: u64,
    files: std::collections::BTreeMap<String, String>,
}

impl LocalState {
    pub(super) fn new(folder: &Path, url: &str) -> Self {
        Self { folder: folder.to_owned(), name: name_of(url) }
    }

    /// What stands for the tip: a hash of the contents.
    pub(super) fn tip(&self) -> Result<Option<CommitId>, GitError> {
        Ok(self.read()?.map(|(_, tip)| tip))
    }

    /// The files below `prefix`.
    pub(super) fn files(&self, prefix: &str) -> Result<Files, GitError> {
        let Some((contents, _)) = self.read()? else { return Ok(Files::new()) };
        let below = |path: &str| path.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned);
        Ok(contents.files.into_iter().filter_map(|(path, text)| Some((below(&path)?, text.into_bytes()))).collect())
    }

    /// Replaces what is below `prefix`, if the tip is still `expected`.
    pub(super) fn swap(
        &self,
        expected: Option<&CommitId>,
        prefix: &str,
        files: &Files,
    ) -> Result<Push<CommitId>, GitError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| local_io("make", &self.folder, &error))?;
        let lock_path = self.folder.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|error| local_io("open", &lock_path, &error))?;
        lock.lock().map_err(|error| local_io("lock", &lock_path, &error))?;
        let (mut contents, tip) = match self.read()? {
            Some((contents, tip)) => (contents, Some(tip)),
            None => (Contents::default(), None),
        };
        if tip.as_ref() != expected {
            return Ok(Push::Moved);
        }
        contents.version = 1;
        contents.serial += 1;
        contents.files.retain(|path, _| path.strip_prefix(prefix).is_none_or(|rest| !rest.starts_with('/')));
        for (path, bytes) in files {
            let text = String::from_utf8(bytes.clone());
            let text = text.map_err(|_| GitError::Local(format!("`{path}` of the state is not text")))?;
            contents.files.insert(format!("{prefix}/{path}"), text);
        }
        let bytes = serde_json::to_vec_pretty(&contents).map_err(|error| GitError::Local(error.to_string()))?;
        self.replace(&bytes).map_err(|error| local_io("write", &self.path(), &error))?;
        Ok(Push::Landed(id_of(&bytes)))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(self.path())?;
        // The name is on the disk once its folder is.
        File::open(&self.folder)?.sync_all()
    }

    fn read(&self) -> Result<Option<(Contents, CommitId)>, GitError> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(local_io("read", &path, &error)),
        };
        let contents: Contents = serde_json::from_slice(&bytes)
            .map_err(|error| GitError::Local(format!("`{}` cannot be read: {error}", path.display())))?;
        if contents.version > 1 {
            return Err(GitError::Local(format!("`{}` is of a newer pinstream", path.display())));
        }
        Ok(Some((contents, id_of(&bytes))))
    }

    fn path(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.name))
    }
}

fn id_of(bytes: &[u8]) -> CommitId {
    CommitId(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}
