//! `pinstream.lock`: the pin of every tag. Written by pinstream only.
//!
//! A lock is a function of the definitions and of the images' bytes; it contains no times, hosts or run ids of ours.
//! [`encode`] and [`read`] convert to and from text, [`diff`] compares two locks, [`merge`] does three-way merges,
//! [`conflict_markers`] writes and reads conflicts. [`crate::model::drift`] compares a lock with its definitions.

pub mod reverted;
pub mod conflict_markers;
pub mod diff;
pub mod encode;
pub mod history;
pub mod merge;
pub mod pin_lines;
pub mod read;
pub mod schema;
#[cfg(test)]
pub(crate) mod sample;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::model::image::{Digest, FollowedTag, ImageRef, PinnedRef, Platform, TagId};

/// The version of the format that is written, and the newest that is read.
pub const VERSION: u32 = 1;
/// The number of previous digests a pin keeps.
pub const PREVIOUS_MAX: usize = 5;
/// The largest lock that is read or written, in bytes: the maximum number of tags, each with all fields and names of
/// twice the usual length. The limit keeps a hostile lock from exhausting a small machine.
pub const SIZE_MAX: usize = 128 << 20;
/// The lock's file name, in its root.
pub const FILE_NAME: &str = "pinstream.lock";

/// The keys of an entry, in the order in which they are written.
const KEYS: [&str; 11] =
    ["stream", "tag", "follow", "image", "digest", "index", "version", "revision", "created", "platforms", "previous"];
/// The first line, which says what the file is and what to do after a conflict.
const HEADER: &str = "# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update";

/// The pins of a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The pins, sorted by stream and tag.
    pub pins: BTreeMap<TagId, Pin>,
}

/// One entry: the image and digest of a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The tag it follows, if any. A tag of another repository is fetched like an image, so that its pin has details.
    pub follow: Option<FollowedTag>,
    /// The image, as in the definitions.
    pub image: ImageRef,
    /// The pinned digest.
    pub digest: Digest,
    /// The index that contains `digest`, if `platform` selects one of its children.
    pub index: Option<Digest>,
    /// Metadata from the image's labels and configuration.
    pub details: Details,
    /// Up to [`PREVIOUS_MAX`] earlier digests, newest first, without duplicates.
    pub previous: Vec<Digest>,
}

/// Metadata from an image's labels and configuration; empty for a follower, whose image is described by the pin it
/// follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// `org.opencontainers.image.version`
    pub version: Option<String>,
    /// `org.opencontainers.image.revision`
    pub revision: Option<String>,
    /// The image's build time, RFC 3339.
    pub created: Option<String>,
    /// Its platforms, sorted by name.
    pub platforms: Vec<Platform>,
}

/// The longest chain of followers that is walked: a guard against cycles, which only invalid definitions have.
pub const CHAIN_MAX: usize = 1_000;

impl Lock {
    /// Walks from `pin` along the tags it follows, as long as they have the same digest.
    pub fn chain<'a>(&'a self, pin: &'a Pin) -> impl Iterator<Item = &'a Pin> {
        let followed = |pin: &&'a Pin| {
            let next = self.pins.get(pin.followed()?)?;
            (next.digest == pin.digest).then_some(next)
        };
        std::iter::successors(Some(pin), followed).take(CHAIN_MAX)
    }

    /// Returns the pin at the end of the chain of followed tags, whatever their digests; `None` for a cycle or a
    /// missing pin. [`Definitions::end_of`](crate::model::stream::Definitions::end_of) does the same for definitions.
    pub fn end_of<'a>(&'a self, id: &'a TagId) -> Option<(&'a TagId, &'a Pin)> {
        let pin = |id: &'a TagId| Some((id, self.pins.get(id)?));
        let mut chain = std::iter::successors(pin(id), |(_, at)| pin(at.followed()?)).take(CHAIN_MAX);
        chain
            .find(|(_, at)| at.followed().is_none_or(|next| !self.pins.contains_key(next)))
            .filter(|(_, at)| at.followed().is_none())
    }
}

impl Pin {
    /// Returns the tag of the same root that it follows.
    pub fn followed(&self) -> Option<&TagId> {
        self.follow.as_ref().and_then(FollowedTag::local)
    }

    /// Returns the reference for deployments.
    pub fn reference(&self) -> PinnedRef {
        PinnedRef { image: self.image.clone(), digest: self.digest.clone() }
    }

    /// Formats as `registry/repository@digest`, for clients that refuse a tag next to a digest.
    pub fn repository_at_digest(&self) -> String {
        format!("{}@{}", self.image.repository(), self.digest)
    }

    /// Returns true if it fits the platforms in a definition: the child for `platform` if one is named, the index
    /// otherwise, with every `required` platform.
    pub fn satisfies(&self, platform: Option<&Platform>, required: &[Platform]) -> bool {
        let has = &self.details.platforms;
        let right_kind = platform.map_or(self.index.is_none(), |platform| *has == [platform.clone()]);
        right_kind && required.iter().all(|platform| has.contains(platform))
    }

    /// Returns the `previous` list after an update to `next`.
    pub fn previous_after(&self, next: &Digest) -> Vec<Digest> {
        if *next == self.digest {
            return self.previous.clone();
        }
        let earlier = self.previous.iter().filter(|digest| *digest != next && **digest != self.digest);
        std::iter::once(&self.digest).chain(earlier).take(PREVIOUS_MAX).cloned().collect()
    }
}

/// Pairs the values of two maps by their tags, in the order of the tags.
pub(crate) fn zip_by_tag<'a, A, B>(
    here: &'a BTreeMap<TagId, A>,
    there: &'a BTreeMap<TagId, B>,
) -> impl Iterator<Item = (&'a TagId, Option<&'a A>, Option<&'a B>)> {
    let (mut here, mut there) = (here.iter().peekable(), there.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (here.peek(), there.peek()) {
            (Some((id, _)), Some((other, _))) => id.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let here = if order.is_le() { here.next() } else { None };
        let there = if order.is_ge() { there.next() } else { None };
        let id = here.map(|(id, _)| id).or(there.map(|(id, _)| id))?;
        Some((id, here.map(|(_, value)| value), there.map(|(_, value)| value)))
    })
}
