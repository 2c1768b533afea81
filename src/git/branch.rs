//! Names of branches, by a grammar narrower than Git's.

use std::fmt;

use super::GitError;
use super::error::{is_format, shown};

/// The name of a branch, as in `refs/heads/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct BranchName(String);

impl BranchName {
    /// Parses a name by the rules of git-check-ref-format(1), but without a leading dash or invisible characters.
    ///
    /// # Errors
    /// If it is not a valid name.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        let bad_char = |c: char| {
            c.is_control()
                || is_format(c)
                || c.is_whitespace()
                || matches!(c, '~' | '^' | ':' | '?' | '*' | '[' | '\\')
                || !(c.is_ascii() || c.is_alphanumeric())
        };
        let part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock");
        let good = (1..=244).contains(&text.len())
            && !text.starts_with('-')
            && !text.starts_with("refs/")
            && !text.ends_with('.')
            && !text.contains("..")
            && !text.contains("@{")
            && text != "@"
            && text != "HEAD"
            && !text.contains(bad_char)
            && text.split('/').all(part);
        if good { Ok(Self(text.to_owned())) } else { Err(GitError::Branch { branch: shown(text) }) }
    }

    pub(super) fn reference(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

impl fmt::Display for BranchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
