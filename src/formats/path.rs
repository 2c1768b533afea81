//! Paths of targets: a file below the root, or a glob over such files.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::image::NameError;

/// Maximum length of a path in bytes, as for Git.
const LENGTH_MAX: usize = 4_095;
/// Names that start with `.git` but belong to a forge, not to Git.
pub(crate) const FORGE_NAMES: [&str; 4] = [".github", ".gitea", ".gitlab", ".gitlab-ci.yml"];
/// Characters that make a path a glob.
pub(super) const GLOB_CHARS: [char; 4] = ['*', '?', '[', '{'];
/// Advice on the form of a path.
const FORM: &str = "name a file below the root, e.g. `deploy/web.yaml`, or use a glob, e.g. `deploy/**/*.yaml`";

/// A file below the root, or a glob over such files.
#[derive(Clone, Debug)]
pub struct FilePath {
    text: String,
    glob: Option<GlobMatcher>,
}

impl PartialEq for FilePath {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl FilePath {
    /// Parses a path; a leading `./` is dropped.
    ///
    /// # Errors
    /// It leaves the root, names files of Git or pinstream, or is not a valid glob.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let path = text.strip_prefix("./").unwrap_or(text);
        let refuse = |why: &str| {
            let shown: String = text.chars().take(200).collect();
            Err(NameError::new(format!("`{shown}` {why}")).help(FORM))
        };
        if path.is_empty() || path.len() > LENGTH_MAX || path.starts_with(['/', '~']) {
            return refuse("is not a path within the root");
        }
        if let Some(c) = path.chars().find(|c| !c.is_ascii() || c.is_control() || matches!(c, '\\' | ':')) {
            let shown = if c.is_ascii_graphic() { format!("`{c}`") } else { format!("`{c}` (U+{:04X})", u32::from(c)) };
            return refuse(&format!("contains {shown}, which is not allowed in the path of a target"));
        }
        let parts: Vec<&str> = path.split('/').collect();
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return refuse("has a component that is empty, `.` or `..`");
        }
        if parts.iter().any(|part| is_git_name(part)) {
            return refuse("belongs to Git");
        }
        if is_own(path) {
            return refuse("belongs to pinstream and cannot be a target");
        }
        let is_glob = path.contains(GLOB_CHARS);
        let glob = is_glob.then(|| GlobBuilder::new(path).literal_separator(true).backslash_escape(false).build());
        match glob.transpose() {
            Ok(glob) => Ok(Self { text: path.to_owned(), glob: glob.map(|glob| glob.compile_matcher()) }),
            Err(error) => refuse(&format!("is not a valid glob: {}", error.kind())),
        }
    }

    /// Returns the path as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether the path is a glob.
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// Returns whether the file `path` matches. As in a shell, a glob matches hidden files only if one of its own components
    /// starts with a dot.
    pub fn matches(&self, path: &str) -> bool {
        let Some(glob) = &self.glob else { return self.text == path };
        let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
        glob.is_match(path) && !is_own(path) && (!is_hidden(path) || is_hidden(&self.text))
    }

    /// Returns whether a file below `directory` may match.
    pub fn may_match_below(&self, directory: &str) -> bool {
        let mut here = directory.split('/').filter(|part| !part.is_empty());
        for part in self.text.split('/') {
            let Some(name) = here.next() else { return true };
            if part.contains(GLOB_CHARS) {
                return !name.starts_with('.') || self.text.split('/').any(|part| part.starts_with('.'));
            }
            if part != name {
                return false;
            }
        }
        false
    }
}

/// Returns whether a name has a meaning for Git. On some file systems `git~1` is `.git`.
fn is_git_name(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    (lower.starts_with(".git") && !FORGE_NAMES.contains(&part)) || lower.starts_with("git~")
}

/// Returns whether pinstream itself reads the file: definitions are edited by people only.
fn is_own(path: &str) -> bool {
    matches!(path, "pinstream.toml" | "pinstream.lock") || (path.starts_with("streams/") && path.ends_with(".toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, yes: &[&str], no: &[&str]) {
        let path = FilePath::new(path).unwrap();
        assert_eq!(yes.iter().find(|one| !path.matches(one)), None, "{path:?} should match");
        assert_eq!(no.iter().find(|one| path.matches(one)), None, "{path:?} should not match");
        for one in yes {
            let directories = one.match_indices('/').map(|(at, _)| &one[..at]).chain([""]);
            assert_eq!(directories.clone().find(|directory| !path.may_match_below(directory)), None, "{path:?} below");
        }
    }

    #[test]
    fn a_path_matches_one_file_and_a_glob_several() {
        check("./deploy/a.yaml", &["deploy/a.yaml"], &["deploy/b.yaml", "a.yaml"]);
        check(
            "deploy/**/*.yaml",
            &["deploy/a.yaml", "deploy/b/c/d.yaml"],
            &["a.yaml", "deploy/a.json", "deploy/.x/a.yaml"],
        );
        check("**", &["a", "b/c"], &["pinstream.toml", "pinstream.lock", "streams/a.toml", ".github/workflows/a.yml"]);
        check(".github/workflows/*.yml", &[".github/workflows/a.yml"], &["github/a.yml"]);
        check("{a,b}/Dockerfile*", &["a/Dockerfile", "b/Dockerfile.dev"], &["c/Dockerfile"]);
    }

    #[test]
    fn f09_a_path_is_as_deep_as_git_allows() {
        let deep = format!("{}a.yaml", "d/".repeat(500));
        check(&deep, &[&deep], &["a.yaml"]);
        check("**/*.yaml", &[&deep], &[]);
        assert!(FilePath::new(&"d/".repeat(2_100)).is_err());
    }

    #[test]
    fn directories_without_possible_matches_are_skipped() {
        let path = FilePath::new("deploy/*/a.yaml").unwrap();
        assert!(path.may_match_below("") && path.may_match_below("deploy") && path.may_match_below("deploy/x"));
        assert!(!path.may_match_below("other") && !path.may_match_below("deploy/.x"));
    }

    #[test]
    fn paths_outside_the_root_or_reserved_are_refused() {
        for path in [
            "",
            "/a",
            "~/a",
            "../a",
            "a/../b",
            "a//b",
            "./",
            "a\\b",
            "a:b",
            "é",
            "a\n",
            ".git/config",
            "a/.GIT/x",
            ".gitmodules",
            ".gitattributes",
            "git~1/x",
            ".GITHUB/x",
            "pinstream.lock",
            "pinstream.toml",
            "streams/a.toml",
            "a[",
            "{a",
        ] {
            assert!(FilePath::new(path).is_err(), "{path}");
        }
    }
}
