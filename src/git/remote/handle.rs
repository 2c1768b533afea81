//! A remote whose local work has a time limit.

use std::sync::{Arc, Mutex, TryLockError};

use super::{Remote, RemoteSetup};
use crate::git::branch::BranchName;
use crate::git::{GitError, cache, deadline};
use crate::system::lock;

/// A remote for a pass: a call that hangs in a damaged cache is abandoned and repeated with a temporary one.
pub struct RemoteHandle {
    setup: RemoteSetup,
    url: String,
    current: Mutex<Arc<Mutex<Remote>>>,
    /// The branches that are never replaced; outlives an abandoned remote.
    protected: Arc<Mutex<Vec<BranchName>>>,
}

impl RemoteHandle {
    /// Prepares access to a remote; does not connect yet.
    ///
    /// # Errors
    /// If the address or the root's path is invalid, or no cache can be created.
    pub fn open(setup: RemoteSetup) -> Result<Self, GitError> {
        let cached = setup.clone();
        let opened = deadline::run(setup.timeout, move || Remote::open(cached))?;
        let remote = opened.unwrap_or_else(|| {
            tracing::warn!("the Git cache did not respond within {} s; using a temporary one", setup.timeout.as_secs());
            open_temporary(&setup)
        })?;
        let (url, protected) = (remote.url().to_owned(), Arc::clone(&remote.protected));
        Ok(Self { setup, url, current: Mutex::new(Arc::new(Mutex::new(remote))), protected })
    }

    /// Returns the address without credentials.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Calls `work` with the remote.
    ///
    /// # Errors
    /// The error of `work`, or that this machine does not finish it in time.
    pub fn call<T: Send + 'static>(
        &self,
        work: impl Fn(&mut Remote) -> Result<T, GitError> + Send + Sync + 'static,
    ) -> Result<T, GitError> {
        let (limit, work) = (self.setup.timeout, Arc::new(work));
        let mut current = lock(&self.current);
        let overrun = || GitError::Machine(format!("local Git work did not finish within {} s", limit.as_secs()));
        let slot = match current.try_lock() {
            Ok(remote) => remote.server.cache.slot_path().map(ToOwned::to_owned),
            Err(TryLockError::Poisoned(remote)) => remote.into_inner().server.cache.slot_path().map(ToOwned::to_owned),
            // Abandoned work keeps its remote locked, perhaps forever.
            Err(TryLockError::WouldBlock) => return Err(overrun()),
        };
        let attempt = |remote: &Arc<Mutex<Remote>>| {
            let (remote, work) = (Arc::clone(remote), Arc::clone(&work));
            deadline::run(limit, move || work(&mut lock(&remote)))
        };
        if let Some(result) = attempt(&current)? {
            return result;
        }
        if let Some(slot) = slot {
            let shown = slot.display().to_string();
            tracing::warn!(
                "the Git cache `{shown}` did not respond within {} s; using a temporary one",
                limit.as_secs()
            );
            // The abandoned thread keeps it locked. A disk that hangs may not let us remove it.
            let cleared = deadline::run(limit, move || cache::clear(&slot));
            if !matches!(cleared, Ok(Some(Ok(())))) {
                tracing::warn!(
                    "cannot remove the Git cache `{shown}`; remove it yourself, or the next process may wait for it again"
                );
            }
        }
        let mut fresh = open_temporary(&self.setup)?;
        fresh.protected = Arc::clone(&self.protected);
        *current = Arc::new(Mutex::new(fresh));
        attempt(&current)?.ok_or_else(overrun)?
    }
}

fn open_temporary(setup: &RemoteSetup) -> Result<Remote, GitError> {
    Remote::open(RemoteSetup { cache: None, ..setup.clone() })
}
