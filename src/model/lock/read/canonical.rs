//! The text that [`encode`](crate::model::lock::encode) writes, line by line, with no memory but for the lock itself.
//!
//! Anything else is declined: this reader has no errors. CRLF is taken for LF, since Git may check files out so.

use std::borrow::Cow;
use std::str::FromStr;

use crate::model::image::{Digest, TagId};
use crate::model::lock::{Details, HEADER, KEYS, Lock, PREVIOUS_MAX, Pin, VERSION};

/// About how long an entry is, to have room for all of them from the start.
const PIN_BYTES: usize = 384;

/// The lock that `text` holds, if it is laid out as it is written.
pub(super) fn read(text: &str) -> Option<Lock> {
    let version = format!("version = {VERSION}");
    let mut lines = text.lines().skip_while(|line| *line == HEADER || line.is_empty());
    if lines.next()? != version {
        return None;
    }
    let mut pins: Vec<(TagId, Pin)> = Vec::with_capacity(text.len() / PIN_BYTES);
    let mut block: Option<Block<'_>> = None;
    for line in lines {
        match line {
            "" => {}
            "[[pin]]" => {
                if let Some(done) = block.replace(Block::default()) {
                    done.finish(&mut pins)?;
                }
            }
            _ => block.as_mut()?.take(line)?,
        }
    }
    if let Some(done) = block {
        done.finish(&mut pins)?;
    }
    Some(Lock { pins: pins.into_iter().collect() })
}

/// The values of one entry as they are written, by the positions of their keys.
#[derive(Default)]
struct Block<'a> {
    values: [Option<&'a str>; KEYS.len()],
    next: usize,
}

impl<'a> Block<'a> {
    /// Keys come in their order, which also means that none comes twice.
    fn take(&mut self, line: &'a str) -> Option<()> {
        let value = |at: &usize| line.strip_prefix(KEYS[*at])?.strip_prefix(" = ");
        let at = (self.next..KEYS.len()).find(|at| value(at).is_some())?;
        self.values[at] = value(&at);
        self.next = at + 1;
        Some(())
    }

    /// Entries come in their order, which also means that no tag comes twice.
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
            version: optional(version, text)?,
            revision: optional(revision, text)?,
            created: optional(created, text)?,
            platforms: names(platforms)?,
        };
        let pin = Pin {
            follow: optional(follow, name)?,
            image: name(image?)?,
            digest: name(digest?)?,
            index: optional(index, name)?,
            details,
            previous,
        };
        pins.push((id, pin));
        Some(())
    }
}

/// `Some(None)` where there is no value, none where it cannot be read.
#[allow(clippy::option_option, reason = "absent and declined are two things, and this is where they part")]
fn optional<T>(value: Option<&str>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| read(value).map(Some))
}

fn name<T: FromStr>(value: &str) -> Option<T> {
    whole(value)?.parse().ok()
}

fn text(value: &str) -> Option<String> {
    whole(value).map(Cow::into_owned)
}

fn whole(value: &str) -> Option<Cow<'_, str>> {
    string(value).filter(|(_, rest)| rest.is_empty()).map(|(text, _)| text)
}

/// `["a", "b"]`
fn names<T: FromStr>(value: Option<&str>) -> Option<Vec<T>> {
    let Some(value) = value else { return Some(Vec::new()) };
    let mut rest = value.strip_prefix('[')?;
    // As many as there are, for nothing in these lists has a comma: a list of one that grew would have room for four, in
    // each entry.
    let mut found = Vec::with_capacity(value.bytes().filter(|b| *b == b',').count() + 1);
    loop {
        let (text, after) = string(rest)?;
        found.push(text.parse().ok()?);
        match after.strip_prefix(", ") {
            Some(next) => rest = next,
            None => return (after == "]").then_some(found),
        }
    }
}

/// The basic string that `value` begins with, and what follows it.
fn string(value: &str) -> Option<(Cow<'_, str>, &str)> {
    let value = value.strip_prefix('"')?;
    let (start, rest) = value.split_once('"')?;
    // Without an early end this loop is done many bytes at a time, and nearly every string is plain.
    if start.bytes().fold(true, |plain, b| plain & is_plain(b)) {
        return Some((Cow::Borrowed(start), rest));
    }
    let stop = start.bytes().position(|b| !is_plain(b))?;
    let (start, mut rest) = value.split_at(stop);
    let mut out = start.to_owned();
    loop {
        let plain = rest.bytes().position(|b| !is_plain(b))?;
        out.push_str(&rest[..plain]);
        rest = &rest[plain..];
        if let Some(rest) = rest.strip_prefix('"') {
            return Some((Cow::Owned(out), rest));
        }
        let (c, length) = escape(rest)?;
        out.push(c);
        rest = &rest[length..];
    }
}

/// Whether a byte stands for itself in a basic string. A tab would as well; it is not written.
fn is_plain(b: u8) -> bool {
    b != b'"' && b != b'\\' && b >= b' ' && b != 0x7f
}

/// The escape that `text` begins with, of those that are written, and its length.
fn escape(text: &str) -> Option<(char, usize)> {
    let code = |length: usize| {
        let digits = text.get(2..length)?;
        let upper_hex = digits.bytes().all(|b| b.is_ascii_digit() || (b'A'..=b'F').contains(&b));
        let code = upper_hex.then(|| u32::from_str_radix(digits, 16).ok()).flatten()?;
        Some((char::from_u32(code)?, length))
    };
    match text.as_bytes() {
        [b'\\', b'"', ..] => Some(('"', 2)),
        [b'\\', b'\\', ..] => Some(('\\', 2)),
        [b'\\', b'u', ..] => code(6),
        [b'\\', b'U', ..] => code(10),
        _ => None,
    }
}
