//! Fourth step: asks the registries. One question for each distinct image; bytes are fetched for what moved only, by
//! digest, and hashed. What went wrong with one image is its own result and stops no other.

mod verify;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::{Progress, World};
use crate::model::adoption::{AdoptionPolicy, Observation};
use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::{Digest, ImageRef, Platform, Reference, TagId, TagName};
use crate::model::lock::Pin;
use crate::model::settings::adoption_rules::HoldReason;
use crate::registry::{FailureKind, ResolveError};
use crate::signature::Trust;

use super::consult::RemotePin;
use super::fetch::{FetchedImage, ImageCache, fetch_once, no_platform};
use super::plan::{ImageQuery, Plan, TagQuery};
use verify::{Unverified, verify};

/// How many images are asked for at once, over all registries; each registry has its own bound below it.
const IN_FLIGHT: usize = 256;

/// How long a registry has to get over a digest that was pinned before.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What a pass asks on the ground of, the same for all images.
#[derive(Clone, Copy, Debug)]
pub struct ResolveContext<'a> {
    /// What was fetched so far.
    pub fetched: &'a ImageCache,
    /// Who says what is moved to.
    pub judge: &'a AdoptionPolicy<'a>,
    /// What `verify` of the root trusts.
    pub trust: &'a Trust,
}

/// What was found out about each tag that was asked for.
pub type Resolutions = BTreeMap<TagId, Result<Resolution, ResolveError>>;

/// What was found out about one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Its pin is what the registry has now.
    Unchanged,
    /// Something else, which the tag does not move to.
    Kept {
        /// What the registry serves.
        served: Digest,
        /// Why.
        kept: HoldReason,
    },
    /// Something else than its pin.
    Found(Update),
}

/// What a tag can move to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The image it was found at.
    pub image: ImageRef,
    /// What was found there.
    pub found: Rc<FetchedImage>,
    /// What the move changes, where that was to be found out and could be.
    pub class: Option<ChangeClass>,
    /// Higher tags of the repository that were passed over, for nobody who is trusted has signed them.
    pub passed_over: Vec<TagName>,
}

/// Asks for every image of the plan.
pub async fn resolve<W: World>(world: &W, plan: Plan<'_>, basis: ResolveContext<'_>) -> Resolutions {
    let of = plan.imports.len();
    world.announce(&plan.repositories());
    let mut answers =
        stream::iter(plan.imports).map(|import| import_image(world, import, basis)).buffer_unordered(IN_FLIGHT);
    let mut findings: Resolutions = plan.failed.into_iter().map(|(id, error)| (id, Err(error))).collect();
    let mut done = 0;
    while let Some(answer) = answers.next().await {
        findings.extend(answer);
        done += 1;
        world.progress(Progress::Imports { done, of });
    }
    findings
}

/// What a person should know of images that were found, a sentence each: what could not be found out about them, and
/// what was passed over for them.
pub fn notes(findings: &Resolutions) -> Vec<String> {
    let note = |(id, finding): (&TagId, &Result<Resolution, ResolveError>)| {
        let Ok(Resolution::Found(Update { image, found, passed_over, .. })) = finding else { return Vec::new() };
        let unknown = found.note().map(|note| format!("`{id}`: {note}"));
        let names: Vec<String> = passed_over.iter().map(|tag| format!("`{tag}`")).collect();
        let over = (!names.is_empty()).then(|| {
            format!(
                "`{id}` is `{image}`: passed over for want of a signature that `verify` accepts: {}",
                names.join(", ")
            )
        });
        unknown.into_iter().chain(over).collect()
    };
    findings.iter().flat_map(note).collect()
}

async fn import_image<W: World>(
    world: &W,
    import: ImageQuery<'_>,
    basis: ResolveContext<'_>,
) -> Vec<(TagId, Result<Resolution, ResolveError>)> {
    let ImageQuery { image, at, wants } = import;
    let hint = match at.or(image.digest()) {
        Some(digest) => Ok(digest.clone()),
        None => served(world, &image, &wants).await,
    };
    let mut answers = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match &hint {
            Err(error) => Err(error.clone()),
            Ok(hint) if want.is_met_by(&image, hint) => Ok(Resolution::Unchanged),
            // Most tags stand where they stood; room for the rest of the way is taken only for one that does not.
            Ok(hint) => Box::pin(highest(world, &image, hint, &want, basis)).await,
        };
        answers.push((want.id.clone(), finding));
    }
    answers
}

/// What is found out about one tag at `image`, or at the highest tag below it that is signed as its rules ask for.
async fn highest<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    want: &TagQuery<'_>,
    basis: ResolveContext<'_>,
) -> Result<Resolution, ResolveError> {
    let mut first = match look(world, image, hint, want, basis).await {
        Err(Unverified::Unsigned(error)) => error,
        other => return other.map_err(Unverified::into_error),
    };
    if !want.lower.is_empty() {
        tracing::debug!("`{}` passes a tag over: {first}", want.id);
    }
    let mut passed_over: Vec<TagName> = match image.reference() {
        Reference::Tag(tag) => vec![tag.clone()],
        Reference::Digest(_) => Vec::new(),
    };
    for tag in &want.lower {
        let image = ImageRef::tagged(image.repository().clone(), tag.clone());
        let hint = served(world, &image, std::slice::from_ref(want)).await?;
        if want.is_met_by(&image, &hint) {
            return Ok(Resolution::Unchanged);
        }
        match look(world, &image, &hint, want, basis).await {
            Err(Unverified::Unsigned(error)) => {
                tracing::debug!("`{}` passes a tag over: {error}", want.id);
                passed_over.push(tag.clone());
            }
            Ok(Resolution::Found(found)) => return Ok(Resolution::Found(Update { passed_over, ..found })),
            other => return other.map_err(Unverified::into_error),
        }
    }
    if !want.lower.is_empty() {
        first.message += &format!("; nor is any of the {} tags below it that were tried", want.lower.len());
    }
    Err(first)
}

