//! Git, reached in this place alone: the remote's tips, files at a commit, a commit without a work tree, and
//! pushes by compare-and-swap.
//!
//! Nothing here is ever forced, nothing is checked out, and no filter, hook or attribute of a repository is run.

use std::collections::BTreeMap;
use std::fmt;

/// A commit's object id in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first nine digits, for messages to people.
    pub fn short(&self) -> &str {
        self.0.get(..9).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The files of a root that a pass reads: path from the root to bytes.
pub type Files = BTreeMap<String, Vec<u8>>;

/// One plain file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFile {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether its mode says that it can be run.
    pub executable: bool,
}

/// How a compare-and-swap ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push<T> {
    /// The remote said that it is in place.
    Landed(T),
    /// The remote has moved on from what was expected; nothing was changed.
    Moved,
    /// No answer came, or one that does not say: it may have landed.
    Unknown(String),
}

/// What stops a pass at its Git remote.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GitError {
    /// The remote's address was not accepted.
    #[error("`{url}` is not a remote pinstream can use: {reason}")]
    Remote {
        /// As given, without any credential.
        url: String,
        /// Why.
        reason: String,
    },
    /// The remote could not be reached or answered out of order.
    #[error("the remote `{url}` could not be reached: {reason}")]
    Unreachable {
        /// Without any credential.
        url: String,
        /// What the transport says.
        reason: String,
    },
    /// The remote wants other credentials.
    #[error("the remote `{url}` refused the credentials: {reason}")]
    Unauthorized {
        /// Without any credential.
        url: String,
        /// What the transport says, and which credentials were tried.
        reason: String,
    },
    /// The host key or certificate is not known.
    #[error("the remote `{url}` could not be trusted: {reason}")]
    Untrusted {
        /// Without any credential.
        url: String,
        /// What is not trusted, and what to do.
        reason: String,
    },
    /// The branch does not exist.
    #[error("the remote `{url}` has no branch `{branch}`")]
    NoBranch {
        /// Without any credential.
        url: String,
        /// The branch.
        branch: String,
    },
    /// The server takes no such push: a protected branch, a hook.
    #[error("the remote `{url}` refused the push to `{reference}`: {reason}")]
    Refused {
        /// Without any credential.
        url: String,
        /// The ref.
        reference: String,
        /// What the server says, escaped and shortened.
        reason: String,
    },
    /// A path or an object of the tree is not one that is read or written.
    #[error("`{path}` in the repository is not a plain file: {reason}")]
    Tree {
        /// The path from the top of the repository.
        path: String,
        /// Why.
        reason: String,
    },
    /// The local side failed: disk, memory, a broken object.
    #[error("git failed: {0}")]
    Local(String),
}
