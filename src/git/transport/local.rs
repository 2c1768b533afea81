//! A remote in a directory of this machine: objects are read in place, refs are updated under Git's own lock.
//!
//! libgit2's local transport is not used: it overwrites a ref without comparing it. Hooks of the repository do not run.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use git2::{ConfigLevel, ErrorClass, ErrorCode, Oid, ReferenceType, Repository};

use super::PROPOSALS_MAX;
use crate::git::branch::BranchName;
use crate::git::error::{local, shown};
use crate::git::ref_lock::{self, LockStamp, RefLock};
use crate::git::{GitError, PROPOSALS, Push};
use crate::system::clock::Stopwatch;

/// The age after which an unchanged lock file of another program is reported as stale.
const STALE_LOCK: Duration = Duration::from_secs(60);

/// The repository that is the remote.
pub(in crate::git) struct PathRemote {
    pub(in crate::git) repository: Repository,
    url: String,
    /// A lock file of another program that blocked an update.
    foreign_lock: Mutex<ForeignLock>,
    watch: Stopwatch,
}

impl PathRemote {
    pub(in crate::git) fn open(path: &Path, url: &str) -> Result<Self, GitError> {
        let url = url.to_owned();
        match Repository::open(path) {
            Ok(repository) => {
                enable_fsync(&repository).map_err(|error| local(&error))?;
                Ok(Self { repository, url, foreign_lock: Mutex::default(), watch: Stopwatch::start() })
            }
            Err(error) if error.code() == ErrorCode::Owner => {
                let reason =
                    format!("it belongs to another user; `git config --global --add safe.directory {url}` trusts it");
                Err(GitError::Untrusted { url, reason })
            }
            Err(error) => Err(GitError::Unreachable { url, reason: shown(error.message()) }),
        }
    }

    pub(in crate::git) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the branch that `HEAD` names.
    pub(in crate::git) fn default_branch(&self) -> Result<BranchName, GitError> {
        let head = self.repository.find_reference("HEAD").ok();
        let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
        let name = target.and_then(|target| target.strip_prefix("refs/heads/"));
        BranchName::parse(name.ok_or_else(|| GitError::NoBranch { url: self.url.clone(), branch: "HEAD".to_owned() })?)
    }

    /// Removes the lock file of a pinstream that died.
    pub(in crate::git) fn remove_stale_lock(&self) {
        ref_lock::remove_stale(self.repository.commondir());
    }

    /// Returns the commit of a ref.
    pub(in crate::git) fn tip(&self, reference: &str) -> Result<Option<Oid>, GitError> {
        match self.repository.find_reference(reference).and_then(|found| found.resolve()) {
            Ok(found) => Ok(found.target()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(local(&error)),
        }
    }

    /// Returns the proposal branches.
    pub(in crate::git) fn proposals(&self) -> Result<BTreeMap<BranchName, Oid>, GitError> {
        let found =
            self.repository.references_glob(&format!("refs/heads/{PROPOSALS}*")).map_err(|error| local(&error))?;
        let tip = |found: Result<git2::Reference<'_>, git2::Error>| {
            let found = found.ok()?;
            let name = BranchName::parse(found.name().ok()?.strip_prefix("refs/heads/")?).ok()?;
            Some((name, found.resolve().ok()?.target()?))
        };
        Ok(found.take(PROPOSALS_MAX).filter_map(tip).collect())
    }

    /// Updates a ref from `expected`, or creates it, to `new`.
    pub(in crate::git) fn swap(&self, reference: &str, expected: Option<Oid>, new: Oid) -> Result<Push<Oid>, GitError> {
        self.set(reference, expected, Some(new)).map(|outcome| match outcome {
            Push::Landed(()) => Push::Landed(new),
            Push::Moved => Push::Moved,
            Push::Unknown(reason) => Push::Unknown(reason),
        })
    }

    /// Deletes a ref that is at `expected`.
    pub(in crate::git) fn remove(&self, reference: &str, expected: Oid) -> Result<Push<Oid>, GitError> {
        self.set(reference, Some(expected), None).map(|outcome| match outcome {
            Push::Landed(()) => Push::Landed(expected),
            Push::Moved => Push::Moved,
            Push::Unknown(reason) => Push::Unknown(reason),
        })
    }

