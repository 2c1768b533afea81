//! The files of a root in a folder, for the commands that work on the work tree.
//!
//! Symbolic links are not followed: a folder may hold what somebody else proposes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::formats;
use crate::formats::path::FilePath;
use crate::git::checkout::{self, Checkout};
use crate::git::{CommitId, GitError, Push, RepoFile, RootFiles};
use crate::model::image::Digest;
use crate::model::lock;
use crate::model::root::Root;
use crate::model::settings::Settings;
use crate::text::diagnostics::{Problem, Problems, SourceFile};

/// How deep streams may be nested below `streams/`.
const DEPTH_MAX: usize = 8;
/// How much of a definition is read, in bytes: enough for whoever parses it to say that it is too large.
const DEFINITION_READ: u64 = 1 << 20;
/// The same of a lock.
const LOCK_READ: u64 = lock::SIZE_MAX as u64 + 1;
/// The largest further file, a hook's or a certificate, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// A root's folder.
#[derive(Clone, Debug)]
pub struct WorkTree(pub PathBuf);

impl WorkTree {
    /// The root's definitions and lock.
    ///
    /// # Errors
    /// What could not be read, by its path; what is not fit to be read, together with every problem of what is.
    pub fn read(&self) -> Result<RootFiles, GitError> {
        let mut found = DefinitionFiles::default();
        for (name, most) in [("pinstream.toml", DEFINITION_READ), (lock::FILE_NAME, LOCK_READ)] {
            self.definition(name, most, &mut found)?;
        }
        self.read_streams("streams", 0, &mut found)?;
        if found.problems.is_empty() {
            return Ok(found.files);
        }
        found.problems.extend(Root::read(&found.files).err().into_iter().flat_map(|problems| problems.0));
        Problems::check(found.problems).map_err(GitError::Unfit)?;
        Ok(found.files)
    }

