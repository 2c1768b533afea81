//! Edits items on lines of their own: their extent, and insertion below them.

use std::ops::Range;

use super::{EditItem, ItemKind, splice};

/// Returns the line ending of `text`.
pub(crate) fn eol(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// Returns the start of the line that contains `at`.
pub(super) fn start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |before| before + 1)
}

/// Returns the end of the line that contains `at`, including the line ending.
fn end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |after| at + after + 1)
}

/// Returns the indentation of the line that contains `at`.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[start(text, at)..at];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Returns the lines of an item.
pub(super) fn extent(text: &str, item: &EditItem) -> Range<usize> {
    start(text, item.key.start)..end(text, item.value.end)
}

/// Returns the lines from a header to `last` of its section, with the blank lines that follow.
pub(super) fn section(text: &str, header: &EditItem, last: &EditItem) -> Range<usize> {
    let (mut begin, mut finish) = (start(text, header.key.start), end(text, last.value.end));
    let is_blank = |line: &str| line.trim().is_empty();
    while finish < text.len() && is_blank(&text[finish..end(text, finish)]) {
        finish = end(text, finish);
    }
    while finish == text.len() && begin > 0 && is_blank(&text[start(text, begin - 1)..begin]) {
        begin = start(text, begin - 1);
    }
    begin..finish
}

/// Inserts `line` below the lines of `item`.
pub(super) fn below(text: &str, item: &EditItem, line: &str) -> String {
    let at = end(text, item.value.end);
    let eol = eol(text);
    match text[..at].ends_with('\n') {
        true => splice(text, at..at, &format!("{line}{eol}")),
        // Keep a last line without a line ending.
        false => splice(text, at..at, &format!("{eol}{line}")),
    }
}

/// Inserts `key = value` below `item`, as a key of the same table: with the indentation and dotted prefix of the item's
/// last key.
pub(super) fn after(text: &str, item: &EditItem, pair: &str) -> String {
    let before = &text[start(text, item.key.start)..item.key.start];
    below(text, item, &format!("{before}{pair}"))
}

/// Appends a block of lines to `text`, after a blank line.
pub(crate) fn at_end(text: &str, block: &str) -> String {
    let eol = eol(text);
    let blank = if text.trim().is_empty() { "" } else { eol };
    match text.is_empty() || text.ends_with('\n') {
        true => format!("{text}{blank}{block}"),
        // Keep a last line without a line ending.
        false => format!("{text}{eol}{blank}{}", block.trim_end()),
    }
}

/// Appends `element` to the list `item`, on a line of its own.
pub(super) fn with_element(text: &str, item: &EditItem, element: &str) -> String {
    let close = item.value.end.saturating_sub(1);
    let base = indent(text, item.key.start);
    let eol = eol(text);
    let ItemKind::List(Some(last)) = item.kind else {
        let open = item.value.start + 1;
        return splice(text, open..open, &format!("{eol}{base}  {element}{eol}{base}"));
    };
    let has_comma = code(&text[last..close]).contains(',');
    let line = start(text, close);
    let text = if line > last && text[line..close].trim().is_empty() {
        let own = indent(text, last);
        let own = if own.is_empty() { "  " } else { own };
        splice(text, line..line, &format!("{own}{element}{eol}"))
    } else {
        let blanks = text[..close].trim_end_matches([' ', '\t']).len().max(last);
        splice(text, blanks..close, &format!("{eol}{base}  {element}{eol}{base}"))
    };
    if has_comma { text } else { splice(&text, last..last, ",") }
}

/// Removes comments from the text between elements.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect()
}
