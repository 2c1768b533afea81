//! Reads the files that targets may edit.

use std::collections::BTreeMap;

use crate::effects::Git;
use crate::formats::{self, Target};
use crate::git::{CommitId, GitError};

/// The files that targets may edit, as read at one commit. A file that cannot be read is an error only for the targets
/// that need it.
#[derive(Clone, Debug, Default)]
pub struct TargetFiles {
    /// The paths that match patterns of targets.
    pub listed: Option<Result<Vec<String>, GitError>>,
    /// Content by path; `None` for a file that does not exist.
    pub files: BTreeMap<String, Result<Option<Vec<u8>>, GitError>>,
}

/// Reads the files that `targets` may edit at `commit`.
pub async fn read<G: Git>(git: &G, commit: &CommitId, targets: &[Target]) -> TargetFiles {
    let globs: Vec<_> =
        targets.iter().filter(|target| target.path.is_glob()).map(|target| target.path.clone()).collect();
    let listed = if globs.is_empty() { None } else { Some(git.paths(commit, &globs).await) };
    let paths = listed.as_ref().and_then(|listed| listed.as_deref().ok()).unwrap_or_default();
    let mut files = BTreeMap::new();
    for path in formats::files(targets.iter().enumerate(), paths).into_keys() {
        let file = git.file(commit, &path).await.map(|file| file.map(|file| file.bytes));
        files.insert(path, file);
    }
    TargetFiles { listed, files }
}
