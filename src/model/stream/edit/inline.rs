//! Items that stand in braces: where they begin and end between their commas, and what is put beside them.

use std::ops::Range;

use super::{EditItem, ItemKind, splice};

/// Where an item begins, just behind the brace, comma or end of line before it.
fn start(text: &str, item: &EditItem) -> usize {
    text[..item.key.start].rfind(['{', ',', '\n']).map_or(0, |before| before + 1)
}

/// An item with the comma that is no longer needed without it.
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

/// `text` with `key = value` behind `item`, as a key of the same table.
pub(super) fn after(text: &str, item: &EditItem, pair: &str) -> String {
    // Where the table is part of dotted keys in braces, these stand before the item's last key.
    let before = text[start(text, item)..item.key.start].trim_start();
    splice(text, item.value.end..item.value.end, &format!(", {before}{pair}"))
}

/// `text` with `pair` at the end of what the braces of `table` hold.
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
