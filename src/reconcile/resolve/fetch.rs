//! What an image is: its manifest and what it takes to describe it, fetched by digest and hashed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::Found;
use crate::image::class::Facts;
use crate::image::{Digest, ImageRef, Platform, Repository};
use crate::lock::Details;
use crate::registry::manifest::{Config, Content, Descriptor, Verified};
use crate::registry::{FailureKind, ImportError};
use crate::world::World;

/// How many of several images a message names.
const NAMED: usize = 8;

/// The longest label that is taken into a lock, in characters: a version is shorter.
const LABEL_MAX: usize = 200;

/// What was fetched in this pass, by where it is and which platform of it is wanted: bytes under a digest do not change.
#[derive(Debug, Default)]
pub struct Fetched {
    images: RefCell<BTreeMap<Fetch, Rc<Found>>>,
    /// Whether what was fetched is signed, by the keys that were asked for.
    pub(super) verdicts: RefCell<BTreeMap<Question, Result<(), ImportError>>>,
}

/// Whose signature is asked for, and of what: a repository, the digests that may bear it, and the digest of the keys.
pub(super) type Question = (Repository, Vec<Digest>, Digest);

/// Something to fetch: a manifest of a repository, and the platform that is wanted of it.
type Fetch = (Repository, Digest, Option<Platform>);

/// The same image is fetched once in a pass.
pub(super) async fn fetch_once<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    platform: Option<&Platform>,
    fetched: &Fetched,
) -> Result<Rc<Found>, ImportError> {
    let key = (image.repository().clone(), hint.clone(), platform.cloned());
    if let Some(found) = fetched.images.borrow().get(&key) {
        return Ok(Rc::clone(found));
    }
    let found = Rc::new(fetch(world, image, hint, platform).await?);
    fetched.images.borrow_mut().insert(key, Rc::clone(&found));
    Ok(found)
}

/// Fetches the manifest with the digest `hint` and what it takes to describe it: at most three requests.
async fn fetch<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    platform: Option<&Platform>,
) -> Result<Found, ImportError> {
    let repository = image.repository();
    let manifest = world.manifest(repository, hint).await?;
    let Content::Index { children } = manifest.content() else {
        let (details, note) = describe(world, repository, &manifest, None).await?;
        return match platform {
            Some(platform) if details.platforms != [platform.clone()] => {
                Err(no_platform(image, platform, &details.platforms))
            }
            _ => {
                let facts = facts(&details, [manifest.digest()], &manifest);
                Ok(Found::of(&manifest, None, details, note).compared_by(facts))
            }
        };
    };
    let runnable = || children.iter().filter(|child| !child.attestation);
    let mut platforms: Vec<Platform> = runnable().filter_map(|child| child.platform.clone()).collect();
    platforms.sort();
    platforms.dedup();
    let Some(platform) = platform else {
        let usual = |child: &&Descriptor| child.platform.as_ref().is_some_and(|p| p.to_string() == "linux/amd64");
        let (child, (mut details, note)) = match runnable().find(usual).or_else(|| runnable().next()) {
            Some(child) => describe_child(world, repository, &manifest, child).await?,
            None => (None, (Details::default(), Some("the index has no image that runs".to_owned()))),
        };
        details.platforms = platforms;
        let digests = runnable().map(|child| &child.digest);
        let facts = facts(&details, digests, child.as_ref().unwrap_or(&manifest));
        return Ok(Found::of(&manifest, None, details, note).compared_by(facts));
    };
    let child = one_child(image, platform, runnable(), &platforms)?;
    let child = world.manifest(repository, &child.digest).await?;
    let (mut details, note) = describe(world, repository, &child, Some(&manifest)).await?;
    details.platforms = vec![platform.clone()];
    let facts = facts(&details, [child.digest()], &child);
    Ok(Found::of(&child, Some(&manifest), details, note).compared_by(facts))
}

