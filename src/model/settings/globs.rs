//! Patterns of tags: `stream`, `stream:tag`, or globs over them, for `on` of a hook and for the command line.
//!
//! `*` and `?` match within one name between `/` and `:`; `**` matches any number of directories. A pattern without a
//! tag matches all tags of its streams.

use globset::{GlobBuilder, GlobMatcher};

use crate::model::image::{NameError, StreamName, TagId, TagName};

/// The longest pattern, in bytes.
const PATTERN_MAX: usize = 255;
/// The syntax of globs.
const GLOBS: &str = "use `*`, `**`, `?`, `[a-z]` and `{a,b}`";
/// The syntax of tag patterns.
const FORMS: &str =
    "write `stream`, `stream:tag` or a glob with `*`, `**`, `?`, `[a-z]` and `{a,b}`, e.g. `team-a/**` or `python:3.*`";

/// A set of tag patterns; the empty set matches all tags.
#[derive(Clone, Debug, Default)]
pub struct TagGlobs {
    globs: Vec<TagGlob>,
}

#[derive(Clone, Debug)]
struct TagGlob {
    text: String,
    stream: GlobPart,
    tag: Option<GlobPart>,
}

#[derive(Clone, Debug)]
enum GlobPart {
    Exactly(String),
    Glob(GlobMatcher),
}

impl PartialEq for TagGlobs {
    fn eq(&self, other: &Self) -> bool {
        self.patterns().eq(other.patterns())
    }
}

impl TagGlobs {
    /// Returns globs that match all tags.
    pub fn all() -> Self {
        Self::default()
    }

    /// Parses the patterns of a set.
    ///
    /// # Errors
    /// Returns the first invalid pattern.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Result<Self, NameError> {
        patterns.into_iter().map(TagGlob::new).collect::<Result<_, _>>().map(|globs| Self { globs })
    }

    /// Returns true if `tag` matches.
    pub fn matches(&self, tag: &TagId) -> bool {
        self.globs.is_empty() || self.globs.iter().any(|glob| glob.matches(tag))
    }

    /// Returns true if tags of `stream` may match.
    pub fn matches_stream(&self, stream: &StreamName) -> bool {
        self.globs.is_empty() || self.globs.iter().any(|glob| glob.stream.matches(stream.as_str()))
    }

    /// Returns true if it matches all tags.
    pub fn is_all(&self) -> bool {
        self.globs.is_empty()
    }

    /// Returns the patterns as written.
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.globs.iter().map(|glob| glob.text.as_str())
    }

    /// Returns the patterns that match none of `tags`.
    pub fn unmatched<'a>(&'a self, tags: impl Iterator<Item = &'a TagId> + Clone) -> Vec<&'a str> {
        let unmatched = self.globs.iter().filter(|glob| !tags.clone().any(|tag| glob.matches(tag)));
        unmatched.map(|glob| glob.text.as_str()).collect()
    }
}

impl TagGlob {
    fn new(text: &str) -> Result<Self, NameError> {
        if text.len() > PATTERN_MAX {
            return Err(NameError::new(format!("glob longer than {PATTERN_MAX} characters")).help(FORMS));
        }
        let (stream, tag) = text.split_once(':').map_or((text, None), |(stream, tag)| (stream, Some(tag)));
        let stream = part(stream, "/", |b| !b.is_ascii_uppercase(), |name| name.parse::<StreamName>().map(drop))?;
        let tag = tag.map(|tag| part(tag, "", |_| true, |name| name.parse::<TagName>().map(drop))).transpose()?;
        Ok(Self { text: text.to_owned(), stream, tag })
    }

    fn matches(&self, tag: &TagId) -> bool {
        self.stream.matches(tag.stream.as_str()) && self.tag.as_ref().is_none_or(|glob| glob.matches(tag.tag.as_str()))
    }
}

impl GlobPart {
    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exactly(only) => only == name,
            Self::Glob(glob) => glob.is_match(name),
        }
    }
}

