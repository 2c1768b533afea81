//! The directory of a hook's run: private, with the files that the hook names and nothing else, removed afterwards.
//!
//! Paths are checked here once more: nothing is ever written outside the directory.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::error::HookStartError;
use super::{HookFile, run_id};
use crate::system::environment;

/// A directory that only this user can enter, removed when this is dropped.
#[derive(Debug)]
pub(super) struct HookDirectory {
    root: PathBuf,
}

impl HookDirectory {
    /// Creates the directory of a run, and writes `files` into it and `changes` beside them.
    ///
    /// # Errors
    /// If a file cannot be written, or its path leaves the root.
    pub(super) fn create(run_id: &str, files: &[HookFile], changes: &str) -> Result<Self, HookStartError> {
        let root = parent().map_err(HookStartError::Directory)?.join(format!("{}{run_id}", run_id::DIRECTORY));
        fs::DirBuilder::new().mode(0o700).create(&root).map_err(HookStartError::Directory)?;
        let directory = Self { root };
        fs::DirBuilder::new().mode(0o700).create(directory.work()).map_err(HookStartError::Directory)?;
        write(&directory.changes(), changes.as_bytes(), 0o600).map_err(HookStartError::Directory)?;
        for file in files {
            let path = inside(&file.path).ok_or_else(|| HookStartError::OutsideRoot(file.path.clone()))?;
            let mode = if file.executable { 0o700 } else { 0o600 };
            let written = write(&directory.work().join(path), &file.bytes, mode);
            written.map_err(|source| HookStartError::File { path: file.path.clone(), source })?;
        }
        Ok(directory)
    }

    /// The working directory of the hook.
    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The file with the changes, outside the working directory so that none of the hook's files can replace it.
    pub(super) fn changes(&self) -> PathBuf {
        self.root.join("changes.json")
    }

    /// Finds the program that a hook names with a slash.
    ///
    /// # Errors
    /// If it is not one of the hook's files.
    pub(super) fn program(&self, written: &str) -> Result<PathBuf, HookStartError> {
        if written.starts_with('/') {
            return Err(HookStartError::Absolute(written.to_owned()));
        }
        let plain: PathBuf = Path::new(written).components().filter(|part| *part != Component::CurDir).collect();
        let path = plain.to_str().and_then(inside);
        let path = path.ok_or_else(|| HookStartError::OutsideRoot(written.to_owned()))?;
        let program = self.work().join(path);
        if program.is_file() { Ok(program) } else { Err(HookStartError::NoFile(written.to_owned())) }
    }
}

impl Drop for HookDirectory {
    fn drop(&mut self) {
        remove(&self.root);
    }
}

/// Returns the directory of all runs, without symbolic links: as the kernel names the directory of a process.
fn parent() -> io::Result<PathBuf> {
    environment::temporary_directory().canonicalize()
}

/// Lists the directories of all runs with their ids.
pub(super) fn all() -> Vec<(String, PathBuf)> {
    let entries = parent().and_then(fs::read_dir).into_iter().flatten().flatten();
    let of_run = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.strip_prefix(run_id::DIRECTORY)?.to_owned();
        entry.file_type().is_ok_and(|kind| kind.is_dir()).then(|| (id, entry.path()))
    };
    entries.filter_map(of_run).collect()
}

/// Removes the directory of a run, whatever permissions its hook set.
pub(super) fn remove(root: &Path) {
    if fs::remove_dir_all(root).is_err() {
        unlock(root);
        if let Err(error) = fs::remove_dir_all(root) {
            tracing::warn!(directory = %root.display(), %error, "cannot remove the directory of a hook");
        }
    }
}

/// Writes a new file, and creates its directory.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(bytes)
}

/// Accepts a relative path that consists of names only.
fn inside(path: &str) -> Option<PathBuf> {
    let names = !path.is_empty() && path.split('/').all(|name| !matches!(name, "" | "." | ".."));
    (names && !path.contains('\0')).then(|| PathBuf::from(path))
}

/// Makes every directory below writable: hooks leave read-only ones, e.g. Go's module cache. Follows no symbolic link.
fn unlock(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, executable: bool) -> HookFile {
        HookFile { path: path.to_owned(), bytes: b"text".to_vec(), executable }
    }

    fn create(files: &[HookFile], changes: &str) -> Result<HookDirectory, HookStartError> {
        HookDirectory::create(&format!("test-{:032x}", fastrand::u128(..)), files, changes)
    }

    #[test]
    fn files_are_written_where_they_are_named_and_removed_with_the_directory() {
        let directory = create(&[file("a/b/run.sh", true), file("a/data", false)], "{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&directory.root), 0o700);
        assert_eq!(mode(&directory.work().join("a/b/run.sh")), 0o700);
        assert_eq!(mode(&directory.work().join("a/data")), 0o600);
        assert_eq!(fs::read_to_string(directory.changes()).unwrap(), "{}");
        assert_eq!(directory.program("./a/b/run.sh").unwrap(), (directory.work().join("a/b/run.sh")));
        let root = directory.root.clone();
        drop(directory);
        assert!(!root.exists());
    }

    #[test]
    fn t30_no_file_is_written_outside_the_directory() {
        for path in ["", "/etc/x", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "a/"] {
            let error = create(&[file(path, false)], "{}").unwrap_err().to_string();
            assert!(error.ends_with("is not a path within the root"), "{path:?}: {error}");
        }
        let twice = create(&[file("a", false), file("a", false)], "{}").unwrap_err().to_string();
        assert!(twice.starts_with("cannot write the hook's file `a`"), "{twice}");
        assert!(create(&[file("a", false), file("a/b", false)], "{}").is_err());
    }

    #[test]
    fn a_program_with_a_slash_is_one_of_the_files() {
        let directory = create(&[file("x.sh", true)], "{}").unwrap();
        for program in ["/bin/sh", "../changes.json", "./../../bin/sh", "./y.sh", "./", "a/../x.sh"] {
            assert!(directory.program(program).is_err(), "{program}");
        }
        assert!(directory.program("./x.sh").is_ok());
    }

    #[test]
    fn a_read_only_directory_is_removed_too() {
        let directory = create(&[file("a/b/c", false)], "{}").unwrap();
        fs::set_permissions(directory.work().join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("/", directory.work().join("link")).unwrap();
        unlock(&directory.root);
        let mode = fs::metadata(directory.work().join("a/b")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        let root = directory.root.clone();
        drop(directory);
        assert!(!root.exists());
    }
}
