//! A root: settings, definitions and lock of one folder, read from its files and right together.

use crate::git::Files;
use crate::lock::Lock;
use crate::problem::Problems;
use crate::settings::Settings;
use crate::stream::Definitions;

/// Everything a root's files say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Root {
    /// `pinstream.toml`
    pub settings: Settings,
    /// `streams/**/*.toml`
    pub definitions: Definitions,
    /// `pinstream.lock`; empty where there is none.
    pub lock: Lock,
}

impl Root {
    /// Reads a root from its files: `pinstream.toml`, `pinstream.lock` and `streams/**/*.toml`, by path from the root.
    ///
    /// # Errors
    /// Every problem of every file.
    pub fn read(_files: &Files) -> Result<Self, Problems> {
        Ok(Self::default())
    }
}
