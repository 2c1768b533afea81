//! Git, reached in this place alone: the remote's tips, files at a commit, a commit without a work tree, and
//! pushes by compare-and-swap.
//!
//! No branch of people is ever forced, nothing is checked out, and no filter, hook or attribute of a repository is run.

mod address;
mod back;
mod cache;
pub mod checkout;
pub mod create;
pub mod credential;
mod folder;
mod local_state;
mod message;
mod proposal;
mod remote;
pub mod sign;
mod tree;
mod turn;
mod wire;
pub mod work_tree;

use std::collections::BTreeMap;
use std::fmt;

pub use remote::made::{SignedByForge, StagedCommit};
pub use remote::proposals::{PROPOSALS, ProposalBranch};
pub use remote::{Remote, RemoteSetup};

use crate::model::settings::{Author, Sign};
use crate::text::diagnostics::Problems;

/// How long one exchange with a remote may be silent.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The ref that holds what is remembered beside the branch.
pub const STATE_REF: &str = "refs/pinstream/state";

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
pub type RootFiles = BTreeMap<String, Vec<u8>>;

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

/// What the remote had when it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTips {
    /// The branch's name.
    pub branch: String,
    /// The branch's tip.
    pub tip: CommitId,
    /// The tip of the state ref, where there is one. It may be younger than `tip`: who compares the two asks again
    /// for the branch after reading the state.
    pub state: Option<CommitId>,
    /// The branch that the remote's `HEAD` names, where that is told.
    pub default: Option<String>,
    /// The branches of proposals, by name, with their tips.
    pub proposals: BTreeMap<String, CommitId>,
}

/// The lock at the tip of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipLock {
    /// The tip.
    pub commit: CommitId,
    /// The lock's bytes; none where there is no lock.
    pub bytes: Option<Vec<u8>>,
}

/// Where an address leads: what credentials are bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteOrigin {
    /// To a folder of this machine.
    Folder,
    /// To a server: scheme, host and port.
    Server(String),
}

/// Where `url` leads.
///
/// # Errors
/// Where it is no address.
pub fn origin(url: &str) -> Result<RemoteOrigin, GitError> {
    Ok(address::RemoteAddress::parse(url)?.origin())
}

/// `url` as remotes are shown and held against a policy: the path of a folder, and never a credential. What is no
/// address stays as it is: nothing is ever reached at it.
pub fn shown(url: &str) -> String {
    address::RemoteAddress::parse(url).map_or_else(|_| url.to_owned(), |address| address.shown().to_owned())
}

/// A commit to be put on a branch: the lock and the files of targets, on one parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// The commit it stands on, and the tip the branch must still have.
    pub parent: CommitId,
    /// The whole text of the lock.
    pub lock: String,
    /// Further files of the root, which are there already, by their path from it.
    pub files: RootFiles,
    /// The commit's message.
    pub message: String,
    /// Author and committer.
    pub author: Author,
    /// How it is signed; none leaves it unsigned.
    pub sign: Option<Sign>,
    /// The commit as a forge made and signed it, where that is how.
    pub made: Option<SignedByForge>,
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
    /// The name is not one that a branch has.
    #[error("`{branch}` is not the name of a branch")]
    Branch {
        /// As given, escaped.
        branch: String,
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
    /// The server could not do it just now: a full disk, a lock that somebody left.
    #[error("the remote `{url}` failed at the push to `{reference}`: {reason}")]
    Failed {
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
    /// The files of a folder are not fit to be read.
    #[error(transparent)]
    Unfit(Problems),
    /// The repository belongs to another user, so that its settings are not to be trusted (git 2.35.2).
    #[error("the repository at `{folder}` belongs to another user")]
    Owner {
        /// Where it is.
        folder: String,
    },
    /// What the state ref holds is not what pinstream writes there.
    #[error("{0}")]
    State(String),
    /// Commits are to be signed, and cannot be.
    #[error("{message}")]
    Signing {
        /// Why, without anything of the key.
        message: String,
        /// What to do.
        help: String,
    },
    /// The local side failed: disk, memory, a broken object.
    #[error("git failed: {0}")]
    Local(String),
}

impl GitError {
    /// What a person can do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Remote { .. } => "a remote is a path, or a `file`, `https` or `ssh` URL",
            Self::Unauthorized { .. } => {
                "set `PINSTREAM_GIT_TOKEN` or a credential helper for https, `PINSTREAM_GIT_SSH_KEY` or an agent for ssh"
            }
            Self::NoBranch { .. } | Self::Branch { .. } => "name another with `--branch`, or push a first commit to it",
            Self::Refused { .. } => "let this user push to it, or name another branch with `--branch`",
            Self::Tree { .. } => "pinstream reads and writes plain files only",
            Self::Owner { folder } => {
                return Some(format!("if you trust it: `git config --global --add safe.directory {folder}`"));
            }
            Self::Signing { help, .. } => return Some(help.clone()),
            Self::State(_) => {
                "use the newest pinstream on this remote; to forget what hooks saw, `git push REMOTE :refs/pinstream/state`"
            }
            Self::Failed { .. } => "the next pass tries again; look at the server if it lasts",
            Self::Unreachable { .. } | Self::Untrusted { .. } | Self::Unfit(_) | Self::Local(_) => return None,
        };
        Some(help.to_owned())
    }
}

/// Sets what libgit2 keeps for the whole process: how long it waits, and whom it trusts besides the machine's store.
#[allow(unsafe_code, reason = "libgit2 has no limit on time unless this is set, and it is only had through statics")]
fn limit_process(timeout: std::time::Duration, authorities: Option<&std::path::Path>) -> Result<(), git2::Error> {
    let milliseconds = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: these statics are plain numbers, and the certificate store has a lock of its own (OpenSSL `SSL_CTX`).
    // All remotes of a process are opened with the same values, so that a race changes nothing.
    unsafe {
        git2::opts::set_server_timeout_in_milliseconds(milliseconds)?;
        git2::opts::set_server_connect_timeout_in_milliseconds(milliseconds)?;
        authorities.map_or(Ok(()), |file| git2::opts::set_ssl_cert_file(file))
    }
}
