//! The errors of Git operations, with their help lines.

use std::path::Path;

use crate::text::diagnostics::Problems;
use crate::text::{escape, lfs};

/// An error of Git that stops a pass.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The address of the remote is invalid.
    #[error("`{url}` is not a valid remote: {reason}")]
    Remote {
        /// As given, without credentials.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The connection failed, or the remote violated the protocol.
    #[error("cannot reach the remote `{url}`: {reason}")]
    Unreachable {
        /// Without credentials.
        url: String,
        /// The message of the transport.
        reason: String,
    },
    /// The remote rejected the credentials, or asked for none.
    #[error("the remote `{url}` denied access: {reason}")]
    Unauthorized {
        /// Without credentials.
        url: String,
        /// The message of the transport, and the credentials that were tried, or why they were not.
        reason: String,
        /// The remedy.
        help: &'static str,
    },
    /// The host key or certificate is unknown.
    #[error("cannot verify the identity of the remote `{url}`: {reason}")]
    Untrusted {
        /// Without credentials.
        url: String,
        /// The unknown key or certificate, and the remedy.
        reason: String,
    },
    /// The name of a branch is invalid.
    #[error("`{branch}` is not a valid branch name")]
    Branch {
        /// As given, escaped.
        branch: String,
    },
    /// The branch does not exist.
    #[error("the remote `{url}` has no branch `{branch}`")]
    NoBranch {
        /// Without credentials.
        url: String,
        /// Name of the branch.
        branch: String,
    },
    /// A rule of the server forbids the push: a protected branch or a hook.
    #[error("the remote `{url}` refused the push to `{reference}`: {reason}")]
    Refused {
        /// Without credentials.
        url: String,
        /// Name of the ref.
        reference: String,
        /// The message of the server, escaped and shortened.
        reason: String,
    },
    /// The server failed: a full disk, a stale lock file.
    #[error("the remote `{url}` failed to update `{reference}`: {reason}")]
    Failed {
        /// Without credentials.
        url: String,
        /// Name of the ref.
        reference: String,
        /// The message of the server, escaped and shortened.
        reason: String,
    },
    /// A path or an object in the tree is unusable.
    #[error("cannot use `{path}` in the repository: {reason}")]
    Tree {
        /// Path from the top of the repository.
        path: String,
        /// The cause.
        reason: String,
    },
    /// A file of the repository is a Git LFS pointer.
    #[error("cannot use `{path}`: {}", lfs::POINTER)]
    LfsPointer {
        /// Path from the root.
        path: String,
    },
    /// An object is missing from a partial clone, and cannot be fetched.
    #[error("an object is missing from this partial clone: {0}")]
    MissingObject(String),
    /// The repository has a format that libgit2 does not read.
    #[error("cannot read the repository `{directory}`: {reason}")]
    Format {
        /// Its directory.
        directory: String,
        /// The feature that is not supported.
        reason: String,
        /// The remedy.
        help: String,
    },
    /// A file is outside a sparse checkout, and not readable from the repository.
    #[error("`{path}` is outside the sparse checkout: {reason}")]
    LeftOut {
        /// Path from the top of the repository.
        path: String,
        /// The cause.
        reason: String,
        /// The remedy.
        help: String,
    },
    /// Files of the work tree are unusable.
    #[error(transparent)]
    Problems(Problems),
    /// The repository belongs to another user, so its configuration is untrusted (as in git 2.35.2).
    #[error("the repository `{directory}` belongs to another user")]
    Owner {
        /// Its directory.
        directory: String,
    },
    /// The state ref contains something else than pinstream's state.
    #[error("{0}")]
    State(String),
    /// Commits cannot be signed.
    #[error("{message}")]
    Signing {
        /// The cause, without any part of the key.
        message: String,
        /// The remedy.
        help: String,
    },
    /// The state ref of the remote is damaged, or another ref blocks its name.
    #[error("cannot use `{reference}` of `{url}`: {reason}", reference = super::STATE_REF)]
    StateRef {
        /// Without credentials.
        url: String,
        /// The cause.
        reason: String,
    },
    /// A disk of this machine is full.
    #[error("no space left for `{path}` on the disk mounted at `{mount}`")]
    DiskFull {
        /// The directory that does not fit.
        path: String,
        /// Mount point of its file system.
        mount: String,
    },
    /// A failure of our own repository: disk, memory, a corrupt object.
    #[error("git failed: {0}")]
    Local(String),
    /// Any other failure of this machine.
    #[error("{0}")]
    Machine(String),
}

/// The remedy for a remote that asks for credentials, if there are none.
pub(super) const NO_CREDENTIALS: &str =
    "set `PINSTREAM_GIT_TOKEN` or a credential helper for https, `PINSTREAM_GIT_SSH_KEY` or an agent for ssh";

impl GitError {
    /// Returns the remedy, if there is one.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Remote { .. } => "use a path, or a `file`, `https` or `ssh` URL",
            Self::Unauthorized { help, .. } => help,
            Self::NoBranch { .. } => {
                "create the branch by pushing a first commit, or choose another one with `--branch`"
            }
            Self::Branch { .. } => "choose a valid name, e.g. `--branch main`",
            // git checks new objects against all refs, also those that it cannot read.
            Self::Refused { reason, .. } if reason.contains(super::STATE_REF) => {
                "run `pinstream hooks reset-state` to replace the damaged state ref"
            }
            Self::Refused { .. } => "allow this user to push to it, or choose another branch with `--branch`",
            Self::Tree { .. } => "put a plain file there: pinstream does not read or write anything else",
            Self::Owner { directory } => {
                return Some(format!("if you trust it, run `git config --global --add safe.directory {directory}`"));
            }
            Self::LeftOut { help, .. } | Self::Signing { help, .. } | Self::Format { help, .. } => {
                return Some(help.clone());
            }
            Self::LfsPointer { path } => return Some(lfs::pointer_help(path)),
            Self::MissingObject(_) => "run the command again when the remote can be reached",
            Self::State(_) => {
                "use the newest pinstream with this remote; to discard the state, run `pinstream hooks reset-state`"
            }
            Self::StateRef { .. } => "run `pinstream hooks reset-state` to replace it",
            Self::DiskFull { .. } => {
                "free space there, or set `PINSTREAM_CACHE` and `TMPDIR` to directories on another disk"
            }
            Self::Failed { .. } => "the next pass retries; check the server if it keeps failing",
            Self::Unreachable { .. }
            | Self::Untrusted { .. }
            | Self::Problems(_)
            | Self::Local(_)
            | Self::Machine(_) => return None,
        };
        Some(help.to_owned())
    }
}

/// Shows a text of a server or a library on one line of at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    escape::terminal(text.trim())
}

/// Returns whether a character is invisible or changes the direction of text.
pub(super) fn is_format(character: char) -> bool {
    !character.is_control() && escape::is_deceptive(character)
}

impl From<git2::Error> for GitError {
    fn from(error: git2::Error) -> Self {
        local(&error)
    }
}

/// Reports a failure of our own repository.
pub(super) fn local(error: &git2::Error) -> GitError {
    GitError::Local(shown(error.message()))
}

/// Reports a failure of our own repository's files.
pub(super) fn local_io(verb: &str, path: &Path, error: &std::io::Error) -> GitError {
    GitError::Local(format!("cannot {verb} `{}`: {error}", path.display()))
}
