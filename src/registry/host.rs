//! One registry of a pass: where it is, how hard it may be pressed, and what it was shown so far.
//!
//! Nothing is sent here; [`super::exchange`] does that.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ResolveError;
use super::credential::{CredentialCandidate, CredentialStore};
use super::limit::HostLimiter;
use super::login::LockoutGuard;
use super::origin::UrlOrigin;
use super::token::TokenSlot;
use crate::model::image::RegistryHost;
use crate::model::settings::RegistrySettings;
use url::Url;

/// The most scopes that one token request asks for: a token of more is longer than the 8 KiB that servers read as a
/// header.
const SCOPES_MAX: usize = 50;
/// The most bytes that the scopes of one token request take in its URL.
const SCOPES_BYTES: usize = 6 << 10;

/// One registry.
pub(super) struct Host {
    /// As the definitions name it.
    pub(super) name: RegistryHost,
    /// Where it is spoken to.
    pub(super) origin: UrlOrigin,
    /// `origin/v2/`
    pub(super) base: String,
    /// How hard it may be pressed.
    pub(super) limit: HostLimiter,
    /// Held by the one request that finds out how the registry wants to be asked.
    pub(super) probe: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// How a registry wants to be asked.
#[derive(Clone)]
pub(super) enum AuthScheme {
    /// Nobody has asked yet.
    Unknown,
    /// It answered without.
    Open,
    /// A password with each request.
    Basic,
    /// A token, of this realm unless a repository has its own; it was judged.
    Bearer(Arc<Realm>),
}

/// A token server that may be asked.
#[derive(PartialEq, Eq)]
pub(super) struct Realm {
    /// Where it is.
    pub(super) url: Url,
    /// What it knows the registry by.
    pub(super) service: String,
}

/// What a registry calls a repository, where that is not what we do.
#[derive(Default)]
pub(super) struct RepositoryNames {
    /// Where its tokens are had.
    pub(super) realm: Option<Arc<Realm>>,
    /// Its name at the token server.
    pub(super) repository: Option<String>,
}

struct Known {
    scheme: AuthScheme,
    announced: BTreeSet<String>,
    slots: HashMap<String, Arc<TokenSlot>>,
    /// Repositories that are asked for in a way that is not gone along with.
    refused: HashMap<String, ResolveError>,
    logins: HashMap<Vec<CredentialCandidate>, Arc<LockoutGuard>>,
}

impl Known {
    /// The realm of a repository that was not asked for yet.
    fn realm(&self) -> Option<Arc<Realm>> {
        match &self.scheme {
            AuthScheme::Bearer(realm) => Some(Arc::clone(realm)),
            _ => None,
        }
    }

    /// What all repositories with these candidates have in common.
    fn login(&mut self, candidates: Vec<CredentialCandidate>) -> Arc<LockoutGuard> {
        let new = || Arc::new(LockoutGuard::new(candidates.clone()));
        Arc::clone(self.logins.entry(candidates.clone()).or_insert_with(new))
    }
}

impl Host {
    /// A registry that nobody has asked yet; none where its name is no host of a URL.
    pub(super) fn new(name: &RegistryHost, settings: &RegistrySettings) -> Option<Self> {
        let origin = UrlOrigin::of_registry(name, settings.plain_http)?;
        let known = Known {
            scheme: AuthScheme::Unknown,
            announced: BTreeSet::new(),
            slots: HashMap::new(),
            refused: HashMap::new(),
            logins: HashMap::new(),
        };
        Some(Self {
            name: name.clone(),
            base: format!("{origin}/v2/"),
            origin,
            limit: HostLimiter::new(settings.requests),
            probe: tokio::sync::Mutex::default(),
            known: Mutex::new(known),
        })
    }

    /// How it wants to be asked, as far as is known.
    pub(super) fn scheme(&self) -> AuthScheme {
        self.known().scheme.clone()
    }

