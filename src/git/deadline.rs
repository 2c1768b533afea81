//! The time limit of local Git work: a damaged file or disk can make a call into libgit2 block forever.
//!
//! The work runs on a thread of its own, which is abandoned at the limit: no call can interrupt it. Waiting for servers and
//! programs, which have limits of their own, does not count.

use std::cell::RefCell;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::GitError;
use crate::system::clock::Stopwatch;
use crate::system::{lock, thread};

/// The longest interval between two looks at the watch.
const POLL: Duration = Duration::from_secs(1);

thread_local! {
    /// The watch of the work that this thread does.
    static CURRENT: RefCell<Option<Arc<WorkWatch>>> = const { RefCell::new(None) };
}

/// Measures the time since the last progress of local work; stopped while it waits for a server or a program.
struct WorkWatch(Mutex<Option<Stopwatch>>);

/// Runs `work` on a thread; none if it makes no progress for `limit`.
///
/// # Errors
/// If the machine has no thread for it, or `work` panics.
pub(super) fn run<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<Option<T>, GitError> {
    let watch = Arc::new(WorkWatch(Mutex::new(Some(Stopwatch::start()))));
    let (sender, receiver) = mpsc::channel();
    let watched = Arc::clone(&watch);
    let body = move || {
        CURRENT.set(Some(watched));
        // Nobody receives the result of abandoned work.
        let _ = sender.send(work());
    };
    thread::start(body).map_err(|error| GitError::Machine(format!("cannot start a thread: {error}")))?;
    loop {
        let elapsed = lock(&watch.0).map_or(Duration::ZERO, Stopwatch::elapsed);
        let Some(left) = limit.checked_sub(elapsed).filter(|left| !left.is_zero()) else { return Ok(None) };
        match receiver.recv_timeout(left.min(POLL)) {
            Ok(result) => return Ok(Some(result)),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(GitError::Machine("a thread of pinstream failed; please report it".to_owned()));
            }
        }
    }
}

/// Records that the work of this thread makes progress.
pub(super) fn progress() {
    set(Some(Stopwatch::start()));
}

/// Calls `act`, which waits for a server or a program that has a time limit of its own.
pub(super) fn waiting<T>(act: impl FnOnce() -> T) -> T {
    set(None);
    let result = act();
    progress();
    result
}

fn set(to: Option<Stopwatch>) {
    CURRENT.with_borrow(|current| {
        if let Some(current) = current {
            *lock(&current.0) = to;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(200);

    /// Blocks until the test ends, or for twice the limit.
    fn block(receiver: &mpsc::Receiver<()>, limit: Duration) {
        let _ = receiver.recv_timeout(limit);
    }

    #[test]
    fn s01_local_work_has_a_limit_and_waiting_for_others_has_not() {
        assert_eq!(run(LIMIT, || 1).unwrap(), Some(1));
        let (_sender, receiver) = mpsc::channel();
        assert_eq!(run(LIMIT, move || block(&receiver, Duration::from_secs(60))).unwrap(), None);
        let (_sender, receiver) = mpsc::channel();
        assert_eq!(run(LIMIT, move || waiting(|| block(&receiver, 2 * LIMIT))).unwrap(), Some(()));
    }

    #[test]
    fn a_panic_of_the_work_is_an_error() {
        // A panic may print a backtrace, which takes its time.
        let error = run(Duration::from_secs(60), || assert!(std::env::args().count() == 0)).unwrap_err();
        assert!(matches!(error, GitError::Machine(_)), "{error}");
    }
}
