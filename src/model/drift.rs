//! Finds drift: pins that do not match the definitions, as far as that can be decided offline.

use std::fmt;

use crate::model::image::{Digest, FollowedTag, ImageRef, Platform, Repository, TagId};
use crate::model::stream::{Definitions, Tag, TagSource};

use crate::model::lock::{Details, Lock, Pin};

/// A pin that does not match the definitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The tag concerned.
    pub tag: TagId,
    /// The kind of mismatch.
    pub kind: DriftKind,
}

/// The kinds of mismatch between a pin and its definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriftKind {
    /// There is no pin.
    Missing,
    /// There is no definition.
    Undefined,
    /// The image differs.
    Image {
        /// The image in the lock.
        pinned: ImageRef,
        /// The image of the definition.
        defined: ImageRef,
    },
    /// The repository differs.
    Repository {
        /// The image in the lock.
        pinned: ImageRef,
        /// The repository of the definition.
        defined: Repository,
    },
    /// The selection rule does not admit the pinned tag.
    NotSelected {
        /// The image in the lock.
        pinned: ImageRef,
    },
    /// The digest differs from the fixed digest of the definition.
    FixedDigest {
        /// The digest in the lock.
        pinned: Digest,
        /// The digest of the definition.
        defined: Digest,
    },
    /// The digest differs from that of the followed tag.
    Follow {
        /// The tag it follows.
        target: FollowedTag,
    },
    /// The pin follows a tag, the definition does not.
    NotFollowed,
    /// A follower's pin has details, which belong to the followed tag.
    OwnDetails {
        /// The tag it follows.
        target: TagId,
    },
    /// The pin is for a single platform, the definition names none.
    SinglePlatform,
    /// The pin is not for the platform in the definition.
    WrongPlatform {
        /// The platform in the definition.
        platform: Platform,
    },
    /// The image lacks a required platform.
    Platform {
        /// The missing platform.
        missing: Platform,
    },
}

/// Compares `lock` with `definitions`; empty if they match.
pub fn find_drift(definitions: &Definitions, lock: &Lock) -> Vec<Drift> {
    let undefined = |(id, _): (&TagId, &Pin)| Drift { tag: id.clone(), kind: DriftKind::Undefined };
    let mut found = Vec::new();
    // Both are in the order of their tags.
    let mut pins = lock.pins.iter().peekable();
    for (id, tag) in &definitions.tags {
        found.extend(std::iter::from_fn(|| pins.next_if(|(pinned, _)| *pinned < id)).map(undefined));
        let kind = match pins.next_if(|(pinned, _)| *pinned == id) {
            None => Some(DriftKind::Missing),
            Some((_, pin)) => drift_of(tag, pin, lock),
        };
        found.extend(kind.map(|kind| Drift { tag: id.clone(), kind }));
    }
    found.extend(pins.map(undefined));
    found
}

fn drift_of(tag: &Tag, pin: &Pin, lock: &Lock) -> Option<DriftKind> {
    match &tag.source {
        TagSource::Follow(target) => {
            let follows = pin.followed() == Some(target);
            // A follower with rules of its own may still have an earlier digest of the followed tag.
            let same =
                |followed: &Pin| tag.adoption.is_some() || followed.digest == pin.digest && followed.image == pin.image;
            let matches = follows && lock.pins.get(target).is_none_or(same);
            let has_own = pin.index.is_some() || pin.details != Details::default();
            match (matches, has_own) {
                (false, _) => Some(DriftKind::Follow { target: target.clone().into() }),
                (true, true) => Some(DriftKind::OwnDetails { target: target.clone() }),
                (true, false) => None,
            }
        }
        // The pin in the other repository is not known offline.
        TagSource::Remote(far) => match &pin.follow {
            Some(FollowedTag::Remote(pinned)) if **pinned == *far => None,
            _ => Some(DriftKind::Follow { target: far.clone().into() }),
        },
        TagSource::Image { .. } | TagSource::Select { .. } if pin.follow.is_some() => Some(DriftKind::NotFollowed),
        TagSource::Select { repository, .. } if pin.image.repository() != repository => {
            Some(DriftKind::Repository { pinned: pin.image.clone(), defined: repository.clone() })
        }
        TagSource::Select { select, .. } if pin.image.tag().is_none_or(|tag| !select.admits(tag)) => {
            Some(DriftKind::NotSelected { pinned: pin.image.clone() })
        }
        TagSource::Select { platform, .. } => platform_drift(tag, pin, platform.as_ref()),
        TagSource::Image { image, .. } if *image != pin.image => {
            Some(DriftKind::Image { pinned: pin.image.clone(), defined: image.clone() })
        }
        TagSource::Image { image, platform } => {
            // If the fixed digest is an index, the pin may be one platform's child of it.
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            if let Some(defined) = image.digest().filter(|digest| *digest != at) {
                return Some(DriftKind::FixedDigest { pinned: at.clone(), defined: defined.clone() });
            }
            platform_drift(tag, pin, platform.as_ref())
        }
    }
}

