//! Fetches images by digest: manifest, child manifest and configuration, each hashed, and each once per pass.

mod children;
mod describe;
mod fetched;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::sync::OnceCell;

use crate::effects::Registries;
use crate::model::image::{Digest, ImageRef, Platform, Repository};
use crate::registry::manifest::{Descriptor, ManifestContent};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::Verify;
use crate::system::lock;

use describe::{ImageMetadata, describe, describe_child};
pub use fetched::FetchedImage;

/// Number of equal children that an error names.
const NAMED_MAX: usize = 8;

/// Images fetched in this pass, by repository, digest and platform: the bytes of a digest never change.
#[derive(Debug, Default)]
pub struct ImageCache {
    images: Mutex<BTreeMap<ImageKey, Arc<Flight>>>,
    /// Images by repository and digest, to compare two of them.
    by_digest: Mutex<BTreeMap<(Repository, Digest), Arc<FetchedImage>>>,
    /// Results of signature verification.
    verdicts: Mutex<BTreeMap<VerdictKey, Result<(), ResolveError>>>,
}

/// A repository, the digests that may carry the signature, the required signer, and the digest of the key file.
pub(super) type VerdictKey = (Repository, Vec<Digest>, Verify, Digest);

type ImageKey = (Repository, Digest, Option<Platform>);

/// A fetch that all who need the same image wait for. Failures are not shared.
type Flight = OnceCell<Result<Arc<FetchedImage>, ResolveError>>;

impl ImageCache {
    /// Returns the cached result of a signature verification.
    pub(super) fn verdict(&self, key: &VerdictKey) -> Option<Result<(), ResolveError>> {
        lock(&self.verdicts).get(key).cloned()
    }

    /// Caches the result of a signature verification.
    pub(super) fn remember_verdict(&self, key: VerdictKey, verdict: Result<(), ResolveError>) {
        lock(&self.verdicts).insert(key, verdict);
    }

    /// Returns the image at `digest`, fetched by that digest unless it is cached.
    ///
    /// # Errors
    /// The registry does not have it, or cannot be reached.
    pub(in crate::reconcile) async fn by_digest<R: Registries>(
        &self,
        registries: &R,
        image: &ImageRef,
        digest: &Digest,
    ) -> Result<Arc<FetchedImage>, ResolveError> {
        let cached = lock(&self.by_digest).get(&(image.repository().clone(), digest.clone())).map(Arc::clone);
        match cached {
            Some(found) => Ok(found),
            None => self.fetch(registries, image, digest, None).await,
        }
    }

    /// Returns the image of `platform` at `digest`; concurrent callers share one fetch.
    ///
    /// # Errors
    /// The registry does not have it, it lacks the platform, or the registry cannot be reached.
    pub(super) async fn fetch<R: Registries>(
        &self,
        registries: &R,
        image: &ImageRef,
        digest: &Digest,
        platform: Option<&Platform>,
    ) -> Result<Arc<FetchedImage>, ResolveError> {
        let key = (image.repository().clone(), digest.clone(), platform.cloned());
        let flight = Arc::clone(lock(&self.images).entry(key.clone()).or_default());
        let mut is_ours = false;
        let first = async || {
            is_ours = true;
            fetch(registries, image, digest, platform).await.map(Arc::new)
        };
        let found = match flight.get_or_init(first).await {
            Ok(found) if !is_ours => return Ok(Arc::clone(found)),
            Ok(found) => Arc::clone(found),
            // The error names the image that the other caller requested, and a second try may succeed.
            Err(_) if !is_ours => Arc::new(fetch(registries, image, digest, platform).await?),
            Err(error) => {
                lock(&self.images).remove(&key);
                return Err(error.clone());
            }
        };
        let by_digest = (image.repository().clone(), found.digest().clone());
        lock(&self.by_digest).insert(by_digest, Arc::clone(&found));
        Ok(found)
    }
}

/// Fetches the image at `digest`, independent of its tag.
///
/// # Errors
/// The registry does not have it, it lacks the platform, or the registry cannot be reached.
pub async fn at_digest<R: Registries>(
    registries: &R,
    image: &ImageRef,
    digest: &Digest,
    platform: Option<&Platform>,
) -> Result<Arc<FetchedImage>, ResolveError> {
    ImageCache::default().fetch(registries, image, digest, platform).await
}

