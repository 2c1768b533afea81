//! New repositories, for the demo: a bare one with a first commit, and a checkout of it.

use std::path::Path;

use git2::{FileMode, IndexEntry, IndexTime, Repository, RepositoryInitOptions, Signature, Time};
use jiff::Timestamp;

use crate::model::settings::Author;

use super::error::local;
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
    let repository = Repository::init_opts(path, &options).map_err(|error| local(&error))?;
    let mut index = git2::Index::new().map_err(|error| local(&error))?;
    for (path, bytes) in files {
        let mode = if bytes.starts_with(b"#!") { FileMode::BlobExecutable } else { FileMode::Blob };
        let id = repository.blob(bytes).map_err(|error| local(&error))?;
        index.add(&entry(path, u32::from(mode), id)).map_err(|error| local(&error))?;
    }
    let tree =
        index.write_tree_to(&repository).and_then(|id| repository.find_tree(id)).map_err(|error| local(&error))?;
    let when = Time::new(now.as_second(), 0);
    let author = Signature::new(&author.name, &author.email, &when).map_err(|error| local(&error))?;
    let commit = repository
        .commit(Some(&format!("refs/heads/{branch}")), &author, &author, message, &tree, &[])
        .map_err(|error| local(&error))?;
    Ok(CommitId(commit.to_string()))
}

/// Clones the repository at `remote` into `path`, with a work tree.
///
/// # Errors
/// If one cannot be read or the other cannot be written.
pub fn checkout(remote: &Path, path: &Path) -> Result<(), GitError> {
    Repository::clone(&remote.to_string_lossy(), path).map(drop).map_err(|error| local(&error))
}

/// Shows id, author and message of a commit, as `git show` does.
///
/// # Errors
/// If there is no such commit.
pub fn show(path: &Path, commit: &CommitId) -> Result<String, GitError> {
    let repository = Repository::open(path).map_err(|error| local(&error))?;
    let found = repository.revparse_single(&commit.to_string()).and_then(|found| found.peel_to_commit());
    let found = found.map_err(|error| local(&error))?;
    let message = String::from_utf8_lossy(found.message_bytes()).into_owned();
    let message: String = message.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    Ok(format!("commit {commit}\nAuthor: {}\n\n{message}", found.author()))
}

fn entry(path: &str, mode: u32, id: git2::Oid) -> IndexEntry {
    let zero = IndexTime::new(0, 0);
    IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode,
        uid: 0,
        gid: 0,
        file_size: 0,
        id,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    }
}