/// Returns how a pin does not fit the platforms of its definition.
fn platform_drift(tag: &Tag, pin: &Pin, platform: Option<&Platform>) -> Option<DriftKind> {
    if pin.satisfies(platform, &tag.platforms) {
        return None;
    }
    let has = &pin.details.platforms;
    let missing = tag.platforms.iter().find(|platform| !has.contains(platform));
    Some(match (platform, missing) {
        (Some(platform), _) => DriftKind::WrongPlatform { platform: platform.clone() },
        (None, Some(missing)) => DriftKind::Platform { missing: missing.clone() },
        (None, None) => DriftKind::SinglePlatform,
    })
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = &self.tag;
        match &self.kind {
            DriftKind::Missing => write!(f, "`{tag}` is not pinned"),
            DriftKind::Undefined => write!(f, "`{tag}` is pinned but not defined"),
            DriftKind::Image { pinned, defined } => {
                write!(f, "`{tag}` is pinned to image `{pinned}`, but defined as `{defined}`")
            }
            DriftKind::Repository { pinned, defined } => {
                write!(f, "`{tag}` is pinned to image `{pinned}`, but defined as a tag of `{defined}`")
            }
            DriftKind::NotSelected { pinned } => {
                write!(f, "`{tag}` is pinned to image `{pinned}`, which its definition does not select")
            }
            DriftKind::FixedDigest { pinned, defined } => {
                write!(f, "`{tag}` is pinned to digest `{pinned}`, but defined as `{defined}`")
            }
            DriftKind::Follow { target: FollowedTag::Remote(far) } => {
                write!(f, "`{tag}` is defined to follow `{far}`, but its pin does not")
            }
            DriftKind::Follow { target } => {
                write!(f, "`{tag}` follows `{target}`, but is pinned to another digest")
            }
            DriftKind::NotFollowed => write!(f, "`{tag}` is pinned as a follower, but defined by an image"),
            DriftKind::OwnDetails { target } => {
                write!(
                    f,
                    "the pin of `{tag}` has image details (version, date, platforms), which belong only in the pin of `{target}`"
                )
            }
            DriftKind::SinglePlatform => {
                write!(f, "`{tag}` is pinned for a single platform, but its definition names none")
            }
            DriftKind::WrongPlatform { platform } => {
                write!(
                    f,
                    "`{tag}` is defined for platform `{platform}`, but pinned for another one or for the whole index"
                )
            }
            DriftKind::Platform { missing } => write!(f, "`{tag}` is pinned to an image without platform `{missing}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::find_drift;
    use crate::model::RootFiles;
    use crate::model::lock::sample;
    use crate::model::lock::*;
    use crate::model::root::Root;

    /// Checks the drift of the sample lock under other definitions of the stream `python`.
    #[track_caller]
    fn check(tags: &str, expected: &[&str]) {
        let stream = format!("[tags]\n{tags}");
        let files: RootFiles = [("pinstream.toml", ""), ("streams/python.toml", &stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let definitions = Root::read(&files).unwrap().definitions;
        let found: Vec<String> = find_drift(&definitions, &lock()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    /// The sample lock, in which `python:arm` is what an import of one platform leaves there.
    fn lock() -> Lock {
        let mut lock = sample::python();
        let arm = lock.pins.get_mut(&"python:arm".parse().unwrap()).unwrap();
        arm.details.platforms = vec!["linux/arm64".parse().unwrap()];
        lock
    }

    const IMAGE: &str = "docker.io/library/python:3.12";

    #[test]
    fn a_matching_lock_has_no_drift() {
        let arm = format!("arm = {{ image = \"{IMAGE}\", platform = \"linux/arm64\" }}");
        check(&format!("\"3.12\" = \"{IMAGE}\"\n{arm}\nlatest = {{ follow = \"3.12\" }}"), &[]);
    }

    #[test]
    fn pins_without_a_definition_are_reported_in_any_position() {
        let arm = format!("arm = {{ image = \"{IMAGE}\", platform = \"linux/arm64\" }}");
        check(&arm, &["`python:3.12` is pinned but not defined", "`python:latest` is pinned but not defined"]);
        check(&format!("\"3.12\" = \"{IMAGE}\"\n{arm}"), &["`python:latest` is pinned but not defined"]);
    }

    #[test]
    fn a_changed_platform_is_reported() {
        check(
            &format!(
                "\"3.12\" = {{ image = \"{IMAGE}\", platform = \"linux/amd64\" }}\narm = \"{IMAGE}\"\n\
                 latest = {{ follow = \"3.12\" }}"
            ),
            &[
                "`python:3.12` is defined for platform `linux/amd64`, but pinned for another one or for the whole index",
                "`python:arm` is pinned for a single platform, but its definition names none",
            ],
        );
        check(
            &format!(
                "\"3.12\" = \"{IMAGE}\"\narm = {{ image = \"{IMAGE}\", platform = \"linux/amd64\" }}\n\
                 latest = {{ follow = \"3.12\" }}"
            ),
            &["`python:arm` is defined for platform `linux/amd64`, but pinned for another one or for the whole index"],
        );
    }

    #[test]
    fn all_differences_are_reported_at_once() {
        let tags = format!(
            "\"3.12\" = {{ image = \"{IMAGE}\", platforms = [\"linux/s390x\"] }}\narm = \"{IMAGE}-slim\"\nnew = \"{IMAGE}\""
        );
        check(
            &tags,
            &[
                "`python:3.12` is pinned to an image without platform `linux/s390x`",
                "`python:arm` is pinned to image `docker.io/library/python:3.12`, but defined as `docker.io/library/python:3.12-slim`",
                "`python:latest` is pinned but not defined",
                "`python:new` is not pinned",
            ],
        );
    }

    #[test]
    fn a_follower_has_the_digest_of_the_followed_tag() {
        let tags = format!(
            "\"3.12\" = {{ follow = \"arm\" }}\narm = {{ image = \"{IMAGE}\", platform = \"linux/arm64\" }}\nlatest = \"{IMAGE}\""
        );
        check(
            &tags,
            &[
                "`python:3.12` follows `python:arm`, but is pinned to another digest",
                "`python:latest` is pinned as a follower, but defined by an image",
            ],
        );
    }
}
