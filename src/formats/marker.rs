//! `marker = { path }`: comments `# pinstream: python:3.12` in any text file. A marker applies to the reference on its own
//! line, or on the next line if the comment is alone; without a reference, to the only digest or version there.

use std::ops::Range;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    FileFormat, FileText, PinLookup, ReferencePart, TargetEdit, TargetError, TargetPin, TargetReader, WriteSpec, list,
};
use crate::model::image::{Digest, TagId, TagName, complete};
use crate::text::diagnostics::At;

use super::part::is_digest_hex;

/// Prefix of every marker.
const WORD: &str = "pinstream:";
/// Starts of comments in common languages.
const COMMENTS: [&str; 8] = ["<!--", "{{/*", "/*", "//", "--", "#", ";", "%"];

/// All markers of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerPlace;

/// Lines with a comment `# pinstream: python:3.12`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(rename = "TargetMarker", extend("required" = ["path"]))]
pub(super) struct MarkerTable {
    /// A file below the root, or a glob, e.g. `**/*.sh`.
    pub(super) path: Option<At<String>>,
}

impl FileFormat for MarkerPlace {
    type Table = MarkerTable;
    const NAMES_TAGS: bool = true;

    fn read(_: &MarkerTable, _: &mut TargetReader<'_, '_>) -> Option<Self> {
        Some(Self)
    }

    fn refuse_part(part: ReferencePart) -> Option<&'static str> {
        (!part.is_reference()).then_some("remove it; digests without a reference are recognized")
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        Vec::new()
    }

    fn edits(&self, _: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        // `edits` below looks up the tag of each marker.
        Ok(Vec::new())
    }
}

/// Returns the edits of all markers with their tags' pins, including those that already have the requested text.
pub(super) fn edits(text: &FileText, part: ReferencePart, pins: PinLookup<'_>) -> Result<Vec<TargetEdit>, TargetError> {
    let markers = markers(text.text());
    if markers.is_empty() {
        let help = "write `# pinstream: stream:tag` after an image, or on the line above it";
        return Err(text.missing(0, format!("`{}` has no marker", text.path()), help));
    }
    let mut edits = Vec::new();
    for marker in markers {
        let invalid = |message: String, help: &str| text.invalid(marker.name.clone(), message, help);
        let id = marker.tag.parse::<TagId>();
        let id = id.map_err(|error| invalid(error.message, "a marker has the form `# pinstream: stream:tag`"))?;
        match pins(&id) {
            TargetPin::At(pin) => edits.push(marker.edit(&WriteSpec { text, from: &id, pin, part })?),
            TargetPin::Elsewhere => {}
            TargetPin::Unknown(near) => {
                let near = near.map(|near| format!("did you mean `{near}`?"));
                let help = near.as_deref().unwrap_or("run `pinstream list` to see all tags");
                return Err(invalid(format!("unknown tag `{id}`"), help));
            }
        }
    }
    Ok(edits)
}

/// A marker and the line it applies to.
struct Marker<'a> {
    /// Bytes of the tag's name.
    name: Range<usize>,
    tag: &'a str,
    /// Bytes of the line it applies to, without the marker.
    code: Range<usize>,
}

