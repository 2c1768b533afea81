//! Paths of files in a root: relative, within the root, and portable.

use std::sync::Arc;

use crate::text::diagnostics::{At, Diagnostics, NameError, Problem, SourceLocation};
use crate::text::lfs;

/// The largest length in bytes, as in `git`.
const LENGTH_MAX: usize = 4_095;

/// Parses a path from the root, without a leading `./`.
///
/// # Errors
/// Returns an error if it leaves the root, enters Git's own directory, or is not a portable path.
pub fn parse(text: &str) -> Result<String, NameError> {
    let path = text.strip_prefix("./").unwrap_or(text);
    let refuse = |why: &str, help: &str| {
        let shown = text.chars().take(200).collect::<String>();
        Err(NameError::new(format!("`{shown}` {why}")).help(help))
    };
    if path.is_empty() || path.len() > LENGTH_MAX {
        return refuse("is not a file path", "write a path within this root, e.g. `scripts/rollout.sh`");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return refuse("is outside the root", "write a path within this root, e.g. `scripts/rollout.sh`");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refuse("contains invalid characters", "separate directories with `/`");
    }
    if !path.is_ascii() {
        return refuse("is not a portable path", "use ASCII characters");
    }
    for part in path.split('/') {
        let (why, help) = match part {
            ".." => ("contains `..`", "write the path from the root"),
            "" | "." => {
                ("contains an empty component or `.`", "write the path from the root, e.g. `scripts/rollout.sh`")
            }
            _ if part.to_ascii_lowercase().starts_with(".git") => {
                ("is reserved for Git or a forge", "move it out of `.git…`, e.g. to `scripts/rollout.sh`")
            }
            _ => continue,
        };
        return refuse(why, help);
    }
    Ok(path.to_owned())
}

/// A file of the root named by the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferencedFile {
    /// The path from the root.
    pub path: String,
    /// The key that names it, e.g. "`ca` of …".
    pub named_by: String,
    /// The source location.
    pub place: SourceLocation,
}

impl ReferencedFile {
    /// Reports that the file does not exist.
    pub fn missing(&self) -> Problem {
        let help = "commit the file at that path, relative to the directory of `pinstream.toml`";
        self.problem("which does not exist").help(help)
    }

    /// Returns the content of the file.
    ///
    /// # Errors
    /// The file does not exist, or is a Git LFS pointer.
    pub fn content(&self, bytes: Option<Vec<u8>>) -> Result<Vec<u8>, Problem> {
        let bytes = bytes.ok_or_else(|| self.missing())?;
        if lfs::is_pointer(&bytes) {
            return Err(self.unusable(lfs::POINTER).help(lfs::pointer_help(&self.path)));
        }
        Ok(bytes)
    }

    /// Reports that the file cannot be used.
    pub fn unusable(&self, reason: &str) -> Problem {
        self.problem(&format!("which cannot be used: {reason}")).help("use a regular file")
    }

    /// Reports that the file has invalid content.
    pub fn invalid(&self, error: &NameError) -> Problem {
        let problem = self.problem(&format!("which cannot be used: {}", error.message));
        problem.help(error.help.clone().unwrap_or_default())
    }

    fn problem(&self, what: &str) -> Problem {
        let SourceLocation { file, span } = &self.place;
        Problem::at(file, span.clone(), format!("{} names `{}`, {what}", self.named_by, self.path))
    }
}

/// Returns the file that `text` names, if it is a valid path.
pub(crate) fn referenced_file(text: &At<String>, by: String, findings: &Diagnostics<'_>) -> Option<ReferencedFile> {
    let place = SourceLocation { file: Arc::clone(findings.file), span: text.span.clone() };
    parse(&text.value).ok().map(|path| ReferencedFile { path, named_by: by, place })
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_stay_within_the_root() {
        for (text, expected) in [("a", "a"), ("./a", "a"), ("scripts/a b.sh", "scripts/a b.sh"), ("..a/b..", "..a/b..")]
        {
            assert_eq!(super::parse(text).as_deref(), Ok(expected));
        }
        for text in [
            "",
            "./",
            "/a",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "a/./b",
            "././a",
            ".git/config",
            ".github/x.sh",
            "é",
            "a/.GIT/x",
            "a\\b",
            "a\0",
            "~/a",
        ] {
            assert!(super::parse(text).is_err(), "{text}");
        }
    }
}
