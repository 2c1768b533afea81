//! Commits that a forge makes and signs: what it is told of one, and the commit as it came back.
//!
//! What came back is put together from what the forge signed and the signature, and has to have the id that the forge
//! gave it; then it is pushed as any other, by compare-and-swap.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{ObjectType, Oid, Repository};

use super::{Remote, tree_of};
use crate::git::message::local;
use crate::git::{GitError, NewCommit};

/// A commit that is about to be made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedCommit {
    /// The id of the tree that it starts from.
    pub base: String,
    /// The id of the tree that it should have.
    pub tree: String,
    /// The files in which the two differ, with their modes (`100644` or `100755`), by path from the top of the
    /// repository.
    pub files: BTreeMap<String, (u32, Vec<u8>)>,
}

/// A commit that was made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedByForge {
    /// Its id.
    pub id: String,
    /// The commit without its signature.
    pub payload: String,
    /// The signature, armored.
    pub signature: String,
}

impl Remote {
    /// What a forge has to be told of the commit that `change` is.
    ///
    /// # Errors
    /// Where there is no plain file at the path of one of its files.
    pub fn stage(&mut self, change: &NewCommit) -> Result<StagedCommit, GitError> {
        let files = self.files_of(change)?;
        self.with_commit(&change.parent, |objects, parent| {
            let tree = tree_of(objects, parent, &files)?;
            let new = objects.repository.find_tree(tree).map_err(|error| local(&error))?;
            let mut staged = BTreeMap::new();
            for (path, bytes, _) in &files {
                let path = path.text();
                let entry = new.get_path(Path::new(&path)).map_err(|error| local(&error))?;
                let mode = u32::try_from(entry.filemode()).unwrap_or_default();
                staged.insert(path, (mode, bytes.to_vec()));
            }
            Ok(StagedCommit { base: objects.top(parent)?.to_string(), tree: tree.to_string(), files: staged })
        })
    }
}

/// Writes a commit as it was made elsewhere; no ref names it yet.
///
/// # Errors
/// Where it does not come out with the id that it was given.
pub(super) fn write(repository: &Repository, made: &SignedByForge) -> Result<Oid, GitError> {
    // Whether the last line of a signature ends is the forge's to say; the id tells.
    for signature in [made.signature.trim_end(), made.signature.as_str()] {
        let bytes = signed(&made.payload, signature);
        let id = Oid::hash_object(ObjectType::Commit, &bytes).map_err(|error| local(&error))?;
        if id.to_string() == made.id {
            let odb = repository.odb().map_err(|error| local(&error))?;
            return odb.write(ObjectType::Commit, &bytes).map_err(|error| local(&error));
        }
    }
    let message = format!("the commit {} is not what GitHub says that it signed", made.id);
    Err(GitError::Signing { message, help: "sign with a key: `ssh` or `openpgp`".to_owned() })
}

/// `payload` with `signature` at the end of its header (gitformat-signature: lines after the first begin with a blank).
fn signed(payload: &str, signature: &str) -> Vec<u8> {
    let (header, message) = payload.split_once("\n\n").unwrap_or((payload, ""));
    format!("{header}\ngpgsig {}\n\n{message}", signature.replace('\n', "\n ")).into_bytes()
}
