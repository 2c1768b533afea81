//! Edits a stream file for commands: defines, holds or removes a tag, or rejects a digest.
//!
//! Only the necessary bytes change: comments, order, quotes, blanks and line endings stay. (`toml_edit` rewrites the
//! whole file: it turns CRLF into LF, terminates the last line, and moves dotted keys together.) Pure; the caller
//! validates the result by reading it again.
mod inline;
pub(crate) mod lines;

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::write::{NewTag, key, keys, short};
use crate::model::image::{Digest, StreamName, TagName};
use crate::text::escape::{is_deceptive, toml_string};

/// The keys for the source of a tag's digest.
const SOURCES: [&str; 3] = ["image", "follow", "repository"];
/// The keys that belong to a source and are removed with it.
const WITH_SOURCE: [&str; 6] = ["semver", "pattern", "order", "platform", "schedule", "timezone"];

/// A file that is not valid TOML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidToml(String);

/// Defines `tag` as `new` in a file's text. Keys unrelated to the source, e.g. `hold` or `annotations`, stay.
///
/// # Errors
/// Returns an error for invalid TOML.
pub fn define(text: &str, stream: &StreamName, tag: &TagName, new: &NewTag) -> Result<String, InvalidToml> {
    let keys = keys(stream, new);
    let tag = tag.as_str();
    let file = EditableFile::parse(text)?;
    match file.find(tag) {
        None => file.add(tag, &keys),
        Some(TagLocation::Text(value)) => Ok(splice(text, value, &short(&keys))),
        Some(TagLocation::Keys(found)) => {
            let Some(anchor) = found.anchor() else {
                return EditableFile::parse(&remove(text, tag)?.unwrap_or_default())?.add(tag, &keys);
            };
            let (key, value) = &keys[0];
            let mut text = splice(text, anchor.value.clone(), value);
            text = splice(&text, anchor.key.clone(), key);
            let follows = *key == "follow";
            let obsolete = WITH_SOURCE.into_iter().chain(SOURCES).chain(follows.then_some("platforms"));
            for name in obsolete.filter(|name| keys.iter().all(|(key, _)| key != name)) {
                text = without_key(&text, tag, name)?;
            }
            for (key, value) in keys[1..].iter().rev() {
                text = with_key(&text, tag, key, value)?;
            }
            Ok(text)
        }
    }
}

/// Adds `digest` to `reject` of `tag`, unless it is there, with the reason as a comment.
///
/// # Errors
/// Returns an error for invalid TOML.
pub fn reject(text: &str, tag: &TagName, digest: &Digest, reason: &str) -> Result<String, InvalidToml> {
    let text = &as_table(text, tag.as_str())?;
    let file = EditableFile::parse(text)?;
    let Some(keys) = file.keys(tag.as_str()) else { return Ok(text.clone()) };
    let reason: String = reason.chars().map(|c| if is_deceptive(c) { ' ' } else { c }).collect();
    let comment = if reason.trim().is_empty() { String::new() } else { format!(" # {}", reason.trim()) };
    let element = format!("\"{digest}\",{comment}");
    match keys.direct("reject") {
        Some(list) => Ok(lines::with_element(text, list, &element)),
        None => {
            let Some(anchor) = keys.anchor() else { return Ok(text.clone()) };
            let (base, eol) = (lines::indent(text, anchor.key.start), lines::eol(text));
            with_key(text, tag.as_str(), "reject", &format!("[{eol}{base}  {element}{eol}{base}]"))
        }
    }
}

/// Sets `hold` of `tag` to `reason`, or removes it without a reason.
///
/// # Errors
/// Returns an error for invalid TOML.
pub fn hold(text: &str, tag: &TagName, reason: Option<&str>) -> Result<String, InvalidToml> {
    let tag = tag.as_str();
    let Some(reason) = reason else { return without_key(text, tag, "hold") };
    let text = as_table(text, tag)?;
    let is_direct = EditableFile::parse(&text)?.keys(tag).is_some_and(|keys| keys.direct("hold").is_some());
    let text = if is_direct { text } else { without_key(&text, tag, "hold")? };
    with_key(&text, tag, "hold", &toml_string(reason))
}

/// Removes `tag`, which may be an invalid name; returns `None` if it does not exist. Comments above the tag stay, as
/// they may concern more than the tag.
///
/// # Errors
/// Returns an error for invalid TOML.
pub fn remove(text: &str, tag: &str) -> Result<Option<String>, InvalidToml> {
    let mut text = text.to_owned();
    let mut is_changed = false;
    while let Some(next) = EditableFile::parse(&text)?.without_first(&["tags", tag]) {
        (text, is_changed) = (next, true);
    }
    Ok(is_changed.then_some(text))
}

