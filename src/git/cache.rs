//! The cache of a remote: a disposable bare repository for one process at a time.
//!
//! Each remote has numbered slots, `<hash>.0.git` and so on; a process uses the first that is not locked. The kernel
//! releases the lock of a process that ends. A slot that fails is emptied once; if that does not help, the process continues
//! in a temporary directory, without the objects of other repositories.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use git2::{ObjectType, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use rustix::fs::OFlags;
use sha2::{Digest as _, Sha256};

use super::GitError;
use super::error::local_io;
use super::tree::ObjectStore;
use crate::system::private_directory::PrivateDirectory;
use crate::system::{disk, environment};
use crate::text::encoding::hex;

/// The interval between two attempts to lock a slot.
const POLL: std::time::Duration = std::time::Duration::from_millis(5);
/// The attempts to lock the first slot.
const ATTEMPTS: usize = 10;
/// The processes of one machine that can use a cache of the same remote.
const SLOTS: usize = 64;
/// The packs with which a slot is recreated: each fetch adds one, and searching many is slow.
const PACKS_MAX: usize = 50;
/// The estimated loose objects with which a slot is recreated.
const LOOSE_MAX: usize = 4000;
/// The free bytes of a disk that is not full. libgit2 writes packs through a memory map, where a full disk kills the process;
/// between two looks at the disk it writes less than this.
const SPACE_MIN: u64 = 16 << 20;
/// The prefix of temporary caches.
const DIRECTORY: &str = "pinstream-cache-";

/// A repository for the objects of a remote; a slot is locked until this is dropped.
pub(super) struct GitCache {
    path: PathBuf,
    stage: CacheStage,
    alternates: Vec<Alternate>,
    /// Keeps the slot locked.
    _lock: Option<File>,
    /// Removes a temporary directory.
    _directory: Option<PrivateDirectory>,
    pub(super) repository: Repository,
}

/// The origin of a cache's contents, which decides what follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CacheStage {
    /// A slot with objects of earlier processes.
    Warm,
    /// A slot with nothing but objects of this process.
    Fresh,
    /// A temporary directory.
    Temporary,
}

/// A repository of this machine that lends its objects.
#[derive(Clone, Debug)]
struct Alternate {
    objects: String,
    /// Commits whose parents it lacks.
    shallow: Vec<String>,
}

impl Alternate {
    /// Opens the repository at `path`; none if it lacks objects.
    fn of(path: &Path) -> Option<Self> {
        let repository = Repository::open(path).ok()?;
        let config = repository.config().ok()?;
        if config.get_string("extensions.partialclone").is_ok() {
            return None;
        }
        let directory = repository.commondir();
        let shallow = std::fs::read_to_string(directory.join("shallow")).unwrap_or_default();
        let objects = directory.join("objects").canonicalize().ok()?;
        Some(Self { objects: objects.to_str()?.to_owned(), shallow: shallow.lines().map(str::to_owned).collect() })
    }
}

/// Names the files of a remote by a hash, which reveals nothing of its address.
pub(super) fn name_of(url: &str) -> String {
    hex(&Sha256::digest(url.as_bytes())[..12])
}

impl GitCache {
    /// Locks a slot in `directory` for the remote at `url`. Without a directory, or if it is unusable, the cache is temporary.
    ///
    /// The repositories at `lenders` lend their objects.
    pub(super) fn open(directory: Option<&Path>, url: &str, lenders: &[&Path]) -> Result<Self, GitError> {
        let alternates: Vec<_> = lenders.iter().filter_map(|path| Alternate::of(path)).collect();
        let name = name_of(url);
        let slot = directory.and_then(|directory| Self::slot(directory, &name).unwrap_or_default());
        if let Some((path, lock)) = slot {
            match Self::in_slot(path, lock, alternates.clone()) {
                Ok(cache) => return Ok(cache),
                Err(error) => tracing::debug!("cannot use the cache: {error}"),
            }
        }
        // The disk is full or read-only, or all slots are locked: work without a cache.
        Self::temporary(alternates)
    }

