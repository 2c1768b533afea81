//! `json = { path, at }`: a value of a JSON file. Comments and commas at ends are taken as they are, for many tools do.
//!
//! The grammar is that of RFC 8259; a value knows its bytes.

use std::rc::Rc;
use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

use super::text::FileText;
use super::way::Selector;
use super::{TargetError, TextChange, WriteSpec, in_quotes};

/// How deep lists and maps may stand in each other.
const DEPTH_MAX: usize = 64;

/// What the value at the end of `way` becomes.
pub(super) fn edits(way: &Selector, text: &FileText, writing: &WriteSpec<'_>) -> Result<Vec<TextChange>, TargetError> {
    let found = way.follow(text, text.json()?)?;
    let new = writing.value(text)?;
    found.iter().map(|node| in_quotes(text, node, &new, |_| 1)).collect()
}

/// The one document of a JSON file as a tree.
///
/// # Errors
/// The first thing that is wrong with it, at its place.
pub(super) fn documents(file: &Arc<SourceFile>) -> Result<Vec<Rc<YamlNode>>, Problem> {
    let mut reader = JsonReader { file, at: 0 };
    let node = reader.value(0)?;
    reader.blank();
    match file.text.len() == reader.at {
        true => Ok(vec![node]),
        false => Err(reader.wrong("more stands behind its end")),
    }
}

/// A key and its value.
type JsonMember = (Rc<YamlNode>, Rc<YamlNode>);

struct JsonReader<'a> {
    file: &'a Arc<SourceFile>,
    at: usize,
}

impl JsonReader<'_> {
    fn rest(&self) -> &str {
        &self.file.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.file.text.as_bytes().get(self.at).copied()
    }

    fn wrong(&self, what: &str) -> Problem {
        let at = self.at.min(self.file.text.len());
        let problem = Problem::at(self.file, at..at, format!("this is not JSON: {what}"));
        problem.help("name a JSON file, or use a `marker` in a file of another kind")
    }

    /// Passes over blanks and comments.
    fn blank(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
            let rest = &rest[blanks..];
            let comment = if rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            self.at += blanks + comment;
            if comment == 0 {
                return;
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Rc<YamlNode>, Problem> {
        if depth > DEPTH_MAX {
            return Err(self.wrong(&format!("lists and maps stand in each other deeper than {DEPTH_MAX} levels")));
        }
        self.blank();
        let start = self.at;
        let value = match self.peek() {
            Some(b'{') => YamlValue::Map(self.members(depth)?),
            Some(b'[') => YamlValue::List(self.items(depth)?),
            Some(b'"') => YamlValue::Quoted(self.string()?),
            _ => {
                let is_literal = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
                let rest = self.rest();
                let length = rest.find(|c| !is_literal(c)).unwrap_or(rest.len());
                let literal = rest[..length].to_owned();
                if serde_json::from_str::<serde_json::Value>(&literal).is_err() {
                    return Err(self.wrong("a value is missing"));
                }
                self.at += length;
                YamlValue::Plain(literal)
            }
        };
        Ok(Rc::new(YamlNode::plain(value, start..self.at)))
    }

    fn members(&mut self, depth: usize) -> Result<Vec<JsonMember>, Problem> {
        let mut members = Vec::new();
        self.at += 1;
        while self.goes_on(b'}')? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.wrong("a key in quotes is missing"));
            }
            let key = Rc::new(YamlNode::plain(YamlValue::Quoted(self.string()?), start..self.at));
            self.blank();
            if self.peek() != Some(b':') {
                return Err(self.wrong("a `:` is missing"));
            }
            self.at += 1;
            members.push((key, self.value(depth + 1)?));
            self.comma(b'}')?;
        }
        Ok(members)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Rc<YamlNode>>, Problem> {
        let mut items = Vec::new();
        self.at += 1;
        while self.goes_on(b']')? {
            items.push(self.value(depth + 1)?);
            self.comma(b']')?;
        }
        Ok(items)
    }

    /// Whether something comes before `end`, which is passed over otherwise.
    fn goes_on(&mut self, end: u8) -> Result<bool, Problem> {
        self.blank();
        match self.peek() {
            Some(b) if b == end => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(self.wrong("it ends too early")),
        }
    }

    /// Passes over a comma; none is needed before `end`.
    fn comma(&mut self, end: u8) -> Result<(), Problem> {
        self.blank();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(())
            }
            Some(b) if b == end => Ok(()),
            _ => Err(self.wrong("a `,` is missing")),
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let bytes = self.file.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    let written = &self.file.text[self.at..=end];
                    let text = serde_json::from_str(written).map_err(|_| self.wrong("a string is broken"))?;
                    self.at = end + 1;
                    return Ok(text);
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(self.wrong("a string has no end"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{DIGEST, check};
    use super::*;

    #[track_caller]
    fn at_image(json: &str, expected: &str) {
        check("json = { path = \"a.json\", at = \"image\" }", "a.json", json, expected);
    }

    #[test]
    fn only_the_bytes_of_the_value_change() {
        let new = format!("docker.io/library/python:3.12@{DIGEST}");
        for (before, after) in [
            ("{\"image\":\"python:3\"}", "{\"image\":\"NEW\"}"),
            (
                "\u{feff}{\r\n\t\"ü\": [1, -2.5e3, true, null],\r\n\t\"image\" : \"\"\r\n}\r\n",
                "\u{feff}{\r\n\t\"ü\": [1, -2.5e3, true, null],\r\n\t\"image\" : \"NEW\"\r\n}\r\n",
            ),
            ("// a\n{ /* \"image\": 1 */ \"image\": null, }", "// a\n{ /* \"image\": 1 */ \"image\": \"NEW\", }"),
            ("{\"i\\u006dage\": \"a\\\"b\\\\\"}", "{\"i\\u006dage\": \"NEW\"}"),
        ] {
            at_image(before, &after.replace("NEW", &new));
            at_image(&after.replace("NEW", &new), &after.replace("NEW", &new));
        }
        at_image(
            "{\"image\": {}}",
            "1 ! a list or map stands where a text is to be written; let the way lead on to a text in it",
        );
        at_image("{\"imag\": 1}", "1 ! `a.json` has no `image`; did you mean `imag`?");
    }

    #[test]
    fn what_is_not_json_is_named_by_its_place() {
        let wrong = |text: &str| {
            let file = Arc::new(SourceFile { path: "a.json".to_owned(), text: text.to_owned() });
            let problem = documents(&file).unwrap_err();
            let (line, column) = problem.position().unwrap();
            format!("{line}:{column} {}", problem.message.trim_start_matches("this is not JSON: "))
        };
        for (text, expected) in [
            ("", "1:1 a value is missing"),
            ("{\n\"a\" 1}", "2:5 a `:` is missing"),
            ("{a: 1}", "1:2 a key in quotes is missing"),
            ("[1 2]", "1:4 a `,` is missing"),
            ("[1", "1:3 a `,` is missing"),
            ("[1,", "1:4 it ends too early"),
            ("\"a", "1:1 a string has no end"),
            ("\"\\x\"", "1:1 a string is broken"),
            ("{} {}", "1:4 more stands behind its end"),
            ("nul", "1:1 a value is missing"),
        ] {
            assert_eq!(wrong(text), expected, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(66), "]".repeat(66));
        assert!(wrong(&deep).contains("deeper than 64 levels"));
    }
}
