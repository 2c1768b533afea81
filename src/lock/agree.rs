//! Whether a lock is what its definitions ask for, as far as that can be told without asking anybody.

use std::fmt;

use crate::image::{Digest, ImageRef, Platform, TagId};
use crate::stream::{Definitions, Source, Tag};

use super::{Lock, Pin};

/// One way in which a lock is not what the definitions ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disagreement {
    /// The tag.
    pub tag: TagId,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a tag's pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It has none.
    Missing,
    /// No definition asks for it.
    Undefined,
    /// It was found at another image.
    Image {
        /// The image in the lock.
        pinned: ImageRef,
        /// The image of the definition.
        defined: ImageRef,
    },
    /// The digest is not the one that the definition is fixed to.
    Fixed {
        /// The digest in the lock.
        pinned: Digest,
        /// The digest of the definition.
        defined: Digest,
    },
    /// It does not stand where the tag it follows stands.
    Follow {
        /// The tag it follows.
        target: TagId,
    },
    /// It says that it follows a tag, and the definition does not, or not that one.
    NotFollowed,
    /// It lacks a platform that the definition asks for.
    Platform {
        /// The platform.
        missing: Platform,
    },
}

/// Compares `lock` with `definitions`; nothing where they agree.
pub fn agree(definitions: &Definitions, lock: &Lock) -> Vec<Disagreement> {
    let mut found = Vec::new();
    for (id, tag) in &definitions.tags {
        let what = match lock.pins.get(id) {
            None => Some(What::Missing),
            Some(pin) => disagreement(tag, pin, lock),
        };
        found.extend(what.map(|what| Disagreement { tag: id.clone(), what }));
    }
    for id in lock.pins.keys().filter(|id| !definitions.tags.contains_key(*id)) {
        found.push(Disagreement { tag: id.clone(), what: What::Undefined });
    }
    found.sort_by(|a, b| a.tag.cmp(&b.tag));
    found
}

fn disagreement(tag: &Tag, pin: &Pin, lock: &Lock) -> Option<What> {
    match &tag.source {
        Source::Follow(target) => {
            let follows = pin.follow.as_ref() == Some(target);
            let same = |followed: &Pin| followed.digest == pin.digest && followed.image == pin.image;
            let stands = follows && lock.pins.get(target).is_none_or(same);
            (!stands).then(|| What::Follow { target: target.clone() })
        }
        Source::Image { .. } if pin.follow.is_some() => Some(What::NotFollowed),
        Source::Image { image, .. } if *image != pin.image => {
            Some(What::Image { pinned: pin.image.clone(), defined: image.clone() })
        }
        Source::Image { image, platform } => {
            // A digest fixed to an index may stand for one platform's child; then the index is what is fixed.
            let at = pin.index.as_ref().unwrap_or(&pin.digest);
            if let Some(defined) = image.digest().filter(|digest| *digest != at) {
                return Some(What::Fixed { pinned: at.clone(), defined: defined.clone() });
            }
            let has = &pin.details.platforms;
            let wanted = platform.iter().chain(&tag.platforms);
            let missing = wanted.filter(|_| !has.is_empty()).find(|platform| !has.contains(platform));
            missing.map(|missing| What::Platform { missing: missing.clone() })
        }
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = &self.tag;
        match &self.what {
            What::Missing => write!(f, "`{tag}` is not pinned"),
            What::Undefined => write!(f, "`{tag}` is pinned, and no definition asks for it"),
            What::Image { pinned, defined } => {
                write!(f, "`{tag}` is pinned for `{pinned}`, and its definition says `{defined}`")
            }
            What::Fixed { pinned, defined } => {
                write!(f, "`{tag}` is pinned to `{pinned}`, and its definition says `{defined}`")
            }
            What::Follow { target } => write!(f, "`{tag}` does not stand where `{target}`, which it follows, stands"),
            What::NotFollowed => write!(f, "`{tag}` is pinned as if it followed another tag"),
            What::Platform { missing } => write!(f, "`{tag}` is pinned to an image without `{missing}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Files;
    use crate::lock::sample;
    use crate::root::Root;

    /// What is said of the sample lock's pins under other definitions of the stream `python`.
    #[track_caller]
    fn check(tags: &str, expected: &[&str]) {
        let stream = format!("[tags]\n{tags}");
        let files: Files = [("pinstream.toml", ""), ("streams/python.toml", &stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let definitions = Root::read(&files).unwrap().definitions;
        let found: Vec<String> = agree(&definitions, &sample::python()).iter().map(ToString::to_string).collect();
        assert_eq!(found, expected);
    }

    const IMAGE: &str = "docker.io/library/python:3.12";

    #[test]
    fn what_the_definitions_ask_for_agrees() {
        let arm = format!("arm = {{ image = \"{IMAGE}\", platform = \"linux/arm64\" }}");
        check(&format!("\"3.12\" = \"{IMAGE}\"\n{arm}\nlatest = {{ follow = \"3.12\" }}"), &[]);
    }

    #[test]
    fn every_disagreement_is_said_at_once() {
        let tags = format!(
            "\"3.12\" = {{ image = \"{IMAGE}\", platforms = [\"linux/s390x\"] }}\narm = \"{IMAGE}-slim\"\nnew = \"{IMAGE}\""
        );
        check(
            &tags,
            &[
                "`python:3.12` is pinned to an image without `linux/s390x`",
                "`python:arm` is pinned for `docker.io/library/python:3.12`, and its definition says `docker.io/library/python:3.12-slim`",
                "`python:latest` is pinned, and no definition asks for it",
                "`python:new` is not pinned",
            ],
        );
    }

    #[test]
    fn a_follower_has_to_stand_where_it_follows() {
        let tags = format!(
            "\"3.12\" = {{ follow = \"arm\" }}\narm = {{ image = \"{IMAGE}\", platform = \"linux/arm64\" }}\nlatest = \"{IMAGE}\""
        );
        check(
            &tags,
            &[
                "`python:3.12` does not stand where `python:arm`, which it follows, stands",
                "`python:latest` is pinned as if it followed another tag",
            ],
        );
    }
}
