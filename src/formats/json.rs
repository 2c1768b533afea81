//! `json = { path, at }`: a value in a JSON file; also finds the images of Kubernetes objects. Comments and trailing
//! commas are accepted, as many tools do.
//!
//! The grammar is RFC 8259.

use std::sync::Arc;

use super::{
    DocumentTree, Evidence, FileFormat, FileText, ImageSite, SELECT_ONE, Selector, SiteCandidate, TargetEdit,
    TargetError, TargetKind, TargetReader, ValueTable, WriteSpec, yaml,
};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

use super::suggest::by_selector;

/// Maximum nesting depth of lists and maps.
const DEPTH_MAX: usize = 64;

/// A value in a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPlace(Selector);

impl FileFormat for JsonPlace {
    type Table = ValueTable;
    const PATTERNS: &'static [&'static str] = &["**/*.json"];

    fn read(table: &ValueTable, reader: &mut TargetReader<'_, '_>) -> Option<Self> {
        reader.selector(table).map(Self)
    }

    fn keys(&self) -> Vec<(&'static str, &str)> {
        vec![("at", self.0.as_str())]
    }

    fn edits(&self, spec: &WriteSpec<'_>) -> Result<Vec<TargetEdit>, TargetError> {
        let found = self.0.select(spec.text, &*tree(spec.text)?, SELECT_ONE)?;
        found.iter().map(|node| spec.replace_quoted(node)).collect()
    }

    fn recognize(file: &SourceFile) -> Option<Evidence> {
        file.path.ends_with(".json").then(|| yaml::object_in_json(file))?
    }

    fn find(text: &FileText) -> Result<Vec<ImageSite>, Problem> {
        Ok(yaml::kubernetes_images(text, &*tree(text)?))
    }

    fn suggest(text: &FileText, sites: &[ImageSite]) -> Result<Vec<Vec<SiteCandidate>>, Problem> {
        Ok(by_selector(&*tree(text)?, sites, |selector| TargetKind::Json(Self(selector))))
    }
}

/// Parses a JSON file.
pub(super) fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("json", || documents(&text.file).map(DocumentTree::new))
}

/// Parses a JSON file into its only document.
fn documents(file: &Arc<SourceFile>) -> Result<Vec<Arc<YamlNode>>, Problem> {
    let mut reader = JsonReader { file, at: 0 };
    let node = reader.value(0)?;
    reader.skip_blanks();
    match file.text.len() == reader.at {
        true => Ok(vec![node]),
        false => Err(reader.invalid("expected the end of the file")),
    }
}

