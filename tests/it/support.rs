//! Support for tests: a private sandbox, remotes, registries, forges. Tests use these instead of programs and ports.

pub(crate) mod canary;
pub(crate) mod certificate;
pub(crate) mod ci;
pub(crate) mod encoding;
pub(crate) mod forge;
pub(crate) mod lane;
pub(crate) mod registry;
pub(crate) mod remote;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod signing_key;
pub(crate) mod sigstore;
pub(crate) mod smtp;
pub(crate) mod source;

use std::path::Path;
use std::time::Duration;

use pinstream::git::RootFiles;

/// Reads all files below `folder`; keys are paths relative to it.
pub(crate) fn files(folder: &Path) -> RootFiles {
    fn collect(folder: &Path, path: &str, files: &mut RootFiles) {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = format!("{path}{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                collect(&entry.path(), &format!("{path}/"), files);
            } else {
                files.insert(path, std::fs::read(entry.path()).unwrap());
            }
        }
    }
    let mut files = RootFiles::new();
    collect(folder, "", &mut files);
    files
}

/// CPU time of this thread, which does not grow while a busy machine lets it wait.
pub(crate) fn worked() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}
