//! A registry with changing tags, stale edges, failures and lies.

use std::collections::BTreeMap;

use fastrand::Rng;

use crate::model::image::{Digest, ImageRef, Reference};
use crate::registry::manifest::{Descriptor, VerifiedManifest};
use crate::registry::{FailureKind, ResolveError};

use super::universe::Shared;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const TAGS: usize = 5;
const CROWD: usize = 120;

/// Tags of one registry with their whole history.
pub(super) struct SimRegistry {
    /// Digests by `image:tag`, oldest first.
    tags: BTreeMap<String, Vec<Digest>>,
    bodies: BTreeMap<Digest, Vec<u8>>,
    /// Failing tags with the kind of failure.
    failing: BTreeMap<String, FailureKind>,
    pushes: u32,
    /// Images that exist.
    images: Vec<String>,
}

/// Images for one reconciler: tags of one repository.
pub(super) fn few() -> Vec<String> {
    (0..TAGS).map(|number| format!("registry.example/acme/app:{number}")).collect()
}

/// Images for many shards: two tags in each repository.
pub(super) fn many() -> Vec<String> {
    (0..CROWD).map(|number| format!("registry.example/acme/app-{}:{}", number / 2, number % 2)).collect()
}

impl SimRegistry {
    pub(super) fn new(rng: &mut Rng, images: Vec<String>) -> Self {
        let (tags, bodies, failing) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut registry = Self { tags, bodies, failing, pushes: 0, images };
        for image in registry.images.clone() {
            registry.push(&image);
        }
        if rng.u8(..4) == 0 {
            let name = registry.any(rng);
            registry.failing.insert(name, FailureKind::Network);
        }
        registry
    }

    pub(super) fn images(&self) -> &[String] {
        &self.images
    }

    fn any(&self, rng: &mut Rng) -> String {
        self.images[rng.usize(..self.images.len())].clone()
    }

    /// Points a tag at a new image.
    fn push(&mut self, image: &str) {
        self.pushes += 1;
        let config = format!(
            r#"{{"architecture":"amd64","os":"linux","config":{{"Labels":{{"org.opencontainers.image.version":"1.{}"}}}}}}"#,
            self.pushes
        );
        let config_digest = Digest::sha256(config.as_bytes());
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[]}}"#,
            config.len()
        );
        let digest = Digest::sha256(manifest.as_bytes());
        self.bodies.insert(config_digest, config.into_bytes());
        self.bodies.insert(digest.clone(), manifest.into_bytes());
        self.tags.entry(image.to_owned()).or_default().push(digest);
    }

    /// Points a tag at its previous image.
    fn move_back(&mut self, image: &str) {
        let all = self.tags.entry(image.to_owned()).or_default();
        if let [.., before, _] = &all[..] {
            all.push(before.clone());
        }
    }

    /// Current digest of `image` at the newest edge.
    pub(super) fn now(&self, image: &ImageRef) -> Option<&Digest> {
        self.tags.get(&image.to_string())?.last()
    }

    pub(super) fn calm(&mut self) {
        self.failing.clear();
    }

    /// Answers a `HEAD`; a `stale` answer is from an edge that is behind, a `lie` from a broken one.
    pub(super) fn digest(&self, image: &ImageRef, stale: bool, lie: bool) -> Result<Digest, ResolveError> {
        let name = image.to_string();
        if let Some(kind) = self.failing.get(&name) {
            return Err(ResolveError::new(*kind, "the registry fails"));
        }
        let all = self.tags.get(&name).ok_or_else(|| ResolveError::not_found(image))?;
        let back = usize::from(stale).min(all.len() - 1);
        let digest = all[all.len() - 1 - back].clone();
        Ok(if lie { Digest::sha256(format!("{digest}, says the liar").as_bytes()) } else { digest })
    }

    /// Bytes of a digest; for an unknown digest, those of some other image.
    pub(super) fn manifest(&self, digest: &Digest) -> Result<VerifiedManifest, ResolveError> {
        let other = || self.tags.values().flatten().next().and_then(|digest| self.bodies.get(digest));
        let bytes = self.bodies.get(digest).or_else(other);
        VerifiedManifest::hash(digest, Some(MANIFEST), bytes.map(Vec::as_slice).unwrap_or_default())
    }

    pub(super) fn blob(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        let missing = || ResolveError::new(FailureKind::NotFound, "no such blob");
        self.bodies.get(&descriptor.digest).cloned().ok_or_else(missing)
    }
}

/// Changes something at random: a tag moves, or starts or stops failing.
pub(super) fn move_one(universe: &Shared) {
    universe.with(|inner| {
        let name = inner.registry.any(&mut inner.rng);
        match inner.rng.u8(..10) {
            0 => {
                let kinds = [FailureKind::Network, FailureKind::NotFound, FailureKind::RateLimited];
                let kind = kinds[inner.rng.usize(..kinds.len())];
                inner.registry.failing.insert(name, kind);
            }
            1 | 2 => inner.registry.failing.clear(),
            3 => inner.registry.move_back(&name),
            _ => inner.registry.push(&name),
        }
    });
}

/// Points a random tag at a new image.
pub(super) fn move_on(universe: &Shared) {
    universe.with(|inner| {
        let name = inner.registry.any(&mut inner.rng);
        inner.registry.push(&name);
    });
}

/// Reports whether `image` names a tag, which can change.
pub(super) fn is_tagged(image: &ImageRef) -> bool {
    matches!(image.reference(), Reference::Tag(_))
}
