//! Compares the old and the new image of every change. Fetches the old images, which no other step needs.
//!
//! It never fails: if an image is gone or cannot be fetched, the comparison says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::{Clock, Registries};
use crate::image_diff::{Explanation, Explanations};
use crate::model::image::facts::ImageFacts;
use crate::model::image::{ImageRef, TagId};
use crate::model::lock::diff::PinChange;
use crate::registry::ResolveError;

use super::Resolve;
use super::facts::Facts;
use super::gather::deadline::Deadline;
use super::gather::images::{FetchedImage, ImageCache};

/// Reason why an image was not compared.
const LATE: &str = "it was not fetched in time";

/// Number of images that are fetched concurrently.
const IN_FLIGHT: usize = 64;

/// Compares the images of all updates until `deadline`; equal updates of several tags are compared once.
pub async fn compare<W: Registries + Clock>(
    world: &W,
    changes: &[PinChange],
    images: &ImageCache,
    deadline: Deadline,
) -> Explanations {
    let mut distinct: BTreeMap<_, (&PinChange, Vec<TagId>)> = BTreeMap::new();
    for change in changes {
        let Some((old, new)) = change.before().zip(change.after()) else { continue };
        let key = (old_image(change).repository(), &old.digest, change.image.repository(), &new.digest);
        distinct.entry(key).or_insert((change, Vec::new())).1.push(change.tag.clone());
    }
    let compared = stream::iter(distinct).map(|((_, old, _, new), (change, tags))| async move {
        let old = images.by_digest(world, old_image(change), old).await;
        let new = images.by_digest(world, &change.image, new).await;
        let diff = Arc::new(Explanation::of(change, facts(&old), facts(&new)));
        tags.into_iter().map(move |tag| (tag, Arc::clone(&diff)))
    });
    let mut compared = compared.buffer_unordered(IN_FLIGHT);
    let mut diffs = Explanations::new();
    while let Some(some) = deadline.next(world, &mut compared).await {
        diffs.extend(some);
    }
    drop(compared);
    for change in changes.iter().filter(|change| change.before().is_some() && change.after().is_some()) {
        let late = || Arc::new(Explanation::of(change, Err(LATE), Err(LATE)));
        diffs.entry(change.tag.clone()).or_insert_with(late);
    }
    diffs
}

/// Compares the images of all updates, unless the pass works offline.
pub async fn compare_changes<W: Registries + Clock>(
    world: &W,
    resolve: Resolve,
    changes: &[PinChange],
    facts: &Facts,
) -> Explanations {
    match resolve {
        Resolve::All | Resolve::Due => compare(world, changes, &facts.images, facts.deadline.with_grace()).await,
        Resolve::Nothing => Explanations::new(),
    }
}

fn old_image(change: &PinChange) -> &ImageRef {
    change.previous_image.as_ref().unwrap_or(&change.image)
}

fn facts(image: &Result<Arc<FetchedImage>, ResolveError>) -> Result<&ImageFacts, String> {
    image.as_ref().map(|image| image.facts()).map_err(ToString::to_string)
}
