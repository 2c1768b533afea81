//! Our own bare repository for a remote: disposable, without a work tree, one user at a time.
//!
//! Each remote has numbered slots, `<hash>.0.git` and on; a process takes the first that nobody has locked. The lock is
//! the kernel's and goes with its process. A slot that cannot be read is thrown away and made anew.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use git2::{ConfigLevel, Oid, Repository, RepositoryInitOptions, RepositoryOpenFlags};
use sha2::{Digest as _, Sha256};

use super::GitError;
use super::message::{local, local_io};

/// The setting by which libgit2 follows redirects.
const REDIRECTS: &str = "http.followRedirects";
/// How long, and how often, a slot that is taken is looked at again.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(5);
const MOMENTS: usize = 10;
/// How many processes on one machine can work on one remote with a cache of their own each.
const SLOTS: usize = 64;
/// With how many packs a slot is thrown away: each fetch adds one, and looking through many is slow.
const PACKS_MAX: usize = 50;
/// With how many folders of loose objects a slot is thrown away; each of up to 256 holds about as many.
const LOOSE_MAX: usize = 4000;

/// A slot, held until it is dropped.
pub(super) struct GitCache {
    path: PathBuf,
    alternate: Option<Alternate>,
    /// Holds the kernel's lock.
    _lock: Option<File>,
    /// Holds the folder, where it goes with us.
    _folder: Option<tempfile::TempDir>,
    pub(super) repository: Repository,
}

/// A checkout whose objects may be used.
#[derive(Clone, Debug)]
struct Alternate {
    objects: String,
    /// The commits whose parents it does not have.
    shallow: Vec<String>,
}

impl Alternate {
    /// The objects of the checkout at `path`; none where they are not all there.
    fn of(path: &Path) -> Option<Self> {
        let repository = Repository::open(path).ok()?;
        let config = repository.config().ok()?;
        if config.get_string("extensions.partialclone").is_ok() {
            return None;
        }
        let folder = repository.commondir();
        let shallow = std::fs::read_to_string(folder.join("shallow")).unwrap_or_default();
        let objects = folder.join("objects").canonicalize().ok()?;
        Some(Self { objects: objects.to_str()?.to_owned(), shallow: shallow.lines().map(str::to_owned).collect() })
    }
}

/// A name for what belongs to one remote, that says nothing about it.
pub(super) fn name_of(url: &str) -> String {
    Sha256::digest(url.as_bytes()).iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

impl GitCache {
    /// Takes a slot in `folder` for the remote at `url`, or a passing folder where none can be had.
    pub(super) fn open(folder: &Path, url: &str, checkout: Option<&Path>) -> Result<Self, GitError> {
        let alternate = checkout.and_then(Alternate::of);
        let name = name_of(url);
        match Self::slot(folder, &name) {
            Ok(Some((path, lock))) => {
                let repository = repository(&path)?;
                Self { path, alternate, _lock: Some(lock), _folder: None, repository }.ready()
            }
            // A full or read-only disk, or all slots taken: the cache is only there to save work.
            Ok(None) | Err(_) => {
                let folder = tempfile::tempdir().map_err(|error| {
                    local_io("make a folder in", Path::new("the folder for temporary files"), &error)
                })?;
                let path = folder.path().to_owned();
                let repository = init(&path)?;
                Self { path, alternate, _lock: None, _folder: Some(folder), repository }.ready()
            }
        }
    }

    fn slot(folder: &Path, name: &str) -> io::Result<Option<(PathBuf, File)>> {
        std::fs::create_dir_all(folder)?;
        for slot in 0..SLOTS {
            let lock = File::create(folder.join(format!("{name}.{slot}.lock")))?;
            let mut tried = lock.try_lock();
            // A process that just ended, or is about to be another program, may hold it for one moment more. The first
            // slot is worth waiting for: it is the one that is warm.
            for _ in 0..if slot == 0 { MOMENTS } else { 0 } {
                if !matches!(tried, Err(TryLockError::WouldBlock)) {
                    break;
                }
                std::thread::sleep(MOMENT);
                tried = lock.try_lock();
            }
            match tried {
                Ok(()) => return Ok(Some((folder.join(format!("{name}.{slot}.git")), lock))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Throws everything away and begins anew.
    pub(super) fn recreate(&mut self) -> Result<(), GitError> {
        clear(&self.path)?;
        self.repository = init(&self.path)?;
        self.lend()
    }

    fn ready(mut self) -> Result<Self, GitError> {
        if let Some(alternate) = self.alternate.clone() {
            self.graft(&alternate.shallow)?;
        }
        self.lend()?;
        Ok(self)
    }

    /// Makes the checkout's objects readable here.
    fn lend(&self) -> Result<(), GitError> {
        let Some(alternate) = &self.alternate else { return Ok(()) };
        let odb = self.repository.odb().map_err(|error| local(&error))?;
        odb.add_disk_alternate(&alternate.objects).map_err(|error| local(&error))
    }

    /// Whether a commit and its tree are at hand.
    pub(super) fn has(&self, commit: Oid) -> bool {
        self.repository.find_commit(commit).is_ok_and(|commit| commit.tree().is_ok())
    }

    /// Treats `commits` as having no parents (gitrepository-layout(5), `shallow`), so that no walk goes further back.
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
        self.repository = open(&self.path).map_err(|error| local(&error))?;
        self.lend()
    }
}

/// Opens the repository at `path`, or makes it anew where it is not fit for use.
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

/// Opens a bare repository. `Repository::open_bare` does not do: it leaves the `shallow` file unread.
fn open(path: &Path) -> Result<Repository, git2::Error> {
    let flags = RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_DOTGIT;
    let repository = Repository::open_ext(path, flags, std::iter::empty::<&Path>())?;
    stay_put(&repository)?;
    Ok(repository)
}

/// Lets no redirect be followed: libgit2 would follow the first one to any host, and take our credentials along. Whoever
/// made the slot may have died before it said so.
fn stay_put(repository: &Repository) -> Result<(), git2::Error> {
    let mut own = repository.config()?.open_level(ConfigLevel::Local)?;
    match own.get_bool(REDIRECTS) {
        Ok(false) => Ok(()),
        _ => own.set_bool(REDIRECTS, false),
    }
}

fn is_worn(path: &Path) -> bool {
    let count = |folder: PathBuf| std::fs::read_dir(folder).map_or(0, Iterator::count);
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
    let repository = Repository::init_opts(path, &options).map_err(|error| local(&error))?;
    stay_put(&repository).map_err(|error| local(&error))?;
    Ok(repository)
}
