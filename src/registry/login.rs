//! Credentials as they prove themselves: one that nobody has accepted yet is shown by one request at a time, and one
//! that was refused is not shown again in this pass. An account is locked after a few wrong passwords; a thousand tags
//! must not be what locks it.
//!
//! Nothing is sent here, and no credential is held: only which of the candidates it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::credential::CredentialCandidate;

/// The credentials that some repositories of one registry have in common.
#[derive(Default)]
pub(super) struct LockoutGuard {
    /// The best first.
    candidates: Vec<CredentialCandidate>,
    /// What became of each.
    standing: Mutex<Vec<CredentialProof>>,
    trial: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum CredentialProof {
    /// Nobody has said yes or no.
    Untried,
    Accepted,
    Refused,
}

/// The right to show a credential that nobody has accepted yet; others wait until it is given back.
pub(super) type ExclusiveTry = OwnedMutexGuard<()>;

impl LockoutGuard {
    /// Credentials that were not shown yet.
    pub(super) fn new(candidates: Vec<CredentialCandidate>) -> Self {
        let standing = Mutex::new(vec![CredentialProof::Untried; candidates.len()]);
        Self { candidates, standing, trial: Arc::default() }
    }

    /// The first candidate from `at` on that was not refused, with its place.
    pub(super) fn next(&self, at: usize) -> Option<(usize, &CredentialCandidate)> {
        let standing = self.standing();
        let candidates = self.candidates.iter().enumerate().skip(at);
        candidates.into_iter().find(|(at, _)| standing.get(*at) != Some(&CredentialProof::Refused))
    }

    /// Waits until candidate `at` may be shown. There is no turn to give back where it was accepted before, and none
    /// either where it was refused in the meantime: [`Self::is_refused`] tells.
    pub(super) async fn turn(&self, at: usize) -> Option<ExclusiveTry> {
        if self.standing().get(at) != Some(&CredentialProof::Untried) {
            return None;
        }
        let turn = Arc::clone(&self.trial).lock_owned().await;
        (self.standing().get(at) == Some(&CredentialProof::Untried)).then_some(turn)
    }

    /// Notes that candidate `at` opens something.
    pub(super) fn accept(&self, at: usize) {
        if let Some(standing) = self.standing().get_mut(at) {
            *standing = CredentialProof::Accepted;
        }
    }

    /// Notes that candidate `at` is wrong. One that was accepted before is not: it does not open everything.
    pub(super) fn refuse(&self, at: usize) {
        if let Some(standing) = self.standing().get_mut(at).filter(|standing| **standing == CredentialProof::Untried) {
            *standing = CredentialProof::Refused;
        }
    }

    /// Whether candidate `at` was refused.
    pub(super) fn is_refused(&self, at: usize) -> bool {
        self.standing().get(at) == Some(&CredentialProof::Refused)
    }

    /// Whether any candidate was refused.
    pub(super) fn has_refused(&self) -> bool {
        self.standing().contains(&CredentialProof::Refused)
    }

    fn standing(&self) -> MutexGuard<'_, Vec<CredentialProof>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
