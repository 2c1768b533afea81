//! The environment of the process: the one place that reads it.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::io;
use std::path::PathBuf;

/// The variable `name`, where it is set, not empty and Unicode.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the machine keeps what may be gone tomorrow.
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// The folder the process stands in.
///
/// # Errors
/// Where it is gone or cannot be read.
pub fn current_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// Where copies of remotes are kept: disposable.
pub fn cache_directory() -> PathBuf {
    folder_of("PINSTREAM_CACHE", "XDG_CACHE_HOME", ".cache")
}

/// Where the state is kept that a remote does not take.
pub fn state_directory() -> PathBuf {
    folder_of("PINSTREAM_STATE", "XDG_STATE_HOME", ".local/state")
}

/// A folder of ours: from our own variable, else below the desktop's, else below the home folder.
fn folder_of(own: &str, desktop: &str, below_home: &str) -> PathBuf {
    if let Some(own) = var(own) {
        return PathBuf::from(own);
    }
    let base = var(desktop).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || var("HOME").map(|home| PathBuf::from(home).join(below_home));
    base.or_else(home).unwrap_or_else(temporary_directory).join("pinstream")
}
