//! The environment of the process: the one place that reads it.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::io;
use std::path::PathBuf;

/// The variable `name`, where it is set, not empty and Unicode.
pub fn var(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Where the machine keeps what may be gone tomorrow.
pub fn temporary_folder() -> PathBuf {
    std::env::temp_dir()
}

/// The folder the process stands in.
///
/// # Errors
/// Where it is gone or cannot be read.
pub fn current_folder() -> io::Result<PathBuf> {
    std::env::current_dir()
}
