//! The environment of the process; read in this file only.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use super::process;

/// The environment of a process that concealed it.
static KEPT: OnceLock<BTreeMap<OsString, OsString>> = OnceLock::new();

/// Variables that stay readable: hooks get them anyway, or libraries read them while the process runs.
const VISIBLE: [&str; 16] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TZ",
    "TZDIR",
    "TERM",
    "COLUMNS",
    "NO_COLOR",
    "CI",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Settings without secrets, and the mark of processes that a hook started.
    "PINSTREAM_NOW",
    "PINSTREAM_RUN",
];
/// Beginnings of the names of further ones.
const VISIBLE_PREFIXES: [&str; 6] = ["LC_", "LD_", "XDG_", "RUST_", "CLICOLOR", "GLIBC_"];
/// Parts of names whose values are secrets.
const SECRET: [&str; 11] = [
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "_AUTH",
    "PRIVATE_KEY",
    "SIGNING_KEY",
    "ACCESS_KEY",
    "API_KEY",
];
/// Ends of names whose values are places, even if another part sounds secret.
const PLACE: [&str; 6] = ["_FILE", "_PATH", "_DIR", "_URL", "_SOCK", "_ID"];

/// Conceals the environment from the programs that this process starts: keeps a copy for [`var`], erases it from
/// `/proc/<pid>/environ`, and makes the process unreadable for others of the same user. To be called before any thread is
/// started. Only Linux shows an environment in a file.
pub fn conceal() {
    KEPT.get_or_init(|| std::env::vars_os().collect());
    #[cfg(target_os = "linux")]
    for (step, result) in [("erase", process::erase_environment(is_visible)), ("seal", process::seal())] {
        if let Err(error) = result {
            tracing::warn!("cannot {step} the environment of this process, so hooks may read it: {error}");
        }
    }
}

fn is_visible(name: &str) -> bool {
    VISIBLE.contains(&name) || VISIBLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Reads a variable; none if it is unset, empty or not Unicode.
pub fn var(name: &str) -> Option<String> {
    let value = match KEPT.get() {
        Some(kept) => kept.get(OsStr::new(name)).cloned(),
        None => std::env::var_os(name),
    };
    value?.into_string().ok().filter(|value| !value.is_empty())
}

/// Lists the values of variables that are secrets by their name, passwords in URLs, and HTTP headers in Git's
/// configuration.
pub fn secrets() -> Vec<String> {
    let variables =
        all().into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables.filter_map(|(name, value)| secret_of(&name, &value).map(str::to_owned)).collect()
}

fn secret_of<'a>(name: &str, value: &'a str) -> Option<&'a str> {
    let name = name.to_ascii_uppercase();
    let is_secret = SECRET.iter().any(|part| name.contains(part)) || name.ends_with("_PAT");
    if is_secret && !PLACE.iter().any(|end| name.ends_with(end)) {
        return Some(value);
    }
    if name.starts_with("GIT_CONFIG_VALUE_") && value.to_ascii_lowercase().starts_with("authorization:") {
        return value.split_ascii_whitespace().last();
    }
    let (_, rest) = value.split_once("://")?;
    let (user, _) = rest.split('/').next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_, password)| password)
}

/// Lists the variables that programs of the user's configuration get: all but those that are meant for pinstream.
pub fn for_programs() -> impl Iterator<Item = (OsString, OsString)> {
    all().into_iter().filter(|(name, _)| !name.as_encoded_bytes().starts_with(b"PINSTREAM_"))
}

fn all() -> Vec<(OsString, OsString)> {
    match KEPT.get() {
        Some(kept) => kept.clone().into_iter().collect(),
        None => std::env::vars_os().collect(),
    }
}

/// Returns the directory for temporary files (`TMPDIR`).
pub fn temporary_directory() -> PathBuf {
    std::env::temp_dir()
}

/// Returns the working directory.
///
/// # Errors
/// If it was removed or cannot be read.
pub fn current_directory() -> io::Result<PathBuf> {
    std::env::current_dir()
}

/// Returns the directory for disposable copies of remotes.
pub fn cache_directory() -> PathBuf {
    directory_of("PINSTREAM_CACHE", "XDG_CACHE_HOME", ".cache")
}

/// Returns the directory for state that a remote does not accept.
pub fn state_directory() -> PathBuf {
    directory_of("PINSTREAM_STATE", "XDG_STATE_HOME", ".local/state")
}

/// Returns a directory of ours: our own variable, else below the desktop's, else below the home directory.
fn directory_of(own: &str, desktop: &str, below_home: &str) -> PathBuf {
    if let Some(own) = var(own) {
        return PathBuf::from(own);
    }
    let base = var(desktop).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || var("HOME").map(|home| PathBuf::from(home).join(below_home));
    base.or_else(home).unwrap_or_else(temporary_directory).join("pinstream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s02_secrets_are_recognised_by_their_names() {
        for (name, value, secret) in [
            ("GITHUB_TOKEN", "abc", Some("abc")),
            ("db_password", "abc", Some("abc")),
            ("AZURE_DEVOPS_EXT_PAT", "abc", Some("abc")),
            ("LD_LIBRARY_PATH", "/lib", None),
            ("PINSTREAM_SIGNING_KEY", "abc", Some("abc")),
            ("PINSTREAM_SIGNING_KEY_FILE", "/key", None),
            ("SSH_AUTH_SOCK", "/run/agent", None),
            ("HTTPS_PROXY", "http://me:abc@proxy:3128/", Some("abc")),
            ("HTTPS_PROXY", "http://proxy:3128/a@b:c", None),
            ("GIT_CONFIG_VALUE_0", "AUTHORIZATION: basic abc", Some("abc")),
            ("GIT_CONFIG_VALUE_1", "true", None),
            ("SHOWN", "abc", None),
        ] {
            assert_eq!(secret_of(name, value), secret, "{name}");
        }
    }

    #[test]
    fn s02_variables_of_hooks_stay_and_credentials_do_not() {
        for name in ["PATH", "HOME", "LC_ALL", "PINSTREAM_RUN"] {
            assert!(is_visible(name), "{name}");
        }
        for name in ["PINSTREAM_GIT_TOKEN", "AWS_SECRET_ACCESS_KEY", "DEPLOY", "GIT_CONFIG_VALUE_0", "HTTPS_PROXY"] {
            assert!(!is_visible(name), "{name}");
        }
    }
}
