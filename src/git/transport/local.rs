//! A remote in a directory of this machine, through `git upload-pack` and `git receive-pack`: hooks, `receive.*` settings,
//! reflogs and locks work as with `git push`.

use std::path::PathBuf;

use super::failure::WireFailure;
use crate::git::GitError;
use crate::git::error::shown;
use crate::git::git_program;
use crate::system::program::Program;

/// Writes what landed to the disk before success is reported (git-config(1), `core.fsync`): the directory is the remote, and
/// a power failure must not lose it.
const FSYNC: &str = "core.fsync=objects,reference";

/// The directory of a remote.
#[derive(Clone)]
pub(super) struct LocalProgram {
    pub(super) path: PathBuf,
}

impl LocalProgram {
    pub(super) fn url(&self) -> String {
        self.path.display().to_string()
    }

    pub(super) fn command(&self, name: &str) -> Program {
        git_program().args(["-c", FSYNC, name]).args([self.path.as_os_str()])
    }

    pub(super) fn classify(&self, output: &str) -> WireFailure {
        let url = self.url();
        if output.contains("dubious ownership") || output.contains("unsafe repository") {
            let reason =
                format!("it belongs to another user; `git config --global --add safe.directory {url}` trusts it");
            return WireFailure::lasting(GitError::Untrusted { url, reason });
        }
        let lines: Vec<&str> = output.lines().map(|line| line.trim().trim_start_matches("fatal: ")).collect();
        let reason = if lines.is_empty() { "git ended without a message".to_owned() } else { shown(&lines.join("; ")) };
        WireFailure::lasting(GitError::Unreachable { url, reason })
    }
}
