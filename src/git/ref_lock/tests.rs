//! Locks of live and dead processes, in a directory with refs only.

use super::*;

fn repository() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("refs/heads")).unwrap();
    directory
}

/// Creates the lock file of `branch`, and with `record` the record of a process that died.
fn lock(directory: &Path, branch: &str, is_recorded: bool) -> PathBuf {
    let path = directory.join(format!("refs/heads/{branch}.lock"));
    fs::write(&path, "").unwrap();
    if is_recorded {
        let text = format!("refs/heads/{branch} {}", LockIdentity::of(&path).unwrap());
        fs::write(directory.join(FILE_NAME), text).unwrap();
    }
    path
}

fn record(directory: &Path) -> String {
    fs::read_to_string(directory.join(FILE_NAME)).unwrap()
}

#[test]
fn the_lock_of_a_dead_process_is_removed_and_no_other() {
    let directory = repository();
    let (ours, theirs) = (lock(directory.path(), "ours", true), lock(directory.path(), "theirs", false));
    drop(RefLock::acquire(directory.path(), "refs/heads/theirs").unwrap());
    assert_eq!((ours.exists(), theirs.exists()), (false, true));
    drop(RefLock::acquire(directory.path(), "refs/heads/ours").unwrap());
    assert!(theirs.exists());
    assert_eq!(record(directory.path()), "");
}

#[test]
fn the_identity_of_a_lock_file_is_appended_to_the_record() {
    let directory = repository();
    let mut lock_of_ref = RefLock::acquire(directory.path(), "refs/heads/ours").unwrap();
    assert_eq!(record(directory.path()), "refs/heads/ours");
    // A different text of the same length stays.
    fs::write(directory.path().join(FILE_NAME), "REFS/HEADS/OURS").unwrap();
    let path = lock(directory.path(), "ours", false);
    lock_of_ref.record_file(&path).unwrap();
    assert_eq!(record(directory.path()), format!("REFS/HEADS/OURS {}", LockIdentity::of(&path).unwrap()));
    drop(lock_of_ref);
    assert_eq!(record(directory.path()), "");
}

#[test]
fn a_stale_lock_is_removed_unless_a_live_process_has_the_lock() {
    let directory = repository();
    let lock_of_ref = RefLock::acquire(directory.path(), "refs/heads/x").unwrap();
    let ours = lock(directory.path(), "ours", true);
    remove_stale(directory.path());
    assert!(ours.exists());
    lock_of_ref.file.unlock().unwrap();
    remove_stale(directory.path());
    assert!(!ours.exists());
    assert_eq!(record(directory.path()), "");
}

#[test]
fn a_lock_file_of_the_same_name_by_another_program_stays() {
    let directory = repository();
    let path = lock(directory.path(), "ours", true);
    let held = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "").unwrap();
    drop(RefLock::acquire(directory.path(), "refs/heads/ours").unwrap());
    assert!(path.exists());
    drop(held);
}

#[test]
fn an_empty_unrecorded_lock_file_is_removed_once_it_is_unchanged() {
    for (text, stays) in [("", false), ("0123", true)] {
        let directory = repository();
        let path = lock(directory.path(), "ours", false);
        fs::write(&path, text).unwrap();
        fs::write(directory.path().join(FILE_NAME), "refs/heads/ours").unwrap();
        remove_stale(directory.path());
        assert_eq!(path.exists(), stays, "{text:?}");
    }
}

#[test]
fn a_record_that_is_not_ours_is_ignored() {
    let directory = repository();
    fs::write(directory.path().join("config.lock"), "").unwrap();
    fs::write(directory.path().join("refs/x.lock"), "").unwrap();
    for text in ["config", "refs/heads/../../config", "refs/x", "/refs/heads/a", "refs/heads/a 1", "refs/heads/a\nb"] {
        assert_eq!(parse_record(text, directory.path()), None, "{text}");
    }
    fs::write(directory.path().join(FILE_NAME), "config").unwrap();
    remove_stale(directory.path());
    assert!(directory.path().join("config.lock").exists());
}

#[test]
fn a_symbolic_link_in_place_of_the_file_is_not_followed() {
    let directory = repository();
    let target = directory.path().join("target");
    std::os::unix::fs::symlink(&target, directory.path().join(FILE_NAME)).unwrap();
    assert!(RefLock::acquire(directory.path(), "refs/heads/a").is_err());
    assert!(!target.exists());
}

#[test]
fn a_shared_repository_has_a_shared_file() {
    for (mode, expected) in [(0o700, 0o600), (0o775, 0o664), (0o770, 0o660)] {
        let directory = repository();
        fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
        drop(RefLock::acquire(directory.path(), "refs/heads/a").unwrap());
        let found = fs::metadata(directory.path().join(FILE_NAME)).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, expected, "{found:o}");
    }
}

#[test]
fn the_wait_for_a_lock_is_limited() {
    let directory = repository();
    let _lock = RefLock::acquire(directory.path(), "refs/heads/a").unwrap();
    let error = RefLock::acquire_within(Duration::ZERO, directory.path(), "refs/heads/a").err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("pinstream-turn` for 0 s; end that process if it hangs"), "{error}");
}
