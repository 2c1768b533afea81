//! Paths of files in a root: relative, within the root, and portable.

use crate::model::image::NameError;

/// The largest number of components, as in `git`.
const PARTS_MAX: usize = 8;

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
    if path.is_empty() || path.len() > 1_024 {
        return refuse("is not a file path", "write a path within this root, e.g. `scripts/rollout.sh`");
    }
    if path.starts_with('/') || path.starts_with('~') {
        return refuse("is outside the root", "write a path within this root, e.g. `scripts/rollout.sh`");
    }
    if path.contains('\\') || path.chars().any(char::is_control) {
        return refuse("contains invalid characters", "separate directories with `/`");
    }
    if !path.is_ascii() || path.split('/').count() > PARTS_MAX {
        return refuse("is not a portable path", "use at most eight components, in ASCII");
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
