//! `pinstream.lock`: what every tag was pinned to. Written by pinstream alone.
//!
//! A lock is a function of the definitions and of the images' bytes: no time, host or run of ours is in it.
//! [`read`] and [`encode`] are its text, [`diff`] compares two, [`merge`] and [`join`] make one of three, [`conflict`]
//! is the text of those that nobody can make one of.

pub mod drift;
pub mod reverted;
pub mod conflict_markers;
pub mod diff;
pub mod encode;
pub mod history;
pub mod join;
pub mod merge;
pub mod pin_lines;
pub mod read;
pub mod schema;
#[cfg(test)]
pub(crate) mod sample;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::model::image::{Digest, FollowedTag, ImageRef, PinnedRef, Platform, TagId};

/// The version of the format this program writes, and the newest it reads.
pub const VERSION: u32 = 1;
/// How many earlier digests a pin remembers.
pub const PREVIOUS_MAX: usize = 5;
/// The largest text of a lock that is read or written, in bytes: as many pins as a root may have tags, each with all it
/// can hold and names of twice the usual length. More would let a hostile lock take the memory of a small machine.
pub const SIZE_MAX: usize = 128 << 20;
/// The lock's file name, in its root.
pub const FILE_NAME: &str = "pinstream.lock";

/// The keys of an entry, in the order in which they are written.
const KEYS: [&str; 11] =
    ["stream", "tag", "follow", "image", "digest", "index", "version", "revision", "created", "platforms", "previous"];
/// The first line: what the file is, and what to do after a conflict.
const HEADER: &str = "# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update";

/// All pins of a root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The pins, by stream and tag.
    pub pins: BTreeMap<TagId, Pin>,
}

/// One entry: a tag, the image it was found at, and the digest it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// The tag it follows, where it follows one. One of another repository is fetched as an image is, and described
    /// here.
    pub follow: Option<FollowedTag>,
    /// The image, as the definitions name it.
    pub image: ImageRef,
    /// The digest.
    pub digest: Digest,
    /// The digest of the index that `digest` is one platform's child of, where `platform` asked for a child.
    pub index: Option<Digest>,
    /// What the image says of itself.
    pub details: Details,
    /// Up to [`PREVIOUS_MAX`] earlier digests, newest first, none of them twice.
    pub previous: Vec<Digest>,
}

/// What an image's own labels and config say; a follower's pin leaves it to the pin it follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    /// `org.opencontainers.image.version`
    pub version: Option<String>,
    /// `org.opencontainers.image.revision`
    pub revision: Option<String>,
    /// When the image was made, RFC 3339.
    pub created: Option<String>,
    /// The platforms it runs on, in the order of their names.
    pub platforms: Vec<Platform>,
}

/// How many tags are passed from a follower to what it follows; past that it is left out.
const CHAIN_MAX: usize = 1_000;

impl Lock {
    /// Each tag that has a pin here or in `other`, with both, in the order of the names.
    pub fn zip_by_tag<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a TagId, Option<&'a Pin>, Option<&'a Pin>)> {
        let (mut here, mut there) = (self.pins.iter().peekable(), other.pins.iter().peekable());
        std::iter::from_fn(move || {
            let order = match (here.peek(), there.peek()) {
                (Some((id, _)), Some((other, _))) => id.cmp(other),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            };
            let here = if order.is_le() { here.next() } else { None };
            let there = if order.is_ge() { there.next() } else { None };
            let id = here.or(there)?.0;
            Some((id, here.map(|(_, pin)| pin), there.map(|(_, pin)| pin)))
        })
    }

    /// `pin`, one of this lock, and the pins it stands for: each followed by the next, all at one digest.
    pub fn chain<'a>(&'a self, pin: &'a Pin) -> impl Iterator<Item = &'a Pin> {
        let followed = |pin: &&'a Pin| {
            let next = self.pins.get(pin.followed()?)?;
            (next.digest == pin.digest).then_some(next)
        };
        std::iter::successors(Some(pin), followed).take(CHAIN_MAX)
    }
}

impl Pin {
    /// The tag of the same lock that it stands where.
    pub fn followed(&self) -> Option<&TagId> {
        self.follow.as_ref().and_then(FollowedTag::local)
    }

    /// The reference that deployments use.
    pub fn reference(&self) -> PinnedRef {
        PinnedRef { image: self.image.clone(), digest: self.digest.clone() }
    }

    /// `registry/repository@digest`, as clients take it that refuse a tag beside a digest.
    pub fn repository_at_digest(&self) -> String {
        format!("{}@{}", self.image.repository(), self.digest)
    }

    /// Whether it stands for what a definition asks of its image: one platform's own digest where it names a `platform`,
    /// the index otherwise, and every `required` platform in it.
    pub fn satisfies(&self, platform: Option<&Platform>, required: &[Platform]) -> bool {
        let has = &self.details.platforms;
        let reduced = match platform {
            None => self.index.is_none(),
            Some(platform) => *has == [platform.clone()],
        };
        reduced && required.iter().all(|platform| has.contains(platform))
    }

    /// What `previous` becomes when this pin moves on to `next`.
    pub fn previous_after(&self, next: &Digest) -> Vec<Digest> {
        if *next == self.digest {
            return self.previous.clone();
        }
        let earlier = self.previous.iter().filter(|digest| *digest != next && **digest != self.digest);
        std::iter::once(&self.digest).chain(earlier).take(PREVIOUS_MAX).cloned().collect()
    }
}
