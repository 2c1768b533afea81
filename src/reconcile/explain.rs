//! Sixth step: what the moves change. Asks for the images that tags leave, which no other step needs.
//!
//! It stops nothing: an image that is gone, or cannot be had now, leaves an explanation that says so.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use crate::effects::World;
use crate::image_diff::{Explanation, Explanations};
use crate::model::image::facts::ImageFacts;
use crate::model::image::{ImageRef, TagId};
use crate::model::lock::diff::PinChange;
use crate::registry::ResolveError;

use super::fetch::{FetchedImage, ImageCache, compared};

/// How many images are asked for at once.
const IN_FLIGHT: usize = 64;

/// Explains those of `moves` that lead from one digest to another. What moved alike is explained once.
pub async fn explain<W: World>(world: &W, moves: &[PinChange], fetched: &ImageCache) -> Explanations {
    let mut alike: BTreeMap<_, (&PinChange, Vec<TagId>)> = BTreeMap::new();
    for one in moves {
        let Some((old, new)) = one.before().zip(one.after()) else { continue };
        let key = (left(one).repository(), &old.digest, one.image.repository(), &new.digest);
        alike.entry(key).or_insert((one, Vec::new())).1.push(one.tag.clone());
    }
    let told = stream::iter(alike).map(|((_, old, _, new), (one, tags))| async move {
        let old = compared(world, left(one), old, fetched).await;
        let new = compared(world, &one.image, new, fetched).await;
        let explanation = Arc::new(Explanation::of(one, facts(&old), facts(&new)));
        tags.into_iter().map(move |tag| (tag, Arc::clone(&explanation)))
    });
    told.buffer_unordered(IN_FLIGHT).flat_map(stream::iter).collect().await
}

/// The image that a tag leaves.
fn left(one: &PinChange) -> &ImageRef {
    one.was.as_ref().unwrap_or(&one.image)
}

fn facts(found: &Result<Rc<FetchedImage>, ResolveError>) -> Result<&ImageFacts, String> {
    found.as_ref().map(|found| found.facts()).map_err(ToString::to_string)
}
