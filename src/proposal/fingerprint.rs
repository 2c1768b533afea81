//! Fingerprint of the changes in a proposal, stored in its body.
//!
//! When someone closed a proposal, its fingerprint tells which digests they rejected.

use std::collections::BTreeSet;

use crate::model::image::Digest;
use crate::model::lock::diff::PinChange;
use crate::proposal::marker;

/// Maximum number of changes that are recorded one by one.
const CHANGES_MAX: usize = 120;

/// Hashes of the changes in a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalFingerprint {
    /// Hash of all changes together.
    set: String,
    /// Hash of each change; empty if there are too many.
    each: BTreeSet<String>,
}

impl ProposalFingerprint {
    /// Computes the fingerprint of `changes`.
    pub fn of(changes: &[PinChange]) -> Self {
        let each: BTreeSet<String> = changes.iter().map(change_hash).collect();
        let all: Vec<&str> = each.iter().map(String::as_str).collect();
        let set = hash(&all.join(" "), 16);
        Self { set, each: if each.len() > CHANGES_MAX { BTreeSet::new() } else { each } }
    }

    /// Encodes the fingerprint as a hidden line of a body.
    pub fn line(&self) -> String {
        let each: Vec<&str> = self.each.iter().map(String::as_str).collect();
        marker::write(&format!("set={} changes={}", self.set, each.join(",")))
    }

    /// Reads the fingerprint from a body; none if someone removed the line.
    pub fn read(body: &str) -> Option<Self> {
        let line = body.lines().rev().filter_map(marker::read).find_map(|line| line.strip_prefix("set="))?;
        let (set, each) = line.split_once(" changes=")?;
        let each = each.split(',').filter(|hash| !hash.is_empty()).take(CHANGES_MAX).map(str::to_owned);
        Some(Self { set: set.to_owned(), each: each.collect() })
    }

    /// Reports whether the fingerprint covers `change`, which is one of the changes that `whole` was computed from.
    pub fn covers(&self, change: &PinChange, whole: &Self) -> bool {
        self.set == whole.set || self.each.contains(&change_hash(change))
    }
}

fn change_hash(change: &PinChange) -> String {
    let new = change.after().map_or("-", |side| side.digest.as_str());
    hash(&format!("{} {new}", change.tag), 12)
}

fn hash(text: &str, digits: usize) -> String {
    Digest::sha256(text.as_bytes()).hex()[..digits].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::diff::changes;
    use crate::model::lock::sample::any_lock;
    use crate::proposal::groups::tests::lock;

    #[test]
    fn a_fingerprint_covers_the_unchanged_part_of_later_changes() {
        let (old, new) = (lock(1, 1, 1), lock(2, 2, 2));
        let fingerprint = ProposalFingerprint::of(&changes(&old, &new));
        let body = format!("text\n{}\nmore", fingerprint.line());
        let read = ProposalFingerprint::read(&body).unwrap();
        assert_eq!(read, fingerprint);
        let later = changes(&old, &lock(2, 3, 2));
        let whole = ProposalFingerprint::of(&later);
        let covered: Vec<String> =
            later.iter().filter(|one| read.covers(one, &whole)).map(|one| one.tag.to_string()).collect();
        assert_eq!(covered, ["a:one", "a:two", "z:own", "z:prod"]);
        for text in ["", "<!-- pinstream ", "<!-- pinstream set=1 -->", "<!-- other -->"] {
            assert_eq!(ProposalFingerprint::read(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_fingerprint_covers_all_of_its_own_changes(old in any_lock(), new in any_lock()) {
            let all = changes(&old, &new);
            let fingerprint = ProposalFingerprint::of(&all);
            assert!(all.iter().all(|one| fingerprint.covers(one, &fingerprint)));
            assert_eq!(ProposalFingerprint::read(&fingerprint.line()), Some(fingerprint));
        }
    }
}
