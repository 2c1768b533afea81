//! The `--to` argument of `rollback`: an earlier digest by number or by prefix.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::cli::CliError;
use crate::cli::error::listed;
use crate::model::image::Digest;
use crate::query::history::HistoryEntry;

use super::Rollback;

/// Maximum length of a number; longer arguments are digests.
const NUMBER_MAX: usize = 3;

/// The digest to return to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RollbackTarget {
    /// The n-th earlier digest, from 1.
    Nth(usize),
    /// The digest with this prefix.
    Prefix(String),
}

/// The rollback of a tag, and the tag's history.
pub(super) struct Candidates<'a> {
    /// The tag and its pin.
    pub(super) rollback: &'a Rollback<'a>,
    /// All entries of its history, newest first.
    pub(super) all: &'a [HistoryEntry],
    /// Entries that the tag can return to.
    pub(super) eligible: &'a [HistoryEntry],
}

impl FromStr for RollbackTarget {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        if text.len() <= NUMBER_MAX && text.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                Ok(0) | Err(_) => Err("earlier digests are numbered from 1"),
                Ok(nth) => Ok(Self::Nth(nth)),
            };
        }
        let hex = text.split_once(':').map_or(text, |(_, hex)| hex);
        match !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            true => Ok(Self::Prefix(text.to_owned())),
            false => Err("expected a number or the prefix of a digest"),
        }
    }
}

impl RollbackTarget {
    /// Returns true if the newest `eligible` entries are enough to choose; a prefix could match older ones, too.
    pub(super) fn is_decided(&self, eligible: &[HistoryEntry]) -> bool {
        match self {
            Self::Nth(nth) => distinct(eligible).len() >= *nth,
            Self::Prefix(text) => eligible.iter().any(|entry| entry.digest.as_str() == text && entry.pin.is_some()),
        }
    }

    /// Chooses the history entry to return to.
    pub(super) fn choose(&self, candidates: &Candidates<'_>) -> Result<HistoryEntry, CliError> {
        match self {
            Self::Nth(nth) => candidates.nth(*nth),
            Self::Prefix(prefix) => candidates.by_prefix(prefix),
        }
    }
}

impl Candidates<'_> {
    fn nth(&self, nth: usize) -> Result<HistoryEntry, CliError> {
        let id = self.rollback.id;
        let eligible = distinct(self.eligible);
        match eligible.get(nth - 1) {
            Some(entry) => Ok((*entry).clone()),
            None if eligible.is_empty() => {
                Err(CliError::new(format!("`{id}` has no earlier digest to return to (rejected ones do not count)"))
                    .help(self.hint()))
            }
            None => {
                let digests = match eligible.len() {
                    1 => "one earlier digest".to_owned(),
                    count => format!("{count} earlier digests"),
                };
                Err(CliError::usage(format!("`{id}` has only {digests}")).help(self.hint()))
            }
        }
    }

    fn by_prefix(&self, prefix: &str) -> Result<HistoryEntry, CliError> {
        let id = self.rollback.id;
        let digests: BTreeSet<&Digest> =
            self.all.iter().map(|entry| &entry.digest).filter(|digest| digest.begins_with(prefix)).collect();
        let digest = match (digests.first(), digests.len()) {
            (Some(digest), 1) => *digest,
            (Some(_), _) => return Err(CliError::ambiguous(prefix, id, digests)),
            (None, _) => {
                return Err(CliError::usage(format!("`{id}` was never pinned to `{prefix}`")).help(self.hint()));
            }
        };
        if *digest == self.rollback.current.digest {
            return Err(CliError::usage(format!("`{id}` is already pinned to `{digest}`")).help(self.hint()));
        }
        if self.rollback.rejects(digest) {
            return Err(CliError::new(format!("`{id}` rejects `{digest}`")).help("remove it from `reject` first"));
        }
        let entry = distinct(self.eligible).into_iter().find(|entry| entry.digest == *digest);
        entry.cloned().ok_or_else(|| {
            CliError::new(format!("`{digest}` is from an image repository that `{id}` no longer uses"))
                .help("define the tag again with `pinstream tag`")
        })
    }

    fn hint(&self) -> String {
        match distinct(self.eligible).as_slice() {
            [] => format!("run `pinstream history {}` to see its digests", self.rollback.id),
            some => format!("earlier digests: {}", listed(some.iter().map(|entry| &entry.digest))),
        }
    }
}

/// Selects the newest entry of each digest.
fn distinct(entries: &[HistoryEntry]) -> Vec<&HistoryEntry> {
    let mut seen = BTreeSet::new();
    entries.iter().filter(|entry| seen.insert(&entry.digest)).collect()
}
