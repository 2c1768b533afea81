//! Trees and blobs of untrusted commits: parsed strictly, and edited along one path.
//!
//! Trees are parsed from their bytes, without a work tree: symbolic links and submodules are refused by their mode, and no
//! path leaves the repository. Sizes are checked before anything is read.

use git2::{ObjectType, Odb, Oid};

use super::error::{is_format, shown};
use super::promisor::Promisor;
use super::repo_path::RepoPath;
use super::tree_entry::{ObjectKind, TreeEntry, parse};
use super::{GitError, RepoFile, RootFiles};
use crate::formats::FILES_MAX;
use crate::formats::path::FilePath;
use crate::system::library_panic;
use crate::text::lfs;

/// The largest tree object, in bytes.
const TREE_MAX: usize = 64 << 20;
/// The largest settings or stream file, in bytes.
const DEFINITION_MAX: usize = 256 << 10;
/// The largest lock, in bytes.
const LOCK_MAX: usize = crate::model::lock::SIZE_MAX;
/// The largest other file, e.g. of a hook, in bytes.
const FILE_MAX: usize = 16 << 20;
/// The most parts of a stream's path.
const STREAM_PARTS_MAX: usize = 8;
/// The most stream files of a root.
const STREAMS_MAX: usize = 20_000;
/// The most bytes of all stream files of a root.
const STREAMS_BYTES_MAX: usize = 64 << 20;
/// The most entries below one directory.
const ENTRIES_MAX: usize = 200_000;

/// The object to put at the end of a path.
#[derive(Clone, Copy)]
pub(super) enum TreeLeaf {
    /// A plain file in place of a plain file or nothing.
    File(Oid),
    /// A file in place of an existing one, whose mode it keeps.
    Edited(Oid),
    /// A directory in place of a directory or nothing; none removes it.
    Directory(Option<Oid>),
}

/// The remaining budget of a walk: a few small objects can expand to millions of paths.
struct ReadBudget {
    entries: usize,
    files: usize,
    bytes: usize,
}

impl ReadBudget {
    const fn whole() -> Self {
        Self { entries: ENTRIES_MAX, files: STREAMS_MAX, bytes: STREAMS_BYTES_MAX }
    }

    fn entry(&mut self, path: &str) -> Result<(), GitError> {
        let left = self.entries.checked_sub(1);
        self.entries = left.ok_or_else(|| refuse(path, &format!("there are more than {ENTRIES_MAX} entries below")))?;
        Ok(())
    }

    fn file(&mut self, path: &str, size: usize) -> Result<(), GitError> {
        let left = self.files.checked_sub(1).zip(self.bytes.checked_sub(size));
        (self.files, self.bytes) = left.ok_or_else(|| {
            let mib = STREAMS_BYTES_MAX >> 20;
            refuse(path, &format!("there are more than {STREAMS_MAX} files or {mib} MiB below"))
        })?;
        Ok(())
    }
}

/// The objects of a repository, with checks of size and kind.
pub(super) struct ObjectStore<'r> {
    pub(super) repository: &'r git2::Repository,
    pub(super) odb: Odb<'r>,
    /// The source of objects that the repository lacks.
    promisor: Option<&'r Promisor>,
}

impl<'r> ObjectStore<'r> {
    pub(super) fn of(repository: &'r git2::Repository) -> Result<Self, GitError> {
        Self::of_clone(repository, None)
    }

    /// Opens the objects of a clone; those that it lacks are fetched from `promisor`.
    pub(super) fn of_clone(repository: &'r git2::Repository, promisor: Option<&'r Promisor>) -> Result<Self, GitError> {
        Ok(Self { repository, odb: repository.odb()?, promisor })
    }

    /// Returns whether a partial clone lacks an object.
    pub(super) fn lacks(&self, id: Oid) -> bool {
        self.promisor.is_some() && !self.odb.exists(id)
    }

    /// Fetches those of `objects` that a partial clone lacks, at once.
    ///
    /// # Errors
    /// If that fails.
    pub(super) fn require(&self, objects: impl IntoIterator<Item = Oid>) -> Result<(), GitError> {
        let missing: Vec<Oid> = objects.into_iter().filter(|id| self.lacks(*id)).collect();
        match self.promisor.filter(|_| !missing.is_empty()) {
            Some(promisor) => promisor.fetch(&missing),
            None => Ok(()),
        }
    }

    /// Returns the size and kind of an object, without reading it.
    pub(super) fn header(&self, id: Oid) -> Result<(usize, ObjectType), GitError> {
        // `git2` 0.21 panics if a damaged pack contains an object of an unknown kind.
        let header = library_panic::catch(|| self.odb.read_header(id));
        Ok(header.unwrap_or_else(|| Err(git2::Error::from_str("an object has an unknown kind")))?)
    }

