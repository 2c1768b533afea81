//! Ranges of versions. Tools disagree on the meaning of a bare version, so a range requires operators.
//!
//! Versions and their order are those of Semantic Versioning 2.0.0.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};

use crate::model::image::NameError;
use crate::model::image::version::number;

/// The longest range, in bytes.
const TEXT_MAX: usize = 256;

/// A range of versions: `>=3.13, <4`, `^1.2 || ~2.0.3`, `1.x`.
#[derive(Clone, Debug)]
pub struct VersionRange {
    text: String,
    /// At least one of these must match entirely.
    alternatives: Vec<Vec<RangeBound>>,
}

/// A bound; admits versions by their order relative to `version`.
#[derive(Clone, Debug)]
struct RangeBound {
    admits: fn(Ordering) -> bool,
    version: Version,
}

impl VersionRange {
    /// Returns true if `version` is in the range. Prereleases are only if the alternative itself names one.
    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| {
            let names_prerelease = || bounds.iter().any(|bound| is_named(&bound.version));
            (version.pre.is_empty() || names_prerelease())
                && bounds.iter().all(|bound| (bound.admits)(version.cmp_precedence(&bound.version)))
        })
    }
}

/// Returns true for a prerelease written by the user; `-0`, the lowest one, stands for "not even the first".
fn is_named(version: &Version) -> bool {
    !version.pre.is_empty() && version.build.is_empty()
}

impl Eq for VersionRange {}

impl PartialEq for VersionRange {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for VersionRange {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() > TEXT_MAX {
            return Err(NameError::new(format!("range longer than {TEXT_MAX} characters")));
        }
        let alternatives = text.split("||").map(alternative).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), alternatives })
    }
}

/// Parses comparisons that must all match, separated by commas or blanks.
fn alternative(text: &str) -> Result<Vec<RangeBound>, NameError> {
    let mut bounds = Vec::new();
    let mut words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(NameError::new("empty range").help("write e.g. `>=3.13, <4`, or `*` for all versions"));
    }
    while let Some(word) = words.next() {
        let end = word.find(|c: char| !"<>=!~^".contains(c)).unwrap_or(word.len());
        let (operator, mut version) = word.split_at(end);
        if version.is_empty() {
            // `>= 3.13`
            version = words.next().ok_or_else(|| bad(word))?;
        }
        bounds.extend(compare(operator, version)?);
    }
    Ok(bounds)
}

fn bad(word: &str) -> NameError {
    let word: String = word.chars().take(40).collect();
    NameError::new(format!("invalid version range `{word}`"))
        .help("write e.g. `>=3.13, <4`, `^1.2`, `~1.2.3`, `1.2.x` or `1.x || 3.x`")
}

/// Adds the bounds of `operator version`. A partial version stands for all versions that start with it.
fn compare(operator: &str, text: &str) -> Result<Vec<RangeBound>, NameError> {
    let PartialVersion { numbers, pre, is_open } = PartialVersion::read(text).ok_or_else(|| bad(text))?;
    let given = numbers.len();
    let [major, minor, patch] = [0, 1, 2].map(|at| numbers.get(at).copied().unwrap_or(0));
    let low = Version { major, minor, patch, pre: pre.clone(), build: BuildMetadata::EMPTY };
    // The first version above all that share the first `parts` numbers; its prereleases are above them, too.
    let past = |parts: usize| {
        let (major, minor, patch) = match parts {
            0 => return None,
            1 => (major.checked_add(1)?, 0, 0),
            2 => (major, minor.checked_add(1)?, 0),
            _ => (major, minor, patch.checked_add(1)?),
        };
        lowest(Version::new(major, minor, patch))
    };
    let bound = |admits, version| RangeBound { admits, version };
    let below = |parts| past(parts).map(|past| bound(Ordering::is_lt, past));
    // From `low` to before the versions that do not share its first `parts` numbers.
    let from_low = |parts| [bound(Ordering::is_ge, low.clone())].into_iter().chain(below(parts)).collect();
    let is_whole = given == 3 && !is_open;
    Ok(match operator {
        "" if is_open => from_low(given),
        "" => {
            let help = format!("write `={text}` for this version, or `^{text}` for all compatible ones");
            return Err(NameError::new(format!("version `{text}` without an operator")).help(help));
        }
        "=" | "==" if is_whole => vec![bound(Ordering::is_eq, low)],
        "=" | "==" => from_low(given),
        "!=" if is_whole => vec![bound(Ordering::is_ne, low)],
        ">=" => vec![bound(Ordering::is_ge, low)],
        ">" if is_whole => vec![bound(Ordering::is_gt, low)],
        ">" => vec![bound(Ordering::is_ge, past(given).ok_or_else(|| bad(text))?)],
        "<=" if is_whole => vec![bound(Ordering::is_le, low)],
        "<=" => below(given).into_iter().collect(),
        "<" if pre.is_empty() => vec![bound(Ordering::is_lt, lowest(low).ok_or_else(|| bad(text))?)],
        "<" => vec![bound(Ordering::is_lt, low)],
        "~" | "~>" => from_low(given.min(2)),
        "^" => {
            // The first number other than zero is fixed; if all are zero, the last one written.
            from_low(numbers.iter().position(|number| *number != 0).map_or(given, |at| at + 1))
        }
        _ => return Err(bad(&format!("{operator}{text}"))),
    })
}