/// What the registry says that `image` is. What a pin had before is asked for once more a moment later, for it may come
/// from a place that lags behind.
async fn served<W: World>(world: &W, image: &ImageRef, wants: &[TagQuery<'_>]) -> Result<Digest, ResolveError> {
    let first = world.digest(image).await?;
    let is_earlier = |want: &TagQuery<'_>| want.pin.is_some_and(|pin| pin.previous.contains(&first));
    if !wants.iter().any(is_earlier) {
        return Ok(first);
    }
    world.pause(SECOND_LOOK).await;
    world.digest(image).await
}

/// Looks at what one tag could move to: no further than its rules let it.
async fn look<W: World>(
    world: &W,
    image: &ImageRef,
    hint: &Digest,
    want: &TagQuery<'_>,
    basis: ResolveContext<'_>,
) -> Result<Resolution, Unverified> {
    let &TagQuery { id, tag, pin, stands, .. } = want;
    let ResolveContext { fetched, judge, trust } = basis;
    let platform = want.platform();
    let signed = tag.adoption.as_ref().and_then(|rules| rules.verify.as_ref());
    // What does not depend on the bytes is decided before they are fetched. What is not signed has no time to wait for,
    // though: it would stand before a lower tag that is.
    let early = Observation { digest: stands.map_or(hint, |stands| stands.digest), served: hint, class: None };
    match judge.hold_reason(id, tag, pin, &early) {
        Some(HoldReason::Soaking { .. }) if signed.is_some() => {}
        Some(kept) => return Ok(Resolution::Kept { served: hint.clone(), kept }),
        None => {}
    }
    let found = fetch_once(world, image, hint, platform, fetched).await?;
    if let Some(stands) = stands {
        confirm(image, &stands, &found)?;
    }
    require(image, &tag.platforms, &found)?;
    if let Some(by) = signed {
        verify(world, image, &found, (by, trust), fetched).await?;
    }
    let class = match pin.filter(|pin| AdoptionPolicy::needs_class(tag) && pin.digest != *found.digest()) {
        Some(pin) => class_of(world, image, pin, platform, &found, fetched).await,
        None => None,
    };
    let sight = Observation { digest: found.digest(), served: hint, class };
    match judge.hold_reason(id, tag, pin, &sight) {
        Some(kept) => Ok(Resolution::Kept { served: hint.clone(), kept }),
        None => Ok(Resolution::Found(Update { image: image.clone(), found, class, passed_over: Vec::new() })),
    }
}

/// What a move from `pin` to `found` changes. An old image that is no longer there leaves what both say of themselves.
async fn class_of<W: World>(
    world: &W,
    image: &ImageRef,
    pin: &Pin,
    platform: Option<&Platform>,
    found: &FetchedImage,
    fetched: &ImageCache,
) -> Option<ChangeClass> {
    let at = pin.index.as_ref().unwrap_or(&pin.digest);
    match fetch_once(world, image, at, platform, fetched).await {
        Ok(old) => Some(ChangeClass::between(old.facts(), found.facts())),
        Err(_) => {
            let (old, new) = (pin.details.version.as_deref()?, found.details().version.as_deref()?);
            VersionLevel::between(old, new).map(ChangeClass::Version)
        }
    }
}

impl TagQuery<'_> {
    /// Whether its pin is what `image` with the digest `hint` gives, so that nothing needs to be fetched.
    fn is_met_by(&self, image: &ImageRef, hint: &Digest) -> bool {
        self.pin.is_some_and(|pin| {
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            let suits = match &self.stands {
                None => pin.satisfies(self.platform(), &self.tag.platforms),
                Some(stands) => pin.digest == *stands.digest && pin.index.as_ref() == stands.of.map(|(index, _)| index),
            };
            pin.follow == self.tag.source.followed() && pin.image == *image && at == hint && suits
        })
    }
}

/// Refuses a child that is not the one that another repository says it is.
fn confirm(image: &ImageRef, stands: &RemotePin<'_>, found: &FetchedImage) -> Result<(), ResolveError> {
    if found.digest() == stands.digest {
        return Ok(());
    }
    let message = format!("`{}` is not the child of `{image}` that its lock says it is", stands.digest);
    Err(ResolveError::new(FailureKind::Integrity, message).help("its root mends it with `pinstream update`"))
}

/// Refuses what lacks a platform that the tag requires.
fn require(image: &ImageRef, required: &[Platform], found: &FetchedImage) -> Result<(), ResolveError> {
    let has = &found.details().platforms;
    match required.iter().find(|platform| !has.contains(platform)) {
        Some(missing) => Err(no_platform(image, missing, has)),
        None => Ok(()),
    }
}
