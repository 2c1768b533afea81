//! Calls of functions in Starlark files (bazel.build, "Starlark language"), with the arguments that are strings.

use std::ops::Range;
use std::sync::Arc;

use super::super::{DocumentTree, FileText};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

/// The bytes of a function's name, and the arguments of the call.
type Call = (Range<usize>, Arc<YamlNode>);
/// A name and a value.
type Argument = (Arc<YamlNode>, Arc<YamlNode>);

/// Parses the calls of `functions`: a map from each function to the list of its calls, which are maps of arguments.
pub(super) fn calls(text: &FileText, functions: &[&str]) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("starlark", || {
        let mut entries = Vec::new();
        for function in functions {
            let reader = StarlarkReader { file: &text.file, at: 0 };
            let calls = reader.calls(function)?;
            if let Some((name, _)) = calls.first() {
                let key = node(YamlValue::Plain((*function).to_owned()), name.clone());
                let list = calls.iter().map(|(_, call)| Arc::clone(call)).collect();
                // Unlike that of its only call, the place of the list is the whole file.
                entries.push((key, node(YamlValue::List(list), 0..text.text().len())));
            }
        }
        let whole = node(YamlValue::Map(entries), 0..text.text().len());
        Ok(DocumentTree::new(vec![whole]))
    })
}

fn node(value: YamlValue, span: Range<usize>) -> Arc<YamlNode> {
    Arc::new(YamlNode::plain(value, span))
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

struct StarlarkReader<'a> {
    file: &'a Arc<SourceFile>,
    at: usize,
}

impl StarlarkReader<'_> {
    fn rest(&self) -> &str {
        &self.file.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn invalid(&self, what: &str) -> Problem {
        let at = self.at.min(self.file.text.len());
        let problem = Problem::at(self.file, at..at, format!("invalid Starlark: {what}"));
        problem.help("correct the file, or add a comment `# pinstream: stream:tag` and a `marker` target")
    }

    /// Returns all calls of `function`, each with the bytes of its name.
    fn calls(mut self, function: &str) -> Result<Vec<Call>, Problem> {
        let mut found = Vec::new();
        while let Some(next) = self.peek() {
            if is_name(next) {
                let name = self.name();
                if self.file.text[name.clone()] == *function && self.peek() == Some('(') {
                    self.at += 1;
                    let arguments = self.arguments()?;
                    found.push((name.clone(), node(YamlValue::Map(arguments), name.start..self.at)));
                }
            } else {
                self.skip_token()?;
            }
        }
        Ok(found)
    }

    fn name(&mut self) -> Range<usize> {
        let start = self.at;
        self.at += self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
        start..self.at
    }

    /// Parses arguments up to the closing bracket; those that are not just a string have no text.
    fn arguments(&mut self) -> Result<Vec<Argument>, Problem> {
        let mut arguments = Vec::new();
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(')') => break,
                Some(',') => self.at += 1,
                Some(_) => {
                    let name = self.name();
                    self.skip_blanks();
                    let is_named = !name.is_empty() && self.peek() == Some('=') && !self.rest().starts_with("==");
                    if is_named {
                        self.at += 1;
                        let value = self.argument()?;
                        arguments.push((node(YamlValue::Plain(self.file.text[name.clone()].to_owned()), name), value));
                    } else {
                        self.argument()?;
                    }
                }
                None => return Err(self.invalid("a call does not end")),
            }
        }
        self.at += 1;
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Arc<YamlNode>, Problem> {
        self.skip_blanks();
        let start = self.at;
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''));
        let is_long = quote.is_some_and(|quote| self.rest().starts_with(&quote.to_string().repeat(3)));
        if quote.is_some() {
            self.skip_string()?;
        }
        let string = start..self.at;
        self.skip_blanks();
        if quote.is_some() && !is_long && matches!(self.peek(), Some(',' | ')')) {
            let text = self.file.text[string.start + 1..string.end - 1].to_owned();
            return Ok(node(YamlValue::Quoted(text), string));
        }
        let mut depth = 0;
        loop {
            match self.peek() {
                Some(',' | ')') if depth == 0 => break,
                Some('(' | '[' | '{') => depth += 1,
                Some(')' | ']' | '}') => depth -= 1,
                None => return Err(self.invalid("a call does not end")),
                Some(_) => {}
            }
            self.skip_token()?;
        }
        Ok(node(YamlValue::Plain(String::new()), start..self.at))
    }

    fn skip_blanks(&mut self) {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            let rest = &rest[blanks..];
            let comment = if rest.starts_with('#') { rest.find('\n').unwrap_or(rest.len()) } else { 0 };
            self.at += blanks + comment;
            if comment == 0 {
                return;
            }
        }
    }

    /// Skips a string, a comment or one character.
    fn skip_token(&mut self) -> Result<(), Problem> {
        match self.peek() {
            Some('"' | '\'') => return self.skip_string(),
            Some('#') => self.skip_blanks(),
            Some(other) => self.at += other.len_utf8(),
            None => {}
        }
        Ok(())
    }

    fn skip_string(&mut self) -> Result<(), Problem> {
        let quote = self.rest()[..1].to_owned();
        let long = quote.repeat(3);
        let end = if self.rest().starts_with(&long) { long } else { quote };
        self.at += end.len();
        loop {
            let rest = self.rest();
            if rest.starts_with(&end) {
                break;
            }
            match rest.chars().next() {
                Some('\\') => self.at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
                Some('\n') if end.len() == 1 => return Err(self.invalid("a string does not end")),
                Some(other) => self.at += other.len_utf8(),
                None => return Err(self.invalid("a string does not end")),
            }
        }
        self.at += end.len();
        Ok(())
    }
}
