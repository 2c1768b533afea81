//! Paths of files in a root: relative, inside it, and the same on every machine.

use crate::model::image::NameError;

/// How many parts a path may have, as `git` reads them.
const PARTS_MAX: usize = 8;

/// Reads a path from the root. A leading `./` is left out of the answer.
///
/// # Errors
/// A sentence and a way out, where it leads out of the root, into Git's own folder, or cannot be a file's.
pub fn parse(text: &str) -> Result<String, NameError> {
    let path = text.strip_prefix("./").unwrap_or(text);
    let refuse = |why: &str, help: &str| {
        let shown = text.chars().take(200).collect::<String>();
        Err(NameError::new(format!("`{shown}` {why}")).help(help))
    };
    if path.is_empty() || path.len() > 1_024 {
        return refuse("is not a path of a file", "name a file of this root, as `scripts/rollout.sh`");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return refuse("is not a path within the root", "name a file of this root, as `scripts/rollout.sh`");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refuse("has characters that a path cannot have", "part folders with `/`");
    }
    if !path.is_ascii() || path.split('/').count() > PARTS_MAX {
        return refuse("is not a plain path", "write at most eight folders, in ASCII");
    }
    for part in path.split('/') {
        match part {
            ".." => return refuse("leads out of a folder with `..`", "write the path from the root"),
            "" | "." => {
                return refuse("has a part that says nothing", "write the path from the root, as `scripts/rollout.sh`");
            }
            _ if part.to_ascii_lowercase().starts_with(".git") => {
                return refuse(
                    "leads into a file or folder that Git or a forge gives a meaning to",
                    "keep it outside of `.git…`, as `scripts/rollout.sh`",
                );
            }
            _ => {}
        }
    }
    Ok(path.to_owned())
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
            "a/b/c/d/e/f/g/h/i",
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
