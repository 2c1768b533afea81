//! The environment of the process; read in this file only.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// Reads a variable; none if it is unset, empty or not Unicode.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Lists the variables that programs of the user's configuration get: all but those that are meant for pinstream.
pub fn for_programs() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"PINSTREAM_"))
}

/// Returns the directory for temporary files (`TMPDIR`).
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// Returns the working directory.
///
/// # Errors
/// If it was removed or cannot be read.
pub fn current_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// Returns the directory for disposable copies of remotes.
pub fn cache_directory() -> PathBuf {
    directory_of("PINSTREAM_CACHE", "XDG_CACHE_HOME", ".cache")
}

/// Returns the directory for state that a remote does not accept.
pub fn state_directory() -> PathBuf {
    directory_of("PINSTREAM_STATE", "XDG_STATE_HOME", ".local/state")
}

/// Returns a directory of ours: our own variable, else below the desktop's, else below the home directory.
fn directory_of(own: &str, desktop: &str, below_home: &str) -> PathBuf {
    if let Some(own) = var(own) {
        return PathBuf::from(own);
    }
    let base = var(desktop).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || var("HOME").map(|home| PathBuf::from(home).join(below_home));
    base.or_else(home).unwrap_or_else(temporary_directory).join("pinstream")
}