    fn slot(directory: &Path, name: &str) -> io::Result<Option<(PathBuf, File)>> {
        std::fs::create_dir_all(directory)?;
        // Opening a pipe would block.
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        for slot in 0..SLOTS {
            let Ok(lock) = options.open(directory.join(format!("{name}.{slot}.lock"))) else { continue };
            let mut result = lock.try_lock();
            // A process that is just ending may hold the lock for a moment. The first slot is worth waiting for: it is
            // warm.
            for _ in 0..if slot == 0 { ATTEMPTS } else { 0 } {
                if !matches!(result, Err(TryLockError::WouldBlock)) {
                    break;
                }
                std::thread::sleep(POLL);
                result = lock.try_lock();
            }
            match result {
                Ok(()) => return Ok(Some((directory.join(format!("{name}.{slot}.git")), lock))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    fn in_slot(path: PathBuf, lock: File, alternates: Vec<Alternate>) -> Result<Self, GitError> {
        let known = if is_plain(&path) && !is_worn(&path) { open(&path).ok() } else { None };
        let (stage, repository) = match known {
            Some(repository) => (CacheStage::Warm, repository),
            None => (CacheStage::Fresh, recreate(&path)?),
        };
        Self { path, stage, alternates, _lock: Some(lock), _directory: None, repository }.ready()
    }

    fn temporary(alternates: Vec<Alternate>) -> Result<Self, GitError> {
        let directory = PrivateDirectory::with_space(DIRECTORY, SPACE_MIN).map_err(|error| {
            let parent = environment::temporary_directory();
            match error.kind() {
                io::ErrorKind::StorageFull => full(&parent),
                _ => local_io("write to", &parent, &error),
            }
        })?;
        let path = directory.path().join("repository.git");
        let repository = init(&path)?;
        let stage = CacheStage::Temporary;
        Self { path, stage, alternates, _lock: None, _directory: Some(directory), repository }.ready()
    }

    /// Continues after a failure: with an empty slot the first time, then in a temporary directory.
    ///
    /// # Errors
    /// The failure, if the cache is a temporary one already.
    pub(super) fn fall_back(&mut self, reason: &str) -> Result<(), GitError> {
        if self.stage == CacheStage::Temporary && self.alternates.is_empty() {
            return Err(self.failure(reason));
        }
        if self.stage == CacheStage::Warm {
            tracing::debug!(reason, "recreating a damaged cache");
            self.stage = CacheStage::Fresh;
            if let Ok(repository) = recreate(&self.path) {
                self.repository = repository;
                if self.add_alternates().is_ok() {
                    return Ok(());
                }
            }
        }
        tracing::warn!(
            "cannot use the Git cache `{}`: {}; using a temporary one",
            self.path.display(),
            self.failure(reason)
        );
        *self = Self::temporary(Vec::new())?;
        Ok(())
    }

    fn failure(&self, reason: &str) -> GitError {
        if self.is_full() || FULL.iter().any(|text| reason.contains(text)) {
            return full(&self.path);
        }
        GitError::Local(reason.to_owned())
    }

    /// Returns whether the objects of earlier processes are in use.
    pub(super) fn is_warm(&self) -> bool {
        self.stage == CacheStage::Warm
    }

    /// Returns whether the disk has too little space for another pack.
    pub(super) fn is_full(&self) -> bool {
        disk::free_space(&self.path).is_some_and(|free| free < SPACE_MIN)
    }

    /// Returns the path of the slot; none of a temporary directory.
    pub(super) fn slot_path(&self) -> Option<&Path> {
        (self.stage != CacheStage::Temporary).then_some(&*self.path)
    }

    fn ready(mut self) -> Result<Self, GitError> {
        let shallow: Vec<String> = self.alternates.iter().flat_map(|alternate| alternate.shallow.clone()).collect();
        self.graft(&shallow)?;
        self.add_alternates()?;
        Ok(self)
    }

    /// Makes the objects of the lenders readable.
    fn add_alternates(&self) -> Result<(), GitError> {
        let odb = self.repository.odb()?;
        for alternate in &self.alternates {
            odb.add_disk_alternate(&alternate.objects)?;
        }
        Ok(())
    }

    /// Returns whether a commit and its tree are available.
    pub(super) fn has(&self, commit: Oid) -> bool {
        self.repository.find_commit(commit).is_ok_and(|commit| commit.tree().is_ok())
    }

    /// Returns the reason why `id` is not a usable commit; none if it is.
    pub(super) fn fault_of(&self, id: Oid) -> Option<&'static str> {
        if self.has(id) {
            return None;
        }
        Some(match ObjectStore::of(&self.repository).and_then(|objects| objects.header(id)) {
            Ok((_, ObjectType::Blob)) => "it is a blob, not a commit",
            Ok((_, ObjectType::Tree)) => "it is a tree, not a commit",
            Ok((_, ObjectType::Tag)) => "it is a tag, not a commit",
            Ok(_) => "its tree is missing",
            Err(_) => "its objects are missing",
        })
    }

    /// Treats `commits` as having no parents (gitrepository-layout(5), `shallow`), so that walks end there.
    pub(super) fn graft(&mut self, commits: &[String]) -> Result<(), GitError> {
        let path = self.path.join("shallow");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let mut known: std::collections::BTreeSet<&str> = old.lines().collect();
        let before = known.len();
        known.extend(commits.iter().map(String::as_str));
        if known.len() == before {
            return Ok(());
        }
        let text: String = known.iter().flat_map(|id| [*id, "\n"]).collect();
        std::fs::write(&path, text).map_err(|error| local_io("write", &path, &error))?;
        // Grafts are read when a repository is opened.
        self.repository = open(&self.path)?;
        self.add_alternates()
    }
}

/// The messages of the kernel about a full disk (errno(3), `ENOSPC` and `EDQUOT`).
pub(super) const FULL: [&str; 2] = ["No space left", "quota exceeded"];

fn full(path: &Path) -> GitError {
    GitError::DiskFull { path: path.display().to_string(), mount: disk::mount_point(path).display().to_string() }
}

/// Returns whether a slot has nothing but files and directories: reading a pipe would block. Directories of loose objects,
/// which can be many, are not read.
fn is_plain(directory: &Path) -> bool {
    const LOOSE_NAME: usize = 2;
    let is_good = |entry: std::fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => entry.file_name().len() == LOOSE_NAME || is_plain(&entry.path()),
        Ok(kind) => kind.is_file(),
        Err(_) => false,
    };
    std::fs::read_dir(directory).is_ok_and(|mut entries| entries.all(|entry| entry.is_ok_and(is_good)))
}

/// Replaces the repository at `path`, if there is one, by an empty one.
fn recreate(path: &Path) -> Result<Repository, GitError> {
    clear(path)?;
    init(path)
}

/// Opens a bare repository. `Repository::open_bare` ignores the `shallow` file.
fn open(path: &Path) -> Result<Repository, git2::Error> {
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_DOTGIT;
    Repository::open_ext(path, flags, std::iter::empty::<&Path>())
}

fn is_worn(path: &Path) -> bool {
    let count = |directory: PathBuf| std::fs::read_dir(directory).map_or(0, Iterator::count);
    let objects = path.join("objects");
    count(objects.join("pack")) > 2 * PACKS_MAX || 256 * count(objects.join("17")) > LOOSE_MAX
}

/// Removes a slot, whatever it is.
pub(super) fn clear(path: &Path) -> Result<(), GitError> {
    let removed = match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => std::fs::remove_file(path),
        removed => removed,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(local_io("remove", path, &error)),
        _ => Ok(()),
    }
}

fn init(path: &Path) -> Result<Repository, GitError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("none");
    Ok(Repository::init_opts(path, &options)?)
}
