//! Third step: asks the registries. One question for each distinct image; bytes are fetched for what moved only, by
//! digest, and hashed. What went wrong with one image is its own result and stops no other.

mod found;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::stream::{self, StreamExt as _};

use crate::image::{Digest, ImageRef, Platform, Repository, TagId};
use crate::lock::Details;
use crate::registry::manifest::{Config, Content, Descriptor, Verified};
use crate::registry::{FailureKind, ImportError};
use crate::world::{Progress, World};

use super::plan::{Import, Plan, Want};
pub use found::Found;

/// How many images are asked for at once, over all registries; each registry has its own bound below it.
const IN_FLIGHT: usize = 256;

/// How many of several images a message names.
const NAMED: usize = 8;

/// The longest label that is taken into a lock, in characters: a version is shorter.
const LABEL_MAX: usize = 200;

/// What was found out about each tag that was asked for.
pub type Findings = BTreeMap<TagId, Result<Finding, ImportError>>;

/// What was found out about one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Its pin is what the registry has now.
    Unchanged,
    /// Something else than its pin.
    Found(Rc<Found>),
}

/// What was fetched in this pass, by where it is and which platform of it is wanted: bytes under a digest do not change.
#[derive(Debug, Default)]
pub struct Fetched(RefCell<BTreeMap<Fetch, Rc<Found>>>);

/// Something to fetch: a manifest of a repository, and the platform that is wanted of it.
type Fetch = (Repository, Digest, Option<Platform>);

/// Asks for every image of the plan.
pub async fn resolve<W: World>(world: &W, plan: Plan<'_>, fetched: &Fetched) -> Findings {
    let of = plan.imports.len();
    world.announce(&plan.repositories());
    let mut answers =
        stream::iter(plan.imports).map(|import| import_image(world, import, fetched)).buffer_unordered(IN_FLIGHT);
    let mut findings = Findings::new();
    let mut done = 0;
    while let Some(answer) = answers.next().await {
        findings.extend(answer);
        done += 1;
        world.progress(Progress::Imports { done, of });
    }
    findings
}

/// What could not be found out about images that were found, a sentence each.
pub fn notes(findings: &Findings) -> Vec<String> {
    let note = |(id, finding): (&TagId, &Result<Finding, ImportError>)| match finding {
        Ok(Finding::Found(found)) => found.note().map(|note| format!("`{id}`: {note}")),
        _ => None,
    };
    findings.iter().filter_map(note).collect()
}

async fn import_image<W: World>(
    world: &W,
    import: Import<'_>,
    fetched: &Fetched,
) -> Vec<(TagId, Result<Finding, ImportError>)> {
    let Import { image, wants } = import;
    let hint = match image.digest() {
        Some(digest) => Ok(digest.clone()),
        None => world.digest(image).await,
    };
    let mut answers = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match &hint {
            Err(error) => Err(error.clone()),
            Ok(hint) if want.is_met_by(hint) => Ok(Finding::Unchanged),
            Ok(hint) => {
                let found = fetch_once(world, image, hint, want.platform, fetched).await;
                found.and_then(|found| require(image, &want, found))
            }
        };
        answers.push((want.tag.clone(), finding));
    }
    answers
}

impl Want<'_> {
    /// Whether its pin is what an image with the digest `hint` gives, so that nothing needs to be fetched.
    fn is_met_by(&self, hint: &Digest) -> bool {
        self.pin.is_some_and(|pin| {
            pin.index.as_ref().unwrap_or(&pin.digest) == hint && pin.suits(self.platform, self.required)
        })
    }
}

/// Refuses what lacks a platform that the tag requires.
fn require(image: &ImageRef, want: &Want<'_>, found: Rc<Found>) -> Result<Finding, ImportError> {
    let has = &found.details().platforms;
    match want.required.iter().find(|platform| !has.contains(platform)) {
        Some(missing) => Err(no_platform(image, missing, has)),
        None => Ok(Finding::Found(found)),
    }
}

async fn fetch_once<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    platform: Option<&Platform>,
    fetched: &Fetched,
) -> Result<Rc<Found>, ImportError> {
    let key = (image.repository().clone(), hint.clone(), platform.cloned());
    if let Some(found) = fetched.0.borrow().get(&key) {
        return Ok(Rc::clone(found));
    }
    let found = Rc::new(fetch(world, image, hint, platform).await?);
    fetched.0.borrow_mut().insert(key, Rc::clone(&found));
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
            _ => Ok(Found::of(&manifest, None, details, note)),
        };
    };
    let runnable = || children.iter().filter(|child| !child.attestation);
    let mut platforms: Vec<Platform> = runnable().filter_map(|child| child.platform.clone()).collect();
    platforms.sort();
    platforms.dedup();
    let Some(platform) = platform else {
        let usual = |child: &&Descriptor| child.platform.as_ref().is_some_and(|p| p.to_string() == "linux/amd64");
        let (mut details, note) = match runnable().find(usual).or_else(|| runnable().next()) {
            Some(child) => describe_child(world, repository, &manifest, child).await?,
            None => (Details::default(), Some("the index has no image that runs".to_owned())),
        };
        details.platforms = platforms;
        return Ok(Found::of(&manifest, None, details, note));
    };
    let child = one_child(image, platform, runnable(), &platforms)?;
    let child = world.manifest(repository, &child.digest).await?;
    let (mut details, note) = describe(world, repository, &child, Some(&manifest)).await?;
    details.platforms = vec![platform.clone()];
    Ok(Found::of(&child, Some(&manifest), details, note))
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
) -> Result<(Details, Option<String>), ImportError> {
    match world.manifest(repository, &child.digest).await {
        Ok(manifest) => describe(world, repository, &manifest, Some(index)).await,
        Err(error) => leave_out(index, None, error),
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

fn no_platform(image: &ImageRef, platform: &Platform, has: &[Platform]) -> ImportError {
    let has: Vec<String> = has.iter().map(|platform| format!("`{platform}`")).collect();
    let error = ImportError::new(FailureKind::Refused, format!("`{image}` has no `{platform}`"));
    match has.as_slice() {
        [] => error.help("it names no platform at all"),
        _ => error.help(format!("it has {}", has.join(", "))),
    }
}