/// Returns the lowest prerelease of `version`, marked as not written by the user.
fn lowest(mut version: Version) -> Option<Version> {
    version.pre = Prerelease::new("0").ok()?;
    version.build = BuildMetadata::new("bound").ok()?;
    Some(version)
}

/// A version in a comparison, possibly partial.
struct PartialVersion {
    numbers: Vec<u64>,
    pre: Prerelease,
    /// True if it ends with `x` or `*`.
    is_open: bool,
}

impl PartialVersion {
    fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
        let (core, pre) = text.split_once('-').map_or((text, None), |(core, pre)| (core, Some(pre)));
        let mut numbers = Vec::new();
        let mut is_open = false;
        for part in core.split('.') {
            match part {
                "x" | "X" | "*" => is_open = true,
                _ if is_open => return None,
                part => numbers.push(number(part)?),
            }
        }
        let fits = pre.is_none_or(|pre| !pre.is_empty() && numbers.len() == 3 && !is_open);
        let pre = Prerelease::new(pre.unwrap_or_default()).ok()?;
        (fits && numbers.len() <= 3).then_some(Self { numbers, pre, is_open })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::image::version::TagVersion;

    /// Which of the versions a range holds.
    #[track_caller]
    fn check(range: &str, versions: &str, expected: &str) {
        let range: VersionRange = range.parse().unwrap();
        let holds = |text: &&str| range.contains(&TagVersion::read(text).unwrap().version);
        let found: Vec<&str> = versions.split(' ').filter(holds).collect();
        assert_eq!(found.join(" "), expected, "{range}");
    }

    #[test]
    fn operators_admit_the_expected_versions() {
        let all = "1.1.9 1.2.0 1.2.3 1.2.4 1.3.0 1.9.9 2.0.0";
        check(">=1.2.3", all, "1.2.3 1.2.4 1.3.0 1.9.9 2.0.0");
        check(">1.2", all, "1.3.0 1.9.9 2.0.0");
        check("<=1.2", all, "1.1.9 1.2.0 1.2.3 1.2.4");
        check("<1.2.3", all, "1.1.9 1.2.0");
        check("= 1.2", all, "1.2.0 1.2.3 1.2.4");
        check("=1.2.3", all, "1.2.3");
        check("~1.2.3", all, "1.2.3 1.2.4");
        check("~1", all, "1.1.9 1.2.0 1.2.3 1.2.4 1.3.0 1.9.9");
        check("^1.2.3", all, "1.2.3 1.2.4 1.3.0 1.9.9");
        check("1.2.x", all, "1.2.0 1.2.3 1.2.4");
        check("1.X", all, "1.1.9 1.2.0 1.2.3 1.2.4 1.3.0 1.9.9");
        check("*", all, all);
        check(">=1.2 <1.3, !=1.2.3", all, "1.2.0 1.2.4");
        check("1.1.x || >= 2", all, "1.1.9 2.0.0");
        check("^0.2.3", "0.2.2 0.2.3 0.2.9 0.3.0", "0.2.3 0.2.9");
        check("^0.0.3", "0.0.2 0.0.3 0.0.4", "0.0.3");
        check("^0", "0.0.1 0.9.0 1.0.0", "0.0.1 0.9.0");
    }

    #[test]
    fn a_prerelease_is_admitted_only_if_the_range_names_one() {
        let all = "3.13.0-rc.1 3.13.0 3.14.0-rc.1 4.0.0-rc.1";
        check(">=3.13, <4", all, "3.13.0");
        check(">=3.13.0-0, <4", all, "3.13.0-rc.1 3.13.0 3.14.0-rc.1");
        check(">=3.13.0-rc.2, <4 || *", all, "3.13.0 3.14.0-rc.1");
        check("^3.13.0-rc.1", all, "3.13.0-rc.1 3.13.0 3.14.0-rc.1");
        check("<4.0.0-rc.2", all, "3.13.0-rc.1 3.13.0 3.14.0-rc.1 4.0.0-rc.1");
    }

    #[test]
    fn build_metadata_neither_helps_nor_hinders() {
        check("=1.2.3", "1.2.3 1.2.3_7 1.2.3+b 1.2.4_7", "1.2.3 1.2.3_7 1.2.3+b");
    }

    #[test]
    fn an_invalid_range_is_reported_with_examples() {
        let part = "write e.g. `>=3.13, <4`, `^1.2`, `~1.2.3`, `1.2.x` or `1.x || 3.x`";
        let bare = |text: &str| {
            format!(
                "version `{text}` without an operator; write `={text}` for this version, or `^{text}` for all compatible ones"
            )
        };
        for (text, expected) in [
            ("", "empty range; write e.g. `>=3.13, <4`, or `*` for all versions".to_owned()),
            ("1 || ", bare("1")),
            ("1.2.3", bare("1.2.3")),
            (">= ", format!("invalid version range `>=`; {part}")),
            ("=>1", format!("invalid version range `=>1`; {part}")),
            (">=a", format!("invalid version range `a`; {part}")),
            ("1.x.3", format!("invalid version range `1.x.3`; {part}")),
            (">=1.2-rc", format!("invalid version range `1.2-rc`; {part}")),
            ("^^1", format!("invalid version range `^^1`; {part}")),
            ("!=1", format!("invalid version range `!=1`; {part}")),
        ] {
            let error = text.parse::<VersionRange>().unwrap_err();
            assert_eq!(format!("{}; {}", error.message, error.help.unwrap_or_default()), expected);
        }
        assert!("*".repeat(300).parse::<VersionRange>().is_err());
    }
}
