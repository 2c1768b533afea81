//! Ninth step: puts the commit on the branch, if the branch is still where it was read.

use crate::effects::{NewCommit, World};
use crate::git::{CommitId, GitError, Push};

/// How publishing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    /// There was nothing to publish.
    Nothing,
    /// It stands on the branch.
    Landed(CommitId),
    /// The pass begins again.
    Again {
        /// Whether it may have landed.
        doubt: bool,
        /// What was in the way.
        reason: String,
    },
}

/// Publishes `change`.
///
/// # Errors
/// What no second try would mend.
pub async fn publish<W: World>(world: &W, branch: &str, change: Option<NewCommit>) -> Result<Published, GitError> {
    let Some(change) = change else { return Ok(Published::Nothing) };
    Ok(match world.land(branch, &change).await? {
        Push::Landed(commit) => Published::Landed(commit),
        Push::Moved => Published::Again { doubt: false, reason: format!("the branch `{branch}` moved") },
        Push::Unknown(reason) => Published::Again { doubt: true, reason },
    })
}
