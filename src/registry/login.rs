//! Credentials as they prove themselves: one that nobody has accepted yet is shown by one request at a time, and one
//! that was refused is not shown again in this pass. An account is locked after a few wrong passwords; a thousand tags
//! must not be what locks it.
//!
//! Nothing is sent here, and no credential is held: only which of the candidates it was.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

use super::credential::Candidate;

/// The credentials that some repositories of one registry have in common.
#[derive(Default)]
pub(super) struct Login {
    /// The best first.
    candidates: Vec<Candidate>,
    /// What became of each.
    standing: Mutex<Vec<Standing>>,
    trial: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nobody has said yes or no.
    Untried,
    Accepted,
    Refused,
}

/// The right to show a credential that nobody has accepted yet; others wait until it is given back.
pub(super) type Turn = OwnedMutexGuard<()>;

impl Login {
    /// Credentials that were not shown yet.
    pub(super) fn new(candidates: Vec<Candidate>) -> Self {
        let standing = Mutex::new(vec![Standing::Untried; candidates.len()]);
        Self { candidates, standing, trial: Arc::default() }
    }

    /// The first candidate from `at` on that was not refused, with its place.
    pub(super) fn next(&self, at: usize) -> Option<(usize, &Candidate)> {
        let standing = self.standing();
        let candidates = self.candidates.iter().enumerate().skip(at);
        candidates.into_iter().find(|(at, _)| standing.get(*at) != Some(&Standing::Refused))
    }

    /// Waits until candidate `at` may be shown. There is no turn to give back where it was accepted before, and none
    /// either where it was refused in the meantime: [`Self::is_refused`] tells.
    pub(super) async fn turn(&self, at: usize) -> Option<Turn> {
        if self.standing().get(at) != Some(&Standing::Untried) {
            return None;
        }
        let turn = Arc::clone(&self.trial).lock_owned().await;
        (self.standing().get(at) == Some(&Standing::Untried)).then_some(turn)
    }

    /// Notes that candidate `at` opens something.
    pub(super) fn accept(&self, at: usize) {
        if let Some(standing) = self.standing().get_mut(at) {
            *standing = Standing::Accepted;
        }
    }

    /// Notes that candidate `at` is wrong. One that was accepted before is not: it does not open everything.
    pub(super) fn refuse(&self, at: usize) {
        if let Some(standing) = self.standing().get_mut(at).filter(|standing| **standing == Standing::Untried) {
            *standing = Standing::Refused;
        }
    }

    /// Whether candidate `at` was refused.
    pub(super) fn is_refused(&self, at: usize) -> bool {
        self.standing().get(at) == Some(&Standing::Refused)
    }

    /// Whether any candidate was refused.
    pub(super) fn has_refused(&self) -> bool {
        self.standing().contains(&Standing::Refused)
    }

    fn standing(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
