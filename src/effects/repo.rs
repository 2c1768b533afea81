//! The repository of a pass: a remote, or a work tree.

use std::sync::Arc;

use crate::git::RemoteHandle;
use crate::git::work_tree::WorkTree;

/// Source of the definitions and destination of the lock.
#[derive(Clone)]
pub enum Repo {
    /// A branch of a Git remote. Its calls block, so they run one at a time on a thread for blocking work.
    Remote {
        /// The remote.
        remote: Arc<RemoteHandle>,
        /// Directory of the root in the repository.
        root: String,
    },
    /// A directory on this machine.
    WorkTree(WorkTree),
}
