//! Git: the remote's tips, files at a commit, commits without a work tree, and pushes by compare-and-swap. No other
//! module uses libgit2.
//!
//! A branch of people is never forced, nothing is checked out, and no filter, hook or attribute of a repository runs.

mod address;
mod askpass;
mod branch;
mod cache;
pub mod checkout;
pub mod create;
pub mod credential;
mod deadline;
mod error;
mod format;
mod ignore_rules;
mod local_state;
mod lock_history;
mod pack;
mod promisor;
mod proposal;
mod push;
mod remote;
mod repo_path;
pub mod sign;
mod sparse;
pub mod stalled;
mod transport;
mod tree;
mod tree_entry;
mod url_config;
pub mod work_tree;

use std::collections::{BTreeMap, BTreeSet};

pub use error::GitError;
pub use remote::forge_commit::{SignedByForge, StagedCommit};
pub use remote::handle::RemoteHandle;
pub use remote::proposals::ProposalBranch;
pub use remote::state_ref::StateRefStatus;
pub use remote::{Remote, RemoteSetup};

use crate::model::image::{Digest, TagId};
use crate::model::settings::{Author, Sign};
use crate::system::environment;
use crate::system::program::Program;

/// The longest silence of a remote within one exchange.
pub const SILENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// The ref with the state that passes share.
pub const STATE_REF: &str = "refs/pinstream/state";

pub use crate::model::{CommitId, RootFiles};

/// One plain file of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFile {
    /// Contents of the file.
    pub bytes: Vec<u8>,
    /// The executable bit.
    pub executable: bool,
}

/// The result of a compare-and-swap that the server did not refuse. A refusal is [`GitError::Refused`], or
/// [`GitError::Failed`] if the server failed: it ends the pass, because another attempt would get the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push<T> {
    /// The remote confirmed it.
    Landed(T),
    /// The ref is not at the expected commit; nothing was changed.
    Moved,
    /// The answer is missing or inconclusive; it may have landed.
    Unknown(String),
}

/// The refs of the remote at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteTips {
    /// Name of the branch.
    pub branch: String,
    /// Tip of the branch.
    pub tip: CommitId,
    /// The tip of the state ref, if there is one. It may be newer than `tip`: code that compares the two fetches the
    /// branch again after reading the state.
    pub state: Option<CommitId>,
    /// The branch that the remote's `HEAD` names, if the remote reports it.
    pub default: Option<String>,
    /// The tips of all other branches by name; some of them are proposals.
    pub branches: BTreeMap<String, CommitId>,
}

/// A question about the history of a branch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Updates that may have been reverted: the new digest, by tag.
    pub candidates: BTreeMap<TagId, Digest>,
    /// Commits that the branch contained.
    pub landed: BTreeSet<CommitId>,
}

/// The answer to a [`HistoryQuery`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryFacts {
    /// The candidates that were reverted; `None` if the history is missing or incomplete.
    pub reverted: Option<BTreeSet<TagId>>,
    /// The landed commits that are certainly not on the branch any more.
    pub lost: BTreeSet<CommitId>,
}

/// The lock at the tip of a branch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipLock {
    /// Tip of the branch.
    pub commit: CommitId,
    /// Contents of the lock, or `None` if the file does not exist.
    pub bytes: Option<Vec<u8>>,
}

/// The origin of a remote: credentials are bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteOrigin {
    /// A directory of this machine.
    Directory,
    /// A server as scheme, host and port.
    Server(String),
}

/// Returns the origin of a remote's address.
///
/// # Errors
/// If it is not a valid address.
pub fn origin(url: &str) -> Result<RemoteOrigin, GitError> {
    Ok(address::RemoteAddress::parse(url)?.origin())
}

/// Returns an address for messages and for comparison with a policy: an absolute path, or a URL without credentials. Text
/// that is not a valid address is returned unchanged; nothing connects to it.
pub fn display_url(url: &str) -> String {
    address::RemoteAddress::parse(url).map_or_else(|_| url.to_owned(), |address| address.shown().to_owned())
}

/// A commit for a branch: the lock and the files of targets, on one parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewCommit {
    /// Parent of the commit, and the tip that the branch must still have.
    pub parent: CommitId,
    /// Complete text of the lock.
    pub lock: String,
    /// Existing files of the root that change.
    pub files: RootFiles,
    /// Commit message.
    pub message: String,
    /// Author and committer.
    pub author: Author,
    /// The kind of signature, if any.
    pub sign: Option<Sign>,
    /// The commit as the forge created and signed it, if `sign` requires that.
    pub made: Option<SignedByForge>,
}

/// Prepares a run of `git`, with the configuration of the environment (git(1), `GIT_CONFIG_COUNT`).
fn git_program() -> Program {
    let count: usize = environment::var("GIT_CONFIG_COUNT").and_then(|count| count.parse().ok()).unwrap_or(0);
    let names =
        (0..count).flat_map(|number| [format!("GIT_CONFIG_KEY_{number}"), format!("GIT_CONFIG_VALUE_{number}")]);
    let names = names.chain(["GIT_CONFIG_COUNT".to_owned(), "GIT_CONFIG_PARAMETERS".to_owned()]);
    let set = names.filter_map(|name| environment::var(&name).map(|value| (name, value)));
    set.fold(Program::new("git"), |program, (name, value)| program.env(&name, value))
}