/// Rewrites a tag in short form as a table.
fn as_table(text: &str, tag: &str) -> Result<String, InvalidToml> {
    Ok(match EditableFile::parse(text)?.find(tag) {
        Some(TagLocation::Text(value)) => splice(text, value.clone(), &format!("{{ image = {} }}", &text[value])),
        _ => text.to_owned(),
    })
}

/// Sets `key` of a tag to `value`, in place or after the tag's source.
fn with_key(text: &str, tag: &str, key: &str, value: &str) -> Result<String, InvalidToml> {
    let text = as_table(text, tag)?;
    let Some(keys) = EditableFile::parse(&text)?.keys(tag) else { return Ok(text) };
    if let Some(item) = keys.direct(key) {
        return Ok(splice(&text, item.value.clone(), value));
    }
    let Some(anchor) = keys.anchor() else { return Ok(text) };
    let pair = format!("{key} = {value}");
    Ok(if keys.inline { inline::after(&text, anchor, &pair) } else { lines::after(&text, anchor, &pair) })
}

/// Removes `key` of a tag, with everything below it.
fn without_key(text: &str, tag: &str, key: &str) -> Result<String, InvalidToml> {
    let mut text = text.to_owned();
    while let Some(next) = EditableFile::parse(&text)?.without_first(&["tags", tag, key]) {
        text = next;
    }
    Ok(text)
}

fn splice(text: &str, range: Range<usize>, with: &str) -> String {
    [&text[..range.start], with, &text[range.end..]].concat()
}

/// A header, or a key with its value.
#[derive(Clone, Debug)]
struct EditItem {
    /// The keys that lead to it from the top of the file.
    path: Vec<String>,
    /// Its last key, or a whole header.
    key: Range<usize>,
    /// Its value; for a header, the header again.
    value: Range<usize>,
    kind: ItemKind,
}

#[derive(Clone, Debug)]
enum ItemKind {
    Header,
    /// An inline table and its items.
    Inline(Vec<EditItem>),
    /// A list, and the end of its last element.
    List(Option<usize>),
    Other,
}

impl EditItem {
    fn is_below(&self, path: &[&str]) -> bool {
        self.path.len() >= path.len() && self.path.iter().zip(path).all(|(key, other)| key == other)
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        matches!(self.path.as_slice(), [_, _, name] if names.contains(&name.as_str()))
            && !matches!(self.kind, ItemKind::Header)
    }
}

/// A file and its items, in the order of the text.
struct EditableFile<'t> {
    text: &'t str,
    items: Vec<EditItem>,
}

/// The notation of a tag.
enum TagLocation {
    /// Short form: an image.
    Text(Range<usize>),
    /// A table of keys.
    Keys(TagKeys),
}

/// The keys of one tag.
struct TagKeys {
    items: Vec<EditItem>,
    /// True if they are in an inline table.
    inline: bool,
}

impl TagKeys {
    /// Returns `name` if it has a value of its own instead of keys below it.
    fn direct(&self, name: &str) -> Option<&EditItem> {
        self.items.iter().find(|item| item.is_one_of(&[name]))
    }

    /// Returns the item after which new keys are inserted.
    fn anchor(&self) -> Option<&EditItem> {
        self.items.iter().find(|item| item.is_one_of(&SOURCES))
    }
}

impl<'t> EditableFile<'t> {
    fn parse(text: &'t str) -> Result<Self, InvalidToml> {
        let document = DeTable::parse(text).map_err(|error| InvalidToml(error.message().to_owned()))?;
        Ok(Self { text, items: items(text, document.get_ref(), &[]) })
    }

    /// Returns the items that contain tags: those of the file, or of the inline table `tags`.
    fn scope(&self) -> (&[EditItem], bool) {
        let braces = self.items.iter().find_map(|item| match &item.kind {
            ItemKind::Inline(inner) if item.path == ["tags"] => Some(inner.as_slice()),
            _ => None,
        });
        braces.map_or((self.items.as_slice(), false), |inner| (inner, true))
    }

