//! Versions of a lock in the Git history: finds the pins that a version introduced.
//!
//! Pure. Versions are compared as text, and only entries whose text differs are parsed: a lock of ten thousand pins has
//! thousands of versions, and a change touches one entry.

use std::collections::HashMap;
use std::sync::Arc;

use super::{CHAIN_MAX, FILE_NAME, HEADER, Lock, Pin, VERSION, read};
use crate::model::image::TagId;
use crate::text::diagnostics::SourceFile;

/// The start of each entry.
const ENTRY: &str = "\n[[pin]]\n";

/// One version of a lock, as text.
#[derive(Clone, Debug)]
pub struct LockVersion(String);

/// The text of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
struct RawEntry<'t> {
    /// The lines that name its tag.
    head: &'t str,
    /// All its lines.
    text: &'t str,
}

impl LockVersion {
    /// Decodes the bytes of a version.
    pub fn new(bytes: &[u8]) -> Self {
        Self(String::from_utf8_lossy(bytes).into_owned())
    }

    /// Parses all its pins; `None` if it is invalid, e.g. contains conflict markers.
    pub fn read(&self) -> Option<Lock> {
        let file = Arc::new(SourceFile { path: FILE_NAME.to_owned(), text: self.0.clone() });
        read::read(&file).ok()
    }

    /// Returns the `wanted` pins that have another digest in `older`, or no entry there; without an older version, all
    /// of them. `None` if either version is invalid.
    pub fn introduced(&self, older: Option<&Self>, wanted: impl Fn(&TagId) -> bool) -> Option<Vec<(TagId, Pin)>> {
        let older_text = older.map_or("", |older| older.0.as_str());
        if let Some(found) = introduced_by_entries(&self.0, older_text, older.is_none(), &wanted) {
            return Some(found);
        }
        let (newer, older) = (self.read()?, older.map_or(Some(Lock::default()), Self::read)?);
        let is_new = |id: &TagId, pin: &Pin| older.pins.get(id).is_none_or(|old| old.digest != pin.digest);
        Some(newer.pins.into_iter().filter(|(id, pin)| wanted(id) && is_new(id, pin)).collect())
    }

    /// Returns the version of the image at `pin`, one of its pins: a follower's comes from the pin it follows. Parses
    /// only the entries on the way.
    pub fn version_of(&self, pin: &Pin) -> Option<String> {
        let followed = |at: &Pin| self.pin(at.followed()?).filter(|next| next.digest == pin.digest);
        let mut chain = std::iter::successors(Some(pin.clone()), followed).take(CHAIN_MAX + 1);
        chain.find_map(|at| at.details.version)
    }

    /// Parses the pin of one tag.
    fn pin(&self, id: &TagId) -> Option<Pin> {
        let head = format!("{ENTRY}stream = \"{}\"\ntag = \"{}\"\n", id.stream, id.tag);
        let found = self.0.find(&head).and_then(|at| entry(&self.0[at + ENTRY.len()..]).and_then(RawEntry::read));
        match found {
            Some((_, pin)) => Some(pin),
            None if is_canonical(&self.0) => None,
            None => self.read()?.pins.remove(id),
        }
    }
}

/// Compares entries as text; `None` if either text is not in canonical form.
fn introduced_by_entries(
    newer: &str,
    older: &str,
    is_first: bool,
    wanted: impl Fn(&TagId) -> bool,
) -> Option<Vec<(TagId, Pin)>> {
    if !is_canonical(newer) || !(is_first || is_canonical(older)) {
        return None;
    }
    let (newer, older) = middle(newer, older);
    let before: HashMap<&str, &str> = entries(older)?.into_iter().map(|entry| (entry.head, entry.text)).collect();
    let mut found = Vec::new();
    for entry in entries(newer)? {
        let old = before.get(entry.head);
        if old == Some(&entry.text) {
            continue;
        }
        let (id, pin) = entry.read()?;
        let old = old.map(|text| RawEntry { head: entry.head, text }.read()).map_or(Some(None), |old| old.map(Some))?;
        if wanted(&id) && old.is_none_or(|(_, old)| old.digest != pin.digest) {
            found.push((id, pin));
        }
    }
    Some(found)
}

/// Returns true if a text starts as pinstream writes it, with LF line ends.
fn is_canonical(text: &str) -> bool {
    let rest = text.strip_prefix(HEADER).and_then(|rest| rest.strip_prefix("\nversion = "));
    rest.and_then(|rest| rest.strip_prefix(&VERSION.to_string())).is_some_and(|rest| rest.starts_with('\n'))
        && !text.contains('\r')
}

/// Strips the common start and end of two texts, in whole entries.
fn middle<'t>(a: &'t str, b: &'t str) -> (&'t str, &'t str) {
    let same = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    // Both are the same up to there, so an entry starts there in both.
    let begin = last_entry(a, same).min(last_entry(b, same));
    let same = a[begin..].bytes().rev().zip(b[begin..].bytes().rev()).take_while(|(a, b)| a == b).count();
    let end = |text: &str| text.len() - same;
    let next = (end(a)..=a.len()).find(|at| a.is_char_boundary(*at)).and_then(|at| a[at..].find(ENTRY).map(|n| at + n));
    let tail = next.map_or(0, |at| a.len() - at);
    (&a[begin..a.len() - tail], &b[begin..b.len() - tail])
}

