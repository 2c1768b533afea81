//! Parts of a pinned reference that a target can write.

use std::str::FromStr;

use crate::model::image::{NameError, PinnedRef};
use crate::text::byte_class::is_lower_hex;
use crate::text::diagnostics::nearest;

/// A part of a pinned reference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReferencePart {
    /// `repository:tag@digest`
    #[default]
    Reference,
    /// `repository@digest`
    RepositoryAtDigest,
    /// `repository:tag`
    RepositoryAndTag,
    /// `repository`
    Repository,
    /// `tag@digest`
    TagAtDigest,
    /// `tag`
    Tag,
    /// `digest`
    Digest,
    /// The digest without `sha256:`.
    DigestHex,
}

/// All parts with their names in `write`.
const ALL: [(&str, ReferencePart); 8] = [
    ("reference", ReferencePart::Reference),
    ("repository@digest", ReferencePart::RepositoryAtDigest),
    ("repository:tag", ReferencePart::RepositoryAndTag),
    ("repository", ReferencePart::Repository),
    ("tag@digest", ReferencePart::TagAtDigest),
    ("tag", ReferencePart::Tag),
    ("digest", ReferencePart::Digest),
    ("digest-hex", ReferencePart::DigestHex),
];

impl ReferencePart {
    /// Returns the name in `write`.
    pub fn name(self) -> &'static str {
        ALL.iter().find(|(_, part)| *part == self).map_or("reference", |(name, _)| name)
    }

    /// Returns this part of `pin`; none if it includes a tag and the pin has none.
    pub fn of(self, pin: &PinnedRef) -> Option<String> {
        let (repository, digest) = (pin.image.repository(), &pin.digest);
        let tag = || pin.image.tag();
        Some(match self {
            Self::Reference => pin.to_string(),
            Self::RepositoryAtDigest => format!("{repository}@{digest}"),
            Self::RepositoryAndTag => format!("{repository}:{}", tag()?),
            Self::Repository => repository.to_string(),
            Self::TagAtDigest => format!("{}@{digest}", tag()?),
            Self::Tag => tag()?.to_string(),
            Self::Digest => digest.to_string(),
            Self::DigestHex => digest.hex().to_owned(),
        })
    }

    /// Returns whether the part can be recognized in a line of text: it starts with the repository and is more than that.
    pub(super) fn is_reference(self) -> bool {
        matches!(self, Self::Reference | Self::RepositoryAtDigest | Self::RepositoryAndTag)
    }
}

/// Returns true for a SHA-256 digest without `sha256:`.
pub(super) fn is_digest_hex(text: &str) -> bool {
    text.len() == 64 && is_lower_hex(text)
}

impl FromStr for ReferencePart {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if let Some((_, part)) = ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*part);
        }
        let error = NameError::new(format!("invalid value `{text}` for `write`"));
        Err(match nearest(text, ALL.iter().map(|(name, _)| *name)) {
            Some(near) => error.help(format!("did you mean `{near}`?")),
            None => {
                let names: Vec<String> = ALL.iter().map(|(name, _)| format!("`{name}`")).collect();
                error.help(format!("expected one of {}", names.join(", ")))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_is_formatted_unless_it_needs_a_missing_tag() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let pin = |image: &str| PinnedRef { image: image.parse().unwrap(), digest: digest.parse().unwrap() };
        let parts = |image: &str| {
            let parts = ALL.map(|(_, part)| part.of(&pin(image)).unwrap_or_else(|| "-".to_owned()));
            parts.join(" ").replace(&digest, "D").replace(&"ab".repeat(32), "H")
        };
        assert_eq!(parts("a.b/c:d"), "a.b/c:d@D a.b/c@D a.b/c:d a.b/c d@D d D H");
        assert_eq!(parts(&format!("a.b/c@{digest}")), "a.b/c@D a.b/c@D - a.b/c - - D H");
        assert!("refrence".parse::<ReferencePart>().unwrap_err().help.unwrap().contains("`reference`"));
        assert!("x".parse::<ReferencePart>().unwrap_err().help.unwrap().contains("`tag@digest`"));
    }
}
