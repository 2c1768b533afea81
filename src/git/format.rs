//! Repositories whose format libgit2 does not read (gitrepository-layout(5), git-config(1) `extensions.*`).

use std::path::{Path, PathBuf};

use git2::{Config, ErrorCode};

use super::GitError;
use super::error::{local, shown};

/// The extensions that libgit2 reads.
const KNOWN: [&str; 5] = ["noop", "objectformat", "worktreeconfig", "preciousobjects", "relativeworktrees"];
/// The reason for not reading a repository with SHA-256 ids (git-init(1), `--object-format`), and the remedy.
const SHA256: (&str, &str) = (
    "its object ids are SHA-256, which is not supported",
    "use a repository with SHA-1 ids, as `git init --object-format=sha1` creates it",
);
/// The newest version of the repository format.
const VERSION_MAX: i64 = 1;

/// Explains why libgit2 cannot open the repository that contains `directory`.
pub(super) fn cannot_open(directory: &Path, error: &git2::Error) -> GitError {
    let top = top(directory).unwrap_or_else(|| directory.to_owned());
    let directory = shown(&top.display().to_string());
    if error.code() == ErrorCode::Owner {
        return GitError::Owner { directory };
    }
    match unsupported(&top) {
        Some((reason, help)) => GitError::Format { directory, reason, help },
        None => local(error),
    }
}

/// Explains an error of libgit2 about the object ids of a remote, if it is one.
pub(super) fn of_remote(url: &str, error: &git2::Error) -> Option<GitError> {
    let (reason, help) = SHA256;
    error.message().contains("object format").then(|| GitError::Format {
        directory: url.to_owned(),
        reason: reason.to_owned(),
        help: help.to_owned(),
    })
}

/// Returns the closest directory above `directory` that has a `.git`.
pub(super) fn top(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().find(|path| path.join(".git").exists()).map(Path::to_owned)
}

/// Returns the directories with the configuration of the work tree at `top`: its own and, in a linked one, the common one.
pub(super) fn config_directories(top: &Path) -> Vec<PathBuf> {
    let link = std::fs::read_to_string(top.join(".git")).unwrap_or_default();
    let own = top.join(link.strip_prefix("gitdir:").map_or(".git", str::trim));
    let common = std::fs::read_to_string(own.join("commondir")).ok().map(|path| own.join(path.trim()));
    std::iter::once(own).chain(common).collect()
}

/// Returns the feature that is not supported, and the remedy.
fn unsupported(top: &Path) -> Option<(String, String)> {
    let configs = config_directories(top);
    let config = configs.iter().rev().find_map(|directory| Config::open(&directory.join("config")).ok())?;
    let mut extensions = Vec::new();
    let entries = config.entries(Some(r"^extensions\.")).ok()?;
    let _ = entries.for_each(|entry| {
        let name = entry.name().ok().and_then(|name| name.strip_prefix("extensions."));
        extensions.extend(name.map(|name| (name.to_ascii_lowercase(), entry.value().unwrap_or_default().to_owned())));
    });
    let is_set = |name: &str, value: &str| extensions.iter().any(|(key, set)| key == name && set.starts_with(value));
    if is_set("refstorage", "reftable") {
        let reason = "its refs are stored in the format `reftable`".to_owned();
        let help = "run `git refs migrate --ref-format=files` (git 2.48 or later), or clone it again with `--ref-format=files`";
        return Some((reason, help.to_owned()));
    }
    if is_set("objectformat", "sha256") {
        return Some((SHA256.0.to_owned(), SHA256.1.to_owned()));
    }
    let version = config.get_i64("core.repositoryformatversion").unwrap_or(0);
    if version > VERSION_MAX {
        let reason = format!("its format has version {version}; versions up to {VERSION_MAX} are supported");
        return Some((reason, "clone it again with an older git, or use a newer pinstream".to_owned()));
    }
    let (name, _) = extensions.iter().find(|(name, _)| !KNOWN.contains(&name.as_str()))?;
    let reason = format!("it uses the extension `{}`, which is not supported", shown(name));
    Some((reason, format!("clone it again without `extensions.{}`", shown(name))))
}
