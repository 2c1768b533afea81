//! Failures of an exchange with a remote, and the meaning of what servers report about a push.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::git::GitError;
use crate::system::clock::Stopwatch;
use crate::system::lock;

/// The time limit of one exchange, as a multiple of the longest silence.
pub(in crate::git) const EXCHANGE_FACTOR: u32 = 20;

/// The cause of a failed exchange; libgit2 would reduce it to a text.
#[derive(Clone, Debug)]
pub(in crate::git) struct WireFailure {
    pub(in crate::git) error: GitError,
    pub(in crate::git) outlook: FailureOutlook,
    /// The pause that the server asks for.
    pub(in crate::git) after: Option<Duration>,
}

/// The meaning of a failure for the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::git) enum FailureOutlook {
    /// Another attempt may succeed.
    Transient,
    /// Another attempt would fail too.
    Lasting,
    /// The server answered and did nothing; another attempt would get the same answer.
    Answered,
}

impl WireFailure {
    pub(in crate::git) fn new(error: GitError, outlook: FailureOutlook) -> Self {
        Self { error, outlook, after: None }
    }

    /// A failure that another attempt would not change.
    pub(in crate::git) fn lasting(error: GitError) -> Self {
        Self::new(error, FailureOutlook::Lasting)
    }

    /// The server at `url` was silent for too long.
    pub(in crate::git) fn silent(url: String, silence: Duration) -> Self {
        Self::lasting(GitError::Unreachable {
            url,
            reason: format!("it did not answer within {} s", silence.as_secs()),
        })
    }

    /// Fails once an exchange has taken too long: a server may send signs of life forever.
    pub(in crate::git) fn check_time(watch: &Stopwatch, url: &str, silence: Duration) -> Result<(), Self> {
        let limit = silence * EXCHANGE_FACTOR;
        if watch.elapsed() <= limit {
            return Ok(());
        }
        let reason = format!("the exchange took longer than {} s", limit.as_secs());
        Err(Self::lasting(GitError::Unreachable { url: url.to_owned(), reason }))
    }

    pub(in crate::git) fn is_transient(&self) -> bool {
        self.outlook == FailureOutlook::Transient
    }
}

/// The place where a transport reports the first failure of an exchange.
#[derive(Clone, Default)]
pub(in crate::git) struct FailureSlot(Arc<Mutex<Option<WireFailure>>>);

impl FailureSlot {
    /// Keeps the failure unless there is an earlier one, and returns the error for libgit2.
    pub(in crate::git) fn report(&self, failure: WireFailure) -> io::Error {
        // libgit2 needs a text without NUL.
        let text = failure.error.to_string().replace('\0', "");
        lock(&self.0).get_or_insert(failure);
        io::Error::other(text)
    }

    /// Forgets the failure before another attempt.
    pub(in crate::git) fn clear(&self) {
        lock(&self.0).take();
    }

    /// Returns the failure, if there is one.
    pub(in crate::git) fn get(&self) -> Option<WireFailure> {
        lock(&self.0).clone()
    }
}

/// Returns whether a server's message about a push means that the ref is not at the expected commit.
///
/// The phrases are those of git's receive-pack (`failed to update ref`, `incorrect old value provided`, …), of
/// send-pack, and of the large forges.
pub(in crate::git) fn means_moved(message: &str) -> bool {
    const PHRASES: [&str; 8] = [
        "non-fast-forward",
        "non-fastforward",
        "fetch first",
        "stale info",
        "incorrect old value",
        "already exists",
        "already been updated",
        "already updated",
    ];
    means_locked(message) || contains(message, &PHRASES)
}

/// Returns whether a server's message about a push means that the ref is locked, by another push or by a stale file.
pub(in crate::git) fn means_locked(message: &str) -> bool {
    contains(message, &["failed to update ref", "cannot lock ref", "failed to lock"])
}

/// Returns whether a server's message about a push means that the server failed, not that a rule forbids the push.
///
/// The phrases are those of git's receive-pack, unpack-objects and index-pack, and of the kernel.
pub(in crate::git) fn means_failed(message: &str) -> bool {
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
    contains(message, &PHRASES)
}

fn contains(message: &str, phrases: &[&str]) -> bool {
    let message = message.to_ascii_lowercase();
    phrases.iter().any(|phrase| message.contains(phrase))
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
