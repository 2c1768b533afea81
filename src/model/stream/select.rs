//! Selects tags of a repository, by a range of versions or by a pattern, and the highest of them.
//!
//! Pure: the selection depends on the set of tags only, never on the order in which a registry lists them.

pub(crate) mod range;

use std::cmp::{Ordering, Reverse};
use std::fmt;

use regex_lite::Regex;
use semver::Version;

use crate::model::image::priority::{self, PriorityKey};
use crate::model::image::version::TagVersion;
use crate::model::image::{NameError, TagName};
pub use range::VersionRange;

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 512;
/// The beginning of tags that are attached to a digest, such as signatures.
const SIGNATURES: &str = "sha256-";

/// A rule that selects tags of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Select {
    /// The pattern that a tag must match; its groups, if any, are what is compared.
    pub pattern: Option<Pattern>,
    /// The order of tags, the highest of which is selected.
    pub order: Order,
}

/// Orders by which tags are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// By version, optionally within a range.
    Semver(Option<VersionRange>),
    /// By number, e.g. dates and counters.
    Number,
    /// Alphabetically, by ASCII.
    Alphabet,
    /// Display order: `latest`, then versions, then the rest.
    Priority,
}

/// A regular expression over tag names.
#[derive(Clone, Debug)]
pub struct Pattern(Regex);

impl Pattern {
    /// Parses a pattern.
    ///
    /// # Errors
    /// Returns an error if it is not a regular expression, or too large.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let help = "write e.g. `^nightly-(\\d{8})$`; the groups are compared";
        if text.len() > PATTERN_MAX {
            return Err(NameError::new(format!("pattern longer than {PATTERN_MAX} characters")).help(help));
        }
        let regex = regex_lite::RegexBuilder::new(text).size_limit(1 << 18).nest_limit(50).build();
        Ok(Self(regex.map_err(|error| NameError::new(format!("invalid regular expression: {error}")).help(help))?))
    }

    /// Returns the parts of `tag` to compare: the groups, or the whole match without groups.
    fn parts<'t>(&self, tag: &'t str) -> Option<Vec<Option<&'t str>>> {
        let found = self.0.captures(tag)?;
        let first = usize::from(found.len() > 1);
        Some((first..found.len()).map(|at| found.get(at).map(|part| part.as_str())).collect())
    }
}

impl Eq for Pattern {}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

/// The sort key of a tag.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum SortKey<'t> {
    Version(Version),
    /// Numbers as text without leading zeros, after their length; missing groups come first.
    Numbers(Vec<Option<(usize, &'t str)>>),
    Letters(Vec<Option<&'t str>>),
    Usual(Reverse<PriorityKey<'t>>),
}

/// A matching tag with its sort key.
struct RankedTag<'t> {
    key: SortKey<'t>,
    /// Number of parts: of equal versions the most specific is higher, `3.13.0` before `3.13`.
    parts: usize,
    tag: &'t TagName,
}

impl RankedTag<'_> {
    /// Compares tags, highest first.
    fn compare(&self, other: &Self) -> Ordering {
        let name = |ranked: &Self| (ranked.tag.as_str().len(), ranked.tag.as_str().to_owned());
        let by_key = other.key.cmp(&self.key).then(other.parts.cmp(&self.parts));
        by_key.then_with(|| name(self).cmp(&name(other)))
    }
}

/// The tag that a rule selects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// The highest tag.
    pub tag: TagName,
    /// Other tags that are equally high.
    pub ties: Vec<TagName>,
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match &self.order {
            Order::Semver(Some(range)) => format!("in {range}"),
            Order::Semver(None) => "highest version".to_owned(),
            Order::Number => "highest number".to_owned(),
            Order::Alphabet => "last alphabetically".to_owned(),
            Order::Priority => "any".to_owned(),
        };
        f.write_str(&order)?;
        self.pattern.as_ref().map_or(Ok(()), |pattern| write!(f, " matching /{}/", pattern.0.as_str()))
    }
}

impl Select {
    /// Returns true if `tag` matches the rule.
    pub fn admits(&self, tag: &TagName) -> bool {
        self.rank(tag).is_some()
    }

