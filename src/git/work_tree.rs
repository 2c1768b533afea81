//! The files of a root in a work tree.
//!
//! Symbolic links are not followed: the work tree may contain files of an untrusted contributor.

use std::fs;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::NamedTempFile;

use crate::formats;
use crate::formats::path::FilePath;
use crate::git::checkout::{self, Checkout};
use crate::git::error::local_io;
use crate::git::sparse::SparseIndex;
use crate::git::{CommitId, GitError, Push, RepoFile, RootFiles};
use crate::model::lock;
use crate::model::root::Root;
use crate::model::settings::Settings;
use crate::text::diagnostics::{Problem, Problems, SourceFile};

/// The deepest nesting below `streams/`.
const DEPTH_MAX: usize = 8;
/// The longest path of a directory that is searched, in bytes.
const PATH_MAX: usize = 4_000;
/// The bytes that are read of a definition: enough for the parser to report that it is too large.
const DEFINITION_READ: u64 = 1 << 20;
/// The bytes that are read of a lock.
const LOCK_READ: u64 = lock::SIZE_MAX as u64 + 1;
/// The largest other file, e.g. of a hook, in bytes.
const FILE_MAX: u64 = 16 << 20;

/// The directory of a root.
#[derive(Clone, Debug)]
pub struct WorkTree(pub PathBuf);

impl WorkTree {
    /// Reads definitions and lock.
    ///
    /// # Errors
    /// If a file cannot be read; reports unusable files together with the problems of the others.
    pub fn read(&self) -> Result<RootFiles, GitError> {
        let mut found = DefinitionFiles::default();
        for (name, most) in [("pinstream.toml", DEFINITION_READ), (lock::FILE_NAME, LOCK_READ)] {
            self.definition(name, most, &mut found)?;
        }
        self.read_streams("streams", 0, &mut found)?;
        if let Some(index) = SparseIndex::of(&self.0)? {
            read_left_out_streams(&index, &mut found)?;
        }
        if found.problems.is_empty() {
            return Ok(found.files);
        }
        found.problems.extend(Root::read(&found.files).err().into_iter().flat_map(|problems| problems.0));
        Problems::check(found.problems).map_err(GitError::Problems)?;
        Ok(found.files)
    }

    /// Reads a file of the root; none if there is none.
    ///
    /// # Errors
    /// If it is not a plain file or cannot be read.
    pub fn file(&self, path: &str) -> Result<Option<RepoFile>, GitError> {
        match self.plain_file(path, FILE_MAX + 1)? {
            Some(file) if file.bytes.len() as u64 > FILE_MAX => {
                Err(not_plain(path, &format!("it is larger than {} MiB", FILE_MAX >> 20)))
            }
            file => Ok(file),
        }
    }

    /// Reads the existing PEM files that `settings` name.
    ///
    /// # Errors
    /// If one is not a plain file or cannot be read.
    pub fn authorities(&self, settings: &Settings) -> Result<RootFiles, GitError> {
        let mut found = RootFiles::new();
        for path in settings.registries.values().filter_map(|registry| registry.ca.as_ref()) {
            found.extend(self.file(path)?.map(|file| (path.clone(), file.bytes)));
        }
        Ok(found)
    }

    /// Reads the lock; none if there is none.
    ///
    /// # Errors
    /// If it is not a plain file or cannot be read.
    pub fn lock(&self) -> Result<Option<Vec<u8>>, GitError> {
        Ok(self.plain_file(lock::FILE_NAME, LOCK_READ)?.map(|file| file.bytes))
    }

    /// Returns a hash of the lock as the version for a compare-and-swap within this process.
    ///
    /// # Errors
    /// If the lock cannot be read.
    pub fn version(&self) -> Result<CommitId, GitError> {
        let lock = match self.plain_file(lock::FILE_NAME, LOCK_READ) {
            // `read` reports an unusable lock, with all other problems.
            Err(GitError::Tree { .. }) => None,
            lock => lock?,
        };
        let hash = |file: RepoFile| {
            let mut hasher = DefaultHasher::new();
            hasher.write(&file.bytes);
            format!("{:016x}", hasher.finish())
        };
        Ok(CommitId(lock.map_or_else(|| "none".to_owned(), hash)))
    }

