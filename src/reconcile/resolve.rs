//! Fourth step: asks the registries. One question for each distinct image; bytes are fetched for what moved only, by
//! digest, and hashed. What went wrong with one image is its own result and stops no other.

mod fetch;
mod found;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};

use crate::image::class::{Class, Level};
use crate::image::{Digest, ImageRef, Platform, TagId};
use crate::judge::{Judge, Sight};
use crate::lock::Pin;
use crate::registry::{FailureKind, ImportError};
use crate::settings::adoption::Kept;
use crate::world::{Progress, World};

use super::consult::Stands;
use super::plan::{Import, Plan, Want};
pub use fetch::Fetched;
use fetch::{fetch_once, no_platform};
pub use found::Found;

/// How many images are asked for at once, over all registries; each registry has its own bound below it.
const IN_FLIGHT: usize = 256;

/// How long a registry has to get over a digest that was pinned before.
const SECOND_LOOK: Duration = Duration::from_secs(1);

/// What was found out about each tag that was asked for.
pub type Findings = BTreeMap<TagId, Result<Finding, ImportError>>;

/// What was found out about one tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Its pin is what the registry has now.
    Unchanged,
    /// Something else, which the tag does not move to.
    Kept {
        /// What the registry serves.
        served: Digest,
        /// Why.
        kept: Kept,
    },
    /// Something else than its pin.
    Found(Move),
}

/// What a tag can move to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// The image it was found at.
    pub image: ImageRef,
    /// What was found there.
    pub found: Rc<Found>,
    /// What the move changes, where that was to be found out and could be.
    pub class: Option<Class>,
}

/// Asks for every image of the plan.
pub async fn resolve<W: World>(world: &W, plan: Plan<'_>, fetched: &Fetched, judge: &Judge<'_>) -> Findings {
    let of = plan.imports.len();
    world.announce(&plan.repositories());
    let mut answers = stream::iter(plan.imports)
        .map(|import| import_image(world, import, fetched, judge))
        .buffer_unordered(IN_FLIGHT);
    let mut findings: Findings = plan.failed.into_iter().map(|(id, error)| (id, Err(error))).collect();
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
        Ok(Finding::Found(found)) => found.found.note().map(|note| format!("`{id}`: {note}")),
        _ => None,
    };
    findings.iter().filter_map(note).collect()
}

async fn import_image<W: World>(
    world: &W,
    import: Import<'_>,
    fetched: &Fetched,
    judge: &Judge<'_>,
) -> Vec<(TagId, Result<Finding, ImportError>)> {
    let Import { image, at, wants } = import;
    let hint = match at.or(image.digest()) {
        Some(digest) => Ok(digest.clone()),
        None => served(world, &image, &wants).await,
    };
    let mut answers = Vec::with_capacity(wants.len());
    for want in wants {
        let finding = match &hint {
            Err(error) => Err(error.clone()),
            Ok(hint) => look(world, &image, hint, &want, fetched, judge).await,
        };
        answers.push((want.id.clone(), finding));
    }
    answers
}

/// What the registry says that `image` is. What a pin had before is asked for once more a moment later, for it may come
/// from a place that lags behind.
async fn served<W: World>(world: &W, image: &ImageRef, wants: &[Want<'_>]) -> Result<Digest, ImportError> {
    let first = world.digest(image).await?;
    let is_earlier = |want: &Want<'_>| want.pin.is_some_and(|pin| pin.previous.contains(&first));
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
    want: &Want<'_>,
    fetched: &Fetched,
    judge: &Judge<'_>,
) -> Result<Finding, ImportError> {
    let &Want { id, tag, pin, stands } = want;
    let platform = want.platform();
    if want.is_met_by(image, hint) {
        return Ok(Finding::Unchanged);
    }
    // What does not depend on the bytes is decided before they are fetched.
    let early = Sight { digest: stands.map_or(hint, |stands| stands.digest), served: hint, class: None };
    if let Some(kept) = judge.keeps(id, tag, pin, &early) {
        return Ok(Finding::Kept { served: hint.clone(), kept });
    }
    let found = fetch_once(world, image, hint, platform, fetched).await?;
    if let Some(stands) = stands {
        confirm(image, &stands, &found)?;
    }
    require(image, &tag.platforms, &found)?;
    let class = match pin.filter(|pin| Judge::asks_class(tag) && pin.digest != *found.digest()) {
        Some(pin) => class_of(world, image, pin, platform, &found, fetched).await,
        None => None,
    };
    let sight = Sight { digest: found.digest(), served: hint, class };
    match judge.keeps(id, tag, pin, &sight) {
        Some(kept) => Ok(Finding::Kept { served: hint.clone(), kept }),
        None => Ok(Finding::Found(Move { image: image.clone(), found, class })),
    }
}

/// What a move from `pin` to `found` changes. An old image that is no longer there leaves what both say of themselves.
async fn class_of<W: World>(
    world: &W,
    image: &ImageRef,
    pin: &Pin,
    platform: Option<&Platform>,
    found: &Found,
    fetched: &Fetched,
) -> Option<Class> {
    let at = pin.index.as_ref().unwrap_or(&pin.digest);
    match fetch_once(world, image, at, platform, fetched).await {
        Ok(old) => Some(Class::between(old.facts(), found.facts())),
        Err(_) => {
            let (old, new) = (pin.details.version.as_deref()?, found.details().version.as_deref()?);
            Level::between(old, new).map(Class::Version)
        }
    }
}

impl Want<'_> {
    /// Whether its pin is what `image` with the digest `hint` gives, so that nothing needs to be fetched.
    fn is_met_by(&self, image: &ImageRef, hint: &Digest) -> bool {
        self.pin.is_some_and(|pin| {
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            let suits = match &self.stands {
                None => pin.suits(self.platform(), &self.tag.platforms),
                Some(stands) => pin.digest == *stands.digest && pin.index.as_ref() == stands.of.map(|(index, _)| index),
            };
            pin.follow == self.tag.source.followed() && pin.image == *image && at == hint && suits
        })
    }
}

/// Refuses a child that is not the one that another repository says it is.
fn confirm(image: &ImageRef, stands: &Stands<'_>, found: &Found) -> Result<(), ImportError> {
    if found.digest() == stands.digest {
        return Ok(());
    }
    let message = format!("`{}` is not the child of `{image}` that its lock says it is", stands.digest);
    Err(ImportError::new(FailureKind::Integrity, message).help("its root mends it with `pinstream update`"))
}

/// Refuses what lacks a platform that the tag requires.
fn require(image: &ImageRef, required: &[Platform], found: &Found) -> Result<(), ImportError> {
    let has = &found.details().platforms;
    match required.iter().find(|platform| !has.contains(platform)) {
        Some(missing) => Err(no_platform(image, missing, has)),
        None => Ok(()),
    }
}
