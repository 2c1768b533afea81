//! Authentication state of one host: its scheme, the slots of its repositories, and remembered refusals.
//!
//! Nothing is sent here. Times are those of [`crate::http`]; refusals and credentials expire.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::{
    AuthScheme, AuthSlot, CredentialCandidate, CredentialStore, Host, LockoutGuard, REFUSAL_TTL, Realm,
    RepositoryNames, ResolveError,
};
use crate::system::lock;

/// Scopes per token request: a token with more exceeds the 8 KiB that servers accept as a header.
const SCOPES_MAX: usize = 50;
/// Bytes of the scopes of one token request in its URL.
const SCOPES_BYTES: usize = 6 << 10;

/// Authentication state of one host.
#[derive(Default)]
pub(super) struct AuthCache {
    /// Held by the one request that finds out the scheme.
    pub(super) probe: tokio::sync::Mutex<()>,
    state: Mutex<AuthState>,
}

#[derive(Default)]
struct AuthState {
    scheme: AuthScheme,
    announced: BTreeSet<String>,
    slots: HashMap<String, Arc<AuthSlot>>,
    /// Repositories whose challenge was refused, and since when.
    refusals: HashMap<String, (ResolveError, Duration)>,
    guards: HashMap<Vec<CredentialCandidate>, Arc<LockoutGuard>>,
}

impl AuthState {
    /// Returns the guard that all repositories with these candidates share.
    fn guard(&mut self, candidates: Vec<CredentialCandidate>) -> Arc<LockoutGuard> {
        let new = || Arc::new(LockoutGuard::new(candidates.clone()));
        Arc::clone(self.guards.entry(candidates.clone()).or_insert_with(new))
    }

    /// Creates the slot of `path` for `name`, the repository's name at the token server.
    fn create_slot(
        &mut self,
        path: &str,
        name: &str,
        realm: Option<Arc<Realm>>,
        candidates: Vec<CredentialCandidate>,
    ) -> Arc<AuthSlot> {
        let guard = self.guard(candidates);
        let slot = Arc::new(AuthSlot::new(vec![name.to_owned()], realm, guard));
        self.slots.insert(path.to_owned(), Arc::clone(&slot));
        slot
    }

    /// Creates shared slots for all announced repositories that have none.
    fn create_shared_slots(&mut self, host: &Host, store: &CredentialStore) {
        let announced = std::mem::take(&mut self.announced);
        let without_slot = announced.iter().map(String::as_str).filter(|path| !self.slots.contains_key(*path));
        let realm = self.scheme.realm().cloned();
        let mut groups: BTreeMap<Vec<CredentialCandidate>, BTreeSet<&str>> = BTreeMap::new();
        for path in without_slot {
            groups.entry(store.candidates(host, path)).or_default().insert(path);
        }
        for (candidates, paths) in groups {
            let guard = self.guard(candidates);
            for batch in batches(paths) {
                let slot = Arc::new(AuthSlot::new(batch, realm.clone(), Arc::clone(&guard)));
                for path in &slot.repositories {
                    self.slots.insert(path.clone(), Arc::clone(&slot));
                }
            }
        }
        self.announced = announced;
    }
}

impl AuthCache {
    /// Returns the scheme as far as it is known.
    pub(super) fn scheme(&self) -> AuthScheme {
        self.state().scheme.clone()
    }

    /// Records the scheme of a response.
    pub(super) fn learn(&self, scheme: AuthScheme) {
        let mut state = self.state();
        if scheme.replaces(&state.scheme) {
            state.slots.clear();
            state.scheme = scheme;
        }
    }

    /// Refuses requests for `path` for ten minutes. One repository says nothing about the others.
    pub(super) fn refuse(&self, path: &str, error: ResolveError, now: Duration) {
        let mut state = self.state();
        state.refusals.retain(|_, (_, since)| now.saturating_sub(*since) < REFUSAL_TTL);
        state.refusals.entry(path.to_owned()).or_insert((error, now));
    }

    /// Checks that requests for `path` are not refused.
    ///
    /// # Errors
    /// The remembered refusal.
    pub(super) fn check(&self, path: &str, now: Duration) -> Result<(), ResolveError> {
        match self.state().refusals.get(path) {
            Some((error, since)) if now.saturating_sub(*since) < REFUSAL_TTL => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Announces that `path` will be requested, so that it can share a token.
    pub(super) fn announce(&self, path: String) {
        self.state().announced.insert(path);
    }

    /// Returns the slot of `path`; announced repositories with the same credentials share one.
    pub(super) fn slot(&self, path: &str, host: &Host, store: &CredentialStore) -> Arc<AuthSlot> {
        let mut state = self.state();
        if state.scheme.realm().is_some() && state.announced.contains(path) && !state.slots.contains_key(path) {
            state.create_shared_slots(host, store);
        }
        match state.slots.get(path) {
            Some(slot) => Arc::clone(slot),
            None => {
                let realm = state.scheme.realm().cloned();
                state.create_slot(path, path, realm, store.candidates(host, path))
            }
        }
    }

    /// Replaces the slot `old` of `path` with its own, for the realm and the name that the registry uses.
    pub(super) fn split(
        &self,
        path: &str,
        old: &Arc<AuthSlot>,
        names: RepositoryNames,
        candidates: Vec<CredentialCandidate>,
    ) {
        let mut state = self.state();
        if state.slots.get(path).is_none_or(|slot| Arc::ptr_eq(slot, old)) {
            let name = names.repository.unwrap_or_else(|| path.to_owned());
            let realm = names.realm.or_else(|| old.realm.clone());
            state.create_slot(path, &name, realm, candidates);
        }
    }

    fn state(&self) -> MutexGuard<'_, AuthState> {
        lock(&self.state)
    }
}

/// Splits repositories into batches that fit into one token request.
fn batches<'a>(paths: impl IntoIterator<Item = &'a str>) -> Vec<Vec<String>> {
    let mut batches: Vec<Vec<String>> = Vec::new();
    let mut bytes = 0;
    for path in paths {
        // `&scope=repository%3A…%3Apull`, with three bytes per slash of the path.
        let cost = 30 + path.len() + 2 * path.matches('/').count();
        bytes += cost;
        match batches.last_mut().filter(|batch| batch.len() < SCOPES_MAX && bytes <= SCOPES_BYTES) {
            Some(batch) => batch.push(path.to_owned()),
            None => {
                batches.push(vec![path.to_owned()]);
                bytes = cost;
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_forgotten_after_ten_minutes() {
        let cache = AuthCache::default();
        let error = ResolveError::refused("x");
        cache.refuse("a", error.clone(), Duration::from_secs(5));
        assert_eq!(cache.check("a", Duration::from_secs(604)), Err(error.clone()));
        assert_eq!(cache.check("a", Duration::from_secs(605)), Ok(()));
        assert_eq!(cache.check("b", Duration::from_secs(5)), Ok(()));
        cache.refuse("a", error, Duration::from_secs(605));
        assert!(cache.check("a", Duration::from_secs(606)).is_err());
    }

    #[test]
    fn batches_are_bounded_in_number_and_bytes() {
        let paths: Vec<String> = (0..120).map(|number| format!("a/{number}")).collect();
        let sizes =
            |paths: &[String]| batches(paths.iter().map(String::as_str)).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(sizes(&paths), [50, 50, 20]);
        assert_eq!(sizes(&["x".repeat(4000), "y".repeat(4000), "z".repeat(7000)]), [1, 1, 1]);
        assert_eq!(sizes(&[]), [0; 0]);
    }
}