/// Returns the start of the last entry that starts within the first `same` bytes.
fn last_entry(text: &str, same: usize) -> usize {
    let same = (0..=same).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    text[..same].rfind(ENTRY).unwrap_or_default()
}

/// Splits a part of a lock that starts at or before its first entry.
fn entries(text: &str) -> Option<Vec<RawEntry<'_>>> {
    text.split(ENTRY).skip(1).map(entry).collect()
}

/// Returns the entry that `text` starts with.
fn entry(text: &str) -> Option<RawEntry<'_>> {
    let text = text.find(ENTRY).map_or(text, |end| &text[..end]);
    let mut ends = text.match_indices('\n').map(|(at, _)| at + 1);
    let head = ends.nth(1)?;
    Some(RawEntry { head: &text[..head], text: text.trim_end_matches('\n') })
}

impl RawEntry<'_> {
    fn read(self) -> Option<(TagId, Pin)> {
        let whole = format!("version = {VERSION}\n{ENTRY}{}\n", self.text);
        read::read_canonical(whole.as_bytes())?.pins.pop_first()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::model::lock::diff;
    use crate::model::lock::encode::encode;
    use crate::model::lock::sample::{any_lock, digest, python};

    fn version(lock: &Lock) -> LockVersion {
        LockVersion::new(encode(lock).as_bytes())
    }

    fn check(newer: &LockVersion, older: Option<&LockVersion>, expected: &[&str]) {
        let found = newer.introduced(older, |_| true).unwrap();
        let found: Vec<String> = found.iter().map(|(id, pin)| format!("{id} {}", pin.digest.short())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn only_changed_pins_are_introduced() {
        let old = python();
        let mut new = old.clone();
        new.pins.get_mut(&"python:latest".parse().unwrap()).unwrap().digest = digest(9);
        new.pins.get_mut(&"python:3.12".parse().unwrap()).unwrap().details.version = Some("x".to_owned());
        check(&version(&new), Some(&version(&old)), &["python:latest 090909090909"]);
        check(
            &version(&old),
            None,
            &["python:3.12 030303030303", "python:arm 040404040404", "python:latest 030303030303"],
        );
        check(&version(&old), Some(&version(&old)), &[]);
        check(
            &version(&old),
            Some(&version(&Lock::default())),
            &["python:3.12 030303030303", "python:arm 040404040404", "python:latest 030303030303"],
        );
    }

    #[test]
    fn a_follower_has_the_version_of_the_followed_tag() {
        let lock = python();
        let latest = &lock.pins[&"python:latest".parse().unwrap()];
        assert_eq!(version(&lock).version_of(latest).as_deref(), Some("3.12.4"));
        assert_eq!(LockVersion::new(b"").version_of(latest), None);
    }

    #[test]
    fn a_version_with_conflict_markers_cannot_be_compared() {
        let text = encode(&python()).replacen("digest", "<<<<<<< HEAD\ndigest", 1);
        let broken = LockVersion::new(text.as_bytes());
        assert!(broken.read().is_none());
        assert!(version(&python()).introduced(Some(&broken), |_| true).is_none());
        assert!(broken.introduced(Some(&version(&python())), |_| true).is_none());
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn comparing_entries_agrees_with_comparing_locks(
            newer in any_lock(), older in any_lock(), shares in any::<u8>(), is_crlf in any::<bool>(),
        ) {
            // Some entries are the same in both.
            let mut newer = newer;
            let shared = older.pins.iter().enumerate().filter(|(at, _)| shares >> (at % 8) & 1 == 1);
            newer.pins.extend(shared.map(|(_, (id, pin))| (id.clone(), pin.clone())));
            let is_new = |id: &TagId, pin: &Pin| older.pins.get(id).is_none_or(|old| old.digest != pin.digest);
            let expected: Vec<(TagId, Pin)> =
                newer.pins.clone().into_iter().filter(|(id, pin)| is_new(id, pin)).collect();
            let (a, mut b) = (encode(&newer), encode(&older));
            let found = introduced_by_entries(&a, &b, false, |_| true);
            assert_eq!(found.as_ref(), Some(&expected));
            if is_crlf {
                b = b.replace('\n', "\r\n");
            }
            let found = LockVersion::new(a.as_bytes()).introduced(Some(&LockVersion::new(b.as_bytes())), |_| true);
            assert_eq!(found, Some(expected));
            for (id, pin) in &newer.pins {
                assert_eq!(LockVersion::new(a.as_bytes()).pin(id).as_ref(), Some(pin));
                if pin.details.version.is_none() {
                    let expected = diff::side(&newer, pin).version;
                    assert!(expected.is_none() || LockVersion::new(a.as_bytes()).version_of(pin) == expected);
                }
            }
        }
    }
}
