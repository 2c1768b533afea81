//! Ranges of versions. What a bare number means differs from tool to tool, so a range has to say it with an operator.
//!
//! Versions and their order are those of Semantic Versioning 2.0.0.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use semver::{BuildMetadata, Prerelease, Version};

use crate::model::image::NameError;
use crate::model::image::version::number;

/// The longest range that is read, and the most alternatives and comparisons in one.
const TEXT_MAX: usize = 256;

/// A range of versions: `>=3.13, <4`, `^1.2 || ~2.0.3`, `1.x`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRange {
    text: String,
    /// One of these has to hold whole.
    alternatives: Vec<Vec<RangeBound>>,
}

/// One side of a range.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RangeBound {
    side: BoundSide,
    version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BoundSide {
    AtLeast,
    Above,
    AtMost,
    Below,
    Not,
}

impl VersionRange {
    /// Whether `version` is in it. A prerelease is, only where the alternative itself names a prerelease.
    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|bounds| {
            let asked = || bounds.iter().any(|bound| is_named(&bound.version));
            (version.pre.is_empty() || asked()) && bounds.iter().all(|bound| bound.holds(version))
        })
    }
}

/// Whether a bound's version is a prerelease that a person wrote; `-0`, the lowest, stands for "not even the first".
fn is_named(version: &Version) -> bool {
    !version.pre.is_empty() && version.build.is_empty()
}

impl RangeBound {
    fn holds(&self, version: &Version) -> bool {
        let order = version.cmp_precedence(&self.version);
        match self.side {
            BoundSide::AtLeast => order != Ordering::Less,
            BoundSide::Above => order == Ordering::Greater,
            BoundSide::AtMost => order != Ordering::Greater,
            BoundSide::Below => order == Ordering::Less,
            BoundSide::Not => order != Ordering::Equal,
        }
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
            return Err(NameError::new(format!("a range has at most {TEXT_MAX} characters")));
        }
        let alternatives = text.split("||").map(alternative).collect::<Result<_, _>>()?;
        Ok(Self { text: text.to_owned(), alternatives })
    }
}

/// Comparisons that have to hold together, parted by commas or blanks.
fn alternative(text: &str) -> Result<Vec<RangeBound>, NameError> {
    let mut bounds = Vec::new();
    let mut words = text.split([',', ' ', '\t']).filter(|word| !word.is_empty()).peekable();
    if words.peek().is_none() {
        return Err(NameError::new("a range with nothing in it").help("as `>=3.13, <4`, or `*` for all versions"));
    }
    while let Some(word) = words.next() {
        let end = word.find(|c: char| !"<>=!~^".contains(c)).unwrap_or(word.len());
        let (operator, mut version) = word.split_at(end);
        if version.is_empty() {
            // `>= 3.13`
            version = words.next().ok_or_else(|| bad(word))?;
        }
        compare(operator, version, &mut bounds)?;
    }
    Ok(bounds)
}

fn bad(word: &str) -> NameError {
    let word: String = word.chars().take(40).collect();
    NameError::new(format!("`{word}` is not part of a range of versions"))
        .help("as `>=3.13, <4`, `^1.2`, `~1.2.3`, `1.2.x` or `1.x || 3.x`")
}

