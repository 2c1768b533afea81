//! Directories for secrets that a program can only read from a file, and for temporary caches: private, short-lived,
//! removed after a crash too.
//!
//! Each directory holds a file that is locked as long as its process lives. The next process removes directories whose
//! lock is free, so that a pass that was killed leaves nothing behind.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::{disk, environment};

/// The file whose lock marks a directory as used.
const LOCK: &str = "lock";
/// A file system in memory that every user can write to (shm_overview(7)).
const SHARED_MEMORY: &str = "/dev/shm";

/// A directory that only this user can enter, removed when this is dropped.
#[derive(Debug)]
pub struct PrivateDirectory {
    path: PathBuf,
    _lock: File,
}

impl PrivateDirectory {
    /// Creates a directory whose name starts with `prefix`, in memory (`XDG_RUNTIME_DIR`) if possible, and removes those
    /// of processes that died.
    ///
    /// # Errors
    /// If no directory can be created.
    pub fn create(prefix: &str) -> io::Result<Self> {
        match in_memory().and_then(|parent| Self::create_in(&parent, prefix).ok()) {
            Some(directory) => Ok(directory),
            None => Self::create_in(&environment::temporary_directory(), prefix),
        }
    }

    /// Creates a directory that has at least `space` bytes: among the temporary files if possible, else in memory.
    ///
    /// # Errors
    /// If no directory can be created. A directory without that space is `StorageFull`.
    pub fn with_space(prefix: &str, space: u64) -> io::Result<Self> {
        let parents = [Some(environment::temporary_directory()), in_memory(), Some(PathBuf::from(SHARED_MEMORY))];
        let create = |parent: PathBuf| match disk::free_space(&parent) {
            Some(free) if free < space => Err(io::ErrorKind::StorageFull.into()),
            _ => Self::create_in(&parent, prefix),
        };
        let mut results = parents.into_iter().flatten().map(create);
        let first = results.next().unwrap_or_else(|| Err(io::ErrorKind::NotFound.into()));
        first.or_else(|error| results.find_map(Result::ok).ok_or(error))
    }

    fn create_in(parent: &Path, prefix: &str) -> io::Result<Self> {
        sweep(parent, prefix);
        // Short: the path of an agent's socket has at most 107 bytes.
        let path = parent.join(format!("{prefix}{:08x}", fastrand::u32(..)));
        DirBuilder::new().mode(0o700).create(&path)?;
        let lock = create(&path.join(LOCK), 0o600).and_then(|lock| lock.lock().map(|()| lock));
        if lock.is_err() {
            let _ = fs::remove_dir_all(&path);
        }
        Ok(Self { path, _lock: lock? })
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a new file with the permissions `mode`, and returns its path.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> io::Result<PathBuf> {
        let path = self.path.join(name);
        create(&path, mode)?.write_all(text.as_bytes())?;
        Ok(path)
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Returns the user's directory in memory (`XDG_RUNTIME_DIR`).
fn in_memory() -> Option<PathBuf> {
    environment::var("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute())
}

fn create(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

/// Removes the directories of processes that died.
fn sweep(parent: &Path, prefix: &str) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix))
            && fs::symlink_metadata(entry.path())
                .is_ok_and(|meta| meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw());
        // Without a lock file it was created a moment ago, or is being removed.
        let is_free = || File::open(entry.path().join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok());
        if is_ours && is_free() {
            remove(&entry.path());
        }
    }
}

/// Removes the lock last: a removal that is interrupted is finished by the next process.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten().filter(|entry| entry.file_name() != LOCK) {
        let path = entry.path();
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let _ = if is_directory { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
    }
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(directory = %path.display(), %error, "cannot remove a private directory");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_directory_is_private_and_removed_with_its_files() {
        let parent = tempfile::tempdir().unwrap();
        let directory = PrivateDirectory::create_in(parent.path(), "x-").unwrap();
        let file = directory.write("key", "secret", 0o600).unwrap();
        let program = directory.write("askpass", "#!/bin/sh\n", 0o700).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(directory.path()), mode(&file), mode(&program)), (0o700, 0o600, 0o700));
        drop(directory);
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_directory_of_a_process_that_died_is_removed_and_no_other() {
        let parent = tempfile::tempdir().unwrap();
        let live = PrivateDirectory::create_in(parent.path(), "x-").unwrap();
        for name in ["x-dead", "x-new", "other"] {
            fs::create_dir_all(parent.path().join(name).join("gnupg")).unwrap();
        }
        for name in ["x-dead/lock", "x-dead/key", "other/lock"] {
            fs::write(parent.path().join(name), "").unwrap();
        }
        sweep(parent.path(), "x-");
        let left = |name: &str| parent.path().join(name).exists();
        assert!(live.path().exists() && !left("x-dead") && left("x-new") && left("other"));
    }
}
