//! The cache of a remote: a disposable bare repository for one process at a time.
//!
//! Each remote has numbered slots, `<hash>.0.git` and so on; a process uses the first that is not locked. The kernel
//! releases the lock of a process that ends. A slot that cannot be read is recreated.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use git2::{Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use sha2::{Digest as _, Sha256};

use super::GitError;
use super::error::local_io;
use crate::system::environment;
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

/// A slot, locked until this is dropped.
pub(super) struct GitCache {
    path: PathBuf,
    alternates: Vec<Alternate>,
    /// Keeps the slot locked.
    _lock: Option<File>,
    /// Removes a temporary directory.
    _directory: Option<tempfile::TempDir>,
    pub(super) repository: Repository,
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
    /// Locks a slot in `directory` for the remote at `url`, or creates a temporary directory if that fails.
    ///
    /// The repositories at `lenders` lend their objects.
    pub(super) fn open(directory: &Path, url: &str, lenders: &[&Path]) -> Result<Self, GitError> {
        let alternates: Vec<_> = lenders.iter().filter_map(|path| Alternate::of(path)).collect();
        let name = name_of(url);
        match Self::slot(directory, &name) {
            Ok(Some((path, lock))) => {
                let repository = repository(&path)?;
                Self { path, alternates, _lock: Some(lock), _directory: None, repository }.ready()
            }
            // The disk is full or read-only, or all slots are locked: work without a cache.
            Ok(None) | Err(_) => {
                let temporary = tempfile::tempdir()
                    .map_err(|error| local_io("write to", &environment::temporary_directory(), &error))?;
                let path = temporary.path().to_owned();
                let repository = init(&path)?;
                Self { path, alternates, _lock: None, _directory: Some(temporary), repository }.ready()
            }
        }
    }

    fn slot(directory: &Path, name: &str) -> io::Result<Option<(PathBuf, File)>> {
        std::fs::create_dir_all(directory)?;
        for slot in 0..SLOTS {
            let lock = File::create(directory.join(format!("{name}.{slot}.lock")))?;
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

    /// Replaces the slot by an empty one.
    pub(super) fn recreate(&mut self) -> Result<(), GitError> {
        clear(&self.path)?;
        self.repository = init(&self.path)?;
        self.add_alternates()
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

/// Opens the repository at `path`, or recreates an unusable one.
fn repository(path: &Path) -> Result<Repository, GitError> {
    if path.exists()
        && !is_worn(path)
        && let Ok(repository) = open(path)
    {
        return Ok(repository);
    }
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

fn clear(path: &Path) -> Result<(), GitError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(local_io("remove", path, &error)),
        _ => Ok(()),
    }
}

fn init(path: &Path) -> Result<Repository, GitError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("none");
    Ok(Repository::init_opts(path, &options)?)
}