/// A key and its value.
type JsonMember = (Arc<YamlNode>, Arc<YamlNode>);

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

    fn invalid(&self, what: &str) -> Problem {
        let at = self.at.min(self.file.text.len());
        let problem = Problem::at(self.file, at..at, format!("invalid JSON: {what}"));
        problem.help("name a JSON file, or use `marker` for another kind of file")
    }

    /// Skips blanks and comments.
    fn skip_blanks(&mut self) {
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

    fn value(&mut self, depth: usize) -> Result<Arc<YamlNode>, Problem> {
        if depth > DEPTH_MAX {
            return Err(self.invalid(&format!("nested deeper than {DEPTH_MAX} levels")));
        }
        self.skip_blanks();
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
                    return Err(self.invalid("expected a value"));
                }
                self.at += length;
                YamlValue::Plain(literal)
            }
        };
        Ok(Arc::new(YamlNode::plain(value, start..self.at)))
    }

    fn members(&mut self, depth: usize) -> Result<Vec<JsonMember>, Problem> {
        let mut members = Vec::new();
        self.at += 1;
        while self.has_more(b'}')? {
            let start = self.at;
            if self.peek() != Some(b'"') {
                return Err(self.invalid("expected a quoted key"));
            }
            let key = Arc::new(YamlNode::plain(YamlValue::Quoted(self.string()?), start..self.at));
            self.skip_blanks();
            if self.peek() != Some(b':') {
                return Err(self.invalid("expected `:`"));
            }
            self.at += 1;
            members.push((key, self.value(depth + 1)?));
            self.comma(b'}')?;
        }
        Ok(members)
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Arc<YamlNode>>, Problem> {
        let mut items = Vec::new();
        self.at += 1;
        while self.has_more(b']')? {
            items.push(self.value(depth + 1)?);
            self.comma(b']')?;
        }
        Ok(items)
    }

    /// Returns whether there is more before `end`; skips `end` otherwise.
    fn has_more(&mut self, end: u8) -> Result<bool, Problem> {
        self.skip_blanks();
        match self.peek() {
            Some(b) if b == end => {
                self.at += 1;
                Ok(false)
            }
            Some(_) => Ok(true),
            None => Err(self.invalid("unexpected end of the file")),
        }
    }

    /// Skips a comma, which is optional before `end`.
    fn comma(&mut self, end: u8) -> Result<(), Problem> {
        self.skip_blanks();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(())
            }
            Some(b) if b == end => Ok(()),
            _ => Err(self.invalid("expected `,`")),
        }
    }

    fn string(&mut self) -> Result<String, Problem> {
        let bytes = self.file.text.as_bytes();
        let mut end = self.at + 1;
        while let Some(&byte) = bytes.get(end) {
            match byte {
                b'"' => {
                    let written = &self.file.text[self.at..=end];
                    let text = serde_json::from_str(written).map_err(|_| self.invalid("invalid string"))?;
                    self.at = end + 1;
                    return Ok(text);
                }
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
        Err(self.invalid("unterminated string"))
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
        let full = format!("docker.io/library/python:3.12@{DIGEST}");
        let new = format!("python:3.12@{DIGEST}");
        for (before, after) in [
            ("{\"image\":\"python:3\"}", "{\"image\":\"NEW\"}"),
            (
                "\u{feff}{\r\n\t\"ü\": [1, -2.5e3, true, null],\r\n\t\"image\" : \"\"\r\n}\r\n",
                "\u{feff}{\r\n\t\"ü\": [1, -2.5e3, true, null],\r\n\t\"image\" : \"FULL\"\r\n}\r\n",
            ),
            ("// a\n{ /* \"image\": 1 */ \"image\": null, }", "// a\n{ /* \"image\": 1 */ \"image\": \"FULL\", }"),
            ("{\"i\\u006dage\": \"a\\\"b\\\\\"}", "{\"i\\u006dage\": \"FULL\"}"),
        ] {
            let after = after.replace("FULL", &full).replace("NEW", &new);
            at_image(before, &after);
            at_image(&after, &after);
        }
        at_image(
            "{\"image\": {}}",
            "1 ! expected a string, found a list or a map; extend the selector so that it selects a string inside it",
        );
        at_image("{\"imag\": 1}", "1 ! `a.json` has no `image`; did you mean `imag`?");
    }

    #[test]
    fn invalid_json_is_reported_at_its_position() {
        let problem = |text: &str| {
            let file = Arc::new(SourceFile { path: "a.json".to_owned(), text: text.to_owned() });
            let problem = documents(&file).unwrap_err();
            let (line, column) = problem.position().unwrap();
            format!("{line}:{column} {}", problem.message.trim_start_matches("invalid JSON: "))
        };
        for (text, expected) in [
            ("", "1:1 expected a value"),
            ("{\n\"a\" 1}", "2:5 expected `:`"),
            ("{a: 1}", "1:2 expected a quoted key"),
            ("[1 2]", "1:4 expected `,`"),
            ("[1", "1:3 expected `,`"),
            ("[1,", "1:4 unexpected end of the file"),
            ("\"a", "1:1 unterminated string"),
            ("\"\\x\"", "1:1 invalid string"),
            ("{} {}", "1:4 expected the end of the file"),
            ("nul", "1:1 expected a value"),
        ] {
            assert_eq!(problem(text), expected, "{text}");
        }
        let deep = format!("{}{}", "[".repeat(66), "]".repeat(66));
        assert!(problem(&deep).contains("deeper than 64 levels"));
    }
}