    /// Returns the top tree of a commit.
    pub(super) fn top(&self, commit: Oid) -> Result<Oid, GitError> {
        Ok(self.repository.find_commit(commit)?.tree_id())
    }

    /// Reads `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml` of a root.
    pub(super) fn files(&self, commit: Oid, root: &RepoPath) -> Result<RootFiles, GitError> {
        let mut files = RootFiles::new();
        let Some(directory) = self.directory(self.top(commit)?, root)? else { return Ok(files) };
        for entry in self.entries(directory, &root.text())? {
            let name: &[u8] = &entry.name;
            let (cap, name) = match name {
                b"pinstream.toml" => (DEFINITION_MAX, "pinstream.toml"),
                b"pinstream.lock" => (LOCK_MAX, "pinstream.lock"),
                b"streams" => {
                    if entry.kind() != ObjectKind::Directory {
                        return Err(refuse(&below(&root.text(), "streams"), entry.kind().description()));
                    }
                    self.streams(entry.id, root, &mut files)?;
                    continue;
                }
                _ => continue,
            };
            let bytes = self.plain(&entry, &below(&root.text(), name), cap)?.bytes;
            files.insert(name.to_owned(), bytes);
        }
        Ok(files)
    }

    fn streams(&self, tree: Oid, root: &RepoPath, files: &mut RootFiles) -> Result<(), GitError> {
        let mut budget = ReadBudget::whole();
        self.walk(tree, root, "streams", &mut |entry, path| {
            let full = below(&root.text(), path);
            if !std::str::from_utf8(&entry.name).is_ok_and(is_printable) {
                return Err(refuse(&full, "its name contains control or invisible characters"));
            }
            budget.entry(&full)?;
            match entry.kind() {
                // The file name is one more part.
                ObjectKind::Directory if path.split('/').count() >= STREAM_PARTS_MAX => {
                    return Err(refuse(&full, &format!("a stream's path has at most {STREAM_PARTS_MAX} parts")));
                }
                ObjectKind::Directory => return Ok(true),
                ObjectKind::Plain | ObjectKind::Executable if path.ends_with(".toml") => {
                    let bytes = self.plain(entry, &full, DEFINITION_MAX)?.bytes;
                    budget.file(&full, bytes.len())?;
                    files.insert(path.to_owned(), bytes);
                }
                ObjectKind::Plain | ObjectKind::Executable => {}
                other => return Err(refuse(&full, other.description())),
            }
            Ok(false)
        })
    }

    /// Calls `visit` for the entries of `tree`, which is at `path` below `root`, with their paths below `root`. Goes on
    /// below an entry if that returns true.
    fn walk(
        &self,
        tree: Oid,
        root: &RepoPath,
        path: &str,
        visit: &mut dyn FnMut(&TreeEntry, &str) -> Result<bool, GitError>,
    ) -> Result<(), GitError> {
        for entry in self.entries(tree, &below(&root.text(), path))? {
            let path = below(path, &String::from_utf8_lossy(&entry.name));
            if visit(&entry, &path)? {
                self.walk(entry.id, root, &path, visit)?;
            }
        }
        Ok(())
    }

    /// Lists the plain files of a root that match `patterns`. Other entries and invalid paths are skipped.
    pub(super) fn matching_files(
        &self,
        commit: Oid,
        root: &RepoPath,
        patterns: &[FilePath],
    ) -> Result<Vec<String>, GitError> {
        let (mut found, mut budget) = (Vec::new(), ReadBudget::whole());
        let Some(directory) = self.directory(self.top(commit)?, root)? else { return Ok(found) };
        self.walk(directory, root, "", &mut |entry, path| {
            let directory = below(&root.text(), path.rsplit_once('/').map_or("", |(directory, _)| directory));
            budget.entry(&directory)?;
            if std::str::from_utf8(&entry.name).is_err() || RepoPath::parse(path).is_err() {
                return Ok(false);
            }
            match entry.kind() {
                ObjectKind::Directory => return Ok(patterns.iter().any(|pattern| pattern.may_match_below(path))),
                ObjectKind::Plain | ObjectKind::Executable if patterns.iter().any(|pattern| pattern.matches(path)) => {
                    found.push(path.to_owned());
                }
                _ => {}
            }
            match found.len() > FILES_MAX {
                true => Err(refuse(&directory, &format!("the globs match more than {FILES_MAX} files"))),
                false => Ok(false),
            }
        })?;
        Ok(found)
    }

    /// Reads a file of at most 16 MiB; none if there is none.
    pub(super) fn file(&self, commit: Oid, path: &RepoPath) -> Result<Option<RepoFile>, GitError> {
        self.entry(commit, path)?.map(|entry| self.plain(&entry, &path.text(), FILE_MAX)).transpose()
    }

