//! The scheme Basic: a password with each request (RFC 7617).

use std::time::Duration;

use reqwest::header::HeaderValue;

use crate::http::password_header;
use crate::model::image::RegistryHost;
use crate::registry::{
    AuthSlot, AuthStep, CREDENTIAL_TTL, Credential, CredentialStore, Grant, Issue, Rejection, ResolveError, Ticket,
};

/// Returns the header with the first credential that was not rejected.
///
/// # Errors
/// If there is no credential, or all were rejected.
pub(super) async fn authorize(
    slot: &AuthSlot,
    store: &CredentialStore,
    registry: &RegistryHost,
    now: Duration,
) -> Result<Issue, ResolveError> {
    loop {
        let (header, mut ticket) = header(slot, store, registry, now).await?;
        // The state is unlocked here: the task that ends the exclusive try may need it.
        ticket.exclusive = slot.guard.try_exclusively(ticket.candidate, now).await;
        if !slot.guard.is_rejected(ticket.candidate, now) {
            return Ok(Issue::Header(header, ticket));
        }
    }
}

async fn header(
    slot: &AuthSlot,
    store: &CredentialStore,
    registry: &RegistryHost,
    now: Duration,
) -> Result<(HeaderValue, Ticket), ResolveError> {
    let mut state = slot.lock(now).await;
    if let Grant::Header { header, .. } = &state.grant
        && !slot.guard.is_rejected(state.candidate, now)
    {
        return Ok((header.clone(), state.ticket()));
    }
    loop {
        match slot.next_credential(&mut state, store, registry, now).await?.as_deref() {
            Some(Credential::Password { user, password }) => {
                let header =
                    password_header(user, password.reveal()).ok_or_else(|| ResolveError::unsendable_user(registry))?;
                state.grant_header(header.clone(), now + CREDENTIAL_TTL);
                return Ok((header, state.ticket()));
            }
            Some(Credential::Identity(_) | Credential::Token(_)) => state.candidate += 1,
            None => {
                let message = format!("`{registry}` requires authentication; no credentials found");
                return Err(ResolveError::unauthorized(registry, message));
            }
        }
    }
}

/// Decides how to continue after the registry rejected a password.
pub(super) async fn after_rejection(slot: &AuthSlot, rejection: Rejection, now: Duration) -> AuthStep {
    let mut ticket = rejection.ticket;
    slot.guard.reject(ticket.candidate, now);
    // Others wait for it, and one of them may hold the state that `advance` locks.
    drop(ticket.exclusive.take());
    match slot.advance(&ticket, now).await {
        true => AuthStep::Retry,
        false => {
            let source = slot.guard.source(ticket.candidate).map(str::to_owned);
            AuthStep::Denied { event: "returned 401".to_owned(), source }
        }
    }
}
