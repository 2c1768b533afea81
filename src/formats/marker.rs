//! `marker = { path }`: comments `# pinstream: python:3.12` in files of any kind. The reference in the line of the comment
//! is written over, or the one in the next line where the comment stands alone.

use std::ops::Range;

use crate::model::image::{Digest, PinnedRef, TagId, complete};

use super::part::ReferencePart;
use super::text::FileText;
use super::{PinLookup, TargetError, TargetPin, TextChange, list};

/// What every marker has.
const WORD: &str = "pinstream:";
/// What comments begin with, in the languages there are.
const COMMENTS: [&str; 8] = ["<!--", "{{/*", "/*", "//", "--", "#", ";", "%"];

/// A marker, and the line it is for.
struct Marker<'a> {
    /// The bytes of what it names.
    name: Range<usize>,
    tag: &'a str,
    /// The bytes of the line it is for, as far as they are no marker.
    code: Range<usize>,
}

/// What the places of all markers become, each with its tag.
pub(super) fn edits(
    text: &FileText,
    part: ReferencePart,
    pins: PinLookup<'_>,
) -> Result<Vec<(TagId, TextChange)>, TargetError> {
    let mut changes = Vec::new();
    let markers = markers(text.text());
    if markers.is_empty() {
        let problem = text.problem(&(0..0), format!("`{}` has no marker", text.path()));
        return Err(TargetError::Nothing(
            problem.help("write `# pinstream: stream:tag` behind an image, or in the line above it"),
        ));
    }
    for marker in markers {
        let wrong = |message: String, help: String| TargetError::Wrong(text.problem(&marker.name, message).help(help));
        let id: TagId = match marker.tag.parse::<TagId>() {
            Ok(id) => id,
            Err(error) => return Err(wrong(error.message, "a marker is `# pinstream: stream:tag`".to_owned())),
        };
        match pins(&id) {
            TargetPin::At(pin) => changes.push((id, change(text, &marker, part, &pin)?)),
            TargetPin::Elsewhere => {}
            TargetPin::Unknown(near) => {
                let help = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`pinstream list` shows all tags".to_owned(),
                };
                return Err(wrong(format!("no tag named `{id}`"), help));
            }
        }
    }
    Ok(changes)
}

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
        // Where it is a sentence, and none about a tag, it is no marker.
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

fn change(
    text: &FileText,
    marker: &Marker<'_>,
    part: ReferencePart,
    pin: &PinnedRef,
) -> Result<TextChange, TargetError> {
    let tokens = tokens(text.text(), marker.code.clone());
    let word = |span: &Range<usize>| &text.text()[span.clone()];
    let is_digest = |span: &Range<usize>| word(span).parse::<Digest>().is_ok();
    let image = |span: &Range<usize>| complete(word(span)).ok();
    let is_explicit = |span: &Range<usize>| word(span).contains([':', '@']);
    let is_ours = |span: &Range<usize>| image(span).is_some_and(|image| image.repository() == pin.image.repository());
    let of = |is: &dyn Fn(&Range<usize>) -> bool| tokens.iter().filter(|span| is(span)).cloned().collect::<Vec<_>>();
    let choices = [
        of(&|span| is_ours(span) && is_explicit(span)),
        of(&is_ours),
        of(&is_digest),
        of(&|span| image(span).is_some() && is_explicit(span)),
    ];
    let line = text.line(marker.code.start);
    match choices.iter().find(|choice| !choice.is_empty()).map(Vec::as_slice) {
        Some([only]) => {
            let part = if is_digest(only) { ReferencePart::Digest } else { part };
            let new = part.of(pin).ok_or_else(|| super::without_tag(text, marker.tag))?;
            Ok(TextChange { span: only.clone(), new, was: word(only).to_owned() })
        }
        Some(several) => {
            let several: Vec<String> = several.iter().map(|span| format!("`{}`", word(span))).collect();
            let message =
                format!("the marker `{}` is for line {line}, which has several images: {}", marker.tag, list(several));
            Err(TargetError::Wrong(text.problem(&marker.name, message).help("write each in a line of its own")))
        }
        None => {
            let message = format!("the marker `{}` is for line {line}, which has no image", marker.tag);
            let help = "write one there once, as `python:3.12`, with the marker behind it or in the line above";
            Err(TargetError::Wrong(text.problem(&marker.name, message).help(help)))
        }
    }
}

/// The words of a line that may be references.
fn tokens(text: &str, line: Range<usize>) -> Vec<Range<usize>> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    let mut found = Vec::new();
    let mut at = line.start;
    for word in text[line].split(|c| !is_part(c)) {
        let mut start = at;
        at += word.len();
        let end = at;
        // What parts words is one character, of as many bytes as it has.
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
        let expected =
            expected.replace("NEW", &format!("docker.io/library/python:3.12@{DIGEST}")).replace("DIGEST", DIGEST);
        check("marker = { path = \"x\" }", "x", text, &expected);
    }

    #[test]
    fn the_reference_in_the_line_or_in_the_next_is_written_over() {
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
            ("x=quay.io/old/py:1 # pinstream: python:3.12", "x=NEW # pinstream: python:3.12"),
            ("\tpython@sha256:0 -- pinstream: python:3.12", "2 ?"),
        ] {
            if after == "2 ?" {
                at(
                    before,
                    "1 ! the marker `python:3.12` is for line 1, which has no image; write one there once, as `python:3.12`, with the marker behind it or in the line above",
                );
                continue;
            }
            at(before, after);
            let after = after.replace("NEW", &format!("docker.io/library/python:3.12@{DIGEST}"));
            at(&after, &after);
        }
        let old = format!("sha256:{}", "0".repeat(64));
        at(&format!("digest = \"{old}\" # pinstream: python:3.12"), "digest = \"DIGEST\" # pinstream: python:3.12");
    }

    #[test]
    fn a_marker_that_leads_nowhere_says_so() {
        at(
            "x: python:3\n",
            "1 ! `x` has no marker; write `# pinstream: stream:tag` behind an image, or in the line above it",
        );
        at(
            "# pinstream: pins images, as you see\n",
            "1 ! `x` has no marker; write `# pinstream: stream:tag` behind an image, or in the line above it",
        );
        at("a:1 # pinstream: python\n", "1 ! invalid tag `python`; a marker is `# pinstream: stream:tag`");
        at("\na:1 # pinstream: python:3.13\n", "2 ! no tag named `python:3.13`; did you mean `python:3.12`?");
        at(
            "a:1 b:2 # pinstream: python:3.12\n",
            "1 ! the marker `python:3.12` is for line 1, which has several images: `a:1`, `b:2`; write each in a line of its own",
        );
        at(
            "# pinstream: python:3.12\n",
            "1 ! the marker `python:3.12` is for line 2, which has no image; write one there once, as `python:3.12`, with the marker behind it or in the line above",
        );
        at("# pinstream: python:new\nx\n", "# pinstream: python:new\nx\n");
    }
}
