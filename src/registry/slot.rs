//! Authorization of one repository, or of several that share a token.
//!
//! Sends nothing; the schemes of [`super::auth`] fill it. Times are those of [`crate::http`].

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use tokio::sync::{Mutex, MutexGuard};

use super::{Credential, CredentialStore, ExclusiveTry, FailureKind, LockoutGuard, REJECTED_TTL, Realm, ResolveError};
use crate::model::image::RegistryHost;

/// Time for which a refusal is remembered.
pub(super) const REFUSAL_TTL: Duration = Duration::from_secs(10 * 60);
/// Time for which any other failure is shared by all requests that wait for the same token.
const FAILURE_TTL: Duration = Duration::from_secs(5);

/// Authorization that one or several repositories share.
pub(super) struct AuthSlot {
    pub(super) repositories: Vec<String>,
    /// Token server; none for passwords. Some registries have one per repository.
    pub(super) realm: Option<Arc<Realm>>,
    pub(super) guard: Arc<LockoutGuard>,
    state: Mutex<SlotState>,
}

#[derive(Default)]
pub(super) struct SlotState {
    /// Index of the candidate in use.
    pub(super) candidate: usize,
    /// When a credential was last rejected for these repositories.
    pub(super) rejected_at: Option<Duration>,
    pub(super) grant: Grant,
    /// Number of grants, so that the rejection of an old one does not void a new one.
    stamp: u64,
}

/// Authorization, or the reason that there is none, until a point in time.
#[derive(Clone, Default)]
pub(super) enum Grant {
    #[default]
    None,
    Header {
        header: HeaderValue,
        until: Duration,
    },
    Failed {
        error: ResolveError,
        until: Duration,
    },
    /// The token server does not issue one token for all repositories.
    Split,
}

/// Authorization handed out by a slot.
pub(super) enum Issue {
    Header(HeaderValue, Ticket),
    /// Each repository of this slot needs its own.
    Split,
}

/// Origin of a header, for reporting whether it was accepted.
pub(super) struct Ticket {
    stamp: u64,
    /// Index of the candidate.
    pub(super) candidate: usize,
    /// Held until a response shows whether the password is right.
    pub(super) exclusive: Option<ExclusiveTry>,
}

/// A 401 for a request with the header of `ticket`.
pub(super) struct Rejection {
    pub(super) ticket: Ticket,
    /// The repository that the registry demands a token for, by its own name.
    pub(super) repository: Option<String>,
    /// True if the challenge reports an invalid token rather than an insufficient one (RFC 6750, section 3.1).
    pub(super) is_expired: bool,
}

/// Realm and name that a registry uses for one repository, if they differ from ours.
#[derive(Default)]
pub(super) struct RepositoryNames {
    pub(super) realm: Option<Arc<Realm>>,
    pub(super) repository: Option<String>,
}

/// Next step after a rejection.
pub(super) enum AuthStep {
    /// Send again with another credential.
    Retry,
    /// Send again with a new token.
    Renewed,
    /// Give the repository a slot of its own.
    Split(RepositoryNames),
    /// Give up.
    Denied {
        /// Completes "`registry` …".
        event: String,
        /// File of the login; none for an anonymous request.
        source: Option<String>,
    },
}

impl AuthSlot {
    pub(super) fn new(repositories: Vec<String>, realm: Option<Arc<Realm>>, guard: Arc<LockoutGuard>) -> Self {
        Self { repositories, realm, guard, state: Mutex::default() }
    }

    /// Returns true if several repositories share it.
    pub(super) fn is_shared(&self) -> bool {
        self.repositories.len() > 1
    }

    /// Locks the state after dropping all that has expired.
    pub(super) async fn lock(&self, now: Duration) -> MutexGuard<'_, SlotState> {
        let mut state = self.state.lock().await;
        if state.rejected_at.is_some_and(|since| now.saturating_sub(since) >= REJECTED_TTL) {
            *state = SlotState { stamp: state.stamp, ..SlotState::default() };
        }
        if let Grant::Header { until, .. } | Grant::Failed { until, .. } = state.grant
            && until <= now
        {
            state.grant = Grant::None;
        }
        state
    }

    /// Returns the next credential to try; none to go without.
    ///
    /// # Errors
    /// If a credential was rejected and no other is left, or none can be read.
    pub(super) async fn next_credential(
        &self,
        state: &mut SlotState,
        store: &CredentialStore,
        registry: &RegistryHost,
        now: Duration,
    ) -> Result<Option<Arc<Credential>>, ResolveError> {
        while let Some((candidate, entry)) = self.guard.next(state.candidate, now) {
            state.candidate = candidate;
            if let Some(credential) = store.get(entry, now).await? {
                return Ok(Some(credential));
            }
            state.candidate += 1;
        }
        // Never anonymous after a rejection: a wrong password must be visible.
        let rejected = self.guard.rejected(now);
        if state.rejected_at.is_some() || rejected.is_some() {
            let event = format!("`{registry}` requires authentication");
            return Err(match rejected.map(|candidate| &*candidate.source).or(self.guard.source(0)) {
                Some(source) => ResolveError::login_rejected(registry, &event, source),
                None => ResolveError::unauthorized(registry, event),
            });
        }
        Ok(None)
    }

    /// Drops the grant of `ticket`, which is not accepted any more.
    pub(super) async fn void(&self, ticket: &Ticket, now: Duration) {
        let mut state = self.lock(now).await;
        if state.stamp == ticket.stamp {
            state.grant = Grant::None;
        }
    }

    /// Moves to the next candidate after the grant of `ticket` was rejected; false if there is none.
    pub(super) async fn advance(&self, ticket: &Ticket, now: Duration) -> bool {
        let mut state = self.lock(now).await;
        if state.stamp != ticket.stamp {
            return true;
        }
        state.rejected_at = Some(now);
        let Some((next, _)) = self.guard.next(state.candidate + 1, now) else { return false };
        state.candidate = next;
        state.grant = Grant::None;
        true
    }
}

impl SlotState {
    /// Stores a new header.
    pub(super) fn grant_header(&mut self, header: HeaderValue, until: Duration) {
        self.grant = Grant::Header { header, until };
        self.stamp += 1;
    }

    /// Stores a failure for a time that depends on its kind.
    pub(super) fn fail(&mut self, error: ResolveError, now: Duration) {
        let is_refusal = matches!(error.kind, FailureKind::Unauthorized | FailureKind::Refused);
        self.grant = Grant::Failed { error, until: now + if is_refusal { REFUSAL_TTL } else { FAILURE_TTL } };
    }

    /// Creates the ticket of the current grant.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { stamp: self.stamp, candidate: self.candidate, exclusive: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn refusals_and_rejections_expire() {
        let slot = AuthSlot::new(vec!["a".to_owned()], None, Arc::default());
        let at = Duration::from_secs;
        let is_failed = async |now| matches!(slot.lock(at(now)).await.grant, Grant::Failed { .. });
        for (kind, ttl) in [(FailureKind::Network, 5), (FailureKind::Refused, 600), (FailureKind::Unauthorized, 600)] {
            slot.lock(at(0)).await.fail(ResolveError::new(kind, "x"), at(0));
            assert!(is_failed(ttl - 1).await && !is_failed(ttl).await, "{kind:?}");
        }
        {
            let mut state = slot.lock(at(0)).await;
            state.candidate = 2;
            state.rejected_at = Some(at(10));
        }
        assert_eq!(slot.lock(at(1809)).await.candidate, 2);
        assert_eq!(slot.lock(at(1810)).await.candidate, 0);
    }
}
