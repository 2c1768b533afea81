//! New repositories, for the demo: a bare one with a first commit, and a checkout of it.

use std::path::Path;

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Repository, RepositoryInitOptions, Signature, Time};
use jiff::Timestamp;

use crate::model::settings::Author;

use super::{CommitId, GitError, RootFiles};

/// The first commit of a new repository.
#[derive(Clone, Copy, Debug)]
pub struct FirstCommit<'a> {
    /// Name of the branch.
    pub branch: &'a str,
    /// Files by their path from the top.
    pub files: &'a RootFiles,
    /// Author and committer.
    pub author: &'a Author,
    /// Commit message.
    pub message: &'a str,
    /// Time of the commit.
    pub now: Timestamp,
}

/// Creates a bare repository at `path` whose `branch` has one commit with `files`. A file that starts with `#!` is
/// executable.
///
/// # Errors
/// If the directory cannot be written.
pub fn bare(path: &Path, first: &FirstCommit<'_>) -> Result<CommitId, GitError> {
    let FirstCommit { branch, files, author, message, now } = *first;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).initial_head(branch).external_template(false);
    let repository = Repository::init_opts(path, &options)?;
    let mut update = TreeUpdateBuilder::new();
    for (path, bytes) in files {
        let mode = if bytes.starts_with(b"#!") { FileMode::BlobExecutable } else { FileMode::Blob };
        update.upsert(path.as_str(), repository.blob(bytes)?, mode);
    }
    let empty = repository.find_tree(repository.treebuilder(None)?.write()?)?;
    let tree = repository.find_tree(update.create_updated(&repository, &empty)?)?;
    let when = Time::new(now.as_second(), 0);
    let author = Signature::new(&author.name, &author.email, &when)?;
    let commit = repository.commit(Some(&format!("refs/heads/{branch}")), &author, &author, message, &tree, &[])?;
    Ok(CommitId(commit.to_string()))
}

/// Clones the repository at `remote` into `path`, with a work tree.
///
/// # Errors
/// If one cannot be read or the other cannot be written.
pub fn checkout(remote: &Path, path: &Path) -> Result<(), GitError> {
    Ok(Repository::clone(&remote.to_string_lossy(), path).map(drop)?)
}

/// Shows id, author and message of a commit, as `git show` does.
///
/// # Errors
/// If there is no such commit.
pub fn show(path: &Path, commit: &CommitId) -> Result<String, GitError> {
    let repository = Repository::open(path)?;
    let found = repository.revparse_single(&commit.to_string())?.peel_to_commit()?;
    let message = String::from_utf8_lossy(found.message_bytes()).into_owned();
    let message: String = message.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    Ok(format!("commit {commit}\nAuthor: {}\n\n{message}", found.author()))
}
