//! Turns at the refs of a folder. Git's lock files outlive a process that is killed while it has one; a kernel's lock
//! does not. So each pinstream takes its turn by a kernel's lock, notes there which ref it is about to change, and
//! whoever comes next removes the lock file of one that died on the way. Other programs' lock files are never touched.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::time::Duration;

use crate::world::clock::Stopwatch;

/// The file in the repository's folder by which turns are taken.
const FILE_NAME: &str = "pinstream-turn";
/// For how long a lock file has to stand still before it counts as left behind: Git has one for milliseconds.
const STILL: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(50);

/// A turn at one ref; it ends when it is dropped, or when the process does.
pub(super) struct Turn {
    file: File,
}

impl Turn {
    /// Waits for the turn at `reference` of the repository in `folder`, and mends what the one before left behind.
    ///
    /// # Errors
    /// Where the folder cannot be written.
    pub(super) fn take(folder: &Path, reference: &str) -> io::Result<Self> {
        let path = folder.join(FILE_NAME);
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        file.lock()?;
        let mut left = String::new();
        file.read_to_string(&mut left)?;
        if !left.is_empty() {
            remove_left_behind(&folder.join(format!("{left}.lock")))?;
        }
        let mut turn = Self { file };
        turn.note(reference)?;
        Ok(turn)
    }

    fn note(&mut self, reference: &str) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(reference.as_bytes())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // A note that stays costs whoever comes next a look for a lock file that is not there.
        let _ = self.note("");
    }
}

/// Removes a lock file that stands still, for the process that made it is dead.
fn remove_left_behind(path: &Path) -> io::Result<()> {
    let Some(first) = stamp(path) else { return Ok(()) };
    let watch = Stopwatch::start();
    while watch.elapsed() < STILL {
        std::thread::sleep(POLL);
        if stamp(path).as_ref() != Some(&first) {
            return Ok(());
        }
    }
    std::fs::remove_file(path)
}

/// What tells one lock file from the next of the same name.
fn stamp(path: &Path) -> Option<(u64, std::time::SystemTime)> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.modified().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_of_one_that_died_is_removed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = (folder.path().join("ours.lock"), folder.path().join("theirs.lock"));
        std::fs::write(folder.path().join(FILE_NAME), "ours").unwrap();
        std::fs::write(&ours, "").unwrap();
        std::fs::write(&theirs, "").unwrap();
        drop(Turn::take(folder.path(), "theirs").unwrap());
        assert_eq!((ours.exists(), theirs.exists()), (false, true));
        // A turn that ended as it should leaves nothing to mend.
        drop(Turn::take(folder.path(), "ours").unwrap());
        assert!(theirs.exists());
    }
}