    /// Returns the blob id of a root's lock, for a walk over many commits.
    pub(super) fn lock_id(&self, commit: Oid, root: &RepoPath) -> Result<Option<Oid>, GitError> {
        let entry = self.entry(commit, &root.join("pinstream.lock")?)?;
        Ok(entry.filter(|entry| entry.kind() == ObjectKind::Plain).map(|entry| entry.id))
    }

    /// Reads the blob of a lock.
    pub(super) fn lock(&self, id: Oid) -> Result<Vec<u8>, GitError> {
        self.blob(id, "pinstream.lock", LOCK_MAX)
    }

    /// Reads a root's lock at a commit; none if there is none.
    pub(super) fn lock_at(&self, commit: Oid, root: &RepoPath) -> Result<Option<Vec<u8>>, GitError> {
        let Some(id) = self.lock_id(commit, root)? else { return Ok(None) };
        let bytes = self.lock(id)?;
        match lfs::is_pointer(&bytes) {
            true => Err(GitError::LfsPointer { path: below(&root.text(), "pinstream.lock") }),
            false => Ok(Some(bytes)),
        }
    }

    fn entry(&self, commit: Oid, path: &RepoPath) -> Result<Option<TreeEntry>, GitError> {
        let Some((name, parents)) = path.0.split_last() else { return Ok(None) };
        let parents = RepoPath(parents.to_vec());
        let Some(directory) = self.directory(self.top(commit)?, &parents)? else { return Ok(None) };
        let entries = self.entries(directory, &parents.text())?;
        Ok(entries.into_iter().find(|entry| entry.name == name.as_bytes()))
    }

    /// Finds the tree at `path` below `tree`; every part must be a directory.
    fn directory(&self, tree: Oid, path: &RepoPath) -> Result<Option<Oid>, GitError> {
        let (mut tree, mut at) = (tree, String::new());
        for part in &path.0 {
            let entries = self.entries(tree, &at)?;
            at = below(&at, part);
            match entries.iter().find(|entry| entry.name == part.as_bytes()) {
                None => return Ok(None),
                Some(entry) if entry.kind() == ObjectKind::Directory => tree = entry.id,
                Some(entry) => return Err(refuse(&at, entry.kind().description())),
            }
        }
        Ok(Some(tree))
    }

    /// Reads all files below `prefix` by their path from there.
    pub(super) fn below(&self, commit: Oid, prefix: &RepoPath) -> Result<RootFiles, GitError> {
        let (mut files, mut budget) = (RootFiles::new(), ReadBudget::whole());
        let Some(directory) = self.directory(self.top(commit)?, prefix)? else { return Ok(files) };
        self.walk(directory, prefix, "", &mut |entry, path| {
            let full = below(&prefix.text(), path);
            RepoPath::parse(path)?;
            budget.entry(&full)?;
            if entry.kind() == ObjectKind::Directory {
                return Ok(true);
            }
            let bytes = self.plain(entry, &full, LOCK_MAX)?.bytes;
            // A state contains a lock per hook, so each file is bounded by itself.
            budget.file(&full, 0)?;
            files.insert(path.to_owned(), bytes);
            Ok(false)
        })?;
        Ok(files)
    }

    fn plain(&self, entry: &TreeEntry, path: &str, cap: usize) -> Result<RepoFile, GitError> {
        match entry.kind() {
            kind @ (ObjectKind::Plain | ObjectKind::Executable) => {
                Ok(RepoFile { bytes: self.blob(entry.id, path, cap)?, executable: kind == ObjectKind::Executable })
            }
            other => Err(refuse(path, other.description())),
        }
    }

    fn blob(&self, id: Oid, path: &str, cap: usize) -> Result<Vec<u8>, GitError> {
        self.require([id])?;
        let (size, kind) = self.header(id)?;
        if kind != ObjectType::Blob {
            return Err(refuse(path, "its object is not a file"));
        }
        if size > cap {
            return Err(refuse(path, &format!("it is larger than {} KiB", cap >> 10)));
        }
        Ok(self.odb.read(id)?.data().to_vec())
    }

    /// Reads the entries of a tree; requires the order and names that git-fsck(1) does.
    fn entries(&self, id: Oid, path: &str) -> Result<Vec<TreeEntry>, GitError> {
        self.require([id])?;
        let (size, kind) = self.header(id)?;
        if kind != ObjectType::Tree || size > TREE_MAX {
            return Err(refuse(path, "its object is not a directory, or it is too large"));
        }
        let object = self.odb.read(id)?;
        parse(object.data()).map_err(|reason| refuse(path, reason))
    }

