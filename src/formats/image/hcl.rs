//! HCL (github.com/hashicorp/hcl, "HCL Native Syntax Specification"), read as a tree: blocks with labels become nested maps,
//! and expressions other than strings, lists and objects become empty values.

use std::ops::Range;
use std::sync::Arc;

use super::super::{DocumentTree, FileText};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::yaml::{YamlNode, YamlValue};

/// Maximum nesting depth.
const DEPTH_MAX: usize = 64;

/// Keys with their values.
type HclEntries = Vec<(Arc<YamlNode>, Arc<YamlNode>)>;

/// Parses a file into one document of nested maps.
pub(super) fn tree(text: &FileText) -> Result<Arc<DocumentTree>, Problem> {
    text.parsed("hcl", || {
        let mut reader = HclReader { file: &text.file, at: 0, open: 0 };
        let entries = reader.body(0, None)?;
        Ok(DocumentTree::new(vec![node(YamlValue::Map(entries), 0..text.text().len())]))
    })
}

fn node(value: YamlValue, span: Range<usize>) -> Arc<YamlNode> {
    Arc::new(YamlNode::plain(value, span))
}

struct HclReader<'a> {
    file: &'a Arc<SourceFile>,
    at: usize,
    /// Number of open brackets that are skipped, with templates in strings in between.
    open: usize,
}

