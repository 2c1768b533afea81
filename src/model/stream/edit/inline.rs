//! Edits items in inline tables: their extent between commas, and insertion next to them.

use std::ops::Range;

use super::{EditItem, ItemKind, splice};

/// Returns the start of an item, just after the brace, comma or line ending before it.
fn start(text: &str, item: &EditItem) -> usize {
    text[..item.key.start].rfind(['{', ',', '\n']).map_or(0, |before| before + 1)
}

/// Returns the range of an item, with the comma that becomes obsolete.
pub(super) fn extent(text: &str, item: &EditItem) -> Range<usize> {
    let begin = start(text, item);
    let rest = &text[item.value.end..];
    let blanks = rest.len() - rest.trim_start().len();
    if rest[blanks..].starts_with(',') {
        return begin..item.value.end + blanks + 1;
    }
    let before = text[..begin].trim_end();
    if before.ends_with(',') { before.len() - 1..item.value.end } else { begin..item.value.end }
}

/// Inserts `key = value` after `item`, as a key of the same table.
pub(super) fn after(text: &str, item: &EditItem, pair: &str) -> String {
    // If the table is written with dotted keys, repeat the prefix of the item's last key.
    let before = text[start(text, item)..item.key.start].trim_start();
    splice(text, item.value.end..item.value.end, &format!(", {before}{pair}"))
}

/// Appends `pair` to the inline table `table`.
pub(super) fn into(text: &str, table: &EditItem, pair: &str) -> String {
    let last = match &table.kind {
        ItemKind::Inline(inner) => inner.iter().map(|item| item.value.end).max(),
        _ => None,
    };
    match last {
        Some(at) => splice(text, at..at, &format!(", {pair}")),
        None => splice(text, table.value.clone(), &format!("{{ {pair} }}")),
    }
}
