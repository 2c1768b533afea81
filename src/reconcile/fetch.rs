//! What an image is: its manifest and what it takes to describe it, fetched by digest and hashed. For all steps that
//! need one, so that none is fetched twice in a pass.

mod found;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tokio::sync::OnceCell;

use crate::effects::World;
use crate::model::image::facts::{BaseImage, BuildOrigin, ImageFacts, Layer};
use crate::model::image::{Digest, ImageRef, Platform, Repository};
use crate::model::lock::Details;
use crate::registry::manifest::{Descriptor, ImageConfig, ManifestContent, VerifiedManifest, short};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::Verify;

pub use found::FetchedImage;

/// How many of several images a message names.
const NAMED: usize = 8;

/// The longest label that is taken into a lock, in characters: a version is shorter.
const LABEL_MAX: usize = 200;

/// The most labels that are kept to be compared.
const LABELS_MAX: usize = 64;

/// The labels of an image that say where it comes from, and so are told by their own names.
const ORIGIN: &str = "org.opencontainers.image.";

/// What was fetched in this pass, by where it is and which platform of it is wanted: bytes under a digest do not change.
#[derive(Debug, Default)]
pub struct ImageCache {
    images: RefCell<BTreeMap<Fetch, Rc<Flight>>>,
    /// The same by the digest alone, whichever way it was come by: enough to compare two images.
    by_digest: RefCell<BTreeMap<(Repository, Digest), Rc<FetchedImage>>>,
    /// Whether what was fetched is signed by whom it was asked for.
    pub(super) verdicts: RefCell<BTreeMap<Question, Result<(), ResolveError>>>,
}

/// Whose signature is asked for, and of what: a repository, the digests that may bear it, who has to have signed, and the
/// digest of the file by which that is verified.
pub(super) type Question = (Repository, Vec<Digest>, Verify, Digest);

/// Something to fetch: a manifest of a repository, and the platform that is wanted of it.
type Fetch = (Repository, Digest, Option<Platform>);

/// A fetch that is under way, for all who want the same, or what came of it. What failed is nobody else's.
type Flight = OnceCell<Result<Rc<FetchedImage>, ResolveError>>;

/// The same image is fetched once in a pass, also where many ask for it at once.
pub(super) async fn fetch_once<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    platform: Option<&Platform>,
    fetched: &ImageCache,
) -> Result<Rc<FetchedImage>, ResolveError> {
    let key = (image.repository().clone(), hint.clone(), platform.cloned());
    let flight = Rc::clone(fetched.images.borrow_mut().entry(key.clone()).or_default());
    let mut is_ours = false;
    let first = async || {
        is_ours = true;
        fetch(world, image, hint, platform).await.map(Rc::new)
    };
    let found = match flight.get_or_init(first).await {
        Ok(found) if !is_ours => return Ok(Rc::clone(found)),
        Ok(found) => Rc::clone(found),
        // A failure is told in words of the image that was asked for; and who asks next may have better luck.
        Err(_) if !is_ours => Rc::new(fetch(world, image, hint, platform).await?),
        Err(error) => {
            fetched.images.borrow_mut().remove(&key);
            return Err(error.clone());
        }
    };
    let by_digest = (image.repository().clone(), found.digest().clone());
    fetched.by_digest.borrow_mut().insert(by_digest, Rc::clone(&found));
    Ok(found)
}

/// What the image at `digest` is, to be compared with another: as a tag was found there, or else fetched by that digest.
pub(super) async fn compared<W: World>(
    world: &W,
    image: &ImageRef,
    digest: &Digest,
    fetched: &ImageCache,
) -> Result<Rc<FetchedImage>, ResolveError> {
    let known = fetched.by_digest.borrow().get(&(image.repository().clone(), digest.clone())).map(Rc::clone);
    match known {
        Some(found) => Ok(found),
        None => fetch_once(world, image, digest, None, fetched).await,
    }
}