    fn set(&self, reference: &str, expected: Option<Oid>, new: Option<Oid>) -> Result<Push<()>, GitError> {
        if !self.repository.is_bare() && self.head_is(reference) {
            let reason = "it is checked out there; push to a bare repository or to another branch";
            return Err(self.refused(reference, reason.to_owned()));
        }
        let failed = |error: &git2::Error| self.blocked(reference, means_forbidden(error), shown(error.message()));
        let blocked = |error: &io::Error| {
            let forbidden = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            self.blocked(reference, forbidden, error.to_string())
        };
        let directory = self.repository.commondir();
        let mut ref_lock = RefLock::acquire(directory, reference).map_err(|error| blocked(&error))?;
        let lock = directory.join(format!("{reference}.lock"));
        let mut transaction = self.repository.transaction().map_err(|error| local(&error))?;
        match transaction.lock_ref(reference) {
            Ok(()) => {}
            Err(error) if error.code() == ErrorCode::Locked => {
                let mut foreign = self.foreign_lock.lock().unwrap_or_else(PoisonError::into_inner);
                if !foreign.is_stale(LockStamp::of(&lock), self.watch.elapsed()) {
                    return Ok(Push::Moved);
                }
                let reason = format!("`{}` is over a minute old; remove it if no git is running", lock.display());
                return Err(self.blocked(reference, false, reason));
            }
            Err(error) => return Err(failed(&error)),
        }
        ref_lock.record_file(&lock).map_err(|error| blocked(&error))?;
        match self.repository.find_reference(reference) {
            Ok(found) if found.kind() != Some(ReferenceType::Direct) => {
                return Err(self.refused(reference, "it is a symbolic ref".to_owned()));
            }
            Ok(found) if found.target() != expected => return Ok(Push::Moved),
            Err(error) if error.code() == ErrorCode::NotFound && expected.is_some() => return Ok(Push::Moved),
            Err(error) if error.code() != ErrorCode::NotFound => return Err(failed(&error)),
            Ok(_) | Err(_) => {}
        }
        let updated = match new {
            Some(new) => transaction.set_target(reference, new, None, "pinstream: update"),
            None => transaction.remove(reference),
        };
        updated.and_then(|()| transaction.commit()).map_err(|error| failed(&error))?;
        Ok(Push::Landed(()))
    }

    fn refused(&self, reference: &str, reason: String) -> GitError {
        GitError::Refused { url: self.url.clone(), reference: reference.to_owned(), reason }
    }

    /// Reports why a ref was not updated: a rule, which is permanent, or a failure, which may pass.
    fn blocked(&self, reference: &str, is_rule: bool, reason: String) -> GitError {
        match is_rule {
            true => self.refused(reference, reason),
            false => GitError::Failed { url: self.url.clone(), reference: reference.to_owned(), reason },
        }
    }

    fn head_is(&self, reference: &str) -> bool {
        let head = self.repository.find_reference("HEAD").ok();
        head.is_some_and(|head| head.symbolic_target().ok().flatten() == Some(reference))
    }
}

/// Makes libgit2 write every object and ref to the disk before it reports success: the directory is the remote, and a power
/// failure must not lose what landed. Overlays the setting (git-config(1), `core.fsyncObjectFiles`) without changing the
/// repository's file.
fn enable_fsync(repository: &Repository) -> Result<(), git2::Error> {
    // A file without a name disappears with its process.
    let Ok(mut file) = tempfile::tempfile() else { return Ok(()) };
    let written = file.write_all(b"[core]\n\tfsyncObjectFiles = true\n");
    let mut config = repository.config()?;
    if written.is_ok() {
        let path = format!("/dev/fd/{}", file.as_raw_fd());
        config.add_file(Path::new(&path), ConfigLevel::App, true)?;
        // The snapshot outlives the file.
        repository.set_config(&config.snapshot()?)?;
    }
    Ok(())
}

/// Returns whether a failure is a rule about the ref or the directory.
fn means_forbidden(error: &git2::Error) -> bool {
    let said = error.message();
    error.class() == ErrorClass::Reference || said.contains("Permission denied") || said.contains("Read-only")
}

/// A lock file of another program, and when it was first seen, by a monotonic clock.
#[derive(Debug, Default)]
struct ForeignLock {
    seen: Option<(LockStamp, Duration)>,
}

impl ForeignLock {
    /// Returns whether the lock file at `now` is older than a live program's.
    fn is_stale(&mut self, stamp: Option<LockStamp>, now: Duration) -> bool {
        match (stamp, self.seen) {
            (Some(stamp), Some((known, since))) if known == stamp => now.saturating_sub(since) > STALE_LOCK,
            (stamp, _) => {
                self.seen = stamp.map(|stamp| (stamp, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t27_landed_objects_are_synced_to_disk_and_the_settings_of_the_repository_stay() {
        let directory = tempfile::tempdir().unwrap();
        let made = Repository::init_bare(directory.path()).unwrap();
        let text = std::fs::read_to_string(directory.path().join("config")).unwrap();
        let remote = PathRemote::open(directory.path(), "url").unwrap();
        assert!(remote.repository.config().unwrap().get_bool("core.fsyncObjectFiles").unwrap());
        assert!(remote.repository.config().unwrap().get_bool("core.bare").unwrap());
        assert!(made.config().unwrap().get_bool("core.fsyncObjectFiles").is_err());
        assert_eq!(std::fs::read_to_string(directory.path().join("config")).unwrap(), text);
    }

    #[test]
    fn t29_a_lock_file_is_stale_once_it_is_unchanged_whatever_its_date() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("main.lock");
        let make = || {
            std::fs::write(&path, "x").unwrap();
            std::fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            LockStamp::of(&path)
        };
        let (first, seconds) = (make(), Duration::from_secs);
        let mut foreign = ForeignLock::default();
        assert!(!foreign.is_stale(first, seconds(5)));
        assert!(!foreign.is_stale(first, seconds(65)));
        assert!(foreign.is_stale(first, seconds(66)));
        // A replaced file has its own time.
        let held = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = make();
        assert!(!foreign.is_stale(second, seconds(200)));
        assert!(!foreign.is_stale(None, seconds(300)));
        assert!(!foreign.is_stale(second, seconds(400)));
        drop(held);
    }
}
