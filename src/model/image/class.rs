//! Classifies the difference between two images.
//!
//! Pure: manifests and configurations are read elsewhere. The most significant difference determines the class.

use std::fmt;
use std::str::FromStr;

use super::NameError;
use super::facts::ImageFacts;
use super::version::TagVersion;

/// Distance between two versions (Semantic Versioning 2.0.0, section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VersionLevel {
    /// Major and minor are the same.
    Patch,
    /// Major is the same, minor differs.
    Minor,
    /// Major differs.
    Major,
}

/// Class of a change, the least significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeClass {
    /// The images are the same; only attestations, signatures or annotations differ.
    Attestation,
    /// The layers are the same, the configuration differs.
    Config,
    /// The layers differ.
    Layers,
    /// The sets of platforms differ.
    Platforms,
    /// The declared version differs.
    Version(VersionLevel),
}

impl VersionLevel {
    /// Returns the distance from `old` to `new`; `None` if they are equal, or one is not a version.
    pub fn between(old: &str, new: &str) -> Option<Self> {
        Self::of(&TagVersion::read(old)?, &TagVersion::read(new)?)
    }

    /// Returns the distance from `old` to `new`; `None` if they are equal.
    pub fn of(old: &TagVersion, new: &TagVersion) -> Option<Self> {
        let (old, new) = (&old.version, &new.version);
        match () {
            () if old == new => None,
            () if old.major != new.major => Some(Self::Major),
            () if old.minor != new.minor => Some(Self::Minor),
            () => Some(Self::Patch),
        }
    }

    /// Returns the name in definitions and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Patch => "patch",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

impl ChangeClass {
    /// Classifies the change from `old` to `new`, whose `tags` have these versions. The versions that the images declare
    /// count only without `tags`: they may be inherited from a base image.
    pub fn between(old: &ImageFacts, new: &ImageFacts, tags: Option<&(TagVersion, TagVersion)>) -> Self {
        let declared = || old.version.as_deref().zip(new.version.as_deref());
        let level = match tags {
            Some((old, new)) => VersionLevel::of(old, new),
            None => declared().and_then(|(old, new)| VersionLevel::between(old, new)),
        };
        match level {
            _ if old.manifests == new.manifests => Self::Attestation,
            Some(level) => Self::Version(level),
            None if old.platforms != new.platforms => Self::Platforms,
            None if !same_layers(old, new) => Self::Layers,
            None => Self::Config,
        }
    }

    /// Returns the name in definitions and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Config => "config",
            Self::Layers => "layers",
            Self::Platforms => "platforms",
            Self::Version(level) => level.as_str(),
        }
    }
}

fn same_layers(old: &ImageFacts, new: &ImageFacts) -> bool {
    old.layers.iter().map(|layer| &layer.digest).eq(new.layers.iter().map(|layer| &layer.digest))
}

impl FromStr for VersionLevel {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let all = [Self::Patch, Self::Minor, Self::Major];
        all.into_iter().find(|level| level.as_str() == text).ok_or_else(|| {
            NameError::new(format!("invalid version level `{text}`")).help("write `patch`, `minor` or `major`")
        })
    }
}

impl FromStr for ChangeClass {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = [Self::Attestation, Self::Config, Self::Layers, Self::Platforms];
        let levels = [VersionLevel::Patch, VersionLevel::Minor, VersionLevel::Major].map(Self::Version);
        let all = || plain.into_iter().chain(levels);
        all().find(|class| class.as_str() == text).ok_or_else(|| {
            let names: Vec<String> = all().map(|class| format!("`{class}`")).collect();
            NameError::new(format!("invalid class of changes `{text}`")).help(format!("use {}", names.join(", ")))
        })
    }
}

impl fmt::Display for ChangeClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::Digest;
    use crate::model::image::facts::Layer;

    /// An image: its manifests, platforms and layers by letter, and its version.
    fn facts(manifests: &str, platforms: &str, layers: &str, version: &str) -> ImageFacts {
        let digest = |letter: char| Digest::sha256(letter.to_string().as_bytes());
        ImageFacts {
            manifests: manifests.chars().map(digest).collect(),
            platforms: platforms.chars().map(|letter| format!("linux/{letter}").parse().unwrap()).collect(),
            layers: layers.chars().map(|letter| Layer { digest: digest(letter), size: 1 }).collect(),
            version: (!version.is_empty()).then(|| version.to_owned()),
            ..ImageFacts::default()
        }
    }

    #[track_caller]
    fn check(old: ImageFacts, new: ImageFacts, expected: &str) {
        assert_eq!(ChangeClass::between(&old, &new, None).as_str(), expected);
        assert_eq!(expected.parse::<ChangeClass>().unwrap(), ChangeClass::between(&old, &new, None));
    }

    #[test]
    fn the_weightiest_difference_names_the_class() {
        let old = || facts("mn", "ab", "xy", "1.2.3");
        check(old(), facts("mn", "abc", "z", "2.0.0"), "attestation");
        check(old(), facts("mo", "ab", "xy", "1.2.3"), "config");
        check(old(), facts("mo", "ab", "xz", "1.2.3"), "layers");
        check(old(), facts("mo", "a", "xz", "1.2.3"), "platforms");
        check(old(), facts("mo", "a", "xz", "1.2.4"), "patch");
        check(old(), facts("mo", "ab", "xy", "1.3.0"), "minor");
        check(old(), facts("mo", "ab", "xy", "0.9.0"), "major");
    }

    #[test]
    fn an_invalid_version_has_no_level() {
        for version in ["", "main", "2026.10.x"] {
            check(facts("m", "a", "x", "1.2.3"), facts("n", "a", "y", version), "layers");
        }
    }

    #[test]
    fn r02_versions_of_tags_count_and_not_those_that_images_inherit() {
        let tags = |old: &str, new: &str| TagVersion::read(old).zip(TagVersion::read(new));
        let (old, new) = (facts("a", "a", "a", "24.04"), facts("b", "a", "b", "24.04"));
        let class = |old: &ImageFacts, new: &ImageFacts, a: &str, b: &str| {
            ChangeClass::between(old, new, tags(a, b).as_ref()).as_str()
        };
        assert_eq!(class(&old, &new, "15.4.0", "16.0.0"), "major");
        assert_eq!(class(&old, &new, "15.4.0", "15.4.1"), "patch");
        let new = facts("b", "a", "b", "26.04");
        assert_eq!(class(&old, &new, "15.4.0", "15.4.0"), "layers");
        assert_eq!(class(&old, &new, "nightly", "nightly"), "major");
    }

    #[test]
    fn an_unknown_class_is_reported_with_the_known_ones() {
        let error = "version".parse::<ChangeClass>().unwrap_err();
        assert_eq!(error.message, "invalid class of changes `version`");
        assert!(error.help.unwrap().contains("`attestation`"));
        assert!("layers".parse::<VersionLevel>().is_err());
    }
}
