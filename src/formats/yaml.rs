//! `yaml = { path, at }`: a value of a YAML file, and how values of YAML are written over.

use std::ops::Range;
use std::rc::Rc;

use crate::formats::find::unquoted;
use crate::text::yaml::write::is_plain;
use crate::text::yaml::{YamlNode, YamlValue};

use super::text::FileText;
use super::way::Selector;
use super::{TargetError, TextChange, WriteSpec, no_text};

/// What the value at the end of `way` becomes.
pub(super) fn edits(way: &Selector, text: &FileText, writing: &WriteSpec<'_>) -> Result<Vec<TextChange>, TargetError> {
    let found = way.follow(text, text.yaml()?)?;
    let new = writing.value(text)?;
    found.iter().map(|node| write(text, node, &new)).collect()
}

/// `node` with the text `new`: its quotes stay, and what it has none for gets some where it would not be text.
pub(super) fn write(text: &FileText, node: &YamlNode, new: &str) -> Result<TextChange, TargetError> {
    let span = scalar(text, node)?;
    let written = &text.text()[span.clone()];
    let change =
        |span, new: String| TextChange { span, new, was: node.text().unwrap_or_default().trim_end().to_owned() };
    if node.is_block {
        return Ok(change(block(text, &span)?, new.to_owned()));
    }
    match written.as_bytes().first() {
        Some(b'"' | b'\'') => {
            let inner = span.start + 1..span.end - 1;
            let is_same = matches!(&node.value, YamlValue::Quoted(text) if text == new);
            Ok(change(inner.clone(), if is_same { text.text()[inner].to_owned() } else { new.to_owned() }))
        }
        Some(_) => Ok(change(span, if is_plain(new) { new.to_owned() } else { format!("\"{new}\"") })),
        None => Err(empty(text, node)),
    }
}

/// The bytes of a scalar.
fn scalar(text: &FileText, node: &YamlNode) -> Result<Range<usize>, TargetError> {
    if matches!(node.value, YamlValue::List(_) | YamlValue::Map(_)) {
        return Err(no_text(text, &node.span));
    }
    Ok(node.span.clone())
}

fn empty(text: &FileText, node: &YamlNode) -> TargetError {
    let problem = text.problem(&node.span, "there is no value yet to write over");
    TargetError::Wrong(problem.help("write `\"\"` there once; it is filled from then on"))
}

/// The one line of text in a block.
fn block(text: &FileText, span: &Range<usize>) -> Result<Range<usize>, TargetError> {
    let written = &text.text()[span.clone()];
    let mut at = span.start;
    let mut lines = Vec::new();
    for line in written.split_inclusive('\n') {
        let inner = line.trim();
        if !inner.is_empty() {
            let start = at + line.find(inner).unwrap_or_default();
            lines.push(start..start + inner.len());
        }
        at += line.len();
    }
    match lines.as_slice() {
        [only] => Ok(only.clone()),
        _ => {
            let problem = text.problem(&(span.start..span.start), "the value is a block of several lines");
            Err(TargetError::Wrong(problem.help("write it in one line")))
        }
    }
}

/// The first byte of what is written in a value, without its quotes.
pub(super) fn first_byte(text: &FileText, node: &YamlNode) -> usize {
    unquoted(text.text(), node.span.clone()).start
}

/// The value of `key` in a map that `way` leads to, where it stands there once and in no other place.
pub(super) fn field(
    text: &FileText,
    way: &Selector,
    map: &YamlNode,
    key: &str,
) -> Result<Option<Rc<YamlNode>>, TargetError> {
    let mut own = map.entries().iter().filter(|(name, _)| name.text() == Some(key));
    let Some((name, value)) = own.next() else {
        return match map.get(key) {
            Some(_) => Err(TargetError::Wrong(text.shared(&map.span, &way.key(key)))),
            None => Ok(None),
        };
    };
    if let Some((again, _)) = own.next() {
        let problem = text.problem(&again.span, format!("`{key}` stands there twice"));
        return Err(TargetError::Wrong(problem.help("keep one of the two")));
    }
    if value.is_anchored {
        return Err(TargetError::Wrong(text.shared(&name.span, &way.key(key))));
    }
    Ok(Some(Rc::clone(value)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};

    #[track_caller]
    fn at_image(yaml: &str, expected: &str) {
        check("yaml = { path = \"a.yaml\", at = \"image\" }", "a.yaml", yaml, expected);
    }

    #[test]
    fn each_style_of_a_value_is_kept() {
        let new = format!("docker.io/library/python:3.12@{DIGEST}");
        for (before, after) in [
            ("image: python:3 # here\n", "image: NEW # here\n"),
            ("image:   \"python:3\"\r\nb: 1\r\n", "image:   \"NEW\"\r\nb: 1\r\n"),
            ("\u{feff}image: 'python:3'", "\u{feff}image: 'NEW'"),
            ("# ü\n{image: python:3, b: 1}", "# ü\n{image: NEW, b: 1}"),
            ("{\"image\":\t\"python:3\",\n\t\"b\": 1}", "{\"image\":\t\"NEW\",\n\t\"b\": 1}"),
            ("image: >-\n    python:3\n\nb: 1\n", "image: >-\n    NEW\n\nb: 1\n"),
            ("image: |\r\n  python:3\r\nb: 1\r\n", "image: |\r\n  NEW\r\nb: 1\r\n"),
            ("image: >-\n  python:3", "image: >-\n  NEW"),
            ("image: !!str python:3\n", "image: !!str NEW\n"),
            ("image: \"py\\\n  thon:3\"\n", "image: \"NEW\"\n"),
            ("image: ~\n", "image: NEW\n"),
            ("? image\n: python:3\n", "? image\n: NEW\n"),
            (
                "--- # one\nother: 1\n--- # two\nimage: python:3\n...\n",
                "--- # one\nother: 1\n--- # two\nimage: NEW\n...\n",
            ),
        ] {
            at_image(before, &after.replace("NEW", &new));
            at_image(&after.replace("NEW", &new), &after.replace("NEW", &new));
        }
    }

    #[test]
    fn what_would_not_be_text_without_quotes_gets_some() {
        let tag = |yaml: &str, expected: &str| {
            check("yaml = { path = \"a.yaml\", at = \"tag\" }\nwrite = \"tag\"", "a.yaml", yaml, expected);
        };
        tag("tag: old\n", "tag: \"3.12\"\n");
        tag("tag: 3.12\n", "tag: \"3.12\"\n");
        tag("tag: '3.12'\n", "tag: '3.12'\n");
        tag("tag: \"3\\u002E12\"\n", "tag: \"3\\u002E12\"\n");
    }

    #[test]
    fn what_cannot_be_written_over_says_so() {
        at_image(
            "image:\nb: 1\n",
            "1 ! there is no value yet to write over; write `\"\"` there once; it is filled from then on",
        );
        at_image(
            "image: {a: 1}\n",
            "1 ! a list or map stands where a text is to be written; let the way lead on to a text in it",
        );
        at_image("image: |\n  a\n  b\n", "2 ! the value is a block of several lines; write it in one line");
        at_image(
            "a: 1\n{{ if }}\n",
            "2 ! invalid YAML: simple key expected ':'; where it is a template, write a marker `# pinstream: \
             stream:tag` beside the image, and a target `marker`",
        );
    }
}
