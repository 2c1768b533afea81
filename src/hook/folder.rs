//! The folder a hook runs in: private, fresh, with the files it names and nothing else, gone after it.
//!
//! Paths are checked here again, whoever checked them before: nothing is ever written outside the folder.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use super::output::shown;
use super::{HookFile, mark};

/// A folder that only we can enter, removed when this is dropped.
#[derive(Debug)]
pub(super) struct HookFolder {
    root: PathBuf,
}

impl HookFolder {
    /// Makes the folder of the run with that `mark`, and writes `files` into it, and `changes` beside them.
    ///
    /// # Errors
    /// A sentence that says which file could not be written.
    pub(super) fn create(mark: &str, files: &[HookFile], changes: &str) -> Result<Self, String> {
        let failed = |error: io::Error| format!("no folder could be made for the hook: {error}");
        // Without symbolic links, as the kernel names where a process stands.
        let root = parent().map_err(failed)?.join(format!("{}{mark}", mark::FOLDER));
        fs::DirBuilder::new().mode(0o700).create(&root).map_err(failed)?;
        let folder = Self { root };
        fs::DirBuilder::new().mode(0o700).create(folder.work()).map_err(failed)?;
        write(&folder.changes(), changes.as_bytes(), 0o600).map_err(failed)?;
        for file in files {
            let path = inside(&file.path)
                .ok_or_else(|| format!("the hook's file `{}` is not a path within the root", shown(&file.path)))?;
            let mode = if file.executable { 0o700 } else { 0o600 };
            folder
                .put(&path, &file.bytes, mode)
                .map_err(|error| format!("the hook's file `{}` could not be written: {error}", shown(&file.path)))?;
        }
        Ok(folder)
    }

    /// Where the hook stands.
    pub(super) fn work(&self) -> PathBuf {
        self.root.join("work")
    }

    /// The file with the changes. It stands beside the hook's own files, so that none of them can be taken for it.
    pub(super) fn changes(&self) -> PathBuf {
        self.root.join("changes.json")
    }

    /// Where a program that was written with a slash is.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub(super) fn program(&self, written: &str) -> Result<PathBuf, String> {
        if written.starts_with('/') {
            return Err(format!(
                "`{0}` is a path of a machine: name a file of the root, or a program of `PATH` without a slash",
                shown(written)
            ));
        }
        let plain: PathBuf = Path::new(written).components().filter(|part| *part != Component::CurDir).collect();
        let path = plain.to_str().and_then(inside);
        let path = path.ok_or_else(|| format!("`{}` is not a path within the root", shown(written)))?;
        let program = self.work().join(path);
        if program.is_file() { Ok(program) } else { Err(format!("`{}` is not a file of the root", shown(written))) }
    }

    fn put(&self, path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
        let path = self.work().join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        write(&path, bytes, mode)
    }
}

impl Drop for HookFolder {
    fn drop(&mut self) {
        remove(&self.root);
    }
}

/// The folder that those of all runs stand in, without symbolic links, as the kernel names where a process stands.
fn parent() -> io::Result<PathBuf> {
    tempfile::env::temp_dir().canonicalize()
}

/// The folders of runs that there are, by the marks of their runs.
pub(super) fn all() -> Vec<(String, PathBuf)> {
    let entries = parent().and_then(fs::read_dir).into_iter().flatten().flatten();
    let marked = |entry: fs::DirEntry| {
        let mark = entry.file_name().to_str()?.strip_prefix(mark::FOLDER)?.to_owned();
        entry.file_type().is_ok_and(|kind| kind.is_dir()).then(|| (mark, entry.path()))
    };
    entries.filter_map(marked).collect()
}

/// Removes a run's folder, whatever its hook made of it.
pub(super) fn remove(root: &Path) {
    if fs::remove_dir_all(root).is_err() {
        unlock(root);
        if let Err(error) = fs::remove_dir_all(root) {
            tracing::warn!(folder = %root.display(), %error, "a hook's folder could not be removed");
        }
    }
}

/// Writes a file that is not there yet.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)
}

/// `path` where it stays within the folder it is joined to: relative, and made of names alone.
fn inside(path: &str) -> Option<PathBuf> {
    let names = !path.is_empty() && path.split('/').all(|name| !matches!(name, "" | "." | ".."));
    (names && !path.contains('\0')).then(|| PathBuf::from(path))
}

/// Lets us into every folder below: hooks leave read-only ones behind, as Go's module cache is. No symbolic link is
/// followed.
fn unlock(folder: &Path) {
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
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

    fn create(files: &[HookFile], changes: &str) -> Result<HookFolder, String> {
        HookFolder::create(&format!("test-{:032x}", fastrand::u128(..)), files, changes)
    }

    #[test]
    fn files_stand_where_they_are_named_and_go_with_the_folder() {
        let folder = create(&[file("a/b/run.sh", true), file("a/data", false)], "{}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.root), 0o700);
        assert_eq!(mode(&folder.work().join("a/b/run.sh")), 0o700);
        assert_eq!(mode(&folder.work().join("a/data")), 0o600);
        assert_eq!(fs::read_to_string(folder.changes()).unwrap(), "{}");
        assert_eq!(folder.program("./a/b/run.sh"), Ok(folder.work().join("a/b/run.sh")));
        let root = folder.root.clone();
        drop(folder);
        assert!(!root.exists());
    }

    #[test]
    fn t30_no_file_is_written_outside() {
        for path in ["", "/etc/x", "../x", "a/../../x", "a//b", "./a", "a/.", "a\0b", "a/"] {
            let error = create(&[file(path, false)], "{}").unwrap_err();
            assert!(error.ends_with("is outside the root"), "{path:?}: {error}");
        }
        let twice = create(&[file("a", false), file("a", false)], "{}").unwrap_err();
        assert!(twice.starts_with("the hook's file `a` could not be written"), "{twice}");
        assert!(create(&[file("a", false), file("a/b", false)], "{}").is_err());
    }

    #[test]
    fn a_program_is_a_file_of_the_folder() {
        let folder = create(&[file("x.sh", true)], "{}").unwrap();
        for program in ["/bin/sh", "../changes.json", "./../../bin/sh", "./y.sh", "./", "a/../x.sh"] {
            assert!(folder.program(program).is_err(), "{program}");
        }
        assert!(folder.program("./x.sh").is_ok());
    }

    #[test]
    fn a_folder_that_a_hook_locked_goes_too() {
        let folder = create(&[file("a/b/c", false)], "{}").unwrap();
        fs::set_permissions(folder.work().join("a/b"), fs::Permissions::from_mode(0o500)).unwrap();
        std::os::unix::fs::symlink("/", folder.work().join("link")).unwrap();
        unlock(&folder.root);
        let mode = fs::metadata(folder.work().join("a/b")).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o700);
        let root = folder.root.clone();
        drop(folder);
        assert!(!root.exists());
    }
}