impl HclReader<'_> {
    fn rest(&self) -> &str {
        &self.file.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, length: usize) {
        self.at += length;
    }

    fn invalid(&self, what: &str) -> Problem {
        let at = self.at.min(self.file.text.len());
        let problem = Problem::at(self.file, at..at, format!("invalid HCL: {what}"));
        problem.help("correct the file, or add a comment `# pinstream: stream:tag` and a `marker` target")
    }

    /// Skips blanks and comments, and line ends too if `lines` is set.
    fn skip_blanks(&mut self, lines: bool) {
        loop {
            let is_blank = |c: char| matches!(c, ' ' | '\t' | '\r' | '\u{feff}') || (lines && c == '\n');
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start_matches(is_blank).len();
            let rest = &rest[blanks..];
            let comment = if rest.starts_with('#') || rest.starts_with("//") {
                rest.find('\n').unwrap_or(rest.len())
            } else if rest.starts_with("/*") {
                rest.find("*/").map_or(rest.len(), |end| end + 2)
            } else {
                0
            };
            self.skip(blanks + comment);
            if comment == 0 {
                return;
            }
        }
    }

    fn check_depth(&self, depth: usize) -> Result<(), Problem> {
        match depth > DEPTH_MAX {
            true => Err(self.invalid(&format!("nested deeper than {DEPTH_MAX} levels"))),
            false => Ok(()),
        }
    }

    /// Parses attributes and blocks up to `end`, or to the end of the file.
    fn body(&mut self, depth: usize, end: Option<char>) -> Result<HclEntries, Problem> {
        self.check_depth(depth)?;
        let mut entries = Vec::new();
        loop {
            self.skip_blanks(true);
            match self.peek() {
                next if next == end => break,
                Some(',') if end.is_some() => self.skip(1),
                Some('(') => {
                    self.skip_expression()?;
                    self.separator()?;
                    self.value(depth)?;
                }
                Some(_) => self.entry(depth, &mut entries)?,
                None => return Err(self.invalid("unexpected end of the file")),
            }
        }
        self.skip(end.map_or(0, char::len_utf8));
        Ok(entries)
    }

    /// Parses one attribute or block.
    fn entry(&mut self, depth: usize, entries: &mut HclEntries) -> Result<(), Problem> {
        let mut names = vec![self.name()?];
        loop {
            self.skip_blanks(false);
            match self.peek() {
                Some('=' | ':') if names.len() == 1 => {
                    self.skip(1);
                    let value = self.value(depth)?;
                    entries.extend(names.pop().map(|name| (name, value)));
                    return Ok(());
                }
                Some('{') => {
                    let start = self.at;
                    self.skip(1);
                    // Each label is a level of the tree.
                    let inner = self.body(depth + names.len(), Some('}'))?;
                    insert(entries, &names, node(YamlValue::Map(inner), start..self.at));
                    return Ok(());
                }
                _ => {
                    names.push(self.name()?);
                    self.check_depth(depth + names.len())?;
                }
            }
        }
    }

    fn separator(&mut self) -> Result<(), Problem> {
        self.skip_blanks(false);
        match self.peek() {
            Some('=' | ':') => {
                self.skip(1);
                Ok(())
            }
            _ => Err(self.invalid("expected `=`")),
        }
    }

    /// Parses a name, with or without quotes.
    fn name(&mut self) -> Result<Arc<YamlNode>, Problem> {
        let start = self.at;
        if self.peek() == Some('"') {
            return self.string();
        }
        let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let length = self.rest().find(|c| !is_name(c)).unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.invalid("expected a name"));
        }
        self.skip(length);
        Ok(node(YamlValue::Plain(self.file.text[start..self.at].to_owned()), start..self.at))
    }

    fn value(&mut self, depth: usize) -> Result<Arc<YamlNode>, Problem> {
        self.skip_blanks(false);
        let start = self.at;
        let value = match self.peek() {
            Some('"') => self.string()?,
            Some('{') if !self.is_for() => {
                self.skip(1);
                let inner = self.body(depth + 1, Some('}'))?;
                node(YamlValue::Map(inner), start..self.at)
            }
            Some('[') if !self.is_for() => {
                self.skip(1);
                let items = self.items(depth + 1)?;
                node(YamlValue::List(items), start..self.at)
            }
            _ => node(YamlValue::Plain(String::new()), start..start),
        };
        self.skip_blanks(false);
        if matches!(self.peek(), None | Some('\n' | ',' | '}' | ']' | ')')) && value.span.end > start {
            return Ok(value);
        }
        // A part of an expression is no value.
        self.skip_expression()?;
        Ok(node(YamlValue::Plain(String::new()), start..self.at))
    }

    /// Returns whether a bracket opens a `for` expression.
    fn is_for(&self) -> bool {
        let inner = self.rest()[1..].trim_start();
        inner.strip_prefix("for").is_some_and(|rest| rest.starts_with(char::is_whitespace))
    }

    fn items(&mut self, depth: usize) -> Result<Vec<Arc<YamlNode>>, Problem> {
        self.check_depth(depth)?;
        let mut items = Vec::new();
        loop {
            self.skip_blanks(true);
            match self.peek() {
                Some(']') => break,
                Some(',') => self.skip(1),
                Some(_) => items.push(self.value(depth)?),
                None => return Err(self.invalid("unexpected end of the file")),
            }
        }
        self.skip(1);
        Ok(items)
    }

    /// Parses a string with its quotes; escapes remain as written.
    fn string(&mut self) -> Result<Arc<YamlNode>, Problem> {
        let start = self.at;
        self.skip_string()?;
        Ok(node(YamlValue::Quoted(self.file.text[start + 1..self.at - 1].to_owned()), start..self.at))
    }

    fn skip_string(&mut self) -> Result<(), Problem> {
        self.skip(1);
        loop {
            let rest = self.rest();
            match rest.chars().next() {
                Some('"') => break,
                Some('\\') => self.skip(1 + rest[1..].chars().next().map_or(0, char::len_utf8)),
                Some('$' | '%') if rest[1..].starts_with('{') => {
                    self.skip(1);
                    self.skip_brackets()?;
                }
                Some('$') if rest.starts_with("$${") => self.skip(3),
                Some('%') if rest.starts_with("%%{") => self.skip(3),
                Some('\n') | None => return Err(self.invalid("a string does not end")),
                Some(other) => self.skip(other.len_utf8()),
            }
        }
        self.skip(1);
        Ok(())
    }

    /// Skips an expression: to the end of the line, or to a comma or bracket that belongs to what contains it.
    fn skip_expression(&mut self) -> Result<(), Problem> {
        loop {
            self.skip_blanks(false);
            match self.peek() {
                None | Some('\n' | ',' | '}' | ']' | ')') => return Ok(()),
                Some('=') if !self.rest().starts_with("==") && !self.rest().starts_with("=>") => return Ok(()),
                Some('"') => self.skip_string()?,
                Some('(' | '[' | '{') => self.skip_brackets()?,
                Some('<') if self.rest().starts_with("<<") => self.skip_heredoc()?,
                Some('=' | '!' | '<' | '>') => self.skip(if self.rest()[1..].starts_with(['=', '>']) { 2 } else { 1 }),
                Some(other) => self.skip(other.len_utf8()),
            }
        }
    }

    /// Skips a bracket and everything up to the one that closes it.
    fn skip_brackets(&mut self) -> Result<(), Problem> {
        let mut depth = 0;
        self.open += 1;
        self.check_depth(self.open)?;
        loop {
            self.skip_blanks(true);
            match self.peek() {
                Some('(' | '[' | '{') => depth += 1,
                Some(')' | ']' | '}') => depth -= 1,
                Some('"') => {
                    self.skip_string()?;
                    continue;
                }
                Some('<') if self.rest().starts_with("<<") => {
                    self.skip_heredoc()?;
                    continue;
                }
                None => return Err(self.invalid("a bracket is not closed")),
                Some(_) => {}
            }
            self.skip(self.peek().map_or(0, char::len_utf8));
            if depth == 0 {
                self.open -= 1;
                return Ok(());
            }
        }
    }

    /// Skips `<<END`, or `<<-END`, and all lines up to one with `END` alone.
    fn skip_heredoc(&mut self) -> Result<(), Problem> {
        let rest = self.rest();
        let line_end = rest.find('\n').unwrap_or(rest.len());
        let end = rest[2..line_end].trim_start_matches('-').trim().to_owned();
        let mut length = line_end;
        for line in rest[line_end..].split_inclusive('\n').skip(1) {
            if line.trim() == end {
                self.skip(length + 1 + (line.trim_end().len()));
                return Ok(());
            }
            length += line.len();
        }
        Err(self.invalid("a heredoc does not end"))
    }
}

