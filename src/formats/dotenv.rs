//! Parses `.env` files as compose does (docs.docker.com, "Syntax for environment files"), with the bytes of each value.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::text::diagnostics::SourceFile;

/// The name of the file.
pub(super) const NAME: &str = ".env";

/// A variable, with the bytes of its value without quotes.
pub(super) struct EnvVariable<'t> {
    pub(super) name: &'t str,
    pub(super) value: &'t str,
    pub(super) span: Range<usize>,
}

/// Returns the values of the variables in a `.env` file; the last one of several wins.
pub(super) fn values(file: &SourceFile) -> BTreeMap<String, String> {
    variables(&file.text).into_iter().map(|variable| (variable.name.to_owned(), variable.value.to_owned())).collect()
}

/// Parses the lines `NAME=value`; a value that continues on the next line is skipped.
pub(super) fn variables(text: &str) -> Vec<EnvVariable<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        found.extend(variable(text, start, line.trim_end()));
        start += line.len();
    }
    found
}

/// Parses the line of `text` that starts at a byte.
fn variable<'t>(text: &'t str, start: usize, line: &'t str) -> Option<EnvVariable<'t>> {
    let code = line.trim_start();
    let code = code.strip_prefix("export ").unwrap_or(code);
    let (name, written) = code.split_at(code.find(['=', ':'])?);
    let name = name.trim();
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.');
    if name.is_empty() || !is_name {
        return None;
    }
    let end = start + line.len();
    let written = written[1..].trim_start();
    let at = end - written.len();
    let span = match written.chars().next() {
        Some(quote @ ('"' | '\'')) => at + 1..at + 1 + written[1..].find(quote)?,
        _ => at..at + written.find(" #").unwrap_or(written.len()),
    };
    let value = text[span.clone()].trim_end();
    // Escapes are not expanded.
    (!value.contains('\\')).then(|| EnvVariable { name, value, span: span.start..span.start + value.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f15_lines_are_parsed_as_by_compose() {
        let text = "# A=1\nA=1\n export B: 'x y' # z\r\nC=\"a#b\" \nD=a#b #c\nE=\n=x\nF G=1\nH='open\nI=a\\nb\nA=2";
        let found: Vec<_> = variables(text).iter().map(|one| (one.name, one.value, &text[one.span.clone()])).collect();
        let expected = [("A", "1"), ("B", "x y"), ("C", "a#b"), ("D", "a#b"), ("E", ""), ("A", "2")];
        assert_eq!(found, expected.map(|(name, value)| (name, value, value)));
        let file = SourceFile { path: NAME.to_owned(), text: text.to_owned() };
        assert_eq!(values(&file)["A"], "2");
    }
}
