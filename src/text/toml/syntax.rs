//! Reports TOML syntax errors: all of a file at once, at most one per line.

use std::collections::{HashMap, HashSet};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::text::diagnostics::lines::LineIndex;
use crate::text::diagnostics::{Diagnostics, Problem};
use crate::text::escape::excerpt;

/// The number of syntax errors reported per file.
const MISTAKES_MAX: usize = 100;

/// Parses the document; `None` if syntax errors make its content uncertain. Of a key defined twice, the first
/// definition counts.
pub(super) fn parse<'a>(text: &'a str, findings: &mut Diagnostics<'_>) -> Option<Spanned<DeTable<'a>>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(document);
    }
    let (duplicates, mistakes): (Vec<_>, Vec<_>) =
        errors.into_iter().partition(|error| error.message() == "duplicate key" && error.span().is_some());
    let first = if duplicates.is_empty() { HashMap::new() } else { key_positions(document.get_ref()) };
    let lines = LineIndex::new(text);
    // The keys of a duplicated table are not reported in addition to the table.
    let mut muted = 0..0;
    for error in duplicates.iter().take(MISTAKES_MAX) {
        let span = error.span().unwrap_or(0..0);
        if muted.contains(&span.start) {
            continue;
        }
        muted = lines.table(text, span.start).unwrap_or(muted);
        let written = text.get(span.clone()).unwrap_or_default();
        let name = written.trim_matches(['"', '\'']);
        let earlier = first.get(name).and_then(|starts| starts.iter().rev().find(|start| **start < span.start));
        let line = earlier.map(|start| lines.line_number(*start)).or_else(|| lines.same_header(text, span.start));
        let message = match line {
            Some(line) => format!("`{}` is defined twice, first on line {line}", excerpt(name)),
            None => format!("`{}` is defined twice", excerpt(name)),
        };
        findings.report(&span, message, "remove one of them");
    }
    let mut seen = HashSet::new();
    for error in &mistakes {
        let span = error.span().unwrap_or(0..0);
        if seen.len() < MISTAKES_MAX && seen.insert(lines.line_number(span.start)) {
            let file = findings.file;
            let help = help(error.message(), text, span.start);
            let problem = Problem::at(file, span, format!("invalid TOML: {}", error.message()));
            findings.problems.push(problem.help(help));
        }
    }
    mistakes.is_empty().then_some(document)
}

/// Suggests a remedy for the parser error `message`.
fn help(message: &str, text: &str, at: usize) -> String {
    let start = text[..at.min(text.len())].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let key = line.split('=').next().unwrap_or_default().trim();
    let is_bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if message.contains("dotted key") && is_bare {
        return format!("quote it: `\"{}\" = …`", excerpt(key));
    }
    if message.contains("quote") || message.contains("string") {
        return "quote strings, e.g. `key = \"value\"`, and close the quotes on the same line".to_owned();
    }
    "write one `key = \"value\"` per line, below a header such as `[tags]`".to_owned()
}

/// Collects the positions of each key, in ascending order, by its name.
fn key_positions<'a>(table: &'a DeTable<'_>) -> HashMap<&'a str, Vec<usize>> {
    fn collect<'a>(value: &'a DeValue<'_>, places: &mut HashMap<&'a str, Vec<usize>>) {
        match value {
            DeValue::Table(table) => walk(table, places),
            DeValue::Array(items) => items.iter().for_each(|item| collect(item.get_ref(), places)),
            _ => {}
        }
    }
    fn walk<'a>(table: &'a DeTable<'_>, places: &mut HashMap<&'a str, Vec<usize>>) {
        for (key, value) in table {
            places.entry(key.get_ref().as_ref()).or_default().push(key.span().start);
            collect(value.get_ref(), places);
        }
    }
    let mut all = HashMap::new();
    walk(table, &mut all);
    all.values_mut().for_each(|starts| starts.sort_unstable());
    all
}

impl LineIndex {
    /// Returns the range below the header that contains `at`, if it is in a header.
    fn table(&self, text: &str, at: usize) -> Option<std::ops::Range<usize>> {
        let here = self.line_number(at);
        let is_header = |start: usize| text[start..].trim_start_matches([' ', '\t']).starts_with('[');
        if !is_header(self.0[here - 1]) {
            return None;
        }
        let below = &self.0[here..];
        let end = below.iter().copied().find(|start| is_header(*start)).unwrap_or(text.len());
        Some(below.first().copied().unwrap_or(end)..end)
    }

    /// Returns the number of the first line with the same table header as the line of `at`.
    fn same_header(&self, text: &str, at: usize) -> Option<usize> {
        let line = |number: usize| {
            let start = self.0[number - 1];
            let end = self.0.get(number).copied().unwrap_or(text.len());
            text[start..end].trim()
        };
        let here = self.line_number(at);
        let header = line(here);
        (header.starts_with('[')).then(|| (1..here).find(|number| line(*number) == header)).flatten()
    }
}
