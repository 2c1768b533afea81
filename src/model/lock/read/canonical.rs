//! Parses the text that [`encode`](crate::model::lock::encode) writes, line by line, allocating only the lock itself.
//!
//! Anything else is rejected without an error. CRLF is accepted, since Git may check files out that way.

use std::borrow::Cow;
use std::str::FromStr;

use memchr::{memchr, memchr_iter, memchr2};
use toml::de::DeValue;

use crate::model::image::{Digest, TagId};
use crate::model::lock::{Details, HEADER, KEYS, Lock, PREVIOUS_MAX, Pin, VERSION};
use crate::text::byte_class::has_no_control;

/// The approximate size of an entry, to reserve memory.
const PIN_BYTES: usize = 384;

/// Parses `text`, if it is in canonical form.
pub(super) fn read(text: &str) -> Option<Lock> {
    let version = format!("version = {VERSION}");
    let mut lines = lines(text);
    if lines.find(|line| *line != HEADER && !line.is_empty())? != version {
        return None;
    }
    let mut pins: Vec<(TagId, Pin)> = Vec::with_capacity(text.len() / PIN_BYTES);
    let mut block: Option<Block<'_>> = None;
    for line in lines {
        if !has_no_control(line) {
            return None;
        }
        match line {
            "" => {}
            "[[pin]]" => {
                if let Some(done) = block.replace(Block::default()) {
                    done.finish(&mut pins)?;
                }
            }
            _ => block.as_mut()?.push(line)?,
        }
    }
    if let Some(done) = block {
        done.finish(&mut pins)?;
    }
    Some(Lock { pins: pins.into_iter().collect() })
}

/// Splits a text like [`str::lines`], with a faster search for their ends.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let Some(end) = memchr(b'\n', rest.as_bytes()) else {
            return (!rest.is_empty()).then(|| std::mem::take(&mut rest));
        };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some(line.strip_suffix('\r').unwrap_or(line))
    })
}

/// The raw values of one entry, by the positions of their keys.
#[derive(Default)]
struct Block<'a> {
    values: [Option<&'a str>; KEYS.len()],
    next: usize,
}

impl<'a> Block<'a> {
    /// Adds a line. Keys must be in order, which also rules out duplicates.
    fn push(&mut self, line: &'a str) -> Option<()> {
        let value = |at: &usize| line.strip_prefix(KEYS[*at])?.strip_prefix(" = ");
        let at = (self.next..KEYS.len()).find(|at| value(at).is_some())?;
        self.values[at] = value(&at);
        self.next = at + 1;
        Some(())
    }

    /// Adds the entry. Entries must be in order, which also rules out duplicate tags.
    fn finish(self, pins: &mut Vec<(TagId, Pin)>) -> Option<()> {
        let [stream, tag, follow, image, digest, index, version, revision, created, platforms, previous] = self.values;
        let id = TagId { stream: name(stream?)?, tag: name(tag?)? };
        let previous: Vec<Digest> = names(previous)?;
        let twice = previous.iter().enumerate().any(|(at, digest)| previous[..at].contains(digest));
        let ordered = pins.last().is_none_or(|(last, _)| *last < id);
        if !ordered || twice || previous.len() > PREVIOUS_MAX {
            return None;
        }
        let details = Details {
            version: optional(version, |value| string(value).map(Cow::into_owned))?,
            revision: optional(revision, |value| string(value).map(Cow::into_owned))?,
            created: optional(created, |value| string(value).map(Cow::into_owned))?,
            platforms: names(platforms)?,
        };
        let (image, digest) = (name(image?)?, name(digest?)?);
        let (follow, index) = (optional(follow, name)?, optional(index, name)?);
        pins.push((id, Pin { follow, image, digest, index, details, previous }));
        Some(())
    }
}

/// Returns `Some(None)` if there is no value, and `None` if it is invalid.
#[allow(clippy::option_option, reason = "absent and invalid are different")]
fn optional<T>(value: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(value).map(Some))
}

fn name<T: FromStr>(value: &str) -> Option<T> {
    string(value)?.parse().ok()
}

/// `["a", "b"]`
fn names<T: FromStr>(value: Option<&str>) -> Option<Vec<T>> {
    let Some(value) = value else { return Some(Vec::new()) };
    let items = value.strip_prefix("[\"")?.strip_suffix("\"]")?;
    // Exact, as nothing in these lists contains a comma; a growing list would reserve room for four in each entry.
    let mut found = Vec::with_capacity(memchr_iter(b',', items.as_bytes()).count() + 1);
    for name in items.split("\", \"") {
        found.push(name.parse().ok()?);
    }
    Some(found)
}

/// Reads a string.
fn string(value: &str) -> Option<Cow<'_, str>> {
    let text = value.strip_prefix('"')?.strip_suffix('"')?;
    if memchr2(b'"', b'\\', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    match DeValue::parse(value).ok()?.into_inner() {
        DeValue::String(text) => Some(text),
        _ => None,
    }
}