    /// Replaces the lock atomically, if it is still at `expected`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_lock(&self, expected: &CommitId, text: &str) -> Result<Push<CommitId>, GitError> {
        self.land(expected, text, &RootFiles::new())
    }

    /// Replaces the lock and `files`, if the lock is still at `expected`. All new files are on the disk before the first one
    /// is renamed. The lock is renamed first: the next pass completes an interrupted run.
    ///
    /// # Errors
    /// If one cannot be written; then none is replaced.
    pub fn land(&self, expected: &CommitId, lock: &str, files: &RootFiles) -> Result<Push<CommitId>, GitError> {
        if self.version()? != *expected {
            return Ok(Push::Moved);
        }
        let is_same = !files.is_empty() && self.lock()?.is_some_and(|bytes| bytes == lock.as_bytes());
        let lock = (!is_same).then_some((lock::FILE_NAME, lock.as_bytes()));
        let files = files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice()));
        let staged = lock.into_iter().chain(files).map(|(path, bytes)| self.stage(path, bytes));
        for (file, path) in staged.collect::<Result<Vec<_>, _>>()? {
            persist(file, &path)?;
        }
        self.version().map(Push::Landed)
    }

    /// Writes a file of the root atomically. An existing file keeps its mode.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<(), GitError> {
        let (file, path) = self.stage(path, bytes)?;
        persist(file, &path)
    }

    /// Writes a temporary file next to its destination; returns both.
    fn stage(&self, path: &str, bytes: &[u8]) -> Result<(NamedTempFile, PathBuf), GitError> {
        let path = self.0.join(path);
        let (directory, name) = (path.parent().unwrap_or(&self.0), path.file_name().unwrap_or_default());
        let write = || -> io::Result<NamedTempFile> {
            fs::create_dir_all(directory)?;
            let prefix = format!(".{}.", name.to_string_lossy());
            let mut file = tempfile::Builder::new().prefix(&prefix).tempfile_in(directory)?;
            file.write_all(bytes)?;
            let mode = fs::metadata(&path).map_or_else(|_| fs::Permissions::from_mode(0o644), |old| old.permissions());
            file.as_file().set_permissions(mode)?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        let file = write().map_err(|error| local_io("write", &path, &error))?;
        Ok((file, path))
    }

    /// Lists the plain files that match `patterns`, without files that Git ignores and nested repositories.
    ///
    /// # Errors
    /// If a directory cannot be read, or too many files match.
    pub fn paths(&self, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        let walk = FileWalk {
            root: self,
            enters: &|directory| patterns.iter().any(|pattern| pattern.may_match_below(directory)),
            wants: &|path| patterns.iter().any(|pattern| pattern.matches(path)),
            limit: formats::FILES_MAX,
        };
        walk.files()
    }

    /// Lists all wanted plain files, as [`Self::paths`] does; any number of them, hidden ones too.
    ///
    /// # Errors
    /// If a directory cannot be read.
    pub fn search(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<String>, GitError> {
        FileWalk { root: self, enters: &|_| true, wants: is_wanted, limit: usize::MAX }.files()
    }

    fn read_streams(&self, directory: &str, depth: usize, found: &mut DefinitionFiles) -> Result<(), GitError> {
        let path = self.0.join(directory);
        let flaw = match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(local_io("read", &path, &error)),
            Ok(kind) if kind.is_symlink() => Some(LINK),
            Ok(kind) if !kind.is_dir() => Some("it is not a directory"),
            Ok(_) => (depth > DEPTH_MAX).then_some(TOO_DEEP),
        };
        if let Some(flaw) = flaw {
            found.reject(directory, flaw);
            return Ok(());
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| local_io("read", &path, &error))? {
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                found.reject(&format!("{directory}/{}", name.to_string_lossy()), "its name is not Unicode");
                continue;
            };
            // Leftovers of editors and file managers, often dangling links.
            if name.starts_with('.') {
                continue;
            }
            let below = format!("{directory}/{name}");
            let kind = entry.file_type().map_err(|error| local_io("read", &path, &error))?;
            if kind.is_dir() {
                self.read_streams(&below, depth + 1, found)?;
            } else if name.ends_with(".toml") {
                self.definition(&below, DEFINITION_READ, found)?;
            }
        }
        Ok(())
    }

    /// Reads at most `most` bytes of a definition or the lock.
    fn definition(&self, path: &str, most: u64, found: &mut DefinitionFiles) -> Result<(), GitError> {
        match self.plain_file(path, most) {
            Ok(file) => found.files.extend(file.map(|file| (path.to_owned(), file.bytes))),
            Err(GitError::Tree { path, reason }) => found.reject(&path, &reason),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads at most `most` bytes of a file.
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
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.left_out(path, most),
            Err(error) => return Err(local_io("read", &whole, &error)),
            Ok(kind) => kind,
        };
        if !kind.is_file() {
            return Err(not_plain(path, if kind.is_symlink() { LINK } else { "it is not a file" }));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(kind.len().min(most)).unwrap_or_default());
        let read = fs::File::open(&whole).and_then(|file| file.take(most).read_to_end(&mut bytes));
        read.map_err(|error| local_io("read", &whole, &error))?;
        Ok(Some(RepoFile { bytes, executable: kind.permissions().mode() & 0o111 != 0 }))
    }

    /// Reads at most `most` bytes of a file that a sparse checkout leaves out.
    fn left_out(&self, path: &str, most: u64) -> Result<Option<RepoFile>, GitError> {
        match SparseIndex::of(&self.0)? {
            Some(index) => index.file(path, most),
            None => Ok(None),
        }
    }
}

