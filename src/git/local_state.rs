//! Where the state is kept when the remote takes no `refs/pinstream/state`: one file of this machine for each remote.
//!
//! The file is replaced whole, by a rename after its bytes are on the disk, while the kernel's lock on its neighbour is
//! held. It is a fallback: machines do not see each other's, so what is kept here goes to the remote as soon as that
//! takes it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::cache::name_of;
use super::message::local_io;
use super::{CommitId, GitError, Push, RootFiles};

/// The state of one remote on this machine.
pub(super) struct LocalState {
    folder: PathBuf,
    name: String,
}

/// The file's contents.
#[derive(Debug, Default, Serialize, Deserialize)]
struct LocalStateContents {
    version: u32,
    /// Counts the writes, so that no two contents are the same.
    serial: u64,
    files: BTreeMap<String, String>,
    /// For a prefix whose files were first the remote's: the commit of the state ref that they were taken from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    taken: BTreeMap<String, String>,
}

/// What is kept below one prefix.
pub(super) struct LocalStateFile {
    /// The commit of the state ref that it came after; none where the remote had none.
    pub(super) base: Option<String>,
    /// The files, by their paths below the prefix.
    pub(super) files: RootFiles,
}

impl LocalState {
    pub(super) fn new(folder: &Path, url: &str) -> Self {
        Self { folder: folder.to_owned(), name: name_of(url) }
    }

    /// What stands for the tip: a hash of the contents. None where nothing is kept.
    pub(super) fn tip(&self) -> Result<Option<CommitId>, GitError> {
        Ok(self.read()?.and_then(|(contents, tip)| (!contents.files.is_empty()).then_some(tip)))
    }

    /// What is kept below `prefix`; none where nothing is.
    pub(super) fn below(&self, prefix: &str) -> Result<Option<LocalStateFile>, GitError> {
        let Some((contents, _)) = self.read()? else { return Ok(None) };
        let base = contents.taken.get(prefix).cloned();
        let below = |path: &str| path.strip_prefix(prefix)?.strip_prefix('/').map(str::to_owned);
        let files = contents.files.into_iter().filter_map(|(path, text)| Some((below(&path)?, text.into_bytes())));
        let files: RootFiles = files.collect();
        Ok((!files.is_empty()).then_some(LocalStateFile { base, files }))
    }

    /// Replaces what is below `prefix`, if the tip is still `expected`. With nothing to be kept, nothing is known of it
    /// any more.
    pub(super) fn swap(
        &self,
        expected: Option<&CommitId>,
        prefix: &str,
        kept: &LocalStateFile,
    ) -> Result<Push<CommitId>, GitError> {
        std::fs::create_dir_all(&self.folder).map_err(|error| local_io("make", &self.folder, &error))?;
        let lock_path = self.folder.join(format!("{}.lock", self.name));
        let lock = File::create(&lock_path).map_err(|error| local_io("open", &lock_path, &error))?;
        lock.lock().map_err(|error| local_io("lock", &lock_path, &error))?;
        if self.tip()?.as_ref() != expected {
            return Ok(Push::Moved);
        }
        let mut contents = self.read()?.map(|(contents, _)| contents).unwrap_or_default();
        contents.version = 1;
        contents.serial += 1;
        contents.files.retain(|path, _| path.strip_prefix(prefix).is_none_or(|rest| !rest.starts_with('/')));
        contents.taken.remove(prefix);
        contents.taken.extend(kept.base.clone().map(|base| (prefix.to_owned(), base)));
        for (path, bytes) in &kept.files {
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

    fn read(&self) -> Result<Option<(LocalStateContents, CommitId)>, GitError> {
        let path = self.path();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(local_io("read", &path, &error)),
        };
        let contents: LocalStateContents = serde_json::from_slice(&bytes)
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
