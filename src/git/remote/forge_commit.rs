//! Commits that a forge creates and signs.
//!
//! The commit is rebuilt from the signed payload and the signature, must have the id that the forge reports, and is then
//! pushed by compare-and-swap like any other.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{ObjectType, Oid, Repository};

use super::{NewFile, Remote, tree_of};
use crate::git::{GitError, NewCommit};

/// The contents of a commit that a forge is to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedCommit {
    /// Id of the parent's tree.
    pub base: String,
    /// Id of the new tree.
    pub tree: String,
    /// Changed files with their modes (`100644` or `100755`), by path from the top of the repository.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
}

/// A commit that a forge created and signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedByForge {
    /// Id of the commit.
    pub id: String,
    /// Commit object without its signature.
    pub payload: String,
    /// Armored signature.
    pub signature: String,
}

impl Remote {
    /// Prepares a commit for a forge.
    ///
    /// # Errors
    /// If a path is not a plain file.
    pub fn stage(&mut self, change: &NewCommit) -> Result<StagedCommit, GitError> {
        let files = self.files_of(change)?;
        self.with_commit(&change.parent, |objects, parent| {
            let tree = tree_of(objects, parent, &files)?;
            let new = objects.repository.find_tree(tree)?;
            let mut staged = BTreeMap::new();
            for NewFile { path, bytes, .. } in &files {
                let path = path.text();
                let entry = new.get_path(Path::new(&path))?;
                let mode = u32::try_from(entry.filemode()).unwrap_or_default();
                staged.insert(path, (mode, bytes.to_vec()));
            }
            Ok(StagedCommit { base: objects.top(parent)?.to_string(), tree: tree.to_string(), files: staged })
        })
    }
}

/// Writes a commit that a forge created, without updating a ref.
///
/// # Errors
/// If it does not have the id that the forge reported.
pub(super) fn write(repository: &Repository, commit: &SignedByForge) -> Result<Oid, GitError> {
    // Forges differ in the last line break of a signature; the id decides.
    for signature in [commit.signature.trim_end(), commit.signature.as_str()] {
        let bytes = with_signature(&commit.payload, signature);
        let id = Oid::hash_object(ObjectType::Commit, &bytes)?;
        if id.to_string() == commit.id {
            return Ok(repository.odb()?.write(ObjectType::Commit, &bytes)?);
        }
    }
    let message = format!("the commit {} does not match what GitHub signed", commit.id);
    Err(GitError::Signing { message, help: "set `sign` to `ssh` or `openpgp`".to_owned() })
}

/// Inserts `signature` at the end of the header (gitformat-signature(5): continuation lines start with a space).
fn with_signature(payload: &str, signature: &str) -> Vec<u8> {
    let (header, message) = payload.split_once("\n\n").unwrap_or((payload, ""));
    format!("{header}\ngpgsig {}\n\n{message}", signature.replace('\n', "\n ")).into_bytes()
}