    /// Returns the matching tags, highest first.
    pub fn ranked<'t>(&self, tags: impl IntoIterator<Item = &'t TagName>) -> Vec<&'t TagName> {
        self.sorted(tags).into_iter().map(|ranked| ranked.tag).collect()
    }

    /// Returns the highest matching tag.
    pub fn choose<'t>(&self, tags: impl IntoIterator<Item = &'t TagName>) -> Option<Selection> {
        let sorted = self.sorted(tags);
        let (highest, others) = sorted.split_first()?;
        let ties = others.iter().take_while(|other| other.key == highest.key).map(|other| other.tag.clone());
        Some(Selection { tag: highest.tag.clone(), ties: ties.collect() })
    }

    fn sorted<'t>(&self, tags: impl IntoIterator<Item = &'t TagName>) -> Vec<RankedTag<'t>> {
        let mut sorted: Vec<RankedTag<'t>> = tags.into_iter().filter_map(|tag| self.rank(tag)).collect();
        sorted.sort_by(RankedTag::compare);
        // A registry that paginates may list a tag twice.
        sorted.dedup_by(|a, b| a.tag == b.tag);
        sorted
    }

    /// Returns true if both tags match the rule, and `tag` ranks lower than `other`.
    pub fn is_below(&self, tag: &TagName, other: &TagName) -> bool {
        self.rank(tag).zip(self.rank(other)).is_some_and(|(tag, other)| tag.key < other.key)
    }

    /// Returns the tags of a selection by version that are not compared because they have more than three numbers, and that
    /// are not lower than `selected`.
    pub fn longer<'t>(
        &self,
        tags: impl IntoIterator<Item = &'t TagName>,
        selected: Option<&TagName>,
    ) -> Vec<&'t TagName> {
        let Order::Semver(range) = &self.order else { return Vec::new() };
        let selected = selected.and_then(|tag| self.version(tag));
        let is_longer = |tag: &&TagName| {
            let text = self.parts(tag).and_then(|parts| parts.first().copied().flatten());
            text.and_then(first_three_numbers).is_some_and(|version| {
                range.as_ref().is_none_or(|range| range.contains(&version))
                    && selected.as_ref().is_none_or(|selected| version >= selected.version)
            })
        };
        tags.into_iter().filter(is_longer).collect()
    }

    /// Returns the version of a tag that is selected by version.
    pub fn version(&self, tag: &TagName) -> Option<TagVersion> {
        match &self.order {
            Order::Semver(_) => TagVersion::read(self.parts(tag)?.first().copied().flatten()?),
            Order::Number | Order::Alphabet | Order::Priority => None,
        }
    }

    fn rank<'t>(&self, tag: &'t TagName) -> Option<RankedTag<'t>> {
        let parts = self.parts(tag)?;
        let (key, parts) = match &self.order {
            Order::Semver(range) => {
                let TagVersion { version, parts } = TagVersion::read(parts.first().copied().flatten()?)?;
                if range.as_ref().is_some_and(|range| !range.contains(&version)) {
                    return None;
                }
                (SortKey::Version(version), parts)
            }
            Order::Number => (SortKey::Numbers(parts.into_iter().map(number).collect::<Option<_>>()?), 0),
            Order::Alphabet => (SortKey::Letters(parts), 0),
            Order::Priority => (SortKey::Usual(Reverse(priority::key(tag.as_str()))), 0),
        };
        Some(RankedTag { key, parts, tag })
    }

    /// Returns the parts of `tag` to compare; `None` if it does not match the pattern, or is the tag of a signature or an
    /// attestation and the pattern does not ask for those.
    fn parts<'t>(&self, tag: &'t TagName) -> Option<Vec<Option<&'t str>>> {
        let selects_signatures = || {
            let pattern = self.pattern.as_ref().map_or("", |pattern| pattern.0.as_str());
            pattern.trim_start_matches('^').starts_with(SIGNATURES)
        };
        if is_of_digest(tag.as_str()) && !selects_signatures() {
            return None;
        }
        match &self.pattern {
            Some(pattern) => pattern.parts(tag.as_str()),
            None => Some(vec![Some(tag.as_str())]),
        }
    }
}

