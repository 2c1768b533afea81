//! Parses a lock in any TOML layout, and reports every problem with its position.
//!
//! For texts changed by hand, editors or merges; needs many times the memory of the line-by-line reader.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::RESTORE;
use crate::model::image::{Digest, TagId};
use crate::model::lock::{Details, KEYS, Lock, PREVIOUS_MAX, Pin, VERSION};
use crate::text::diagnostics::{NameError, Problem, SourceFile, did_you_mean, nearest};
use crate::text::escape;

/// Parses a lock as TOML.
pub(super) fn read(file: &Arc<SourceFile>) -> Result<Lock, Vec<Problem>> {
    let table = DeTable::parse(&file.text).map_err(|error| {
        let end = file.text.len();
        let span = error.span().map_or(0..0, |span| span.start.min(end)..span.end.min(end));
        vec![Problem::at(file, span, escape::terminal(error.message())).help(RESTORE)]
    })?;
    let mut reader = LockTableReader { file, problems: Vec::new() };
    let lock = reader.lock(table.get_ref());
    if reader.problems.is_empty() { Ok(lock) } else { Err(reader.problems) }
}

type TableValue<'a> = Spanned<DeValue<'a>>;

struct LockTableReader<'a> {
    file: &'a Arc<SourceFile>,
    problems: Vec<Problem>,
}

impl LockTableReader<'_> {
    fn lock(&mut self, table: &DeTable<'_>) -> Lock {
        let [version, pin] = self.fields(table, ["version", "pin"]);
        if self.is_newer(version) {
            // The other problems may be valid by rules not known here.
            self.problems.drain(..self.problems.len() - 1);
            return Lock::default();
        }
        let mut pins = BTreeMap::new();
        let entries = pin.map_or(&[][..], |pin| match pin.get_ref() {
            DeValue::Array(entries) => &entries[..],
            _ => {
                self.report(pin.span(), "`pin` must be a list of tables");
                &[]
            }
        });
        for entry in entries {
            let DeValue::Table(table) = entry.get_ref() else {
                self.report(entry.span(), "expected a table");
                continue;
            };
            let Some((id, place, pin)) = self.pin(entry.span(), table) else { continue };
            if pins.contains_key(&id) {
                self.report(place, format!("duplicate pin `{id}`"));
            }
            pins.insert(id, pin);
        }
        Lock { pins }
    }

    /// Returns true if a newer version wrote the file, and reports that, or that there is no version.
    fn is_newer(&mut self, version: Option<&TableValue<'_>>) -> bool {
        let Some(version) = version else {
            self.report(0..0, "missing key `version`");
            return false;
        };
        let number = match version.get_ref() {
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix()).unwrap_or(i64::MAX),
            _ => 0,
        };
        if number > i64::from(VERSION) {
            let message =
                format!("the lock was written by a newer pinstream: this one supports version {VERSION} and older");
            self.problems.push(Problem::at(self.file, version.span(), message).help("install a newer pinstream"));
            return true;
        }
        if number != i64::from(VERSION) {
            self.report(version.span(), "invalid `version`");
        }
        false
    }

    fn pin(&mut self, header: Range<usize>, table: &DeTable<'_>) -> Option<(TagId, Range<usize>, Pin)> {
        let fields = self.fields(table, KEYS);
        for (key, field) in KEYS.iter().zip(&fields) {
            if field.is_none() && matches!(*key, "stream" | "tag" | "image" | "digest") {
                self.report(header.clone(), format!("missing key `{key}`"));
            }
        }
        let [stream, tag, follow, image, digest, index, version, revision, created, platforms, previous] = fields;
        let place = tag.map_or(header, Spanned::span);
        let stream = self.name(stream);
        let tag = self.name(tag);
        let follow = self.name(follow);
        let image = self.name(image);
        let digest = self.name(digest);
        let index = self.name(index);
        let details = Details {
            version: self.text(version).map(str::to_owned),
            revision: self.text(revision).map(str::to_owned),
            created: self.text(created).map(str::to_owned),
            platforms: self.names(platforms),
        };
        let previous = self.previous(previous);
        let id = TagId { stream: stream?, tag: tag? };
        Some((id, place, Pin { follow, image: image?, digest: digest?, index, details, previous }))
    }

    fn previous(&mut self, field: Option<&TableValue<'_>>) -> Vec<Digest> {
        let found: Vec<Digest> = self.names(field);
        let span = field.map_or(0..0, Spanned::span);
        if found.len() > PREVIOUS_MAX {
            let message = format!("`previous` has {} digests; the limit is {PREVIOUS_MAX}", found.len());
            self.report(span.clone(), message);
        }
        for (at, digest) in found.iter().enumerate() {
            if found[..at].contains(digest) {
                self.report(span.clone(), format!("duplicate digest `{digest}` in `previous`"));
            }
        }
        found
    }

    /// Returns the values of `keys`, in their order; reports any other key.
    fn fields<'t, 'i, const N: usize>(
        &mut self,
        table: &'t DeTable<'i>,
        keys: [&str; N],
    ) -> [Option<&'t TableValue<'i>>; N] {
        let mut found = [None; N];
        for (key, value) in table.iter() {
            if let Some(at) = keys.iter().position(|known| known == key.get_ref()) {
                found[at] = Some(value);
                continue;
            }
            let help = nearest(key.get_ref(), keys).map_or_else(|| RESTORE.to_owned(), did_you_mean);
            let message = format!("unknown key `{}`", escape::terminal(key.get_ref()));
            self.problems.push(Problem::at(self.file, key.span(), message).help(help));
        }
        found
    }

    fn text<'t>(&mut self, field: Option<&'t TableValue<'_>>) -> Option<&'t str> {
        let field = field?;
        if let DeValue::String(text) = field.get_ref() {
            return Some(text);
        }
        self.report(field.span(), "expected a string");
        None
    }

    fn name<T: FromStr<Err = NameError>>(&mut self, field: Option<&TableValue<'_>>) -> Option<T> {
        let text = self.text(field)?;
        let report = |error: NameError| {
            let span = field.map_or(0..0, Spanned::span);
            let problem = Problem::at(self.file, span, escape::terminal(&error.message));
            self.problems.push(problem.help(error.help.unwrap_or_else(|| RESTORE.to_owned())));
        };
        text.parse().map_err(report).ok()
    }

    fn names<T: FromStr<Err = NameError>>(&mut self, field: Option<&TableValue<'_>>) -> Vec<T> {
        let Some(field) = field else { return Vec::new() };
        if let DeValue::Array(values) = field.get_ref() {
            return values.iter().filter_map(|value| self.name(Some(value))).collect();
        }
        self.report(field.span(), "expected a list of strings");
        Vec::new()
    }

    fn report(&mut self, span: Range<usize>, message: impl Display) {
        self.problems.push(Problem::at(self.file, span, message.to_string()).help(RESTORE));
    }
}