/// Adds what `operator version` says. A version that is not whole stands for all that begin with it.
fn compare(operator: &str, text: &str, bounds: &mut Vec<RangeBound>) -> Result<(), NameError> {
    let PartialVersion { numbers, pre, is_open } = PartialVersion::read(text).ok_or_else(|| bad(text))?;
    let given = numbers.len();
    let [major, minor, patch] = [0, 1, 2].map(|at| numbers.get(at).copied().unwrap_or(0));
    let low = Version { major, minor, patch, pre: pre.clone(), build: BuildMetadata::EMPTY };
    // The first version past all that share the first `parts` numbers; its prereleases are past them too.
    let past = |parts: usize| {
        let (major, minor, patch) = match parts {
            0 => return None,
            1 => (major.checked_add(1)?, 0, 0),
            2 => (major, minor.checked_add(1)?, 0),
            _ => (major, minor, patch.checked_add(1)?),
        };
        lowest(Version::new(major, minor, patch))
    };
    let mut add = |side, version| bounds.push(RangeBound { side, version });
    let is_whole = given == 3 && !is_open;
    match operator {
        "" if is_open => {
            add(BoundSide::AtLeast, low);
            past(given).into_iter().for_each(|past| add(BoundSide::Below, past));
        }
        "" => {
            let help = format!("say which: `={text}` for that one, `^{text}` for all that are compatible");
            return Err(NameError::new(format!("`{text}` alone does not say which versions are meant")).help(help));
        }
        "=" | "==" if is_whole => {
            add(BoundSide::AtLeast, low.clone());
            add(BoundSide::AtMost, low);
        }
        "=" | "==" => {
            add(BoundSide::AtLeast, low);
            past(given).into_iter().for_each(|past| add(BoundSide::Below, past));
        }
        "!=" if is_whole => add(BoundSide::Not, low),
        ">=" => add(BoundSide::AtLeast, low),
        ">" if is_whole => add(BoundSide::Above, low),
        ">" => add(BoundSide::AtLeast, past(given).ok_or_else(|| bad(text))?),
        "<=" if is_whole => add(BoundSide::AtMost, low),
        "<=" => past(given).into_iter().for_each(|past| add(BoundSide::Below, past)),
        "<" if pre.is_empty() => add(BoundSide::Below, lowest(low).ok_or_else(|| bad(text))?),
        "<" => add(BoundSide::Below, low),
        "~" | "~>" => {
            add(BoundSide::AtLeast, low);
            past(given.min(2)).into_iter().for_each(|past| add(BoundSide::Below, past));
        }
        "^" => {
            // The first number that is not zero stays; of zeros the last one that was written.
            let fixed = numbers.iter().position(|number| *number != 0).map_or(given, |at| at + 1);
            add(BoundSide::AtLeast, low);
            past(fixed).into_iter().for_each(|past| add(BoundSide::Below, past));
        }
        _ => return Err(bad(&format!("{operator}{text}"))),
    }
    Ok(())
}

/// The lowest prerelease of `version`, marked as one that nobody wrote.
fn lowest(mut version: Version) -> Option<Version> {
    version.pre = Prerelease::new("0").ok()?;
    version.build = BuildMetadata::new("bound").ok()?;
    Some(version)
}

/// The version of a comparison, which need not be whole.
struct PartialVersion {
    numbers: Vec<u64>,
    pre: Prerelease,
    /// Whether it ends with `x` or `*`.
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
        let fits = match pre {
            None => true,
            Some(pre) => !pre.is_empty() && numbers.len() == 3 && !is_open,
        };
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
    fn operators_hold_what_their_users_expect() {
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
    fn a_prerelease_is_held_only_where_one_is_asked_for() {
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
    fn what_is_no_range_says_what_is() {
        let part = "is not part of a range of versions; \
                    as `>=3.13, <4`, `^1.2`, `~1.2.3`, `1.2.x` or `1.x || 3.x`";
        let alone = "alone does not say which versions are meant; say which";
        for (text, expected) in [
            ("", "a range with nothing in it; as `>=3.13, <4`, or `*` for all versions".to_owned()),
            ("1 || ", format!("`1` {alone}: `=1` for that one, `^1` for all that are compatible")),
            ("1.2.3", format!("`1.2.3` {alone}: `=1.2.3` for that one, `^1.2.3` for all that are compatible")),
            (">= ", format!("`>=` {part}")),
            ("=>1", format!("`=>1` {part}")),
            (">=a", format!("`a` {part}")),
            ("1.x.3", format!("`1.x.3` {part}")),
            (">=1.2-rc", format!("`1.2-rc` {part}")),
            ("^^1", format!("`^^1` {part}")),
            ("!=1", format!("`!=1` {part}")),
        ] {
            let error = text.parse::<VersionRange>().unwrap_err();
            assert_eq!(format!("{}; {}", error.message, error.help.unwrap_or_default()), expected);
        }
        assert!("*".repeat(300).parse::<VersionRange>().is_err());
    }
}
