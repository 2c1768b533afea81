//! Locks of the refs of a local repository.
//!
//! A lock file of Git outlives a process that is killed; a lock of the kernel does not. Every pinstream therefore first
//! locks a file by the kernel and records there which lock file it created. The next one removes the recorded file of a
//! process that died: exactly that file, never another program's with the same name.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::STATE_REF;
use super::branch::BranchName;
use crate::system::clock::Stopwatch;

/// The file in the repository that is locked and contains the record.
const FILE_NAME: &str = "pinstream-turn";
/// The longest wait for the lock; others hold it for milliseconds.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// The time without change after which a lock file that may belong to a dead process is stale.
const UNCHANGED_MIN: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// The longest record, in bytes.
const RECORD_MAX: u64 = 1 << 10;

/// The lock of one ref, until this is dropped or the process ends.
pub(super) struct RefLock {
    file: File,
}

impl RefLock {
    /// Waits for the lock of `reference` in the repository `directory`, and removes a stale lock file.
    ///
    /// # Errors
    /// If the directory cannot be written, or another process keeps the lock.
    pub(super) fn acquire(directory: &Path, reference: &str) -> io::Result<Self> {
        Self::acquire_within(WAIT_MAX, directory, reference)
    }

    fn acquire_within(limit: Duration, directory: &Path, reference: &str) -> io::Result<Self> {
        let mut file = open(directory)?;
        let watch = Stopwatch::start();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if watch.elapsed() >= limit => {
                    let message = format!(
                        "another pinstream process has locked `{}` for {} s; end that process if it hangs",
                        directory.join(FILE_NAME).display(),
                        limit.as_secs()
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, message));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
        remove_recorded(&mut file, directory)?;
        let mut lock = Self { file };
        lock.write_record(reference)?;
        Ok(lock)
    }

    /// Records which file at `lock` is ours, now that it exists. Appends to the ref: emptying the record first would leave an
    /// unrecorded lock file if the process died in between.
    pub(super) fn record_file(&mut self, lock: &Path) -> io::Result<()> {
        let identity = LockIdentity::of(lock).ok_or(io::ErrorKind::NotFound)?;
        self.file.write_all(format!(" {identity}").as_bytes())
    }

    fn write_record(&mut self, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for RefLock {
    fn drop(&mut self) {
        // A leftover record only makes the next process look for a lock file that is gone.
        let _ = self.write_record("");
    }
}

/// Removes the lock file of a process that died, unless a live one has the lock: people cannot push while it exists.
pub(super) fn remove_stale(directory: &Path) {
    let is_recorded =
        fs::symlink_metadata(directory.join(FILE_NAME)).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    if !is_recorded {
        return;
    }
    // A user who cannot write here created no lock file either.
    let Ok(mut file) = open(directory) else { return };
    if file.try_lock().is_ok() && remove_recorded(&mut file, directory).is_ok() {
        let _ = file.set_len(0);
    }
}

/// Opens the file with the record; never follows a symbolic link.
fn open(directory: &Path) -> io::Result<File> {
    let path = directory.join(FILE_NAME);
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let file = match options.clone().create_new(true).open(&path) {
        Ok(file) => {
            // All users who share a repository (git-init(1), `--shared`) lock the same file.
            let shared = fs::metadata(directory)?.permissions().mode() & 0o066;
            file.set_permissions(Permissions::from_mode(0o600 | shared))?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => options.open(&path)?,
        Err(error) => return Err(error),
    };
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(format!("`{}` is not a plain file", path.display()))),
    }
}

/// Removes the recorded lock file. The caller has the lock.
fn remove_recorded(file: &mut File, directory: &Path) -> io::Result<()> {
    let mut text = String::new();
    file.rewind()?;
    file.take(RECORD_MAX).read_to_string(&mut text)?;
    let Some((path, identity)) = parse_record(&text, directory) else { return Ok(()) };
    let is_ours = match identity {
        Some(identity) if identity.born.is_some() => LockIdentity::of(&path) == Some(identity),
        Some(identity) => LockIdentity::of(&path) == Some(identity) && is_unchanged(&path),
        // It died after creating the file and before recording which one it is, so the file is empty.
        None => fs::symlink_metadata(&path).is_ok_and(|meta| meta.len() == 0) && is_unchanged(&path),
    };
    if is_ours { fs::remove_file(&path) } else { Ok(()) }
}

/// Parses a record: the path of the lock file, and which file it was. None if it is not a record of ours.
fn parse_record(text: &str, directory: &Path) -> Option<(PathBuf, Option<LockIdentity>)> {
    let (reference, identity) = text.split_once(' ').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let is_branch = |name| BranchName::parse(name).is_ok();
    if reference != STATE_REF && !reference.strip_prefix("refs/heads/").is_some_and(is_branch) {
        return None;
    }
    let identity = match identity {
        Some(text) => Some(LockIdentity::parse(text)?),
        None => None,
    };
    Some((directory.join(format!("{reference}.lock")), identity))
}

/// The identity of a file, different from that of every other file with the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LockIdentity {
    device: u64,
    inode: u64,
    /// Creation time in nanoseconds, because inode numbers are reused; not every file system has it.
    born: Option<u128>,
}

impl LockIdentity {
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok()?;
        let since = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        let born = meta.created().ok().and_then(since).map(|since| since.as_nanos());
        Some(Self { device: meta.dev(), inode: meta.ino(), born })
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split(' ');
        let (device, inode, born) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?, fields.next()?);
        let born = if born == "-" { None } else { Some(born.parse().ok()?) };
        fields.next().is_none().then_some(Self { device, inode, born })
    }
}

impl std::fmt::Display for LockIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let born = self.born.map_or_else(|| "-".to_owned(), |born| born.to_string());
        write!(f, "{} {} {born}", self.device, self.inode)
    }
}

/// Returns whether the file at `path` is neither replaced nor written for a while.
fn is_unchanged(path: &Path) -> bool {
    let Some(first) = LockStamp::of(path) else { return false };
    let watch = Stopwatch::start();
    while watch.elapsed() < UNCHANGED_MIN {
        std::thread::sleep(POLL);
        if LockStamp::of(path) != Some(first) {
            return false;
        }
    }
    true
}

/// The identity and modification time of a lock file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LockStamp {
    identity: LockIdentity,
    written: (i64, i64),
}

impl LockStamp {
    pub(super) fn of(path: &Path) -> Option<Self> {
        let meta = fs::symlink_metadata(path).ok()?;
        Some(Self { identity: LockIdentity::of(path)?, written: (meta.mtime(), meta.mtime_nsec()) })
    }
}

#[cfg(test)]
mod tests;
