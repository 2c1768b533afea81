//! What moved between two locks: the one comparison that feeds message, report and hooks.
//!
//! Only digests count: a lock can differ in images or details without a move.

use super::{Details, Lock, Pin};
use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};

/// A tag whose digest is not what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinChange {
    /// The tag.
    pub tag: TagId,
    /// The tag it follows, where it follows one.
    pub follow: Option<FollowedTag>,
    /// The image; the former one where the tag was removed.
    pub image: ImageRef,
    /// The image that it stood at before, where that is another.
    pub previous_image: Option<ImageRef>,
    /// What happened to its digest.
    pub change: ChangeKind,
}

/// What happened to a tag's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It had no pin before.
    Added {
        /// Where it stands.
        new: PinSide,
    },
    /// It is another one.
    Updated {
        /// Where it stood.
        old: PinSide,
        /// Where it stands.
        new: PinSide,
    },
    /// It has no pin any more.
    Removed {
        /// Where it stood.
        old: PinSide,
    },
}

/// A digest, and what the image at it says of itself. These texts are the image's own and not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinSide {
    /// The digest.
    pub digest: Digest,
    /// Its version.
    pub version: Option<String>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
}

impl PinChange {
    /// Where the tag stood before, if it had a pin.
    pub fn before(&self) -> Option<&PinSide> {
        match &self.change {
            ChangeKind::Updated { old, .. } | ChangeKind::Removed { old } => Some(old),
            ChangeKind::Added { .. } => None,
        }
    }

    /// Where the tag stands now, if it has a pin.
    pub fn after(&self) -> Option<&PinSide> {
        match &self.change {
            ChangeKind::Updated { new, .. } | ChangeKind::Added { new } => Some(new),
            ChangeKind::Removed { .. } => None,
        }
    }
}

/// The tags whose digests differ, in the order of their names.
pub fn changes(old: &Lock, new: &Lock) -> Vec<PinChange> {
    let moved = |(tag, was, is): (&TagId, Option<&Pin>, Option<&Pin>)| {
        let (pin, change) = match (was, is) {
            (Some(a), Some(b)) if a.digest != b.digest => {
                (b, ChangeKind::Updated { old: side(old, a), new: side(new, b) })
            }
            (None, Some(b)) => (b, ChangeKind::Added { new: side(new, b) }),
            (Some(a), None) => (a, ChangeKind::Removed { old: side(old, a) }),
            _ => return None,
        };
        let was = was.map(|was| &was.image).filter(|was| **was != pin.image).cloned();
        Some(PinChange {
            tag: tag.clone(),
            follow: pin.follow.clone(),
            image: pin.image.clone(),
            previous_image: was,
            change,
        })
    };
    old.zip_by_tag(new).filter_map(moved).collect()
}

/// Where `pin`, one of `lock`, stands.
pub fn side(lock: &Lock, pin: &Pin) -> PinSide {
    let details = details(lock, pin);
    PinSide { digest: pin.digest.clone(), version: details.version.clone(), created: details.created.clone() }
}

/// What is known of the image that `pin`, one of `lock`, stands at: a follower's pin leaves that to the pin it follows,
/// over any number of tags.
pub fn details<'a>(lock: &'a Lock, pin: &'a Pin) -> &'a Details {
    let mut chain = lock.chain(pin).map(|pin| &pin.details);
    chain.find(|details| **details != Details::default()).unwrap_or(&pin.details)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::sample;

    fn check(old: &Lock, new: &Lock, expected: &[&str]) {
        let side = |side: Option<&PinSide>| {
            side.map_or("-".to_owned(), |side| {
                format!("{} {}", side.digest.short(), side.version.as_deref().unwrap_or("?"))
            })
        };
        let found: Vec<String> = changes(old, new)
            .iter()
            .map(|m| format!("{} {}: {} → {}", m.tag, m.image, side(m.before()), side(m.after())))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn moves_are_found_with_the_versions_of_what_is_followed() {
        let old = sample::python();
        let mut new = old.clone();
        for tag in ["python:3.12", "python:latest"] {
            new.pins.get_mut(&tag.parse().unwrap()).unwrap().digest = sample::digest(9);
        }
        new.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap().details.version = Some("3.12.5".to_owned());
        let arm = new.pins.remove(&"python:arm".parse().unwrap()).unwrap();
        new.pins.insert("python:arm64".parse().unwrap(), arm);
        check(
            &old,
            &new,
            &[
                "python:3.12 docker.io/library/python:3.12: 030303030303 3.12.4 → 090909090909 3.12.5",
                "python:arm docker.io/library/python:3.12: 040404040404 ? → -",
                "python:arm64 docker.io/library/python:3.12: - → 040404040404 ?",
                "python:latest docker.io/library/python:3.12: 030303030303 3.12.4 → 090909090909 3.12.5",
            ],
        );
    }

    #[test]
    fn a_renamed_image_or_a_new_label_is_no_move() {
        let old = sample::python();
        let mut new = old.clone();
        for pin in new.pins.values_mut() {
            pin.image = "ghcr.io/mirror/python:3.12".parse().unwrap();
            pin.details.version = Some("x".to_owned());
        }
        assert_ne!(old, new);
        check(&old, &new, &[]);
    }

    #[test]
    fn a_circle_of_followers_has_no_details() {
        let mut lock = sample::python();
        let (a, b): (TagId, TagId) = ("python:arm".parse().unwrap(), "python:latest".parse().unwrap());
        lock.pins.get_mut(&a).unwrap().follow = Some(b.clone().into());
        lock.pins.get_mut(&b).unwrap().follow = Some(a.clone().into());
        lock.pins.get_mut(&b).unwrap().digest = sample::digest(4);
        assert_eq!(side(&lock, &lock.pins[&a]).version, None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn moves_lead_from_one_lock_to_the_other(old in sample::any_lock(), new in sample::any_lock()) {
            let digests = |lock: &Lock| -> std::collections::BTreeMap<TagId, Digest> {
                lock.pins.iter().map(|(tag, pin)| (tag.clone(), pin.digest.clone())).collect()
            };
            let mut walked = digests(&old);
            let moves = changes(&old, &new);
            for m in &moves {
                assert_eq!(walked.get(&m.tag), m.before().map(|side| &side.digest));
                match m.after() {
                    Some(side) => drop(walked.insert(m.tag.clone(), side.digest.clone())),
                    None => drop(walked.remove(&m.tag)),
                }
            }
            assert_eq!(walked, digests(&new));
            assert!(moves.is_sorted_by(|a, b| a.tag < b.tag));
        }
    }
}
