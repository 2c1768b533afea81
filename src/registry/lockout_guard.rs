//! Protection against account lockout: an unproven credential is sent by one request at a time, and a rejected one is
//! not sent again for half an hour. Accounts are locked after a few wrong passwords; a thousand tags must not do that.
//!
//! Sends nothing and stores no credential, only the state of each candidate. Times are those of [`crate::http`].

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;

use super::CredentialCandidate;
use crate::system::lock;

/// Time for which a rejected credential is not sent again; most account lockouts count failures within less.
pub(super) const REJECTED_TTL: Duration = Duration::from_secs(30 * 60);
/// Time after which an accepted credential counts as unproven again: it may have been changed.
const ACCEPTED_TTL: Duration = Duration::from_secs(5 * 60);

/// State of the credentials that several repositories of one registry have in common.
#[derive(Default)]
pub(super) struct LockoutGuard {
    /// In the order in which they are tried.
    candidates: Vec<CredentialCandidate>,
    proofs: Mutex<Vec<Proof>>,
    trial: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proof {
    Untried,
    /// Accepted at this time.
    Accepted(Duration),
    /// Rejected at this time.
    Rejected(Duration),
}

/// The exclusive right to send an unproven credential; others wait until it is dropped.
pub(super) type ExclusiveTry = OwnedMutexGuard<()>;

impl LockoutGuard {
    pub(super) fn new(candidates: Vec<CredentialCandidate>) -> Self {
        let proofs = Mutex::new(vec![Proof::Untried; candidates.len()]);
        Self { candidates, proofs, trial: Arc::default() }
    }

    /// Returns the first candidate from `index` on that is not rejected, and its index.
    pub(super) fn next(&self, index: usize, now: Duration) -> Option<(usize, &CredentialCandidate)> {
        let candidates = self.candidates.iter().enumerate().skip(index);
        candidates.into_iter().find(|(index, _)| !self.is_rejected(*index, now))
    }

    /// Waits until candidate `index` may be sent. Returns none if it is proven, and if it was rejected meanwhile
    /// ([`Self::is_rejected`]).
    pub(super) async fn try_exclusively(&self, index: usize, now: Duration) -> Option<ExclusiveTry> {
        if self.proof(index, now) != Proof::Untried {
            return None;
        }
        let turn = Arc::clone(&self.trial).lock_owned().await;
        (self.proof(index, now) == Proof::Untried).then_some(turn)
    }

    /// Records that candidate `index` was accepted.
    pub(super) fn accept(&self, index: usize, now: Duration) {
        if let Some(proof) = self.proofs().get_mut(index) {
            *proof = Proof::Accepted(now);
        }
    }

    /// Records that candidate `index` was rejected. After an acceptance this only means that it lacks permissions.
    pub(super) fn reject(&self, index: usize, now: Duration) {
        if self.proof(index, now) == Proof::Untried
            && let Some(proof) = self.proofs().get_mut(index)
        {
            *proof = Proof::Rejected(now);
        }
    }

    pub(super) fn is_rejected(&self, index: usize, now: Duration) -> bool {
        matches!(self.proof(index, now), Proof::Rejected(_))
    }

    /// Returns the first rejected candidate.
    pub(super) fn rejected(&self, now: Duration) -> Option<&CredentialCandidate> {
        self.candidates.iter().enumerate().find(|(index, _)| self.is_rejected(*index, now)).map(|(_, found)| found)
    }

    /// Returns the file of candidate `index`; none if there is no such candidate, so that requests are anonymous.
    pub(super) fn source(&self, index: usize) -> Option<&str> {
        self.candidates.get(index).map(|candidate| &*candidate.source)
    }

    fn proof(&self, index: usize, now: Duration) -> Proof {
        let is_fresh = |since: Duration, ttl| now.saturating_sub(since) < ttl;
        match self.proofs().get(index) {
            Some(Proof::Accepted(since)) if is_fresh(*since, ACCEPTED_TTL) => Proof::Accepted(*since),
            Some(Proof::Rejected(since)) if is_fresh(*since, REJECTED_TTL) => Proof::Rejected(*since),
            _ => Proof::Untried,
        }
    }

    fn proofs(&self) -> MutexGuard<'_, Vec<Proof>> {
        lock(&self.proofs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn minutes(minutes: u64) -> Duration {
        Duration::from_secs(60 * minutes)
    }

    #[tokio::test]
    async fn a_rejected_credential_is_tried_again_after_half_an_hour() {
        let guard = LockoutGuard::new(vec![CredentialCandidate::default()]);
        guard.reject(0, minutes(1));
        assert!(guard.next(0, minutes(30)).is_none() && guard.rejected(minutes(30)).is_some());
        assert!(guard.next(0, minutes(31)).is_some() && guard.rejected(minutes(31)).is_none());
    }

    #[tokio::test]
    async fn an_accepted_credential_is_unproven_after_five_minutes() {
        let guard = LockoutGuard::new(vec![CredentialCandidate::default()]);
        assert!(guard.try_exclusively(0, minutes(0)).await.is_some());
        guard.accept(0, minutes(0));
        guard.reject(0, minutes(1));
        assert!(!guard.is_rejected(0, minutes(1)) && guard.try_exclusively(0, minutes(4)).await.is_none());
        assert!(guard.try_exclusively(0, minutes(5)).await.is_some());
        guard.reject(0, minutes(5));
        assert!(guard.is_rejected(0, minutes(6)));
    }
}
