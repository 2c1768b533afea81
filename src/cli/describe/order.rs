//! The order in which `oc` shows tags (openshift/library-go, `PrioritizeTags`): `latest`, then versions of two numbers,
//! then of three, each from the newest to the oldest, then all others by name.

use std::cmp::Reverse;

/// The parts of a version, in the order of Semantic Versioning 2.0, §11.
type Version = (u64, u64, u64, Release);

/// What stands behind the numbers. A version without anything is the greatest of those with the same numbers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Release {
    Before(Vec<Part>),
    Final,
}

/// A number is less than any word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(String),
}

/// What tags are sorted by.
pub(super) fn rank(tag: &str) -> impl Ord {
    const NONE: Version = (0, 0, 0, Release::Final);
    match (tag, version(tag)) {
        ("latest", _) => (0, Reverse(NONE), tag),
        (_, Some((2, version))) => (1, Reverse(version), tag),
        (_, Some((_, version))) => (2, Reverse(version), tag),
        (_, None) => (3, Reverse(NONE), tag),
    }
}

/// A version of two or three numbers, with or without a `v`, and how many they are.
fn version(tag: &str) -> Option<(usize, Version)> {
    let text = tag.strip_prefix('v').unwrap_or(tag);
    let (numbers, release) = text.split_once('-').map_or((text, None), |(numbers, rest)| (numbers, Some(rest)));
    let numbers: Vec<u64> = numbers.split('.').map(number).collect::<Option<_>>()?;
    let release = match release {
        None => Release::Final,
        Some(text) => Release::Before(text.split('.').map(part).collect::<Option<_>>()?),
    };
    match numbers.as_slice() {
        [major, minor] => Some((2, (*major, *minor, 0, release))),
        [major, minor, patch] => Some((3, (*major, *minor, *patch, release))),
        _ => None,
    }
}

fn number(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    plain.then(|| text.parse().ok()).flatten()
}

fn part(text: &str) -> Option<Part> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        return number(text).map(Part::Number);
    }
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    fits.then(|| Part::Word(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tags: &str) {
        let sorted: Vec<&str> = tags.split(' ').collect();
        let mut tags: Vec<&str> = sorted.iter().rev().copied().collect();
        tags.sort_by_key(|tag| rank(tag));
        assert_eq!(tags, sorted);
    }

    #[test]
    fn tags_stand_as_oc_shows_them() {
        check("latest 5.6 5.5 v5.5 v5.3.6-bother 5.3.6-abba 5.2.3 other");
        check("latest 1.2-rc1 1.2-beta4 1.2-beta1 1.2-alpha1 1.1-rc1 1.1-beta2 1.1-beta1");
        check("7.1 v7.1 7.1.0");
    }

    #[test]
    fn what_only_looks_like_a_version_stands_by_its_name() {
        check("3.10 3.9 1.0.0 1.0.0-rc.10 1.0.0-rc.9 1.0.0-1 01.2 1.2- 1.2.3.4 1.2_x 3 v v1");
    }
}