    /// Notes how it wants to be asked. The first realm is that of all repositories that do not name their own.
    pub(super) fn learn(&self, scheme: AuthScheme) {
        let mut known = self.known();
        match (&known.scheme, &scheme) {
            (AuthScheme::Bearer(_), AuthScheme::Bearer(_) | AuthScheme::Open)
            | (AuthScheme::Basic, AuthScheme::Basic | AuthScheme::Open)
            | (AuthScheme::Open, AuthScheme::Open) => return,
            _ => {}
        }
        known.slots.clear();
        known.scheme = scheme;
    }

    /// Notes that `path` is not to be asked for again in this pass. One odd repository says nothing of the others.
    pub(super) fn refuse(&self, path: &str, error: ResolveError) {
        self.known().refused.entry(path.to_owned()).or_insert(error);
    }

    /// Lets a question for `path` through.
    ///
    /// # Errors
    /// Why it is not asked for again.
    pub(super) fn admit(&self, path: &str) -> Result<(), ResolveError> {
        self.known().refused.get(path).map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Says that the repository `path` will be asked for.
    pub(super) fn announce(&self, path: String) {
        self.known().announced.insert(path);
    }

    /// The slot that holds the authorization for `path`, shared with other repositories where they were announced
    /// and have the same credentials.
    pub(super) fn slot(&self, path: &str, store: &CredentialStore) -> Arc<TokenSlot> {
        let mut known = self.known();
        if let Some(slot) = known.slots.get(path) {
            return Arc::clone(slot);
        }
        let realm = known.realm();
        if realm.is_none() || !known.announced.contains(path) {
            return self.own_slot(&mut known, path, path, realm, store);
        }
        let announced = std::mem::take(&mut known.announced);
        let open = announced.iter().map(String::as_str).filter(|path| !known.slots.contains_key(*path));
        let groups = store.group(&self.name, &self.origin, open);
        let mut made = Vec::new();
        for (candidates, paths) in groups {
            let login = known.login(candidates);
            let slot = |batch| Arc::new(TokenSlot::new(batch, realm.clone(), Arc::clone(&login)));
            let mut batch: Vec<String> = Vec::new();
            let mut bytes = 0;
            for path in paths {
                // `&scope=repository%3A…%3Apull`, with each slash of the path as three bytes.
                let cost = 30 + path.len() + 2 * path.matches('/').count();
                if batch.len() == SCOPES_MAX || (bytes + cost > SCOPES_BYTES && !batch.is_empty()) {
                    made.push(slot(std::mem::take(&mut batch)));
                    bytes = 0;
                }
                batch.push(path.to_owned());
                bytes += cost;
            }
            made.push(slot(batch));
        }
        for slot in made {
            for path in &slot.repositories {
                known.slots.insert(path.clone(), Arc::clone(&slot));
            }
        }
        known.announced = announced;
        match known.slots.get(path) {
            Some(slot) => Arc::clone(slot),
            None => self.own_slot(&mut known, path, path, realm, store),
        }
    }

    /// Gives `path` a slot of its own in place of `old`, by the realm that the registry names for it, and asking for the
    /// repository as the registry names it.
    pub(super) fn split(&self, path: &str, old: &Arc<TokenSlot>, names: RepositoryNames, store: &CredentialStore) {
        let mut known = self.known();
        if known.slots.get(path).is_none_or(|slot| Arc::ptr_eq(slot, old)) {
            let name = names.repository.unwrap_or_else(|| path.to_owned());
            let realm = names.realm.or_else(|| old.realm.clone());
            self.own_slot(&mut known, path, &name, realm, store);
        }
    }

    fn own_slot(
        &self,
        known: &mut Known,
        path: &str,
        name: &str,
        realm: Option<Arc<Realm>>,
        store: &CredentialStore,
    ) -> Arc<TokenSlot> {
        let login = known.login(store.candidates(&self.name, &self.origin, path));
        let slot = Arc::new(TokenSlot::new(vec![name.to_owned()], realm, login));
        known.slots.insert(path.to_owned(), Arc::clone(&slot));
        slot
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
