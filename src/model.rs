//! The values of a root, parsed once and valid from then on: images, settings, streams, the lock, the adoption policy,
//! the state of a branch.
//!
//! Never performs I/O and never reads a clock.

pub mod image;
pub mod shard;
pub mod settings;
pub mod stream;
pub mod lock;
pub mod drift;
pub mod state;
pub mod adoption;
pub mod root;

use std::collections::BTreeMap;

/// The files of a root that a pass reads: content by path relative to the root.
pub type RootFiles = BTreeMap<String, Vec<u8>>;