/// Reads the stream files that a sparse checkout leaves out, by the rules for those in the work tree.
fn read_left_out_streams(index: &SparseIndex, found: &mut DefinitionFiles) -> Result<(), GitError> {
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    let is_stream = |path: &str| path.starts_with("streams/") && path.ends_with(".toml") && !is_hidden(path);
    let paths = index.list(is_stream);
    index.prefetch(&paths);
    for path in paths {
        // One slash is that after `streams`.
        if path.matches('/').count() > DEPTH_MAX + 1 {
            found.reject(&path, TOO_DEEP);
        } else if let Some(file) = index.file(&path, DEFINITION_READ)? {
            found.files.entry(path).or_insert(file.bytes);
        }
    }
    Ok(())
}

fn persist(file: NamedTempFile, path: &Path) -> Result<(), GitError> {
    file.persist(path).map(drop).map_err(|error| local_io("write", path, &error.error))
}

/// A walk over the files of a root.
struct FileWalk<'a> {
    root: &'a WorkTree,
    /// Returns whether a file below a directory may be wanted.
    enters: &'a dyn Fn(&str) -> bool,
    wants: &'a dyn Fn(&str) -> bool,
    limit: usize,
}

impl FileWalk<'_> {
    /// Lists the wanted files, sorted, with those that a sparse checkout leaves out.
    fn files(&self) -> Result<Vec<String>, GitError> {
        // The root may be outside a checkout, or in one of another user.
        let checkout = checkout::discover(&self.root.0).ok().flatten();
        let (mut found, mut open) = (Vec::new(), vec![String::new()]);
        while let Some(directory) = open.pop() {
            self.directory(&directory, checkout.as_ref(), &mut found, &mut open)?;
        }
        found.extend(SparseIndex::of(&self.root.0)?.map(|index| index.list(self.wants)).unwrap_or_default());
        found.sort();
        found.dedup();
        if found.len() > self.limit {
            return Err(too_many_files(""));
        }
        Ok(found)
    }

    fn directory(
        &self,
        below: &str,
        checkout: Option<&Checkout>,
        found: &mut Vec<String>,
        open: &mut Vec<String>,
    ) -> Result<(), GitError> {
        let path = self.root.0.join(below);
        // Git does not track longer paths.
        if path.as_os_str().len() > PATH_MAX || (!below.is_empty() && path.join(".git").exists()) {
            return Ok(());
        }
        let entries = fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for entry in entries.map_err(|error| local_io("read", &path, &error))? {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_git = name == ".git";
            let path = if below.is_empty() { name } else { format!("{below}/{name}") };
            let kind = entry.file_type().map_err(|error| local_io("read", &self.root.0.join(&path), &error))?;
            let matches = match kind.is_dir() {
                true => !is_git && (self.enters)(&path),
                false => kind.is_file() && (self.wants)(&path),
            };
            let is_ignored = |checkout: &Checkout| checkout.ignores(&self.root.0.join(&path), kind.is_dir());
            if !matches || checkout.is_some_and(is_ignored) {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
            if found.len() > self.limit {
                return Err(too_many_files(below));
            }
        }
        Ok(())
    }
}

/// The reason for not reading a directory that is nested too deeply.
const TOO_DEEP: &str = "streams are nested at most eight directories deep";
/// The reason for not reading a symbolic link.
const LINK: &str = "it is a symbolic link, which is never followed";

/// The files of a root, and the problems of unusable ones.
#[derive(Default)]
struct DefinitionFiles {
    files: RootFiles,
    problems: Vec<Problem>,
}

impl DefinitionFiles {
    fn reject(&mut self, path: &str, reason: &str) {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: String::new() });
        let problem = Problem::whole(Some(&file), format!("cannot read `{path}`: {reason}"));
        self.problems.push(problem.help("replace it by a plain file or directory, or remove it"));
    }
}

fn too_many_files(path: &str) -> GitError {
    not_plain(path, &format!("the globs match more than {} files", formats::FILES_MAX))
}

fn not_plain(path: &str, reason: &str) -> GitError {
    GitError::Tree { path: path.to_owned(), reason: reason.to_owned() }
}