/// What an image is at `digest`, whatever its tag is at now: fetched by that digest and hashed.
///
/// # Errors
/// Where its registry does not give it, or it lacks the platform.
pub async fn at_digest<W: World>(
    world: &W,
    image: &ImageRef,
    digest: &Digest,
    platform: Option<&Platform>,
) -> Result<Rc<FetchedImage>, ResolveError> {
    fetch_once(world, image, digest, platform, &ImageCache::default()).await
}

/// Fetches the manifest with the digest `hint` and what it takes to describe it: at most three requests.
async fn fetch<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    platform: Option<&Platform>,
) -> Result<FetchedImage, ResolveError> {
    let repository = image.repository();
    let manifest = world.manifest(repository, hint).await?;
    let ManifestContent::Index { children } = manifest.content() else {
        let told = describe(world, repository, &manifest, None).await?;
        return match platform {
            Some(platform) if told.details.platforms != [platform.clone()] => {
                Err(no_platform(image, platform, &told.details.platforms))
            }
            _ => Ok(told.found(&manifest, None, [manifest.digest()])),
        };
    };
    let runnable = || children.iter().filter(|child| !child.attestation);
    let mut platforms: Vec<Platform> = runnable().filter_map(|child| child.platform.clone()).collect();
    platforms.sort();
    platforms.dedup();
    let Some(platform) = platform else {
        let usual = |child: &&Descriptor| child.platform.as_ref().is_some_and(|p| p.to_string() == "linux/amd64");
        let mut told = match runnable().find(usual).or_else(|| runnable().next()) {
            Some(child) => describe_child(world, repository, &manifest, child).await?,
            None => Told { note: Some("the index has no image that runs".to_owned()), ..Told::default() },
        };
        told.details.platforms = platforms;
        return Ok(told.found(&manifest, None, runnable().map(|child| &child.digest)));
    };
    let child = one_child(image, platform, runnable(), &platforms)?;
    let child = world.manifest(repository, &child.digest).await?;
    let mut told = describe(world, repository, &child, Some(&manifest)).await?;
    told.details.platforms = vec![platform.clone()];
    Ok(told.found(&child, Some(&manifest), [child.digest()]))
}

/// What an image says of itself.
#[derive(Default)]
struct Told {
    details: Details,
    /// What it is compared by, but for its manifests and platforms.
    facts: ImageFacts,
    /// What could not be found out, in a sentence.
    note: Option<String>,
}

impl Told {
    /// What was found: `manifest`, whose platforms are told by `digests`.
    fn found<'d>(
        self,
        manifest: &VerifiedManifest,
        index: Option<&VerifiedManifest>,
        digests: impl IntoIterator<Item = &'d Digest>,
    ) -> FetchedImage {
        let Self { details, facts, note } = self;
        let manifests = digests.into_iter().cloned().collect();
        let facts = ImageFacts { manifests, platforms: details.platforms.iter().cloned().collect(), ..facts };
        FetchedImage::of(manifest, index, details, note).compared_by(facts)
    }
}

/// The one child for `platform`. Several that differ, as Windows images have for its versions, are nobody's to choose
/// from silently.
fn one_child<'a>(
    image: &ImageRef,
    platform: &Platform,
    children: impl Iterator<Item = &'a Descriptor>,
    has: &[Platform],
) -> Result<&'a Descriptor, ResolveError> {
    let mut fitting: Vec<&Descriptor> = children.filter(|child| child.platform.as_ref() == Some(platform)).collect();
    fitting.sort_by(|a, b| a.digest.cmp(&b.digest));
    fitting.dedup_by(|a, b| a.digest == b.digest);
    match fitting.as_slice() {
        [] => Err(no_platform(image, platform, has)),
        [child] => Ok(child),
        several => {
            let count = several.len();
            let mut named: Vec<String> =
                several.iter().take(NAMED).map(|child| format!("`{}`", child.digest)).collect();
            if count > NAMED {
                named.push(format!("and {} more", count - NAMED));
            }
            let message = format!("`{image}` has {count} images for `{platform}`, and nothing says which is meant");
            let help = format!("name one by its digest, `{}@…`: {}", image.repository(), named.join(", "));
            Err(ResolveError::new(FailureKind::Refused, message).help(help))
        }
    }
}

