//! Which earlier digest `rollback` goes to: by its number, or by its beginning.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::cli::CliError;
use crate::cli::history::trail::TrailStep;
use crate::model::image::{Digest, TagId};
use crate::model::lock::Pin;

/// From how many digits on a word is the beginning of a digest, and no number.
const NUMBER_MAX: usize = 3;
/// How many digests are named where none or several are meant.
const CANDIDATES: usize = 10;

/// What a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RollbackTarget {
    /// The so many-th earlier digest.
    Nth(usize),
    /// The digest that begins so.
    Beginning(String),
}

impl FromStr for RollbackTarget {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        if word.len() <= NUMBER_MAX && word.bytes().all(|b| b.is_ascii_digit()) {
            return match word.parse() {
                Ok(0) | Err(_) => Err("earlier digests are counted from 1".to_owned()),
                Ok(nth) => Ok(Self::Nth(nth)),
            };
        }
        let hex = word.split_once(':').map_or(word, |(_, hex)| hex);
        match !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            true => Ok(Self::Beginning(word.to_owned())),
            false => Err("neither a number nor the beginning of a digest".to_owned()),
        }
    }
}

impl RollbackTarget {
    /// Whether what is known of `candidates`, newest first, is enough to choose: a beginning could mean older ones, too.
    pub(super) fn is_decided(&self, candidates: &[TrailStep]) -> bool {
        match self {
            Self::Nth(nth) => distinct(candidates).len() >= *nth,
            Self::Beginning(text) => candidates.iter().any(|step| step.digest.as_str() == text && step.pin.is_some()),
        }
    }

    /// The step to go back to, of those that are `candidates` among `all` of a tag.
    pub(super) fn choose(
        &self,
        id: &TagId,
        now: &Pin,
        rejected: &[Digest],
        all: &[TrailStep],
        candidates: &[TrailStep],
    ) -> Result<TrailStep, CliError> {
        let candidates = distinct(candidates);
        let known = || match candidates.as_slice() {
            [] => format!("`pinstream history {id}` shows where it stood"),
            some => format!("it stood at {}", names(some.iter().map(|step| &step.digest))),
        };
        match self {
            Self::Nth(nth) => match candidates.get(nth - 1) {
                Some(step) => Ok((*step).clone()),
                None if candidates.is_empty() => {
                    Err(CliError::said(format!("no earlier digest of `{id}` is known, but for those it rejects"))
                        .help(known()))
                }
                None => {
                    let message = format!("`{id}` has {} earlier digests, and no {nth}th", candidates.len());
                    Err(CliError::usage(message).help(known()))
                }
            },
            Self::Beginning(text) => {
                let meant: BTreeSet<&Digest> =
                    all.iter().map(|step| &step.digest).filter(|digest| digest.begins_with(text)).collect();
                let mut digests = meant.iter();
                let (first, more) = (digests.next(), digests.next());
                match (first, more) {
                    (Some(_), Some(_)) => {
                        let message = format!("`{text}` is the beginning of several digests of `{id}`");
                        Err(CliError::usage(message).help(format!("write more of one of {}", names(meant.into_iter()))))
                    }
                    (Some(digest), None) if **digest == now.digest => {
                        Err(CliError::usage(format!("`{id}` stands at `{digest}` already")).help(known()))
                    }
                    (Some(digest), None) if rejected.contains(digest) => {
                        Err(CliError::said(format!("`{id}` rejects `{digest}`"))
                            .help("take it out of `reject` first, if it is good after all"))
                    }
                    (Some(digest), None) => {
                        let step = candidates.iter().find(|step| step.digest == **digest);
                        step.map(|step| (*step).clone()).ok_or_else(|| {
                            CliError::said(format!("`{digest}` was of another repository than `{id}` is of now"))
                                .help("define the tag anew with `pinstream tag`")
                        })
                    }
                    _ => Err(CliError::usage(format!("`{id}` never stood at `{text}`")).help(known())),
                }
            }
        }
    }
}

/// The newest step to each digest that came with a pin, or else the one without.
fn distinct(steps: &[TrailStep]) -> Vec<&TrailStep> {
    let mut seen = BTreeSet::new();
    steps.iter().filter(|step| seen.insert(&step.digest)).collect()
}

fn names<'d>(digests: impl Iterator<Item = &'d Digest>) -> String {
    let names: Vec<String> = digests.take(CANDIDATES).map(|digest| format!("`{digest}`")).collect();
    names.join(", ")
}
