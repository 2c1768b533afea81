//! Reasons why a hook does not start, for the person who wrote it.

use std::io;
use std::path::Path;

use super::HookRun;
use crate::text::escape;

/// The reason why a hook was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum HookStartError {
    /// `run` is empty.
    #[error("the hook names no program")]
    NoProgram,
    /// The directory of the run could not be created.
    #[error("cannot create a directory for the hook: {0}")]
    Directory(#[source] io::Error),
    /// A path in `files` or `run` leaves the root.
    #[error("`{}` is not a path within the root", escape::terminal(.0))]
    OutsideRoot(String),
    /// A file of the hook could not be written.
    #[error("cannot write the hook's file `{}`: {source}", escape::terminal(.path))]
    File {
        /// As the hook names it.
        path: String,
        /// The kernel's error.
        source: io::Error,
    },
    /// The program is an absolute path.
    #[error(
        "`{}` is an absolute path: name a file of the root, or a program in `PATH` without a slash",
        escape::terminal(.0)
    )]
    Absolute(String),
    /// The program is a path, and there is no such file.
    #[error("`{}` is not a file of the root", escape::terminal(.0))]
    NoFile(String),
    /// No pipe could be created.
    #[error("cannot start the hook: {0}")]
    Pipe(#[source] io::Error),
    /// The kernel did not run the program.
    #[error("{0}")]
    Exec(String),
}

impl HookStartError {
    /// Explains why the kernel did not run the program of `run`, and what to do about it.
    pub(super) fn exec(error: &io::Error, run: &HookRun, program: &Path) -> Self {
        let name = run.argv.first().map_or_else(String::new, |name| escape::terminal(name));
        let is_file = name.contains('/');
        let path = name.trim_start_matches("./");
        let is_executable = || run.files.iter().any(|file| file.executable && file.path == path);
        let is_noexec = error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error());
        Self::Exec(match error.kind() {
            io::ErrorKind::NotFound if is_file => match interpreter(program) {
                Some(line) if line.ends_with('\r') => {
                    format!("the first line of `{name}` ends with a carriage return: store the file with LF line ends")
                }
                Some(line) => {
                    format!("`{name}` needs the interpreter `{}`, which is not installed", escape::terminal(&line))
                }
                None => format!("`{name}` needs a dynamic loader that is not installed"),
            },
            io::ErrorKind::NotFound => {
                format!("`{name}` is not a program in `PATH`: install it, or write `./{name}` for a file of the root")
            }
            io::ErrorKind::PermissionDenied if is_file && !is_executable() => {
                format!("`{name}` is not executable: run `git update-index --chmod=+x {path}` and commit")
            }
            io::ErrorKind::PermissionDenied if is_file => format!(
                "permission to run `{name}` was denied: check that its interpreter is executable and that the temporary \
                 directory (`TMPDIR`) is not mounted `noexec`"
            ),
            io::ErrorKind::PermissionDenied => format!("`{name}` in `PATH` is not executable"),
            _ if is_noexec => format!("`{name}` is not a program for this machine and has no `#!` line"),
            _ => format!("cannot start `{name}`: {error}"),
        })
    }
}

/// Reads the interpreter of a script, with the carriage return that its first line may end with.
fn interpreter(program: &Path) -> Option<String> {
    let bytes = std::fs::read(program).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line.strip_prefix(b"#!")?).into_owned())
}
