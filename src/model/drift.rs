//! Finds drift: pins that do not match the definitions, as far as that can be decided offline.

use std::fmt;

use crate::model::image::{FollowedTag, Platform, TagId};
use crate::model::lock::{Details, Lock, Pin, zip_by_tag};
use crate::model::stream::{Definitions, Tag, TagSource};

/// A pin that does not match the definitions. Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The tag concerned.
    pub tag: TagId,
    /// The kind of mismatch.
    pub kind: DriftKind,
    message: String,
}

/// The kinds of mismatch between a pin and its definition, as far as someone has to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DriftKind {
    /// There is no pin.
    Missing,
    /// There is no definition.
    Undefined,
    /// The digest differs from the fixed digest of the definition.
    FixedDigest,
    /// The pin differs from the definition in another way.
    Other,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// Compares `lock` with `definitions`; empty if they match.
pub fn find_drift(definitions: &Definitions, lock: &Lock) -> Vec<Drift> {
    let drift = |(id, tag, pin): (&TagId, Option<&Tag>, Option<&Pin>)| {
        let (kind, message) = match (tag, pin) {
            (Some(tag), Some(pin)) => drift_of(id, tag, pin, lock)?,
            (Some(_), None) => (DriftKind::Missing, format!("`{id}` is not pinned")),
            (None, _) => (DriftKind::Undefined, format!("`{id}` is pinned but not defined")),
        };
        Some(Drift { tag: id.clone(), kind, message })
    };
    zip_by_tag(&definitions.tags, &lock.pins).filter_map(drift).collect()
}

fn drift_of(id: &TagId, tag: &Tag, pin: &Pin, lock: &Lock) -> Option<(DriftKind, String)> {
    let image = &pin.image;
    let message = match &tag.source {
        TagSource::Follow(target) => {
            let follows = pin.followed() == Some(target);
            // A follower with rules of its own may still have an earlier digest of the followed tag.
            let same =
                |followed: &Pin| tag.adoption.is_some() || followed.digest == pin.digest && followed.image == pin.image;
            if !follows || !lock.pins.get(target).is_none_or(same) {
                format!("`{id}` follows `{target}`, but is pinned to another digest")
            } else if pin.index.is_some() || pin.details != Details::default() {
                format!(
                    "the pin of `{id}` has image details (version, date, platforms), which belong only in the pin of \
                     `{target}`"
                )
            } else {
                return None;
            }
        }
        // The pin in the other repository is not known offline.
        TagSource::Remote(far) if pin.follow.as_ref().and_then(FollowedTag::remote) == Some(far) => return None,
        TagSource::Remote(far) => format!("`{id}` is defined to follow `{far}`, but its pin does not"),
        _ if pin.follow.is_some() => format!("`{id}` is pinned as a follower, but defined by an image"),
        TagSource::Select { repository, .. } if image.repository() != repository => {
            format!("`{id}` is pinned to image `{image}`, but defined as a tag of `{repository}`")
        }
        TagSource::Select { select, .. } if image.tag().is_none_or(|tag| !select.admits(tag)) => {
            format!("`{id}` is pinned to image `{image}`, which its definition does not select")
        }
        TagSource::Select { platform, .. } => platform_drift(id, tag, pin, platform.as_ref())?,
        TagSource::Image { image: defined, .. } if defined != image => {
            format!("`{id}` is pinned to image `{image}`, but defined as `{defined}`")
        }
        TagSource::Image { image, platform } => {
            // If the fixed digest is an index, the pin may be one platform's child of it.
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            if let Some(defined) = image.digest().filter(|digest| *digest != at) {
                let message = format!("`{id}` is pinned to digest `{at}`, but defined as `{defined}`");
                return Some((DriftKind::FixedDigest, message));
            }
            platform_drift(id, tag, pin, platform.as_ref())?
        }
    };
    Some((DriftKind::Other, message))
}

/// Describes how a pin does not fit the platforms of its definition.
fn platform_drift(id: &TagId, tag: &Tag, pin: &Pin, platform: Option<&Platform>) -> Option<String> {
    if pin.satisfies(platform, &tag.platforms) {
        return None;
    }
    let missing = tag.platforms.iter().find(|platform| !pin.details.platforms.contains(platform));
    Some(match (platform, missing) {
        (Some(platform), _) => {
            format!("`{id}` is defined for platform `{platform}`, but pinned for another one or for the whole index")
        }
        (None, Some(missing)) => format!("`{id}` is pinned to an image without platform `{missing}`"),
        (None, None) => format!("`{id}` is pinned for a single platform, but its definition names none"),
    })
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