    /// Writes a copy of `tree` with `leaf` at `path`; none if nothing is left.
    pub(super) fn put(&self, tree: Option<Oid>, path: &RepoPath, leaf: TreeLeaf) -> Result<Option<Oid>, GitError> {
        self.put_parts(tree, &path.0, leaf, "")
    }

    fn put_parts(
        &self,
        tree: Option<Oid>,
        parts: &[String],
        leaf: TreeLeaf,
        at: &str,
    ) -> Result<Option<Oid>, GitError> {
        let Some((name, rest)) = parts.split_first() else {
            return match leaf {
                TreeLeaf::Directory(directory) => Ok(directory),
                TreeLeaf::File(_) | TreeLeaf::Edited(_) => Err(refuse(at, "a file needs a name")),
            };
        };
        let mut entries = tree.map_or_else(|| Ok(Vec::new()), |tree| self.entries(tree, at))?;
        let path = below(at, name);
        let old = entries.iter().position(|entry| entry.name == name.as_bytes()).map(|index| entries.remove(index));
        let is_wanted = |kind| match leaf {
            TreeLeaf::File(_) if rest.is_empty() => kind == ObjectKind::Plain,
            TreeLeaf::Edited(_) if rest.is_empty() => matches!(kind, ObjectKind::Plain | ObjectKind::Executable),
            _ => kind == ObjectKind::Directory,
        };
        if let Some(old) = old.as_ref().filter(|old| !is_wanted(old.kind())) {
            return Err(refuse(&path, old.kind().description()));
        }
        let new = match leaf {
            TreeLeaf::Edited(blob) if rest.is_empty() => {
                let old = old.ok_or_else(|| refuse(&path, "there is no such file"))?;
                Some((old.mode, blob))
            }
            TreeLeaf::File(blob) if rest.is_empty() => Some((b"100644".to_vec(), blob)),
            _ => self.put_parts(old.map(|old| old.id), rest, leaf, &path)?.map(|id| (b"40000".to_vec(), id)),
        };
        if let Some((mode, id)) = new {
            let entry = TreeEntry { mode, name: name.as_bytes().to_vec(), id };
            let key = entry.key();
            let place = entries.partition_point(|other| other.key() < key);
            entries.insert(place, entry);
        }
        if entries.is_empty() { Ok(None) } else { self.write_tree(&entries).map(Some) }
    }

    /// Writes the tree of `files`; none if there are none.
    pub(super) fn tree_of(&self, files: &RootFiles) -> Result<Option<Oid>, GitError> {
        let mut plain = Vec::new();
        let mut directories = std::collections::BTreeMap::<&str, RootFiles>::new();
        for (path, bytes) in files {
            RepoPath::parse(path)?;
            match path.split_once('/') {
                Some((directory, rest)) => {
                    directories.entry(directory).or_default().insert(rest.to_owned(), bytes.clone());
                }
                None => {
                    let id = self.write(ObjectType::Blob, bytes)?;
                    plain.push(TreeEntry { mode: b"100644".to_vec(), name: path.clone().into_bytes(), id });
                }
            }
        }
        for (name, files) in directories {
            if let Some(id) = self.tree_of(&files)? {
                plain.push(TreeEntry { mode: b"40000".to_vec(), name: name.as_bytes().to_vec(), id });
            }
        }
        plain.sort_by_key(TreeEntry::key);
        if plain.windows(2).any(|pair| pair[0].name == pair[1].name) {
            return Err(refuse("", "a name is both a file and a directory"));
        }
        if plain.is_empty() { Ok(None) } else { self.write_tree(&plain).map(Some) }
    }

    fn write_tree(&self, entries: &[TreeEntry]) -> Result<Oid, GitError> {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend_from_slice(&entry.mode);
            bytes.push(b' ');
            bytes.extend_from_slice(&entry.name);
            bytes.push(0);
            bytes.extend_from_slice(entry.id.as_bytes());
        }
        self.write(ObjectType::Tree, &bytes)
    }

    pub(super) fn write(&self, kind: ObjectType, bytes: &[u8]) -> Result<Oid, GitError> {
        Ok(self.odb.write(kind, bytes)?)
    }
}

fn is_printable(name: &str) -> bool {
    !name.chars().any(|c| c.is_control() || is_format(c))
}

fn below(directory: &str, name: &str) -> String {
    match (directory, name) {
        ("", name) => name.to_owned(),
        (directory, "") => directory.to_owned(),
        (directory, name) => format!("{directory}/{name}"),
    }
}

fn refuse(path: &str, reason: &str) -> GitError {
    let path = if path.is_empty() { "/".to_owned() } else { shown(path) };
    GitError::Tree { path, reason: reason.to_owned() }
}
