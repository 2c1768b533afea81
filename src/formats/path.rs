//! Which files a target is in: a path from the root, or a pattern over such paths.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::image::NameError;

/// How many parts a path may have, as Git's trees are read.
const PARTS_MAX: usize = 8;
/// The names that begin with `.git` and are a forge's, not Git's own.
pub(crate) const OF_FORGES: [&str; 4] = [".github", ".gitea", ".gitlab", ".gitlab-ci.yml"];
/// The characters that make a pattern of a path.
pub(super) const PATTERN: [char; 4] = ['*', '?', '[', '{'];
/// What a path of a target is.
const FORM: &str = "name a file of this root, as `deploy/web.yaml`, or a pattern, as `deploy/**/*.yaml`";

/// A file of the root, or a pattern over its files.
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
    /// Reads a path. A leading `./` is left out.
    ///
    /// # Errors
    /// Where it leads out of the root or into what is Git's or pinstream's own, or is not a pattern.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let path = text.strip_prefix("./").unwrap_or(text);
        let refuse = |why: &str| {
            let shown: String = text.chars().take(200).collect();
            Err(NameError::new(format!("`{shown}` {why}")).help(FORM))
        };
        if path.is_empty() || path.len() > 1_024 || path.starts_with(['/', '~']) {
            return refuse("is not a path within the root");
        }
        if let Some(c) = path.chars().find(|c| !c.is_ascii() || c.is_control() || matches!(c, '\\' | ':')) {
            let shown = if c.is_ascii_graphic() { format!("`{c}`") } else { format!("`{c}` (U+{:04X})", u32::from(c)) };
            return refuse(&format!("has {shown}, which the path of a target cannot have"));
        }
        let parts: Vec<&str> = path.split('/').collect();
        if parts.len() > PARTS_MAX {
            return refuse("has more than eight parts");
        }
        if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
            return refuse("has a part that is empty, `.` or `..`");
        }
        if parts.iter().any(|part| is_of_git(part)) {
            return refuse("leads into what is Git's own");
        }
        if is_own(path) {
            return refuse("is pinstream's own, and no target");
        }
        let is_glob = path.contains(PATTERN);
        let glob = is_glob.then(|| GlobBuilder::new(path).literal_separator(true).backslash_escape(false).build());
        match glob.transpose() {
            Ok(glob) => Ok(Self { text: path.to_owned(), glob: glob.map(|glob| glob.compile_matcher()) }),
            Err(error) => refuse(&format!("is not a pattern: {}", error.kind())),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is a pattern.
    pub fn is_glob(&self) -> bool {
        self.glob.is_some()
    }

    /// Whether it means the file `path`. As in a shell, no pattern means a hidden file unless it has a part that begins
    /// with a dot itself.
    pub fn matches(&self, path: &str) -> bool {
        let Some(glob) = &self.glob else { return self.text == path };
        let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
        glob.is_match(path) && !is_own(path) && (!is_hidden(path) || is_hidden(&self.text))
    }

    /// Whether a file below `folder` may be meant.
    pub fn may_be_below(&self, folder: &str) -> bool {
        let mut here = folder.split('/').filter(|part| !part.is_empty());
        for part in self.text.split('/') {
            let Some(name) = here.next() else { return true };
            if part.contains(PATTERN) {
                return !name.starts_with('.') || self.text.split('/').any(|part| part.starts_with('.'));
            }
            if part != name {
                return false;
            }
        }
        false
    }
}

/// Whether a name is one that Git gives a meaning to. On some file systems `git~1` is `.git`.
fn is_of_git(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    (lower.starts_with(".git") && !OF_FORGES.contains(&part)) || lower.starts_with("git~")
}

/// Whether a file is read by pinstream itself: definitions are edited by people alone.
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
            let folders = one.match_indices('/').map(|(at, _)| &one[..at]).chain([""]);
            assert_eq!(folders.clone().find(|folder| !path.may_be_below(folder)), None, "{path:?} below");
        }
    }

    #[test]
    fn a_path_is_one_file_and_a_pattern_several() {
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
    fn folders_that_hold_nothing_that_is_meant_are_passed_by() {
        let path = FilePath::new("deploy/*/a.yaml").unwrap();
        assert!(path.may_be_below("") && path.may_be_below("deploy") && path.may_be_below("deploy/x"));
        assert!(!path.may_be_below("other") && !path.may_be_below("deploy/.x"));
    }

    #[test]
    fn what_is_outside_or_not_for_targets_is_refused() {
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
            "a/b/c/d/e/f/g/h/i",
            "a[",
            "{a",
        ] {
            assert!(FilePath::new(path).is_err(), "{path}");
        }
    }
}