/// Fetches a manifest by digest, and its metadata: at most three requests.
async fn fetch<R: Registries>(
    registries: &R,
    image: &ImageRef,
    digest: &Digest,
    platform: Option<&Platform>,
) -> Result<FetchedImage, ResolveError> {
    let repository = image.repository();
    let manifest = registries.manifest(repository, digest).await?;
    let ManifestContent::Index { children } = manifest.content() else {
        let metadata = describe(registries, repository, &manifest, None).await?;
        return match platform {
            Some(platform) if metadata.details.platforms != [platform.clone()] => {
                Err(no_platform(image, platform, &metadata.details.platforms))
            }
            _ => Ok(metadata.into_image(&manifest, None, [manifest.digest()])),
        };
    };
    let runnable = children::runnable(registries, repository, children).await?;
    let mut platforms: Vec<Platform> = runnable.iter().filter_map(|child| child.platform.clone()).collect();
    platforms.sort();
    platforms.dedup();
    let Some(platform) = platform else {
        let is_usual = |child: &&Descriptor| child.platform.as_ref().is_some_and(|p| p.to_string() == "linux/amd64");
        let usual = runnable.iter().find(is_usual).or(runnable.first());
        let mut metadata = match usual {
            Some(child) => describe_child(registries, repository, &manifest, child).await?,
            None => ImageMetadata::without_image(),
        };
        metadata.details.platforms = platforms;
        let found = metadata.into_image(&manifest, None, runnable.iter().map(|child| &child.digest));
        // Without a note, the child that describes the index was read.
        let read = usual.map(|child| &child.digest).filter(|_| found.note().is_none());
        let unread = runnable.iter().filter(|child| Some(&child.digest) != read);
        let unread = unread.filter_map(|child| Some((child.platform.clone()?, child.digest.clone())));
        return Ok(found.with_unread(unread.collect()));
    };
    let descriptor = select_child(image, platform, runnable.iter(), &platforms)?;
    let child = registries.manifest(repository, &descriptor.digest).await?;
    let mut metadata = describe(registries, repository, &child, Some((&manifest, descriptor))).await?;
    metadata.details.platforms = vec![platform.clone()];
    Ok(metadata.into_image(&child, Some(&manifest), [child.digest()]))
}

/// Checks that `found` has all `required` platforms, and that their manifests exist.
///
/// # Errors
/// A platform is missing, or its manifest cannot be fetched.
pub(super) async fn require_platforms<R: Registries>(
    registries: &R,
    image: &ImageRef,
    required: &[Platform],
    found: &FetchedImage,
) -> Result<(), ResolveError> {
    let available = &found.details().platforms;
    if let Some(missing) = required.iter().find(|platform| !available.contains(platform)) {
        return Err(no_platform(image, missing, available));
    }
    for (platform, digest) in found.unread().iter().filter(|(platform, _)| required.contains(platform)) {
        registries.manifest(image.repository(), digest).await.map_err(|error| match error.kind {
            FailureKind::NotFound => {
                let message = format!("the manifest of `{image}` for `{platform}` does not exist: {}", error.message);
                ResolveError { message, ..error }.help("push the image again; garbage collection may have removed it")
            }
            _ => error,
        })?;
    }
    Ok(())
}

/// Selects the only child for `platform`. Several, as Windows images have one per OS version, are ambiguous.
fn select_child<'a>(
    image: &ImageRef,
    platform: &Platform,
    children: impl Iterator<Item = &'a Descriptor>,
    available: &[Platform],
) -> Result<&'a Descriptor, ResolveError> {
    let mut matching: Vec<&Descriptor> = children.filter(|child| child.platform.as_ref() == Some(platform)).collect();
    matching.sort_by(|a, b| a.digest.cmp(&b.digest));
    matching.dedup_by(|a, b| a.digest == b.digest);
    match matching.as_slice() {
        [] => Err(no_platform(image, platform, available)),
        [child] => Ok(child),
        several => {
            let count = several.len();
            let mut named: Vec<String> =
                several.iter().take(NAMED_MAX).map(|child| format!("`{}`", child.digest)).collect();
            if count > NAMED_MAX {
                named.push(format!("and {} more", count - NAMED_MAX));
            }
            let message = format!("`{image}` has {count} images for `{platform}`");
            let help = format!("use one of their digests, `{}@…`: {}", image.repository(), named.join(", "));
            Err(ResolveError::new(FailureKind::Refused, message).help(help))
        }
    }
}

/// Builds the error for an image without a required platform.
fn no_platform(image: &ImageRef, platform: &Platform, available: &[Platform]) -> ResolveError {
    let available: Vec<String> = available.iter().map(|platform| format!("`{platform}`")).collect();
    let error = ResolveError::new(FailureKind::Refused, format!("`{image}` has no `{platform}`"));
    match available.as_slice() {
        [] => error.help("the image names no platform"),
        _ => error.help(format!("available: {}", available.join(", "))),
    }
}
