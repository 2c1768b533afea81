//! A remote that is a folder of this machine: its objects are read where they lie, and its refs moved under Git's own
//! lock.
//!
//! libgit2's local transport is not used: it overwrites a ref without comparing it. No hook of the folder is run.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::time::Duration;

use git2::{ConfigLevel, ErrorClass, ErrorCode, Oid, ReferenceType, Repository};

use super::address::BranchName;
use super::message::{local, shown};
use super::turn::{self, LockStamp, RefLock};
use super::wire::PROPOSALS_MAX;
use super::{GitError, PROPOSALS, Push};
use crate::system::clock::Stopwatch;

/// After how long a lock file that stands still was not left by somebody who is still writing.
const STALE_LOCK: Duration = Duration::from_secs(60);

/// An open repository that is the remote.
pub(super) struct PathRemote {
    pub(super) repository: Repository,
    url: String,
    /// A lock file that was in the way.
    standing: RefCell<Standing>,
    watch: Stopwatch,
}

impl PathRemote {
    pub(super) fn open(path: &Path, url: &str) -> Result<Self, GitError> {
        let url = url.to_owned();
        match Repository::open(path) {
            Ok(repository) => {
                outlast_power(&repository).map_err(|error| local(&error))?;
                Ok(Self { repository, url, standing: RefCell::default(), watch: Stopwatch::start() })
            }
            Err(error) if error.code() == ErrorCode::Owner => {
                let reason =
                    format!("it belongs to somebody else; `git config --global --add safe.directory {url}` trusts it");
                Err(GitError::Untrusted { url, reason })
            }
            Err(error) => Err(GitError::Unreachable { url, reason: shown(error.message()) }),
        }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The branch that `HEAD` names.
    pub(super) fn default_branch(&self) -> Result<BranchName, GitError> {
        let head = self.repository.find_reference("HEAD").ok();
        let target = head.as_ref().and_then(|head| head.symbolic_target().ok().flatten());
        let name = target.and_then(|target| target.strip_prefix("refs/heads/"));
        BranchName::parse(name.ok_or_else(|| GitError::NoBranch { url: self.url.clone(), branch: "HEAD".to_owned() })?)
    }

    /// Mends what one of us that died left in the way of people.
    pub(super) fn mend(&self) {
        turn::mend(self.repository.commondir());
    }

    /// What a ref stands at.
    pub(super) fn tip(&self, reference: &str) -> Result<Option<Oid>, GitError> {
        match self.repository.find_reference(reference).and_then(|found| found.resolve()) {
            Ok(found) => Ok(found.target()),
            Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
            Err(error) => Err(local(&error)),
        }
    }

    /// The branches of proposals.
    pub(super) fn proposals(&self) -> Result<BTreeMap<BranchName, Oid>, GitError> {
        let found =
            self.repository.references_glob(&format!("refs/heads/{PROPOSALS}*")).map_err(|error| local(&error))?;
        let tip = |found: Result<git2::Reference<'_>, git2::Error>| {
            let found = found.ok()?;
            let name = BranchName::parse(found.name().ok()?.strip_prefix("refs/heads/")?).ok()?;
            Some((name, found.resolve().ok()?.target()?))
        };
        Ok(found.take(PROPOSALS_MAX).filter_map(tip).collect())
    }

    /// Moves a ref from `expected`, or from nothing, to `new`.
    pub(super) fn swap(&self, reference: &str, expected: Option<Oid>, new: Oid) -> Result<Push<Oid>, GitError> {
        self.set(reference, expected, Some(new)).map(|outcome| match outcome {
            Push::Landed(()) => Push::Landed(new),
            Push::Moved => Push::Moved,
            Push::Unknown(reason) => Push::Unknown(reason),
        })
    }

    /// Takes a ref away that stands at `expected`.
    pub(super) fn remove(&self, reference: &str, expected: Oid) -> Result<Push<Oid>, GitError> {
        self.set(reference, Some(expected), None).map(|outcome| match outcome {
            Push::Landed(()) => Push::Landed(expected),
            Push::Moved => Push::Moved,
            Push::Unknown(reason) => Push::Unknown(reason),
        })
    }

