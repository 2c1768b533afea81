//! The files of a root in a folder, for the commands that work on the work tree.
//!
//! Symbolic links are not followed: a folder may hold what somebody else proposes.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::git::{CommitId, Files, GitError, Push, RepoFile};
use crate::image::Digest;
use crate::lock;

/// How deep streams may be nested below `streams/`.
const DEPTH_MAX: usize = 8;
/// The largest lock that is read, in bytes.
const LOCK_MAX: u64 = 64 << 20;
/// The largest definition that is read whole, in bytes; what is larger is told so by whoever parses it.
const READ_MAX: u64 = 1 << 20;

/// A root's folder.
#[derive(Clone, Debug)]
pub struct Folder(pub PathBuf);

impl Folder {
    /// The root's definitions and lock.
    ///
    /// # Errors
    /// What could not be read, by its path.
    pub fn read(&self) -> Result<Files, GitError> {
        let mut files = Files::new();
        for (name, cap) in [("pinstream.toml", READ_MAX), (lock::FILE_NAME, LOCK_MAX)] {
            if let Some(file) = self.plain_file(name, cap)? {
                files.insert(name.to_owned(), file.bytes);
            }
        }
        self.read_streams("streams", 0, &mut files)?;
        Ok(files)
    }

    /// One plain file of the root; none where there is none.
    ///
    /// # Errors
    /// Where it is not a plain file or cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<RepoFile>, GitError> {
        self.plain_file(path, READ_MAX)
    }

    /// What stands for the folder's present state in a compare-and-swap: the lock's bytes.
    ///
    /// # Errors
    /// Where the lock cannot be read.
    pub fn version(&self) -> Result<CommitId, GitError> {
        let lock = self.plain_file(lock::FILE_NAME, LOCK_MAX)?;
        Ok(CommitId(lock.map_or_else(|| "none".to_owned(), |file| Digest::sha256(&file.bytes).to_string())))
    }

    /// Writes the lock, if it is still the one of `expected`; whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_lock(&self, expected: &CommitId, text: &str) -> Result<Push<CommitId>, GitError> {
        if self.version()? != *expected {
            return Ok(Push::Moved);
        }
        let path = self.0.join(lock::FILE_NAME);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new().prefix(".pinstream.lock.").tempfile_in(&self.0)?;
            file.write_all(text.as_bytes())?;
            let mode = fs::metadata(&path).map_or_else(|_| readable(), |old| old.permissions());
            file.as_file().set_permissions(mode)?;
            file.as_file().sync_all()?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| cannot("write", &path, &error))?;
        self.version().map(Push::Landed)
    }

    fn read_streams(&self, folder: &str, depth: usize, files: &mut Files) -> Result<(), GitError> {
        let path = self.0.join(folder);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot("read", &path, &error)),
            Ok(kind) if kind.is_symlink() => return Err(not_plain(folder, "it is a symbolic link")),
            Ok(_) => {}
        }
        if depth > DEPTH_MAX {
            return Err(not_plain(folder, "streams are nested at most eight folders deep"));
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| cannot("read", &path, &error))? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                return Err(not_plain(&format!("{folder}/{}", name.to_string_lossy()), "its name is not Unicode"));
            };
            let below = format!("{folder}/{name}");
            let kind = entry.file_type().map_err(|error| cannot("read", &path, &error))?;
            if kind.is_dir() {
                self.read_streams(&below, depth + 1, files)?;
            } else if name.ends_with(".toml")
                && let Some(file) = self.plain_file(&below, READ_MAX)?
            {
                files.insert(below, file.bytes);
            }
        }
        Ok(())
    }

    fn plain_file(&self, path: &str, cap: u64) -> Result<Option<RepoFile>, GitError> {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if fs::symlink_metadata(self.0.join(parent)).is_ok_and(|kind| kind.is_symlink()) {
                return Err(not_plain(parent, "it is a symbolic link"));
            }
            above = parent;
        }
        let whole = self.0.join(path);
        let kind = match fs::symlink_metadata(&whole) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(cannot("read", &whole, &error)),
            Ok(kind) => kind,
        };
        if kind.is_symlink() {
            return Err(not_plain(path, "it is a symbolic link"));
        }
        if !kind.is_file() {
            return Err(not_plain(path, "it is not a file"));
        }
        if kind.len() > cap {
            return Err(not_plain(path, &format!("it has {} bytes, and at most {cap} are read", kind.len())));
        }
        let bytes = fs::read(&whole).map_err(|error| cannot("read", &whole, &error))?;
        Ok(Some(RepoFile { bytes, executable: is_executable(&kind) }))
    }
}

fn is_executable(kind: &fs::Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    kind.permissions().mode() & 0o111 != 0
}

fn readable() -> fs::Permissions {
    use std::os::unix::fs::PermissionsExt as _;
    fs::Permissions::from_mode(0o644)
}

fn not_plain(path: &str, reason: &str) -> GitError {
    GitError::Tree { path: path.to_owned(), reason: reason.to_owned() }
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> GitError {
    GitError::Local(format!("cannot {what} `{}`: {error}", path.display()))
}
