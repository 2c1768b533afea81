//! Step between pin and commit: what the moves change. Asks for the images that tags leave, which no other step needs.
//!
//! It stops nothing: an image that is gone, or cannot be had now, leaves an explanation that says so.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::stream::{self, StreamExt as _};

use crate::explain::{Explained, Explanation};
use crate::image::facts::Facts;
use crate::image::{Digest, ImageRef};
use crate::lock::diff::Move;
use crate::world::World;

use super::fetch::{Fetched, Found, compared};

/// How many images are asked for at once.
const IN_FLIGHT: usize = 64;

/// Explains those of `moves` that lead from one digest to another. What moved alike is explained once.
pub async fn explain<W: World>(world: &W, moves: &[Move], fetched: &Fetched) -> Explained {
    let mut alike: BTreeMap<_, Vec<&Move>> = BTreeMap::new();
    for one in moves {
        let Some((old, new)) = one.before().zip(one.after()) else { continue };
        let was = one.was.as_ref().unwrap_or(&one.image);
        let key = (was.repository(), &old.digest, one.image.repository(), &new.digest);
        alike.entry(key).or_default().push(one);
    }
    let told = stream::iter(alike.into_values()).map(|alike| async move {
        let explanation = match alike.first() {
            Some(one) => Rc::new(explained(world, one, fetched).await),
            None => Rc::default(),
        };
        alike.into_iter().map(move |one| (one.tag.clone(), Rc::clone(&explanation)))
    });
    told.buffer_unordered(IN_FLIGHT).flat_map(stream::iter).collect().await
}

async fn explained<W: World>(world: &W, one: &Move, fetched: &Fetched) -> Explanation {
    let was = one.was.as_ref().unwrap_or(&one.image);
    let side = async |image: &ImageRef, digest: Option<&Digest>| match digest {
        Some(digest) => compared(world, image, digest, fetched).await.map_err(|error| error.to_string()),
        None => Err(String::new()),
    };
    let old = side(was, one.before().map(|side| &side.digest)).await;
    let new = side(&one.image, one.after().map(|side| &side.digest)).await;
    Explanation::of(one, facts(&old), facts(&new))
}

fn facts(found: &Result<Rc<Found>, String>) -> Result<&Facts, String> {
    found.as_ref().map(|found| found.facts()).map_err(Clone::clone)
}