    fn set(&self, reference: &str, expected: Option<Oid>, new: Option<Oid>) -> Result<Push<()>, GitError> {
        if !self.repository.is_bare() && self.head_is(reference) {
            let reason = "it is checked out there; push to a bare repository, or to another branch";
            return Err(self.refused(reference, reason.to_owned()));
        }
        let failed = |error: &git2::Error| self.hindered(reference, means_forbidden(error), shown(error.message()));
        let hindered = |error: &io::Error| {
            let forbidden = matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem);
            self.hindered(reference, forbidden, error.to_string())
        };
        let folder = self.repository.commondir();
        let mut turn = RefLock::take(folder, reference).map_err(|error| hindered(&error))?;
        let lock = folder.join(format!("{reference}.lock"));
        let mut transaction = self.repository.transaction().map_err(|error| local(&error))?;
        match transaction.lock_ref(reference) {
            Ok(()) => {}
            Err(error) if error.code() == ErrorCode::Locked => {
                if !self.standing.borrow_mut().is_stale(LockStamp::of(&lock), self.watch.elapsed()) {
                    return Ok(Push::Moved);
                }
                let reason =
                    format!("`{}` has stood there for over a minute; remove it if no git is running", lock.display());
                return Err(self.hindered(reference, false, reason));
            }
            Err(error) => return Err(failed(&error)),
        }
        turn.made(&lock).map_err(|error| hindered(&error))?;
        match self.repository.find_reference(reference) {
            Ok(found) if found.kind() != Some(ReferenceType::Direct) => {
                return Err(self.refused(reference, "it is another name of a ref there".to_owned()));
            }
            Ok(found) if found.target() != expected => return Ok(Push::Moved),
            Err(error) if error.code() == ErrorCode::NotFound && expected.is_some() => return Ok(Push::Moved),
            Err(error) if error.code() != ErrorCode::NotFound => return Err(failed(&error)),
            Ok(_) | Err(_) => {}
        }
        let moved = match new {
            Some(new) => transaction.set_target(reference, new, None, "pinstream: update"),
            None => transaction.remove(reference),
        };
        moved.and_then(|()| transaction.commit()).map_err(|error| failed(&error))?;
        Ok(Push::Landed(()))
    }

    fn refused(&self, reference: &str, reason: String) -> GitError {
        GitError::Refused { url: self.url.clone(), reference: reference.to_owned(), reason }
    }

    /// What kept the ref from being moved: a rule, which is there tomorrow too, or something that passes.
    fn hindered(&self, reference: &str, is_rule: bool, reason: String) -> GitError {
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

/// Has every object and ref on the disk before it is said to be in place: the folder is the remote, and nobody else has
/// what it loses with the power. The setting (git-config(1), `core.fsyncObjectFiles`) is laid over those of the
/// repository, which stay as they are.
fn outlast_power(repository: &Repository) -> Result<(), git2::Error> {
    // A file without a name, which a process that is killed takes along.
    let Ok(mut file) = tempfile::tempfile() else { return Ok(()) };
    let written = file.write_all(b"[core]\n\tfsyncObjectFiles = true\n");
    let mut config = repository.config()?;
    if written.is_ok() {
        let path = format!("/dev/fd/{}", file.as_raw_fd());
        config.add_file(Path::new(&path), ConfigLevel::App, true)?;
        // A snapshot outlives the file.
        repository.set_config(&config.snapshot()?)?;
    }
    Ok(())
}

/// Whether a failure is a rule about the ref or the folder.
fn means_forbidden(error: &git2::Error) -> bool {
    let said = error.message();
    error.class() == ErrorClass::Reference || said.contains("Permission denied") || said.contains("Read-only")
}

/// A lock file of somebody else's that stood in the way, and since when, by a clock that only goes forward.
#[derive(Debug, Default)]
struct Standing {
    seen: Option<(LockStamp, Duration)>,
}

impl Standing {
    /// Whether what stands there at `now` has stood there for longer than anybody has a lock.
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
    fn t27_what_is_in_place_outlasts_the_power_and_the_settings_of_the_folder_stay() {
        let folder = tempfile::tempdir().unwrap();
        let made = Repository::init_bare(folder.path()).unwrap();
        let text = std::fs::read_to_string(folder.path().join("config")).unwrap();
        let remote = PathRemote::open(folder.path(), "url").unwrap();
        assert!(remote.repository.config().unwrap().get_bool("core.fsyncObjectFiles").unwrap());
        assert!(remote.repository.config().unwrap().get_bool("core.bare").unwrap());
        assert!(made.config().unwrap().get_bool("core.fsyncObjectFiles").is_err());
        assert_eq!(std::fs::read_to_string(folder.path().join("config")).unwrap(), text);
    }

    #[test]
    fn t29_a_lock_is_stale_once_it_has_stood_still_whatever_its_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("main.lock");
        let make = || {
            std::fs::write(&path, "x").unwrap();
            std::fs::File::open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
            LockStamp::of(&path)
        };
        let (first, seconds) = (make(), Duration::from_secs);
        let mut standing = Standing::default();
        assert!(!standing.is_stale(first, seconds(5)));
        assert!(!standing.is_stale(first, seconds(65)));
        assert!(standing.is_stale(first, seconds(66)));
        // Another one in its place has its own time.
        let held = std::fs::File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let second = make();
        assert!(!standing.is_stale(second, seconds(200)));
        assert!(!standing.is_stale(None, seconds(300)));
        assert!(!standing.is_stale(second, seconds(400)));
        drop(held);
    }
}
