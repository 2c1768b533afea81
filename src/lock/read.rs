//! The text of a lock, read.

use std::sync::Arc;

use super::Lock;
use crate::problem::{Problem, SourceFile};

/// Reads a lock.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read(file: &Arc<SourceFile>) -> Result<Lock, Vec<Problem>> {
    if file.text.trim().is_empty() {
        Ok(Lock::default())
    } else {
        Err(vec![Problem::whole(Some(file), "not read here")])
    }
}
