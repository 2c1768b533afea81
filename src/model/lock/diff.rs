//! Compares two locks: the one source of changes for commit messages, reports and hooks.
//!
//! Only digests count: different images or details alone are not a change.

use super::{Details, Lock, Pin, zip_by_tag};
use crate::model::image::{Digest, FollowedTag, ImageRef, TagId};

/// A change of one tag's digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinChange {
    /// The tag that changed.
    pub tag: TagId,
    /// The tag it follows, if any.
    pub follow: Option<FollowedTag>,
    /// The image; the previous one if the tag was removed.
    pub image: ImageRef,
    /// The previous image, if it differs.
    pub previous_image: Option<ImageRef>,
    /// The kind of change, with the digests.
    pub kind: ChangeKind,
}

/// The kinds of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// The tag had no pin before.
    Added {
        /// The new pin.
        new: PinSide,
    },
    /// The digest is different.
    Updated {
        /// The previous pin.
        old: PinSide,
        /// The new pin.
        new: PinSide,
    },
    /// The tag has no pin any more.
    Removed {
        /// The previous pin.
        old: PinSide,
    },
}

/// A digest with the version and build time its image declares. Untrusted text: escape it for output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinSide {
    /// The pinned digest.
    pub digest: Digest,
    /// The declared version.
    pub version: Option<String>,
    /// The declared build time, RFC 3339.
    pub created: Option<String>,
}

impl PinChange {
    /// Returns the previous pin, unless the tag was added.
    pub fn before(&self) -> Option<&PinSide> {
        match &self.kind {
            ChangeKind::Updated { old, .. } | ChangeKind::Removed { old } => Some(old),
            ChangeKind::Added { .. } => None,
        }
    }

    /// Returns the new pin, unless the tag was removed.
    pub fn after(&self) -> Option<&PinSide> {
        match &self.kind {
            ChangeKind::Updated { new, .. } | ChangeKind::Added { new } => Some(new),
            ChangeKind::Removed { .. } => None,
        }
    }
}

/// Returns the changes from `old` to `new`, sorted by tag.
pub fn changes(old: &Lock, new: &Lock) -> Vec<PinChange> {
    let change = |(tag, was, is): (&TagId, Option<&Pin>, Option<&Pin>)| {
        let (pin, kind) = match (was, is) {
            (Some(a), Some(b)) if a.digest != b.digest => {
                (b, ChangeKind::Updated { old: side(old, a), new: side(new, b) })
            }
            (None, Some(b)) => (b, ChangeKind::Added { new: side(new, b) }),
            (Some(a), None) => (a, ChangeKind::Removed { old: side(old, a) }),
            _ => return None,
        };
        let previous_image = was.map(|was| &was.image).filter(|was| **was != pin.image).cloned();
        let (tag, follow, image) = (tag.clone(), pin.follow.clone(), pin.image.clone());
        Some(PinChange { tag, follow, image, previous_image, kind })
    };
    zip_by_tag(&old.pins, &new.pins).filter_map(change).collect()
}

/// Describes `pin`, one of `lock`.
pub fn side(lock: &Lock, pin: &Pin) -> PinSide {
    let details = details(lock, pin);
    PinSide { digest: pin.digest.clone(), version: details.version.clone(), created: details.created.clone() }
}

/// Returns the details of the image at `pin`, one of `lock`: a follower has none of its own, so they come from the pin
/// at the end of its chain.
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
    fn changes_of_followers_have_the_version_of_the_followed_tag() {
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
    fn a_renamed_image_or_a_new_label_is_not_a_change() {
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
    fn a_cycle_of_followers_has_no_details() {
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
        fn changes_lead_from_one_lock_to_the_other(old in sample::any_lock(), new in sample::any_lock()) {
            let digests = |lock: &Lock| -> std::collections::BTreeMap<TagId, Digest> {
                lock.pins.iter().map(|(tag, pin)| (tag.clone(), pin.digest.clone())).collect()
            };
            let mut walked = digests(&old);
            let all = changes(&old, &new);
            for m in &all {
                assert_eq!(walked.get(&m.tag), m.before().map(|side| &side.digest));
                match m.after() {
                    Some(side) => drop(walked.insert(m.tag.clone(), side.digest.clone())),
                    None => drop(walked.remove(&m.tag)),
                }
            }
            assert_eq!(walked, digests(&new));
            assert!(all.is_sorted_by(|a, b| a.tag < b.tag));
        }
    }
}