    /// One plain file of the root; none where there is none.
    ///
    /// # Errors
    /// Where it is not a plain file or cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<RepoFile>, GitError> {
        match self.plain_file(path, FILE_MAX + 1)? {
            Some(file) if file.bytes.len() as u64 > FILE_MAX => {
                Err(not_plain(path, &format!("it is larger than {} MiB", FILE_MAX >> 20)))
            }
            file => Ok(file),
        }
    }

    /// The PEM files that `settings` name, as far as they are there.
    ///
    /// # Errors
    /// Where one is not a plain file or cannot be read.
    pub fn authorities(&self, settings: &Settings) -> Result<RootFiles, GitError> {
        let mut found = RootFiles::new();
        for path in settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
            found.extend(self.file(path)?.map(|file| (path.clone(), file.bytes)));
        }
        Ok(found)
    }

    /// The lock's bytes; none where there is none.
    ///
    /// # Errors
    /// Where it is not a plain file or cannot be read.
    pub fn lock(&self) -> Result<Option<Vec<u8>>, GitError> {
        Ok(self.plain_file(lock::FILE_NAME, LOCK_READ)?.map(|file| file.bytes))
    }

    /// What stands for the folder's present state in a compare-and-swap: the lock's bytes.
    ///
    /// # Errors
    /// Where the lock cannot be read.
    pub fn version(&self) -> Result<CommitId, GitError> {
        let lock = match self.plain_file(lock::FILE_NAME, LOCK_READ) {
            // That it is not fit to be read is said, with all the rest, when it is.
            Err(GitError::Tree { .. }) => None,
            lock => lock?,
        };
        Ok(CommitId(lock.map_or_else(|| "none".to_owned(), |file| Digest::sha256(&file.bytes).to_string())))
    }

    /// Writes the lock, if it is still the one of `expected`; whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn write_lock(&self, expected: &CommitId, text: &str) -> Result<Push<CommitId>, GitError> {
        self.land(expected, text, &RootFiles::new())
    }

    /// Writes the lock and `files`, if the lock is still the one of `expected`. All of them are on the disk before the
    /// first takes its place, and the lock is the first: what is left undone after it, the next pass does.
    ///
    /// # Errors
    /// Where one cannot be written; then none is.
    pub fn land(&self, expected: &CommitId, lock: &str, files: &RootFiles) -> Result<Push<CommitId>, GitError> {
        if self.version()? != *expected {
            return Ok(Push::Moved);
        }
        let is_same = !files.is_empty() && self.lock()?.is_some_and(|bytes| bytes == lock.as_bytes());
        let lock = (!is_same).then_some((lock::FILE_NAME, lock.as_bytes()));
        let files = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        let staged = lock.into_iter().chain(files).map(|(path, bytes)| self.stage(path, bytes));
        for file in staged.collect::<Result<Vec<_>, _>>()? {
            file.put()?;
        }
        self.version().map(Push::Landed)
    }

    /// Writes one file of the root, whole or not at all. Where there is one, it keeps its mode.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), GitError> {
        self.stage(path, bytes)?.put()
    }

    /// Writes a file beside its place.
    fn stage(&self, path: &str, bytes: &[u8]) -> Result<StagedFile, GitError> {
        let path = self.0.join(path);
        let (folder, name) = (path.parent().unwrap_or(&self.0), path.file_name().unwrap_or_default());
        let write = || -> io::Result<NamedTempFile> {
            fs::create_dir_all(folder)?;
            let prefix = format!(".{}.", name.to_string_lossy());
            let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(folder)?;
            file.write_all(bytes)?;
            let mode = fs::metadata(&path).map_or_else(|_| readable(), |old| old.permissions());
            file.as_file().set_permissions(mode)?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        match write() {
            Ok(file) => Ok(StagedFile { file, path }),
            Err(error) => Err(cannot("write", &path, &error)),
        }
    }

    /// The plain files that `patterns` mean, without those that Git ignores, and without other repositories in it.
    ///
    /// # Errors
    /// Where a folder cannot be read, or they are too many.
    pub fn paths(&self, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        // A folder need not be in a checkout, nor in one of this user.
        let checkout = checkout::discover(&self.0).ok().flatten();
        let mut walk = FileWalk { folder: self, patterns, checkout, found: Vec::new() };
        walk.folder("", 0)?;
        walk.found.sort();
        Ok(walk.found)
    }

    fn read_streams(&self, folder: &str, depth: usize, found: &mut DefinitionFiles) -> Result<(), GitError> {
        let path = self.0.join(folder);
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(cannot("read", &path, &error)),
            Ok(kind) if kind.is_symlink() => {
                found.unfit(folder, LINK);
                return Ok(());
            }
            Ok(kind) if !kind.is_dir() => {
                found.unfit(folder, "it is not a folder");
                return Ok(());
            }
            Ok(_) => {}
        }
        if depth > DEPTH_MAX {
            found.unfit(folder, "streams are nested at most eight folders deep");
            return Ok(());
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| cannot("read", &path, &error))? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                found.unfit(&format!("{folder}/{}", name.to_string_lossy()), "its name is not Unicode");
                continue;
            };
            // What editors and file managers leave behind is no stream, and often a link to nothing.
            if name.starts_with('.') {
                continue;
            }
            let below = format!("{folder}/{name}");
            let kind = entry.file_type().map_err(|error| cannot("read", &path, &error))?;
            if kind.is_dir() {
                self.read_streams(&below, depth + 1, found)?;
            } else if name.ends_with(".toml") {
                self.definition(&below, DEFINITION_READ, found)?;
            }
        }
        Ok(())
    }

    /// Reads a file of definitions, or the lock, at most so many bytes of it.
    fn definition(&self, path: &str, most: u64, found: &mut DefinitionFiles) -> Result<(), GitError> {
        match self.plain_file(path, most) {
            Ok(file) => found.files.extend(file.map(|file| (path.to_owned(), file.bytes))),
            Err(GitError::Tree { path, reason }) => found.unfit(&path, &reason),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The first `most` bytes of a file.
    fn plain_file(&self, path: &str, most: u64) -> Result<Option<RepoFile>, GitError> {
        let mut above = path;
        while let Some((parent, _)) = above.rsplit_once('/') {
            if fs::symlink_metadata(self.0.join(parent)).is_ok_and(|kind| kind.is_symlink()) {
                return Err(not_plain(parent, LINK));
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
            return Err(not_plain(path, LINK));
        }
        if !kind.is_file() {
            return Err(not_plain(path, "it is not a file"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(kind.len().min(most)).unwrap_or_default());
        let read = fs::File::open(&whole).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map_err(|error| cannot("read", &whole, &error))?;
        Ok(Some(RepoFile { bytes, executable: is_executable(&kind) }))
    }
}

/// A file that is written, and not yet in its place.
struct StagedFile {
    file: NamedTempFile,
    path: PathBuf,
}

impl StagedFile {
    fn put(self) -> Result<(), GitError> {
        let Self { file, path } = self;
        file.persist(&path).map(|_| ()).map_err(|error| cannot("write", &path, &error.error))
    }
}

/// A walk over the files that patterns of targets mean.
struct FileWalk<'a> {
    folder: &'a WorkTree,
    patterns: &'a [FilePath],
    checkout: Option<Checkout>,
    found: Vec<String>,
}

impl FileWalk<'_> {
    fn folder(&mut self, below: &str, depth: usize) -> Result<(), GitError> {
        let path = self.folder.0.join(below);
        if depth > DEPTH_MAX || (depth > 0 && path.join(".git").exists()) {
            return Ok(());
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| cannot("read", &path, &error))? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(|error| cannot("read", &self.folder.0.join(&path), &error))?;
            let is_meant = match kind.is_dir() {
                true => path != ".git" && self.patterns.iter().any(|pattern| pattern.may_be_below(&path)),
                false => kind.is_file() && self.patterns.iter().any(|pattern| pattern.matches(&path)),
            };
            let is_ignored = |checkout: &Checkout| checkout.ignores(&self.folder.0.join(&path), kind.is_dir());
            if !is_meant || self.checkout.as_ref().is_some_and(is_ignored) {
                continue;
            }
            match kind.is_dir() {
                true => self.folder(&path, depth + 1)?,
                false => self.found.push(path),
            }
            if self.found.len() > formats::FILES_MAX {
                let reason = format!("the patterns mean more than {} files", formats::FILES_MAX);
                return Err(not_plain(below, &reason));
            }
        }
        Ok(())
    }
}

/// Why a link is not read.
const LINK: &str = "it is a symbolic link, which is never followed";

/// The files of a root, and what of them is not fit to be read.
#[derive(Default)]
struct DefinitionFiles {
    files: RootFiles,
    problems: Vec<Problem>,
}

impl DefinitionFiles {
    fn unfit(&mut self, path: &str, reason: &str) {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: String::new() });
        let message = format!("`{path}` is not read: {reason}");
        self.problems
            .push(Problem::whole(Some(&file), message).help("put a plain file or folder there, or take it out"));
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
