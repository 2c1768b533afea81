//! Turns at the refs of a folder. Git's lock files outlive a process that is killed while it has one; a kernel's lock
//! does not. So each pinstream takes its turn by a kernel's lock, and notes there which lock file it has made. Whoever
//! comes next removes that of one that died: exactly that file, never another program's of the same name.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;

use super::STATE_REF;
use super::address::BranchName;
use crate::system::clock::Stopwatch;

/// The file in the repository's folder by which turns are taken.
const FILE_NAME: &str = "pinstream-turn";
/// For how long a turn is waited for: others have theirs for milliseconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// For how long a lock file has to stand still that may be the dead one's, where it could not note that it is.
const STILL: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// The longest note that is read.
const NOTE_MAX: u64 = 1 << 10;

/// A turn at one ref; it ends when it is dropped, or when the process does.
pub(super) struct RefLock {
    file: File,
}

impl RefLock {
    /// Waits for the turn at `reference` of the repository in `folder`, and mends what the one before left behind.
    ///
    /// # Errors
    /// Where the folder cannot be written, or somebody does not end his turn.
    pub(super) fn take(folder: &Path, reference: &str) -> io::Result<Self> {
        Self::take_within(PATIENCE, folder, reference)
    }

    fn take_within(patience: Duration, folder: &Path, reference: &str) -> io::Result<Self> {
        let mut file = open(folder)?;
        let watch = Stopwatch::start();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) if watch.elapsed() >= patience => {
                    let said = format!(
                        "another pinstream has held `{}` for {} s; end it if it hangs",
                        folder.join(FILE_NAME).display(),
                        patience.as_secs()
                    );
                    return Err(io::Error::new(io::ErrorKind::TimedOut, said));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(POLL),
            }
        }
        remove_left_behind(&mut file, folder)?;
        let mut turn = Self { file };
        turn.note(reference)?;
        Ok(turn)
    }

    /// Notes which file at `lock` is ours, now that there is one: behind the ref, which stays noted all the while. A
    /// note that were emptied first would leave a lock that nobody knows of, if the process died just then.
    pub(super) fn made(&mut self, lock: &Path) -> io::Result<()> {
        let identity = LockIdentity::of(lock).ok_or(io::ErrorKind::NotFound)?;
        self.file.write_all(format!(" {identity}").as_bytes())
    }

    fn note(&mut self, text: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for RefLock {
    fn drop(&mut self) {
        // A note that stays costs whoever comes next a look for a lock file that is not there.
        let _ = self.note("");
    }
}

/// Mends what a dead one left behind in `folder`, if nobody has a turn there: people cannot push while it stands.
pub(super) fn mend(folder: &Path) {
    let noted = fs::symlink_metadata(folder.join(FILE_NAME)).is_ok_and(|meta| meta.is_file() && meta.len() > 0);
    if !noted {
        return;
    }
    // Who cannot write there has made no lock file there either: others mend it.
    let Ok(mut file) = open(folder) else { return };
    if file.try_lock().is_ok() && remove_left_behind(&mut file, folder).is_ok() {
        let _ = file.set_len(0);
    }
}

/// Opens the file by which turns are taken: never one that a link leads to.
fn open(folder: &Path) -> io::Result<File> {
    let path = folder.join(FILE_NAME);
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed());
    let file = match options.clone().create_new(true).open(&path) {
        Ok(file) => {
            // A repository that a group shares (git-init(1), `--shared`) is one that all of it takes turns at.
            let shared = fs::metadata(folder)?.permissions().mode() & 0o066;
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

/// Removes the lock file that the last turn's note names. Nobody else has a turn.
fn remove_left_behind(file: &mut File, folder: &Path) -> io::Result<()> {
    let mut text = String::new();
    file.rewind()?;
    file.take(NOTE_MAX).read_to_string(&mut text)?;
    let Some((path, identity)) = noted(&text, folder) else { return Ok(()) };
    let is_ours = match identity {
        Some(identity) if identity.born.is_some() => LockIdentity::of(&path) == Some(identity),
        Some(identity) => LockIdentity::of(&path) == Some(identity) && stands_still(&path),
        // It died between making the file and noting which one it is, so nothing had been written into it.
        None => fs::symlink_metadata(&path).is_ok_and(|meta| meta.len() == 0) && stands_still(&path),
    };
    if is_ours { fs::remove_file(&path) } else { Ok(()) }
}

/// The lock file of a note, and which one it was; none where the note is not one of ours.
fn noted(text: &str, folder: &Path) -> Option<(PathBuf, Option<LockIdentity>)> {
    let (reference, identity) = text.split_once(' ').map_or((text, None), |(name, rest)| (name, Some(rest)));
    let is_branch = |name| BranchName::parse(name).is_ok();
    if reference != STATE_REF && !reference.strip_prefix("refs/heads/").is_some_and(is_branch) {
        return None;
    }
    let identity = match identity {
        Some(text) => Some(LockIdentity::parse(text)?),
        None => None,
    };
    Some((folder.join(format!("{reference}.lock")), identity))
}

/// What tells a file from every other one of its name, before and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LockIdentity {
    device: u64,
    inode: u64,
    /// When it came to be, in nanoseconds; an inode's number is given again. Not every file system knows it.
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
        let mut words = text.split(' ');
        let (device, inode, born) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
        let born = if born == "-" { None } else { Some(born.parse().ok()?) };
        words.next().is_none().then_some(Self { device, inode, born })
    }
}

impl std::fmt::Display for LockIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let born = self.born.map_or_else(|| "-".to_owned(), |born| born.to_string());
        write!(f, "{} {} {born}", self.device, self.inode)
    }
}

