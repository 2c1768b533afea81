//! Text of servers and libraries, made fit for a message: escaped, shortened, and without secrets.

use git2::{ErrorClass, ErrorCode};

use super::GitError;
use super::address::RemoteAddress;

/// The most characters of foreign text that a message holds.
const FOREIGN_MAX: usize = 200;

/// `text` as it may stand in a message: on one line, without control and direction characters, at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    for (count, character) in text.trim().chars().enumerate() {
        if count == FOREIGN_MAX {
            out.push('…');
            break;
        }
        match character {
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || is_format(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Whether a character is invisible or turns the direction of text (Unicode, general category Cf, where it is common).
pub(super) fn is_format(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// A failure on our own side.
pub(super) fn local(error: &git2::Error) -> GitError {
    GitError::Local(shown(error.message()))
}

/// A failure of files on our own side.
pub(super) fn local_io(what: &str, path: &std::path::Path, error: &std::io::Error) -> GitError {
    GitError::Local(format!("could not {what} `{}`: {error}", path.display()))
}

/// What a failed conversation with the remote at `address` means; `tried` names the credentials that were offered.
pub(super) fn remote(error: &git2::Error, address: &RemoteAddress, tried: &[&str]) -> GitError {
    let url = address.shown().to_owned();
    let said = shown(&address.without_secrets(error.message()));
    let lower = said.to_ascii_lowercase();
    let holds = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if error.class() == ErrorClass::Ssl
        || error.code() == ErrorCode::Certificate
        || holds(&["hostkey", "host key", "known_hosts"])
    {
        let help = if address.is_ssh() {
            format!(
                "{said}; add the host's key to `~/.ssh/known_hosts` after comparing it with what its operator \
                 publishes: `ssh-keyscan {} {}`",
                address.port().map_or_else(String::new, |port| format!("-p {port}")),
                address.host()
            )
        } else {
            format!(
                "{said}; the machine's certificate store must know who signed it (package `ca-certificates`), or \
                 `GIT_SSL_CAINFO` must name a PEM file"
            )
        };
        return GitError::Untrusted { url, reason: help };
    }
    let refused = error.code() == ErrorCode::Auth
        || holds(&["status code: 401", "status code: 403", "authentication"])
        || (error.class() == ErrorClass::Ssh
            && holds(&["publickey", "public key", "private key", "passphrase", "agent"]));
    if refused {
        let tried = match tried {
            [] => "no credentials were at hand".to_owned(),
            tried => format!("tried: {}", tried.join(", ")),
        };
        return GitError::Unauthorized { url, reason: format!("{said}; {tried}") };
    }
    let reason = if holds(&["status code: 404"]) { format!("{said}; is there such a repository?") } else { said };
    GitError::Unreachable { url, reason }
}

/// Whether what a server says of a push means that the ref is no longer where it was expected.
///
/// The words are those of git's receive-pack (`failed to update ref`, `incorrect old value provided`, …), of
/// send-pack, and of the large forges.
pub(super) fn means_moved(said: &str) -> bool {
    const WORDS: [&str; 11] = [
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
    let said = said.to_ascii_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}

/// Whether what a server says of a push means that it could not do it, and not that there is a rule against it.
///
/// The words are those of git's receive-pack, unpack-objects and index-pack, and of the kernel.
pub(super) fn means_failed(said: &str) -> bool {
    const WORDS: [&str; 9] = [
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
    let said = said.to_ascii_lowercase();
    WORDS.iter().any(|word| said.contains(word))
}

#[cfg(test)]
mod tests {
    use super::{means_failed, means_moved, shown};

    #[test]
    fn foreign_text_is_escaped_and_shortened() {
        assert_eq!(shown(" a\u{1b}[31mb\n\u{202e}c "), "a\\u{1b}[31mb \\u{202e}c");
        assert_eq!(shown(&"x".repeat(500)).chars().count(), 201);
    }

    #[test]
    fn a_moved_ref_is_told_from_a_refusal() {
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