/// The one child for `platform`. Several that differ, as Windows images have for its versions, are nobody's to choose
/// from silently.
fn one_child<'a>(
    image: &ImageRef,
    platform: &Platform,
    children: impl Iterator<Item = &'a Descriptor>,
    has: &[Platform],
) -> Result<&'a Descriptor, ImportError> {
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
            Err(ImportError::new(FailureKind::Refused, message).help(help))
        }
    }
}

/// Describes an index by one of its children. A child that is not there leaves the index pinned and is noted.
async fn describe_child<W: World>(
    world: &W,
    repository: &Repository,
    index: &Verified,
    child: &Descriptor,
) -> Result<(Option<Verified>, (Details, Option<String>)), ImportError> {
    match world.manifest(repository, &child.digest).await {
        Ok(manifest) => {
            let described = describe(world, repository, &manifest, Some(index)).await?;
            Ok((Some(manifest), described))
        }
        Err(error) => Ok((None, leave_out(index, None, error)?)),
    }
}

/// What an image is compared by: the manifests of what runs, and the layers of the one that described it.
fn facts<'d>(details: &Details, manifests: impl IntoIterator<Item = &'d Digest>, described: &Verified) -> Facts {
    let layers = match described.content() {
        Content::Image { layers, .. } => layers.iter().map(|layer| layer.digest.clone()).collect(),
        Content::Index { .. } => Vec::new(),
    };
    Facts {
        manifests: manifests.into_iter().cloned().collect(),
        platforms: details.platforms.iter().cloned().collect(),
        layers,
        version: details.version.clone(),
    }
}

/// What an image says of itself: annotations of the index, then of the manifest, then labels of its configuration.
async fn describe<W: World>(
    world: &W,
    repository: &Repository,
    manifest: &Verified,
    index: Option<&Verified>,
) -> Result<(Details, Option<String>), ImportError> {
    let Content::Image { config, .. } = manifest.content() else {
        let error = ImportError::new(FailureKind::Unsupported, "an index within an index");
        return leave_out(manifest, index, error);
    };
    let config = world.blob(repository, config).await.and_then(|bytes| Config::read(&bytes));
    match config {
        Ok(config) => Ok((details(manifest, index, Some(&config)), None)),
        Err(error) => leave_out(manifest, index, error),
    }
}

/// Goes on without a part that will not come, and says so; a failure that may pass is passed on, so that the same
/// image never gives two different pins.
fn leave_out(
    manifest: &Verified,
    index: Option<&Verified>,
    error: ImportError,
) -> Result<(Details, Option<String>), ImportError> {
    match error.kind {
        FailureKind::NotFound | FailureKind::Unsupported => {
            Ok((details(manifest, index, None), Some(format!("it could not be described: {error}"))))
        }
        _ => Err(error),
    }
}

fn details(manifest: &Verified, index: Option<&Verified>, config: Option<&Config>) -> Details {
    let said = |key: &str| {
        let annotation = |of: &Verified| of.annotations().get(key).cloned();
        index
            .and_then(annotation)
            .or_else(|| annotation(manifest))
            .or_else(|| config.and_then(|config| config.labels.get(key).cloned()))
            .filter(|text| !text.is_empty() && text.chars().count() <= LABEL_MAX)
    };
    Details {
        version: said("org.opencontainers.image.version"),
        revision: said("org.opencontainers.image.revision"),
        created: config.and_then(|config| config.created).map(|time| time.to_string()),
        platforms: config.and_then(|config| config.platform.clone()).into_iter().collect(),
    }
}

pub(super) fn no_platform(image: &ImageRef, platform: &Platform, has: &[Platform]) -> ImportError {
    let has: Vec<String> = has.iter().map(|platform| format!("`{platform}`")).collect();
    let error = ImportError::new(FailureKind::Refused, format!("`{image}` has no `{platform}`"));
    match has.as_slice() {
        [] => error.help("it names no platform at all"),
        _ => error.help(format!("it has {}", has.join(", "))),
    }
}
