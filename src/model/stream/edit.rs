//! Edits of a stream's file, for the commands by which people change what they wrote: a tag is defined, held, taken out,
//! or told to reject a digest.
//!
//! Bytes are changed where that is needed, and nowhere else: comments, order, quotes, blanks and ends of lines stay as
//! somebody left them. (`toml_edit` writes the whole file again: it turns CRLF into LF, ends the last line, and moves
//! dotted keys together.) Pure; whether the result is right is for whoever reads it again to say.

mod inline;
pub(crate) mod lines;

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::write::{NewTag, key, keys, short};
use crate::model::image::{Digest, StreamName, TagName};
use crate::text::escape::{is_deceptive, toml_string};

/// The keys that say where a tag's digest comes from.
const SOURCES: [&str; 3] = ["image", "follow", "repository"];
/// The keys that go with a source and are let go with it.
const WITH_SOURCE: [&str; 6] = ["semver", "pattern", "order", "platform", "schedule", "timezone"];

/// A file that is no TOML, so that nothing can be found in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidToml(String);

/// A file's text with one tag of it defined as `new`. What the tag says beside its source, `hold` or `annotations` for
/// one, stays.
///
/// # Errors
/// Where it is no TOML.
pub fn define(text: &str, stream: &StreamName, tag: &TagName, new: &NewTag) -> Result<String, InvalidToml> {
    let keys = keys(stream, new);
    let tag = tag.as_str();
    let file = EditableFile::parse(text)?;
    match file.find(tag) {
        None => file.add(tag, &keys),
        Some(TagLocation::Text(value)) => Ok(splice(text, value, &short(&keys))),
        Some(TagLocation::Keys(_)) => {
            let mut text = text.to_owned();
            let source = |keys: &TagKeys| keys.items.iter().find(|item| item.is_one_of(&SOURCES)).cloned();
            let Some(anchor) = EditableFile::parse(&text)?.keys(tag).as_ref().and_then(source) else {
                return EditableFile::parse(&remove(&text, tag)?.unwrap_or_default())?.add(tag, &keys);
            };
            let (key, value) = &keys[0];
            text = splice(&text, anchor.value, value);
            text = splice(&text, anchor.key, key);
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

/// A file's text in which `tag` rejects `digest`, too, with the reason as a comment beside it; as it was where it does.
///
/// # Errors
/// Where it is no TOML.
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

/// A file's text in which `tag` is held for `reason`, or with none is not held any more.
///
/// # Errors
/// Where it is no TOML.
pub fn hold(text: &str, tag: &TagName, reason: Option<&str>) -> Result<String, InvalidToml> {
    let tag = tag.as_str();
    let Some(reason) = reason else { return without_key(text, tag, "hold") };
    let text = as_table(text, tag)?;
    let is_direct = EditableFile::parse(&text)?.keys(tag).is_some_and(|keys| keys.direct("hold").is_some());
    let text = if is_direct { text } else { without_key(&text, tag, "hold")? };
    with_key(&text, tag, "hold", &toml_string(reason))
}

/// A file's text without `tag`, which need not be a name that is right; none where it does not have it. Comments above
/// the tag may be about more than the tag, and stay.
///
/// # Errors
/// Where it is no TOML.
pub fn remove(text: &str, tag: &str) -> Result<Option<String>, InvalidToml> {
    let mut text = text.to_owned();
    let mut is_changed = false;
    while let Some(next) = EditableFile::parse(&text)?.without_first(&["tags", tag]) {
        (text, is_changed) = (next, true);
    }
    Ok(is_changed.then_some(text))
}

/// The same file with a tag that is short for its image written as a table.
fn as_table(text: &str, tag: &str) -> Result<String, InvalidToml> {
    Ok(match EditableFile::parse(text)?.find(tag) {
        Some(TagLocation::Text(value)) => splice(text, value.clone(), &format!("{{ image = {} }}", &text[value])),
        _ => text.to_owned(),
    })
}

/// The same file with `key` of a tag set to `value`, where it stands or else after the tag's source.
fn with_key(text: &str, tag: &str, key: &str, value: &str) -> Result<String, InvalidToml> {
    let text = as_table(text, tag)?;
    let Some(keys) = EditableFile::parse(&text)?.keys(tag) else { return Ok(text) };
    if let Some(item) = keys.direct(key) {
        return Ok(splice(&text, item.value.clone(), value));
    }
    let Some(anchor) = keys.anchor() else { return Ok(text) };
    Ok(match keys.inline {
        true => inline::after(&text, anchor, &format!("{key} = {value}")),
        false => lines::after(&text, anchor, &format!("{key} = {value}")),
    })
}

/// The same file without `key` of a tag, and all that is below it.
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
    /// The keys that lead to it, from the top of the file.
    path: Vec<String>,
    /// Its last key, or a whole header.
    key: Range<usize>,
    /// Its value; of a header, the header again.
    value: Range<usize>,
    kind: ItemKind,
}

#[derive(Clone, Debug)]
enum ItemKind {
    Header,
    /// A table in braces, and what is in it.
    Inline(Vec<EditItem>),
    /// A list, and where its last element ends.
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

/// A file and what it says, in the order in which it is written.
struct EditableFile<'t> {
    text: &'t str,
    items: Vec<EditItem>,
}

/// A tag, as it is written.
enum TagLocation {
    /// Short for its image.
    Text(Range<usize>),
    /// By keys.
    Keys(TagKeys),
}

/// The keys of one tag.
struct TagKeys {
    items: Vec<EditItem>,
    /// Whether they stand in braces.
    inline: bool,
}

impl TagKeys {
    /// `name` where it has a value of its own, and not by keys below it.
    fn direct(&self, name: &str) -> Option<&EditItem> {
        self.items.iter().find(|item| item.is_one_of(&[name]))
    }

    /// What further keys are written after.
    fn anchor(&self) -> Option<&EditItem> {
        self.items.iter().find(|item| item.is_one_of(&SOURCES))
    }
}

impl<'t> EditableFile<'t> {
    fn parse(text: &'t str) -> Result<Self, InvalidToml> {
        let document = DeTable::parse(text).map_err(|error| InvalidToml(error.message().to_owned()))?;
        let mut items = Vec::new();
        walk(text, document.get_ref(), &[], &mut items);
        items.sort_by_key(|item| item.key.start);
        Ok(Self { text, items })
    }

    /// The items among which tags are: those of the file, or of the braces after `tags`.
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
        match self.find(tag)? {
            TagLocation::Keys(keys) => Some(keys),
            TagLocation::Text(_) => None,
        }
    }

    /// The text without the first of what is at or below `path`; none where nothing is.
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

    /// The text with a tag that is not in it yet, where the others are.
    fn add(&self, tag: &str, keys: &[(&str, String)]) -> Result<String, InvalidToml> {
        let entry = format!("{} = {}", key(tag), short(keys));
        if let Some(item) =
            self.items.iter().find(|item| item.path == ["tags"] && matches!(item.kind, ItemKind::Inline(_)))
        {
            return Ok(inline::into(self.text, item, &entry));
        }
        // The last that stands under `[tags]` itself, or else that header; or the last of `tags.…` at the top.
        let header = |item: &&EditItem| matches!(item.kind, ItemKind::Header);
        let is_tags = |item: &&EditItem| header(item) && item.path == ["tags"];
        let begin = self.items.iter().position(|item| is_tags(&item));
        let from = begin.unwrap_or_default();
        let section: Vec<&EditItem> = match begin {
            Some(at) => self.items[at + 1..].iter().take_while(|item| !header(item)).collect(),
            None => {
                self.items.iter().take_while(|item| !header(item)).filter(|item| item.is_below(&["tags"])).collect()
            }
        };
        if let Some(last) = section.last() {
            let dotted = if begin.is_some() { "" } else { "tags." };
            let base = lines::indent(self.text, last.key.start);
            return Ok(lines::below(self.text, last, &format!("{base}{dotted}{entry}")));
        }
        if begin.is_some() {
            return Ok(lines::below(self.text, &self.items[from], &entry));
        }
        let eol = lines::eol(self.text);
        let has_tags = self.items.iter().any(|item| item.is_below(&["tags"]));
        let block = if has_tags {
            let lines: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}{eol}")).collect();
            format!("[tags.{}]{eol}{}", key(tag), lines.concat())
        } else {
            format!("[tags]{eol}{entry}{eol}")
        };
        Ok(lines::at_end(self.text, &block))
    }
}

fn walk(text: &str, table: &DeTable<'_>, above: &[String], items: &mut Vec<EditItem>) {
    for (name, value) in table {
        let path: Vec<String> = above.iter().cloned().chain([name.get_ref().clone().into_owned()]).collect();
        let (key, span) = (name.span(), value.span());
        let kind = match value.get_ref() {
            // A table's place is its braces, its header, or, where it is only part of a dotted key, that part.
            DeValue::Table(inner) => match text.as_bytes().get(span.start) {
                Some(b'{') => {
                    let mut inside = Vec::new();
                    walk(text, inner, &path, &mut inside);
                    inside.sort_by_key(|item| item.key.start);
                    ItemKind::Inline(inside)
                }
                Some(b'[') => {
                    walk(text, inner, &path, items);
                    items.push(EditItem { path, key: span.clone(), value: span, kind: ItemKind::Header });
                    continue;
                }
                _ => {
                    walk(text, inner, &path, items);
                    continue;
                }
            },
            DeValue::Array(elements) => ItemKind::List(elements.iter().last().map(|element| element.span().end)),
            _ => ItemKind::Other,
        };
        items.push(EditItem { path, key, value: span, kind });
    }
}

#[cfg(test)]
mod tests;
