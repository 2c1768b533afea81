//! Free space and mount points of file systems.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Returns the bytes that this user can still write to the file system of `path`, which need not exist; none if unknown.
pub fn free_space(path: &Path) -> Option<u64> {
    let stat = path.ancestors().find_map(|ancestor| rustix::fs::statvfs(ancestor).ok())?;
    // Without free inodes, no file can be created. Some file systems do not count them.
    let has_inodes = stat.f_files == 0 || stat.f_favail > 0;
    Some(if has_inodes { stat.f_bavail.saturating_mul(stat.f_frsize) } else { 0 })
}

/// Returns the mount point of the file system of `path`, which need not exist.
pub fn mount_point(path: &Path) -> PathBuf {
    let device = |path: &Path| fs::metadata(path).map(|metadata| metadata.dev()).ok();
    let Some(path) = existing(path) else { return PathBuf::from("/") };
    let own = device(&path);
    let mounted = path.ancestors().take_while(|ancestor| device(ancestor) == own).last();
    mounted.unwrap_or(&path).to_owned()
}

/// Returns the nearest ancestor that exists, without symbolic links.
fn existing(path: &Path) -> Option<PathBuf> {
    path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_path_is_on_the_disk_of_its_ancestor() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("a/b");
        assert_eq!(mount_point(&missing), mount_point(directory.path()));
        assert!(free_space(&missing).is_some_and(|free| free > 0));
        assert_eq!(mount_point(Path::new("/proc/self/stat")), Path::new("/proc"));
    }
}
