//! The rules by which Git ignores files (gitignore(5)). libgit2 does not report them, so the git program is run.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::git_program;

/// The time limit of the git program.
const LIMIT: Duration = Duration::from_secs(30);

/// A file that Git ignores and does not track: nobody else gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoredFile {
    /// Path from the root.
    pub path: String,
    /// The rule; none if the git program is not installed.
    pub rule: Option<IgnoreRule>,
}

/// A rule that ignores a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IgnoreRule {
    /// The file with the rule, from the directory of the root.
    pub file: String,
    /// Line in that file, from 1.
    pub line: usize,
    /// The pattern.
    pub pattern: String,
}

impl fmt::Display for IgnoredFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Git ignores `{}`", self.path)?;
        if let Some(IgnoreRule { file, line, pattern }) = &self.rule {
            write!(f, " because of `{pattern}` in `{file}`, line {line}")?;
        }
        f.write_str(", so it will not be committed")
    }
}

impl IgnoredFile {
    /// Returns the remedy for the user.
    pub fn help(&self) -> String {
        format!("run `git add --force {}`, or change the rule that ignores it", self.path)
    }
}

/// Finds the rules of files of the root `prefix` in the work tree `top` that libgit2 considers ignored; git decides.
pub(super) fn find(top: &Path, prefix: &str, paths: Vec<String>) -> Vec<IgnoredFile> {
    if paths.is_empty() {
        return Vec::new();
    }
    let input: String = paths.iter().map(|path| format!("{path}\0")).collect();
    let program = git_program().args(["-c", "core.fsmonitor=false", "-C"]).args([top.join(prefix).as_os_str()]);
    let run = program.args(["check-ignore", "--verbose", "-z", "--stdin"]).input(input.as_bytes()).run(LIMIT);
    match run {
        // It exits with 1 if it ignores none of them.
        Ok(output) if output.success || output.stderr.is_empty() => parse(&output.stdout, prefix),
        _ => paths.into_iter().map(|path| IgnoredFile { path, rule: None }).collect(),
    }
}

/// Parses `SOURCE NUL LINE NUL PATTERN NUL PATH NUL` (git-check-ignore(1)).
fn parse(output: &str, prefix: &str) -> Vec<IgnoredFile> {
    let fields: Vec<&str> = output.split('\0').collect();
    let file = |fields: &[&str]| match *fields {
        [file, line, pattern, path] if !pattern.starts_with('!') => {
            let rule =
                IgnoreRule { file: from_root(file, prefix), line: line.parse().ok()?, pattern: pattern.to_owned() };
            Some(IgnoredFile { path: path.to_owned(), rule: Some(rule) })
        }
        _ => None,
    };
    fields.chunks_exact(4).filter_map(file).collect()
}

/// Converts a path from the top of the work tree, or an absolute one, to one from the root `prefix`.
fn from_root(path: &str, prefix: &str) -> String {
    if prefix.is_empty() || path.starts_with('/') {
        return path.to_owned();
    }
    let below = path.strip_prefix(prefix).and_then(|path| path.strip_prefix('/'));
    below.map_or_else(|| "../".repeat(prefix.split('/').count()) + path, str::to_owned)
}
