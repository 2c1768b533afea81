//! Versions in tags and labels.
//!
//! Semantic Versioning 2.0.0, as tags write it: with a leading `v`, with one or two numbers instead of three, and with
//! `_` for the `+` that tags cannot contain.

use semver::{BuildMetadata, Prerelease, Version};

/// A version from a tag or label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagVersion {
    /// The version; missing numbers are zero.
    pub version: Version,
    /// The count of numbers in the text.
    pub parts: usize,
}

impl TagVersion {
    /// Returns whether two tags tell how their versions differ. An incomplete one such as `3.1` stays the same while the
    /// version of its images changes.
    pub fn tells_change_to(&self, new: &Self) -> bool {
        self.version != new.version || self.parts.min(new.parts) >= 3
    }

    /// Parses `text`; `None` if it is not a version.
    pub fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (rest, build) = text.split_once(['+', '_']).map_or((text, ""), |(rest, build)| (rest, build));
        let (core, pre) = rest.split_once('-').map_or((rest, ""), |(core, pre)| (core, pre));
        if rest.len() != core.len() && pre.is_empty() || text.len() != rest.len() && build.is_empty() {
            return None;
        }
        let mut numbers = [0; 3];
        let mut parts = 0;
        for part in core.split('.') {
            *numbers.get_mut(parts)? = number(part)?;
            parts += 1;
        }
        let [major, minor, patch] = numbers;
        let pre = Prerelease::new(pre).ok()?;
        let build = BuildMetadata::new(&build.replace('_', ".")).ok()?;
        Some(Self { version: Version { major, minor, patch, pre, build }, parts })
    }
}

/// Parses a number of a version; leading zeros, as in calendar versions, are allowed.
pub(crate) fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r02_equal_tags_that_are_incomplete_tell_no_change() {
        for (old, new, expected) in
            [("17", "17", false), ("3.1", "3.1", false), ("3.1", "3.2", true), ("1.2.3", "1.2.3", true)]
        {
            let [old, new] = [old, new].map(|text| TagVersion::read(text).unwrap());
            assert_eq!(old.tells_change_to(&new), expected, "{old:?} {new:?}");
        }
    }

    #[test]
    fn versions_are_read_as_registries_write_them() {
        for (text, expected) in [
            ("1.2.3", Some("1.2.3 of 3")),
            ("v1.2", Some("1.2.0 of 2")),
            ("24.04", Some("24.4.0 of 2")),
            ("17", Some("17.0.0 of 1")),
            ("1.2.3-alpine3.20", Some("1.2.3-alpine3.20 of 3")),
            ("1.2.3_4", Some("1.2.3+4 of 3")),
            ("1.2.3-rc.1_b_2", Some("1.2.3-rc.1+b.2 of 3")),
            ("latest", None),
            ("1.2.3.4", None),
            ("1.2.3-", None),
            ("1.2.3_", None),
            ("v", None),
            ("1..2", None),
            ("1.2.3-01", None),
            ("99999999999999999999", None),
        ] {
            let found = TagVersion::read(text).map(|found| format!("{} of {}", found.version, found.parts));
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
