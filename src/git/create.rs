//! New repositories, for the demo: a bare one with a first commit, and a checkout of it.

use std::path::Path;

use git2::{FileMode, IndexEntry, IndexTime, Repository, RepositoryInitOptions, Signature, Time};
use jiff::Timestamp;

use crate::model::settings::Author;

use super::{CommitId, GitError, RootFiles};

/// Makes a bare repository at `path` whose `branch` holds one commit with `files`. A file that begins with `#!` can be
/// run.
///
/// # Errors
/// Where the folder cannot be written.
pub fn bare(
    path: &Path,
    branch: &str,
    files: &RootFiles,
    author: &Author,
    message: &str,
    now: Timestamp,
) -> Result<CommitId, GitError> {
    let mut options = RepositoryInitOptions::new();
    options.bare(true).initial_head(branch).external_template(false);
    let repository = Repository::init_opts(path, &options).map_err(local)?;
    let mut index = git2::Index::new().map_err(local)?;
    for (path, bytes) in files {
        let mode = if bytes.starts_with(b"#!") { FileMode::BlobExecutable } else { FileMode::Blob };
        let id = repository.blob(bytes).map_err(local)?;
        index.add(&entry(path, u32::from(mode), id)).map_err(local)?;
    }
    let tree = index.write_tree_to(&repository).and_then(|id| repository.find_tree(id)).map_err(local)?;
    let when = Time::new(now.as_second(), 0);
    let author = Signature::new(&author.name, &author.email, &when).map_err(local)?;
    let commit = repository
        .commit(Some(&format!("refs/heads/{branch}")), &author, &author, message, &tree, &[])
        .map_err(local)?;
    Ok(CommitId(commit.to_string()))
}

/// Clones the repository at `remote` into `path`, with a work tree.
///
/// # Errors
/// Where one cannot be read or the other cannot be written.
pub fn checkout(remote: &Path, path: &Path) -> Result<(), GitError> {
    Repository::clone(&remote.to_string_lossy(), path).map(drop).map_err(local)
}

/// Who made a commit of the repository at `path`, and why, as `git show` begins.
///
/// # Errors
/// Where there is no such commit.
pub fn told(path: &Path, commit: &CommitId) -> Result<String, GitError> {
    let repository = Repository::open(path).map_err(local)?;
    let found = repository.revparse_single(&commit.to_string()).and_then(|found| found.peel_to_commit());
    let found = found.map_err(local)?;
    let message = String::from_utf8_lossy(found.message_bytes()).into_owned();
    let message: String = message.lines().map(|line| format!("    {line}").trim_end().to_owned() + "\n").collect();
    Ok(format!("commit {commit}\nAuthor: {}\n\n{message}", found.author()))
}

fn entry(path: &str, mode: u32, id: git2::Oid) -> IndexEntry {
    let never = IndexTime::new(0, 0);
    IndexEntry {
        ctime: never,
        mtime: never,
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

fn local(error: git2::Error) -> GitError {
    GitError::Local(error.message().to_owned())
}
