//! One registry of a pass: where it is, how hard it may be pressed, and what it was shown so far.
//!
//! Nothing is sent here; [`super::exchange`] does that.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::credential::Store;
use super::limit::Limit;
use super::origin::Origin;
use super::token::Slot;
use crate::image::RegistryHost;
use crate::settings::RegistrySettings;
use url::Url;

/// The most scopes that one token request asks for.
const SCOPES_MAX: usize = 50;
/// The most bytes that the scopes of one token request take in its URL.
const SCOPES_BYTES: usize = 6 << 10;

/// One registry.
pub(super) struct Host {
    /// As the definitions name it.
    pub(super) name: RegistryHost,
    /// Where it is spoken to.
    pub(super) origin: Origin,
    /// `origin/v2/`
    pub(super) base: String,
    /// How hard it may be pressed.
    pub(super) limit: Limit,
    /// Held by the one request that finds out how the registry wants to be asked.
    pub(super) probe: tokio::sync::Mutex<()>,
    known: Mutex<Known>,
}

/// How a registry wants to be asked.
#[derive(Clone)]
pub(super) enum Scheme {
    /// Nobody has asked yet.
    Unknown,
    /// It answered without.
    Open,
    /// A password with each request.
    Basic,
    /// A token of this realm, which was judged.
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

struct Known {
    scheme: Scheme,
    announced: BTreeSet<String>,
    slots: HashMap<String, Arc<Slot>>,
}

impl Host {
    /// A registry that nobody has asked yet; none where its name is no host of a URL.
    pub(super) fn new(name: &RegistryHost, settings: &RegistrySettings) -> Option<Self> {
        let origin = Origin::of_registry(name, settings.plain_http)?;
        let known = Known { scheme: Scheme::Unknown, announced: BTreeSet::new(), slots: HashMap::new() };
        Some(Self {
            name: name.clone(),
            base: format!("{origin}/v2/"),
            origin,
            limit: Limit::new(settings.requests),
            probe: tokio::sync::Mutex::default(),
            known: Mutex::new(known),
        })
    }

    /// How it wants to be asked, as far as is known.
    pub(super) fn scheme(&self) -> Scheme {
        self.known().scheme.clone()
    }

    /// Notes how it wants to be asked. Another realm makes all tokens of the last one void.
    pub(super) fn learn(&self, scheme: Scheme) {
        let mut known = self.known();
        let is_same = match (&known.scheme, &scheme) {
            (Scheme::Bearer(old), Scheme::Bearer(new)) => old == new,
            (Scheme::Basic, Scheme::Basic) | (Scheme::Open, Scheme::Open) => true,
            (Scheme::Bearer(_) | Scheme::Basic, Scheme::Open) => return,
            _ => false,
        };
        if !is_same {
            known.slots.clear();
            known.scheme = scheme;
        }
    }

    /// Says that the repository `path` will be asked for.
    pub(super) fn announce(&self, path: String) {
        self.known().announced.insert(path);
    }

    /// The slot that holds the authorization for `path`, shared with other repositories where they were announced
    /// and have the same credentials.
    pub(super) fn slot(&self, path: &str, store: &Store) -> Arc<Slot> {
        let mut known = self.known();
        if let Some(slot) = known.slots.get(path) {
            return Arc::clone(slot);
        }
        if !matches!(known.scheme, Scheme::Bearer(_)) || !known.announced.contains(path) {
            let slot = Arc::new(Slot::new(vec![path.to_owned()], store.candidates(&self.name, &self.origin, path)));
            known.slots.insert(path.to_owned(), Arc::clone(&slot));
            return slot;
        }
        let announced = std::mem::take(&mut known.announced);
        let open = announced.iter().map(String::as_str).filter(|path| !known.slots.contains_key(*path));
        let mut made = Vec::new();
        for (candidates, paths) in store.group(&self.name, &self.origin, open) {
            let mut batch: Vec<String> = Vec::new();
            let mut bytes = 0;
            for path in paths {
                // `&scope=repository%3A…%3Apull`, with each slash of the path as three bytes.
                let cost = 30 + path.len() + 2 * path.matches('/').count();
                if batch.len() == SCOPES_MAX || (bytes + cost > SCOPES_BYTES && !batch.is_empty()) {
                    made.push(Arc::new(Slot::new(std::mem::take(&mut batch), candidates.clone())));
                    bytes = 0;
                }
                batch.push(path.to_owned());
                bytes += cost;
            }
            made.push(Arc::new(Slot::new(batch, candidates)));
        }
        for slot in made {
            for path in &slot.repositories {
                known.slots.insert(path.clone(), Arc::clone(&slot));
            }
        }
        known.announced = announced;
        known
            .slots
            .get(path)
            .map_or_else(|| Arc::new(Slot::new(vec![path.to_owned()], store.candidates(&self.name, &self.origin, path))), Arc::clone)
    }

    /// Gives `path` a slot of its own in place of `shared`, asking for the repository as the registry names it.
    pub(super) fn split(&self, path: &str, shared: &Arc<Slot>, registry_name: Option<String>, store: &Store) {
        let mut known = self.known();
        if known.slots.get(path).is_none_or(|slot| Arc::ptr_eq(slot, shared)) {
            let name = registry_name.unwrap_or_else(|| path.to_owned());
            let slot = Slot::new(vec![name], store.candidates(&self.name, &self.origin, path));
            known.slots.insert(path.to_owned(), Arc::new(slot));
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