impl Marker<'_> {
    fn edit(&self, spec: &WriteSpec<'_>) -> Result<TargetEdit, TargetError> {
        let text = spec.text;
        let tokens = tokens(text.text(), self.code.clone());
        let token = |span: &Range<usize>| &text.text()[span.clone()];
        let is_digest = |span: &Range<usize>| is_digest_hex(token(span)) || token(span).parse::<Digest>().is_ok();
        let is_tag = |span: &Range<usize>| is_tag(token(span), spec.pin.image.tag());
        let image = |span: &Range<usize>| complete(token(span)).ok();
        let is_explicit = |span: &Range<usize>| token(span).contains([':', '@']);
        let repository = spec.pin.image.repository();
        let is_ours = |span: &Range<usize>| image(span).is_some_and(|image| image.repository() == repository);
        let all =
            |is: &dyn Fn(&Range<usize>) -> bool| tokens.iter().filter(|span| is(span)).cloned().collect::<Vec<_>>();
        let choices = [
            all(&|span| is_ours(span) && is_explicit(span)),
            all(&is_ours),
            all(&is_digest),
            all(&|span| is_tag(span) && is_explicit(span)),
            all(&|span| image(span).is_some() && is_explicit(span)),
            all(&is_tag),
        ];
        let (tag, line) = (self.tag, text.line(self.code.start));
        match choices.iter().find(|choice| !choice.is_empty()).map(Vec::as_slice) {
            Some([only]) => {
                let part = match spec.part {
                    _ if is_digest(only) => ReferencePart::Digest,
                    ReferencePart::RepositoryAndTag if is_tag(only) => ReferencePart::Tag,
                    _ if is_tag(only) => ReferencePart::TagAtDigest,
                    part => part,
                };
                Ok(spec.replace(only.clone(), token(only), &spec.part_of(part)?))
            }
            Some(several) => {
                let several = list(several.iter().map(|span| format!("`{}`", token(span))));
                let message = format!("marker `{tag}` applies to line {line}, which has several images: {several}");
                Err(text.invalid(self.name.clone(), message, "put each image on its own line"))
            }
            None => {
                let message = format!("marker `{tag}` applies to line {line}, which has no image");
                let help =
                    "write an image there once, e.g. `python:3.12`; the marker goes after it or on the line above";
                Err(text.invalid(self.name.clone(), message, help))
            }
        }
    }
}

/// Returns whether a word is a tag, alone or with a digest: that of the pin, or a version.
fn is_tag(word: &str, pinned: Option<&TagName>) -> bool {
    let (tag, digest) = word.split_once('@').map_or((word, None), |(tag, digest)| (tag, Some(digest)));
    let is_version = || tag.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit());
    let Ok(name) = tag.parse::<TagName>() else { return false };
    (pinned == Some(&name) || is_version()) && digest.is_none_or(|digest| digest.parse::<Digest>().is_ok())
}

/// Finds all markers.
fn markers(text: &str) -> Vec<Marker<'_>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(WORD) {
        let start = text[..at].rfind('\n').map_or(0, |at| at + 1);
        let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
        let before = text[start..at].trim_end();
        let Some(code) = COMMENTS.iter().find_map(|comment| before.strip_suffix(comment)) else { continue };
        let behind = &text[at + WORD.len()..end];
        let mut words = behind.split_whitespace();
        let Some(tag) = words.next() else { continue };
        let rest = words.next().unwrap_or_default();
        // A sentence that names no tag is not a marker.
        let is_alone = rest.is_empty() || ["-->", "*/", "*/}}"].contains(&rest);
        if !is_alone && tag.parse::<TagId>().is_err() {
            continue;
        }
        let name = at + WORD.len() + behind.find(tag).unwrap_or_default();
        let code = if code.trim().is_empty() {
            let next = (end + 1).min(text.len());
            next..text[next..].find('\n').map_or(text.len(), |length| next + length)
        } else {
            start..start + code.len()
        };
        found.push(Marker { name: name..name + tag.len(), tag, code });
    }
    found
}