/// Describes an index by one of its children. A child that is not there leaves the index pinned and is noted.
async fn describe_child<W: World>(
    world: &W,
    repository: &Repository,
    index: &VerifiedManifest,
    child: &Descriptor,
) -> Result<Told, ResolveError> {
    match world.manifest(repository, &child.digest).await {
        Ok(manifest) => describe(world, repository, &manifest, Some(index)).await,
        Err(error) => leave_out(repository, index, None, error),
    }
}

/// What an image says of itself: annotations of the index, then of the manifest, then labels of its configuration.
async fn describe<W: World>(
    world: &W,
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
) -> Result<Told, ResolveError> {
    let ManifestContent::Image { config, .. } = manifest.content() else {
        let error = ResolveError::new(FailureKind::Unsupported, "an index within an index");
        return leave_out(repository, manifest, index, error);
    };
    let config = world.blob(repository, config).await.and_then(|bytes| ImageConfig::read(&bytes));
    match config {
        Ok(config) => Ok(told(repository, manifest, index, Some(config))),
        Err(error) => leave_out(repository, manifest, index, error),
    }
}

/// Goes on without a part that will not come, and says so; a failure that may pass is passed on, so that the same
/// image never gives two different pins.
fn leave_out(
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
    error: ResolveError,
) -> Result<Told, ResolveError> {
    match error.kind {
        FailureKind::NotFound | FailureKind::Unsupported => {
            let note = Some(format!("it could not be described: {error}"));
            Ok(Told { note, ..told(repository, manifest, index, None) })
        }
        _ => Err(error),
    }
}

fn told(
    repository: &Repository,
    manifest: &VerifiedManifest,
    index: Option<&VerifiedManifest>,
    config: Option<ImageConfig>,
) -> Told {
    let is_short = |text: &String| !text.is_empty() && text.chars().count() <= LABEL_MAX;
    let said = |key: &str| {
        let key = format!("{ORIGIN}{key}");
        let annotation = |of: &VerifiedManifest| of.annotations().get(&key).cloned();
        index
            .and_then(annotation)
            .or_else(|| annotation(manifest))
            .or_else(|| config.as_ref().and_then(|config| config.labels.get(&key).cloned()))
            .filter(is_short)
    };
    let name = repository.path().rsplit('/').next().unwrap_or_default();
    let named = || config.as_ref()?.runs.version(name).map(str::to_owned).filter(is_short);
    let version = said("version").or_else(named);
    let revision = said("revision");
    let base = BaseImage { name: said("base.name"), digest: said("base.digest") };
    let origin = BuildOrigin { source: said("source"), revision: revision.clone(), base };
    let layers = match manifest.content() {
        ManifestContent::Image { layers, .. } => {
            layers.iter().map(|layer| Layer { digest: layer.digest.clone(), size: layer.size }).collect()
        }
        ManifestContent::Index { .. } => Vec::new(),
    };
    let Some(config) = config else {
        let details = Details { version: version.clone(), revision, ..Details::default() };
        return Told { details, facts: ImageFacts { version, origin, layers, ..ImageFacts::default() }, note: None };
    };
    let details = Details {
        version: version.clone(),
        revision,
        created: config.created.map(|time| time.to_string()),
        platforms: config.platform.into_iter().collect(),
    };
    let others = config.labels.iter().filter(|(key, _)| !key.starts_with(ORIGIN)).take(LABELS_MAX);
    let labels = others.map(|(key, value)| (short(key), short(value))).collect();
    let (made, runs) = (config.created, Some(config.runs));
    Told {
        details,
        facts: ImageFacts { layers, version, created: made, origin, runtime: runs, labels, ..ImageFacts::default() },
        note: None,
    }
}

pub(super) fn no_platform(image: &ImageRef, platform: &Platform, has: &[Platform]) -> ResolveError {
    let has: Vec<String> = has.iter().map(|platform| format!("`{platform}`")).collect();
    let error = ResolveError::new(FailureKind::Refused, format!("`{image}` has no `{platform}`"));
    match has.as_slice() {
        [] => error.help("it names no platform at all"),
        _ => error.help(format!("it has {}", has.join(", "))),
    }
}