    fn find(&self, tag: &str) -> Option<TagLocation> {
        let (scope, inline) = self.scope();
        let whole = scope.iter().find(|item| item.path == ["tags", tag] && !matches!(item.kind, ItemKind::Header));
        match whole {
            Some(EditItem { kind: ItemKind::Inline(inner), .. }) => {
                Some(TagLocation::Keys(TagKeys { items: inner.clone(), inline: true }))
            }
            Some(item) => Some(TagLocation::Text(item.value.clone())),
            None => {
                let items: Vec<EditItem> = scope.iter().filter(|item| item.is_below(&["tags", tag])).cloned().collect();
                (!items.is_empty()).then_some(TagLocation::Keys(TagKeys { items, inline }))
            }
        }
    }

    fn keys(&self, tag: &str) -> Option<TagKeys> {
        if let Some(TagLocation::Keys(keys)) = self.find(tag) { Some(keys) } else { None }
    }

    /// Removes the first item at or below `path`; `None` if there is none.
    fn without_first(&self, path: &[&str]) -> Option<String> {
        fn first<'i>(items: &'i [EditItem], path: &[&str], inline: bool) -> Option<(&'i EditItem, bool)> {
            items.iter().find_map(|item| match &item.kind {
                _ if item.is_below(path) => Some((item, inline)),
                ItemKind::Inline(inner) => first(inner, path, true),
                _ => None,
            })
        }
        let (item, inline) = first(&self.items, path, false)?;
        let range = match (inline, &item.kind) {
            (true, _) => inline::extent(self.text, item),
            (false, ItemKind::Header) => {
                let after = self.items.iter().filter(|other| other.key.start > item.key.start);
                let own = after.take_while(|other| !matches!(other.kind, ItemKind::Header));
                lines::section(self.text, item, own.last().unwrap_or(item))
            }
            (false, _) => lines::extent(self.text, item),
        };
        Some(splice(self.text, range, ""))
    }

    /// Adds a new tag next to the others.
    fn add(&self, tag: &str, keys: &[(&str, String)]) -> Result<String, InvalidToml> {
        let entry = format!("{} = {}", key(tag), short(keys));
        if let Some(item) =
            self.items.iter().find(|item| item.path == ["tags"] && matches!(item.kind, ItemKind::Inline(_)))
        {
            return Ok(inline::into(self.text, item, &entry));
        }
        // The last item of `[tags]`, or else that header; or the last `tags.…` at the top.
        let header = |item: &&EditItem| matches!(item.kind, ItemKind::Header);
        let is_tags = |item: &&EditItem| header(item) && item.path == ["tags"];
        let begin = self.items.iter().position(|item| is_tags(&item));
        let section = self.items[begin.map_or(0, |at| at + 1)..].iter().take_while(|item| !header(item));
        let dotted = if begin.is_some() { "" } else { "tags." };
        if let Some(last) = section.filter(|item| begin.is_some() || item.is_below(&["tags"])).last() {
            let base = lines::indent(self.text, last.key.start);
            return Ok(lines::below(self.text, last, &format!("{base}{dotted}{entry}")));
        }
        if let Some(at) = begin {
            return Ok(lines::below(self.text, &self.items[at], &entry));
        }
        let eol = lines::eol(self.text);
        let has_tags = self.items.iter().any(|item| item.is_below(&["tags"]));
        let block = if has_tags {
            let lines: String = keys.iter().map(|(key, value)| format!("{key} = {value}{eol}")).collect();
            format!("[tags.{}]{eol}{lines}", key(tag))
        } else {
            format!("[tags]{eol}{entry}{eol}")
        };
        Ok(lines::at_end(self.text, &block))
    }
}

fn items(text: &str, table: &DeTable<'_>, above: &[String]) -> Vec<EditItem> {
    let mut found = Vec::new();
    for (name, value) in table {
        let path: Vec<String> = above.iter().cloned().chain([name.get_ref().clone().into_owned()]).collect();
        let (mut key, span) = (name.span(), value.span());
        // The span of a table is its braces, its header, or that part of a dotted key.
        let kind = match (value.get_ref(), text.as_bytes().get(span.start)) {
            (DeValue::Table(inner), Some(b'{')) => ItemKind::Inline(items(text, inner, &path)),
            (DeValue::Table(inner), first) => {
                found.extend(items(text, inner, &path));
                if first != Some(&b'[') {
                    continue;
                }
                key = span.clone();
                ItemKind::Header
            }
            (DeValue::Array(elements), _) => ItemKind::List(elements.iter().last().map(|element| element.span().end)),
            _ => ItemKind::Other,
        };
        found.push(EditItem { path, key, value: span, kind });
    }
    found.sort_by_key(|item| item.key.start);
    found
}

#[cfg(test)]
mod tests;