/// Whether the lock file at `path` is neither replaced nor written for a while.
fn stands_still(path: &Path) -> bool {
    let Some(first) = LockStamp::of(path) else { return false };
    let watch = Stopwatch::start();
    while watch.elapsed() < STILL {
        std::thread::sleep(POLL);
        if LockStamp::of(path) != Some(first) {
            return false;
        }
    }
    true
}

/// A lock file as it is now.
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
mod tests {
    use super::*;

    fn repository() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("refs/heads")).unwrap();
        folder
    }

    /// Makes the lock file of `branch`; with `note` that of one that died with it.
    fn lock(folder: &Path, branch: &str, note: bool) -> PathBuf {
        let path = folder.join(format!("refs/heads/{branch}.lock"));
        fs::write(&path, "").unwrap();
        if note {
            let text = format!("refs/heads/{branch} {}", LockIdentity::of(&path).unwrap());
            fs::write(folder.join(FILE_NAME), text).unwrap();
        }
        path
    }

    fn note(folder: &Path) -> String {
        fs::read_to_string(folder.join(FILE_NAME)).unwrap()
    }

    #[test]
    fn the_lock_of_one_that_died_is_removed_and_no_other() {
        let folder = repository();
        let (ours, theirs) = (lock(folder.path(), "ours", true), lock(folder.path(), "theirs", false));
        drop(RefLock::take(folder.path(), "refs/heads/theirs").unwrap());
        assert_eq!((ours.exists(), theirs.exists()), (false, true));
        drop(RefLock::take(folder.path(), "refs/heads/ours").unwrap());
        assert!(theirs.exists());
        assert_eq!(note(folder.path()), "");
    }

    #[test]
    fn what_is_noted_of_a_lock_is_added_to_what_was_noted_before() {
        let folder = repository();
        let mut turn = RefLock::take(folder.path(), "refs/heads/ours").unwrap();
        assert_eq!(note(folder.path()), "refs/heads/ours");
        // Other words of the same length in its place stay where they are.
        fs::write(folder.path().join(FILE_NAME), "REFS/HEADS/OURS").unwrap();
        let path = lock(folder.path(), "ours", false);
        turn.made(&path).unwrap();
        assert_eq!(note(folder.path()), format!("REFS/HEADS/OURS {}", LockIdentity::of(&path).unwrap()));
        drop(turn);
        assert_eq!(note(folder.path()), "");
    }

    #[test]
    fn a_look_mends_too_unless_somebody_has_a_turn() {
        let folder = repository();
        let turn = RefLock::take(folder.path(), "refs/heads/x").unwrap();
        let ours = lock(folder.path(), "ours", true);
        mend(folder.path());
        assert!(ours.exists());
        turn.file.unlock().unwrap();
        mend(folder.path());
        assert!(!ours.exists());
        assert_eq!(note(folder.path()), "");
    }

    #[test]
    fn a_lock_of_the_same_name_that_somebody_else_made_stays() {
        let folder = repository();
        let path = lock(folder.path(), "ours", true);
        let held = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        drop(RefLock::take(folder.path(), "refs/heads/ours").unwrap());
        assert!(path.exists());
        drop(held);
    }

    #[test]
    fn one_that_died_before_it_noted_its_lock_leaves_an_empty_one_that_stands_still() {
        for (text, stays) in [("", false), ("0123", true)] {
            let folder = repository();
            let path = lock(folder.path(), "ours", false);
            fs::write(&path, text).unwrap();
            fs::write(folder.path().join(FILE_NAME), "refs/heads/ours").unwrap();
            mend(folder.path());
            assert_eq!(path.exists(), stays, "{text:?}");
        }
    }

    #[test]
    fn a_note_that_is_not_ours_is_not_followed() {
        let folder = repository();
        fs::write(folder.path().join("config.lock"), "").unwrap();
        fs::write(folder.path().join("refs/x.lock"), "").unwrap();
        for text in
            ["config", "refs/heads/../../config", "refs/x", "/refs/heads/a", "refs/heads/a 1", "refs/heads/a\nb"]
        {
            assert_eq!(noted(text, folder.path()), None, "{text}");
        }
        fs::write(folder.path().join(FILE_NAME), "config").unwrap();
        mend(folder.path());
        assert!(folder.path().join("config.lock").exists());
    }

    #[test]
    fn a_link_in_place_of_the_file_is_not_followed() {
        let folder = repository();
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join(FILE_NAME)).unwrap();
        assert!(RefLock::take(folder.path(), "refs/heads/a").is_err());
        assert!(!target.exists());
    }

    #[test]
    fn a_shared_repository_has_a_shared_file() {
        for (mode, expected) in [(0o700, 0o600), (0o775, 0o664), (0o770, 0o660)] {
            let folder = repository();
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            drop(RefLock::take(folder.path(), "refs/heads/a").unwrap());
            let found = fs::metadata(folder.path().join(FILE_NAME)).unwrap().permissions().mode() & 0o777;
            assert_eq!(found, expected, "{found:o}");
        }
    }

    #[test]
    fn a_turn_is_not_waited_for_for_ever() {
        let folder = repository();
        let _turn = RefLock::take(folder.path(), "refs/heads/a").unwrap();
        let error = RefLock::take_within(Duration::ZERO, folder.path(), "refs/heads/a").err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("pinstream-turn` for 0 s; end it if it hangs"), "{error}");
    }
}
