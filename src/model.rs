//! The values of a root, parsed once and valid from then on: images, settings, streams, the lock, the adoption policy,
//! the state of a branch.
//!
//! Never performs I/O and never reads a clock.

pub mod image;
pub mod failure;
pub mod shard;
pub mod settings;
pub mod stream;
pub mod lock;
pub mod drift;
pub mod state;
pub mod adoption;
pub mod root;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The files of a root that a pass reads: content by path relative to the root.
pub type RootFiles = BTreeMap<String, Vec<u8>>;

/// The object id of a commit, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitId(pub String);

impl CommitId {
    /// Returns the first nine digits, for messages.
    pub fn short(&self) -> &str {
        self.0.get(..9).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