/// Returns the version in the first three of more numbers; `None` if `text` does not consist of more than three.
fn first_three_numbers(text: &str) -> Option<Version> {
    let (at, _) = text.match_indices('.').nth(2)?;
    let (three, rest) = text.split_at(at);
    let are_numbers = rest.split('.').skip(1).all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    TagVersion::read(three).filter(|version| are_numbers && version.parts == 3).map(|found| found.version)
}

/// Returns true if `tag` is attached to a digest: `sha256-<64 digits>`, optionally with a suffix such as `.sig` or `.att`.
fn is_of_digest(tag: &str) -> bool {
    let Some(rest) = tag.strip_prefix(SIGNATURES) else { return false };
    let (hex, suffix) = rest.split_at(rest.len().min(64));
    hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && (suffix.is_empty() || suffix.starts_with('.'))
}

/// Parses a number for comparison; `None` if it is not one, `Some(None)` for a missing group.
#[expect(clippy::option_option, reason = "a missing group is not an invalid number")]
fn number(part: Option<&str>) -> Option<Option<(usize, &str)>> {
    let Some(text) = part else { return Some(None) };
    let digits = text.trim_start_matches('0');
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then_some(Some((digits.len(), digits)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Just, ProptestConfig, Strategy, prop_oneof, proptest};

    use super::*;

    fn select(pattern: Option<&str>, order: Order) -> Select {
        Select { pattern: pattern.map(|text| Pattern::new(text).unwrap()), order }
    }

    fn semver(range: &str) -> Select {
        select(None, Order::Semver(Some(range.parse().unwrap())))
    }

    fn names(text: &str) -> Vec<TagName> {
        text.split(' ').map(|name| name.parse().unwrap()).collect()
    }

    /// All that fit, highest first, and the ties of the highest behind `=`.
    #[track_caller]
    fn check(select: &Select, tags: &str, expected: &str) {
        let tags = names(tags);
        let ranked: Vec<&str> = select.ranked(&tags).into_iter().map(TagName::as_str).collect();
        let choice = select.choose(&tags);
        assert_eq!(choice.as_ref().map(|choice| choice.tag.as_str()), ranked.first().copied());
        let ties: String = choice.into_iter().flat_map(|choice| choice.ties).map(|tie| format!(" ={tie}")).collect();
        assert_eq!(format!("{}{ties}", ranked.join(" ")), expected);
    }

    const PYTHON: &str = "latest 3 3.12.7 3.13 3.13.0 3.13.1 3.13.1-slim 3.14.0-rc.2 v3.13.1 3.9.20 3-alpine";

    #[test]
    fn the_highest_version_of_a_range_is_chosen() {
        check(&semver(">=3.13, <4"), PYTHON, "3.13.1 v3.13.1 3.13.0 3.13 =v3.13.1");
        check(&semver(">=3.14.0-0"), PYTHON, "3.14.0-rc.2");
        check(&semver("^4"), PYTHON, "");
        check(&semver("*"), "1.2.3_1 1.2.3 1.2.3_10 1.2.3_9", "1.2.3_10 1.2.3_9 1.2.3_1 1.2.3");
    }

    #[test]
    fn the_groups_of_a_pattern_are_compared() {
        let alpine = Select { pattern: Some(Pattern::new("^(.+)-alpine$").unwrap()), ..semver(">=3") };
        check(&alpine, "3-alpine 3.1-alpine 3.2 latest-alpine 2.9-alpine", "3.1-alpine 3-alpine");
    }

    #[test]
    fn numbers_are_compared_as_numbers() {
        let nightly = select(Some(r"^nightly-(\d{8})$"), Order::Number);
        check(
            &nightly,
            "nightly-20261123 nightly-20261124 nightly-2026112 x-20261125",
            "nightly-20261124 nightly-20261123",
        );
        let build = select(Some(r"^b(\d+)(?:\.(\d+))?$"), Order::Number);
        check(&build, "b9 b10 b10.2 b010 b10.11 bx", "b10.11 b10.2 b10 b010 b9");
        let long = "99999999999999999999999 100000000000000000000000";
        check(&select(None, Order::Number), long, "100000000000000000000000 99999999999999999999999");
        check(&select(Some("^(.*)$"), Order::Number), "1 a 2", "2 1");
    }

    #[test]
    fn letters_are_compared_as_letters() {
        let releases = select(Some("^rel-(.)"), Order::Alphabet);
        check(&releases, "rel-b rel-a rel-c2 rel-c1", "rel-c1 rel-c2 rel-b rel-a =rel-c2");
    }

    #[test]
    fn without_a_rule_tags_stand_in_their_usual_order() {
        check(&select(None, Order::Priority), "v1 other v2 3 latest 3.1 abc", "latest 3.1 3 abc other v1 v2");
    }

    #[test]
    fn r11_signature_and_attestation_tags_are_not_selected_unless_the_pattern_starts_with_sha256() {
        let hex = "ab".repeat(32);
        let tags = format!("main sha256-{hex} sha256-{hex}.att sha256-{hex}.sig sha256-{hex}x sha256-ab.sig");
        check(&select(Some(".*"), Order::Alphabet), &tags, &format!("sha256-{hex}x sha256-ab.sig main"));
        check(&select(None, Order::Priority), &tags, &format!("main sha256-ab.sig sha256-{hex}x"));
        for pattern in ["^sha256-.*sig$", "sha256-.*[.]sig$"] {
            let sig = select(Some(pattern), Order::Alphabet);
            check(&sig, &tags, &format!("sha256-{hex}.sig sha256-ab.sig"));
        }
    }

    #[test]
    fn r15_tags_with_more_than_three_numbers_are_found_unless_they_are_lower() {
        let tags = names("2.00.20 2.00.20.1 2.00.19.4 v2.00.21.0 3.0.0.0 2.0.x.1 2.0.0.1-rc 1.2");
        let longer = |select: &Select, selected: Option<&str>| {
            let selected: Option<TagName> = selected.map(|tag| tag.parse().unwrap());
            select.longer(&tags, selected.as_ref()).into_iter().map(TagName::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(longer(&semver("<3"), Some("2.00.20")), "2.00.20.1 v2.00.21.0");
        assert_eq!(longer(&semver("<3"), None), "2.00.20.1 2.00.19.4 v2.00.21.0");
        assert_eq!(longer(&select(None, Order::Number), None), "");
    }

    #[test]
    fn r19_only_a_matching_tag_of_a_lower_version_is_below() {
        let below = |tag: &str, other: &str| semver(">=3").is_below(&tag.parse().unwrap(), &other.parse().unwrap());
        assert!(below("3.1", "3.2") && below("3.1.0", "4"));
        assert!(!below("3.2", "3.1") && !below("3.1", "3.1.0") && !below("2.9", "3.1") && !below("3.1", "latest"));
    }

    #[test]
    fn a_tag_listed_twice_is_not_a_tie() {
        check(&semver("*"), "1.0.0 1.0.0", "1.0.0");
    }

    #[test]
    fn invalid_patterns_are_rejected() {
        for text in ["(", "a{1000}{1000}{1000}", &"(".repeat(100), &"a".repeat(600)] {
            assert!(Pattern::new(text).is_err(), "{text}");
        }
    }

    fn any_tag() -> impl Strategy<Value = TagName> {
        prop_oneof!["v?[0-3](\\.[0-3]){0,2}(-rc\\.[0-2])?", "n-0?[0-9]{1,2}", "[a-c]{1,2}"]
            .prop_map(|text: String| text.parse().unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn the_choice_is_a_function_of_the_set_of_tags(
            (tags, shuffled) in proptest::collection::vec(any_tag(), 0..12)
                .prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle())),
            twice in 0..12_usize,
        ) {
            let mut shuffled = shuffled;
            shuffled.extend(shuffled.get(twice).cloned());
            for rule in [semver(">=1.0.0-0"), select(Some(r"^n-(\d+)$"), Order::Number), select(None, Order::Alphabet)] {
                assert_eq!(rule.choose(&tags), rule.choose(&shuffled));
                let ranked = rule.ranked(&tags);
                assert_eq!(ranked, rule.ranked(&shuffled));
                assert!(tags.iter().all(|tag| rule.admits(tag) == ranked.contains(&tag)));
            }
        }
    }
}
