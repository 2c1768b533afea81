//! Classifies what libgit2 and servers report.

use git2::{ErrorClass, ErrorCode};

use crate::git::GitError;
use crate::git::address::RemoteAddress;
use crate::git::error::shown;

/// Classifies a failed exchange with the remote at `address`; `tried` names the credentials that were offered.
pub(super) fn classify(error: &git2::Error, address: &RemoteAddress, tried: &[&str]) -> GitError {
    let url = address.shown().to_owned();
    let message = shown(&address.without_secrets(error.message()));
    let lower = message.to_ascii_lowercase();
    let contains = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if error.class() == ErrorClass::Ssl
        || error.code() == ErrorCode::Certificate
        || contains(&["hostkey", "host key", "known_hosts"])
    {
        let reason = if address.is_ssh() {
            format!(
                "{message}; print the host key with `ssh-keyscan {} {}`, compare it with the published one, and add it to \
                 `~/.ssh/known_hosts`",
                address.port().map_or_else(String::new, |port| format!("-p {port}")),
                address.host()
            )
        } else {
            format!(
                "{message}; add the issuer to the machine's certificate store (package `ca-certificates`), or set \
                 `GIT_SSL_CAINFO` to a PEM file"
            )
        };
        return GitError::Untrusted { url, reason };
    }
    let refused = error.code() == ErrorCode::Auth
        || contains(&["status code: 401", "status code: 403", "authentication"])
        || (error.class() == ErrorClass::Ssh
            && contains(&["publickey", "public key", "private key", "passphrase", "agent"]));
    if refused {
        let tried = match tried {
            [] => "no credentials found".to_owned(),
            tried => format!("tried: {}", tried.join(", ")),
        };
        return GitError::Unauthorized { url, reason: format!("{message}; {tried}") };
    }
    let reason =
        if contains(&["status code: 404"]) { format!("{message}; check the path of the repository") } else { message };
    GitError::Unreachable { url, reason }
}

/// Returns whether a server's message about a push means that the ref is not at the expected commit.
///
/// The phrases are those of git's receive-pack (`failed to update ref`, `incorrect old value provided`, …), of
/// send-pack, and of the large forges.
pub(super) fn means_moved(message: &str) -> bool {
    const PHRASES: [&str; 11] = [
        "non-fast-forward",
        "non-fastforward",
        "fetch first",
        "stale info",
        "failed to update ref",
        "cannot lock ref",
        "failed to lock",
        "incorrect old value",
        "already exists",
        "already been updated",
        "already updated",
    ];
    let message = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

/// Returns whether a server's message about a push means that the server failed, not that a rule forbids the push.
///
/// The phrases are those of git's receive-pack, unpack-objects and index-pack, and of the kernel.
pub(super) fn means_failed(message: &str) -> bool {
    const PHRASES: [&str; 9] = [
        "unpacker error",
        "unpack failed",
        "unpacking",
        "no space left",
        "quota exceeded",
        "unable to write",
        "unable to create temporary",
        "input/output error",
        "internal server error",
    ];
    let message = message.to_ascii_lowercase();
    PHRASES.iter().any(|phrase| message.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_ref_a_refusal_and_a_failure_are_distinguished() {
        for said in ["failed to update ref", "cannot lock ref 'refs/heads/main': is at 1 but expected 2", "fetch first"]
        {
            assert!(means_moved(said), "{said}");
        }
        for said in ["pre-receive hook declined", "protected branch hook declined", "deletion prohibited"] {
            assert!(!means_moved(said) && !means_failed(said), "{said}");
        }
        for said in ["unpacker error", "fatal: write error: No space left on device"] {
            assert!(means_failed(said) && !means_moved(said), "{said}");
        }
    }
}
