//! Paths within a repository.

use super::GitError;
use super::error::shown;
use crate::formats::path::FORGE_NAMES;

/// The longest path, in bytes, as for `git`.
const LENGTH_MAX: usize = 4_095;

/// A path from the top of a repository; no part of it is special to Git or to a file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RepoPath(pub(super) Vec<String>);

impl RepoPath {
    /// Parses a relative path; the empty text is the top.
    ///
    /// # Errors
    /// If a part is not plain ASCII, or the path is too long.
    pub(super) fn parse(text: &str) -> Result<Self, GitError> {
        if text.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let parts: Vec<_> = text.split('/').collect();
        if text.len() > LENGTH_MAX || !parts.iter().all(|part| is_plain_part(part)) {
            let reason = format!(
                "a path has at most {LENGTH_MAX} bytes, in plain ASCII parts, none of them `.`, `..` or `.git…`"
            );
            return Err(GitError::Tree { path: shown(text), reason });
        }
        Ok(Self(parts.into_iter().map(str::to_owned).collect()))
    }

    /// Appends a relative path.
    pub(super) fn join(&self, text: &str) -> Result<Self, GitError> {
        let mut parts = self.0.clone();
        parts.extend(Self::parse(text)?.0);
        Ok(Self(parts))
    }

    pub(super) fn text(&self) -> String {
        self.0.join("/")
    }
}

fn is_plain_part(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    (1..=255).contains(&part.len())
        && part.bytes().all(|b| (b.is_ascii_graphic() || b == b' ') && b != b'\\' && b != b':')
        && !part.starts_with(' ')
        && !part.ends_with([' ', '.'])
        && (!lower.starts_with(".git") || FORGE_NAMES.contains(&part))
        && !lower.starts_with("git~")
}