/// Adds a block below its type and labels.
fn insert(entries: &mut HclEntries, names: &[Arc<YamlNode>], body: Arc<YamlNode>) {
    let Some((first, rest)) = names.split_first() else { return };
    if rest.is_empty() {
        entries.push((Arc::clone(first), body));
        return;
    }
    let known = entries.iter_mut().find(|(name, value)| name.text() == first.text() && !value.entries().is_empty());
    if let Some(map) = known.and_then(|(_, value)| Arc::get_mut(value))
        && let YamlValue::Map(inner) = &mut map.value
    {
        map.span.end = body.span.end;
        insert(inner, rest, body);
        return;
    }
    let (mut inner, span) = (Vec::new(), first.span.start..body.span.end);
    insert(&mut inner, rest, body);
    entries.push((Arc::clone(first), node(YamlValue::Map(inner), span)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(hcl: &str, expected: &str) {
        fn show(node: &YamlNode) -> String {
            match &node.value {
                YamlValue::Map(entries) => {
                    let entries =
                        entries.iter().map(|(name, value)| format!("{}:{}", name.text().unwrap(), show(value)));
                    format!("{{{}}}", entries.collect::<Vec<_>>().join(" "))
                }
                YamlValue::List(items) => {
                    format!("[{}]", items.iter().map(|one| show(one)).collect::<Vec<_>>().join(" "))
                }
                YamlValue::Quoted(text) => format!("'{text}'"),
                YamlValue::Plain(_) => "?".to_owned(),
            }
        }
        let found = match tree(&FileText::from_bytes("a.hcl", hcl.as_bytes()).unwrap()) {
            Ok(tree) => show(&tree.documents[0]),
            Err(problem) => format!("{} {}", problem.position().unwrap().0, problem.message),
        };
        assert_eq!(found, expected, "{hcl}");
    }

    #[test]
    fn blocks_and_attributes_are_read_as_a_tree() {
        check("a = \"b\" # c\n/* x\n */ d = [\"e\", 1, {f = \"g\"}]\n", "{a:'b' d:['e' ? {f:'g'}]}");
        check("t \"a\" {\n  x = \"1\"\n}\nt \"b\" { y = \"2\" }\n", "{t:{a:{x:'1'} b:{y:'2'}}}");
        check("args = {\n  A = \"x\"\n  \"B\" : \"y\", C = null\n}\n", "{args:{A:'x' B:'y' C:?}}");
        check("a = \"${f(\"}\")}-x\"\nb = \"c\" == d ? \"e\" : \"f\"\nc = \"z\"\n", "{a:'${f(\"}\")}-x' b:? c:'z'}");
        check("a = <<-E\n  image = \"x\"\n  E\nb = \"y\"\n", "{a:? b:'y'}");
        check("a = [for x in y : \"z\"]\nb = f(\n  \"x\"\n)\nf \"x\" \"y\" {}\n", "{a:? b:? f:{x:{y:{}}}}");
    }

    #[test]
    fn invalid_text_is_refused() {
        check("a = \"b\n", "1 invalid HCL: a string does not end");
        check("\na {\n", "3 invalid HCL: unexpected end of the file");
        check("a = f(\n", "2 invalid HCL: a bracket is not closed");
        check("a = <<E\nx\n", "1 invalid HCL: a heredoc does not end");
        check("= 1", "1 invalid HCL: expected a name");
        check(&"a {".repeat(70), "1 invalid HCL: nested deeper than 64 levels");
        check(&format!("{} {{}}", "a ".repeat(70)), "1 invalid HCL: nested deeper than 64 levels");
        check(&format!("a = {}", "\"${".repeat(70)), "1 invalid HCL: nested deeper than 64 levels");
    }
}