/// Parses one side of a pattern; `more` are additional characters allowed in its names.
fn part(
    text: &str,
    more: &str,
    fits: impl Fn(u8) -> bool,
    check: impl Fn(&str) -> Result<(), NameError>,
) -> Result<GlobPart, NameError> {
    const META: &str = "*?[]{},!^";
    if !text.contains(|c| META.contains(c)) {
        return check(text).map(|()| GlobPart::Exactly(text.to_owned()));
    }
    let known =
        |b: u8| (b.is_ascii_alphanumeric() && fits(b)) || "._-".contains(char::from(b)) || more.contains(char::from(b));
    if text.starts_with('!') || !text.bytes().all(|b| known(b) || META.contains(char::from(b))) {
        return Err(NameError::new(format!("invalid glob `{text}`")).help(FORMS));
    }
    glob(text).map(GlobPart::Glob)
}

/// Compiles a glob whose `*` does not match `/`.
pub(crate) fn glob(text: &str) -> Result<GlobMatcher, NameError> {
    if text.len() > PATTERN_MAX {
        return Err(NameError::new(format!("glob longer than {PATTERN_MAX} characters")).help(FORMS));
    }
    match GlobBuilder::new(text).literal_separator(true).backslash_escape(false).build() {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(NameError::new(format!("invalid glob `{text}`: {}", error.kind())).help(GLOBS)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let globs = TagGlobs::new([pattern]).unwrap();
        let matches = |tag: &&str| globs.matches(&tag.parse().unwrap());
        assert_eq!(yes.iter().find(|tag| !matches(tag)), None, "{pattern} should match");
        assert_eq!(no.iter().find(|tag| matches(tag)), None, "{pattern} should not match");
    }

    #[test]
    fn a_stream_means_all_its_tags_and_no_other() {
        check("python", &["python:3.12", "python:latest"], &["python2:x", "team-a/python:3.12"]);
        check("team-a/python", &["team-a/python:3.12"], &["python:3.12"]);
    }

    #[test]
    fn a_star_stays_between_slashes_and_colons() {
        check("python:*", &["python:3.12", "python:latest"], &["pythons:1", "a/python:1"]);
        check("*:latest", &["python:latest"], &["python:3.12", "a/python:latest"]);
        check("*", &["python:3.12"], &["a/python:3.12"]);
        check("python:3.*", &["python:3.12", "python:3.1.2"], &["python:4.3.1"]);
        check(
            "team-*/p?thon:{latest,3.[0-9]}",
            &["team-a/python:latest", "team-b/pithon:3.9"],
            &["team-a/python:3.10"],
        );
    }

    #[test]
    fn two_stars_go_over_folders() {
        check("team-a/**", &["team-a/python:3.12", "team-a/x/y:z"], &["team-b/python:3.12"]);
        check("**", &["python:1", "a/b/c:1"], &[]);
        check("**:latest", &["python:latest", "a/b:latest"], &["python:1"]);
    }

    #[test]
    fn no_pattern_means_all_tags() {
        assert!(TagGlobs::all().matches(&"a:b".parse().unwrap()));
    }

    #[test]
    fn patterns_that_never_match_are_rejected() {
        for pattern in [
            "",
            "Python:*",
            "python:",
            ":x",
            "a b*",
            "!python*",
            "python:[",
            "python:{a",
            "a:b:c",
            "a:b:*",
            "*x\\*",
            &"*".repeat(300),
        ] {
            assert!(TagGlobs::new([pattern]).is_err(), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_mean_no_tag_are_named() {
        let globs = TagGlobs::new(["python:*", "node", "py*:4"]).unwrap();
        let tags: Vec<TagId> = ["python:3.12", "go:1"].iter().map(|tag| tag.parse().unwrap()).collect();
        assert_eq!(globs.unmatched(tags.iter()), ["node", "py*:4"]);
    }
}