/// Returns the words of a line that may be references.
fn tokens(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    let mut found = Vec::new();
    let mut at = line.start;
    for word in text[line].split(|c| !is_part(c)) {
        let mut start = at;
        at += word.len();
        let end = at;
        // Words are separated by one character of any length.
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        if word.starts_with("http://") || word.starts_with("https://") {
            continue;
        }
        if let Some(scheme) = word.find("://") {
            start += scheme + 3;
        }
        let inner = text[start..end].trim_start_matches([':', '-', '.', '@']);
        start = end - inner.len();
        let inner = inner.trim_end_matches([':', '-', '.', '@', '/']);
        if !inner.is_empty() {
            found.push(start..start + inner.len());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at(text: &str, expected: &str) {
        let expected = expected
            .replace("FULL", "docker.io/library/NEW")
            .replace("NEW", &format!("python:3.12@{DIGEST}"))
            .replace("DIGEST", DIGEST);
        check("marker = { path = \"x\" }", "x", text, &expected);
    }

    #[test]
    fn the_reference_on_the_line_or_the_next_is_replaced() {
        for (before, after) in [
            ("image: \"python:3\" # pinstream: python:3.12\n", "image: \"NEW\" # pinstream: python:3.12\n"),
            ("# pinstream: python:3.12\r\nFROM python AS ü\r\n", "# pinstream: python:3.12\r\nFROM NEW AS ü\r\n"),
            ("\u{feff}A=python:3#pinstream:python:3.12", "\u{feff}A=NEW#pinstream:python:3.12"),
            ("ü(\"python:3\"); // pinstream: python:3.12 the base", "ü(\"NEW\"); // pinstream: python:3.12 the base"),
            (
                "<!-- pinstream: python:3.12 -->\n`docker run python:3`\n",
                "<!-- pinstream: python:3.12 -->\n`docker run NEW`\n",
            ),
            ("python: python:3 # pinstream: python:3.12", "python: NEW # pinstream: python:3.12"),
            ("uses: docker://python:3 # pinstream: python:3.12", "uses: docker://NEW # pinstream: python:3.12"),
            ("x=quay.io/old/py:1 # pinstream: python:3.12", "x=FULL # pinstream: python:3.12"),
            ("\tpython@sha256:0 -- pinstream: python:3.12", "2 ?"),
        ] {
            if after == "2 ?" {
                at(
                    before,
                    "1 ! marker `python:3.12` applies to line 1, which has no image; write an image there once, e.g. `python:3.12`; the marker goes after it or on the line above",
                );
                continue;
            }
            at(before, after);
            let after = after.replace("FULL", "docker.io/library/NEW").replace("NEW", &format!("python:3.12@{DIGEST}"));
            at(&after, &after);
        }
        let old = format!("sha256:{}", "0".repeat(64));
        at(&format!("digest = \"{old}\" # pinstream: python:3.12"), "digest = \"DIGEST\" # pinstream: python:3.12");
    }

    #[test]
    fn f18_a_version_alone_receives_tag_and_digest() {
        for (before, after) in [
            ("web_version: \"3.11\" # pinstream: python:3.12\n", "web_version: \"TAG\" # pinstream: python:3.12\n"),
            ("# pinstream: python:3.12\nVERSION := v3.11-slim\n", "# pinstream: python:3.12\nVERSION := TAG\n"),
            ("tag = '3.12' # pinstream: python:3.12\n", "tag = 'TAG' # pinstream: python:3.12\n"),
        ] {
            let after = after.replace("TAG", &format!("3.12@{DIGEST}"));
            at(before, &after);
            at(&after, &after);
            let tag = "write = \"repository:tag\"\nmarker = { path = \"x\" }";
            let edited = super::super::tests::edited(tag, "x", before);
            assert_eq!(edited, after.replace(&format!("@{DIGEST}"), ""));
        }
        at(
            "version: 1 or 2 # pinstream: python:3.12\n",
            "1 ! marker `python:3.12` applies to line 1, which has several images: `1`, `2`; put each image on its own line",
        );
    }

    #[test]
    fn a_marker_without_an_image_or_a_tag_is_reported() {
        at(
            "x: python:3\n",
            "1 ! `x` has no marker; write `# pinstream: stream:tag` after an image, or on the line above it",
        );
        at(
            "# pinstream: pins images, as you see\n",
            "1 ! `x` has no marker; write `# pinstream: stream:tag` after an image, or on the line above it",
        );
        at("a:1 # pinstream: python\n", "1 ! invalid tag `python`; a marker has the form `# pinstream: stream:tag`");
        at("\na:1 # pinstream: python:3.13\n", "2 ! unknown tag `python:3.13`; did you mean `python:3.12`?");
        at(
            "a:1 b:2 # pinstream: python:3.12\n",
            "1 ! marker `python:3.12` applies to line 1, which has several images: `a:1`, `b:2`; put each image on its own line",
        );
        at(
            "# pinstream: python:3.12\n",
            "1 ! marker `python:3.12` applies to line 2, which has no image; write an image there once, e.g. `python:3.12`; the marker goes after it or on the line above",
        );
        at("# pinstream: python:new\nx\n", "# pinstream: python:new\nx\n");
    }
}
