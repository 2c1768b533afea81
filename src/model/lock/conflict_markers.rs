//! Writes a lock with conflict markers around the pins in conflict, and splits a text with markers into its sides.
//!
//! The markers are those of git-merge(1), with or without the base that `merge.conflictStyle = diff3` adds.

use super::encode::{block, header};
use super::merge::MergedLock;
use super::{FILE_NAME, Lock};
use crate::text::toml::source::conflict_marker;

/// The texts that a text with markers was merged from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictSides {
    /// The common base, if every conflict includes it.
    pub base: Option<String>,
    /// Our side.
    pub ours: String,
    /// Their side.
    pub theirs: String,
}

/// Encodes `merged.lock`, with markers around each pin that `ours` and `theirs` changed differently.
pub fn render(merged: &MergedLock, ours: &Lock, theirs: &Lock) -> String {
    let mut out = header();
    let mut ids: Vec<_> = merged.lock.pins.keys().chain(&merged.conflicts).collect();
    ids.sort();
    ids.dedup();
    for id in ids {
        let of = |lock: &Lock| lock.pins.get(id).map(|pin| block(id, pin)).unwrap_or_default();
        let is_conflict = merged.conflicts.binary_search(id).is_ok();
        out.push_str(&if is_conflict { with_markers(&of(ours), &of(theirs)) } else { of(&merged.lock) });
    }
    out
}

/// Writes two whole texts as one conflict, if one of them is not a lock.
pub fn with_markers(ours: &str, theirs: &str) -> String {
    let line = |text: &str| if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
    format!("<<<<<<< ours\n{}=======\n{}>>>>>>> theirs\n", line(ours), line(theirs))
}

/// The section a line belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ConflictSection {
    Both,
    Ours,
    Base,
    Theirs,
}

/// Splits `text` into its sides; `None` without a conflict, or if the markers do not match.
pub fn parse(text: &str) -> Option<ConflictSides> {
    let (mut base, mut ours, mut theirs) = (String::new(), String::new(), String::new());
    let mut section = ConflictSection::Both;
    let (mut conflicts, mut bases) = (0, 0);
    for line in text.split_inclusive('\n') {
        section = match (conflict_marker(line), section) {
            (Some('<'), ConflictSection::Both) => ConflictSection::Ours,
            (Some('|'), ConflictSection::Ours) => {
                bases += 1;
                ConflictSection::Base
            }
            (Some('='), ConflictSection::Ours | ConflictSection::Base) => ConflictSection::Theirs,
            (Some('>'), ConflictSection::Theirs) => {
                conflicts += 1;
                ConflictSection::Both
            }
            (Some('<' | '|' | '>'), _) => return None,
            _ => {
                let into: &mut [&mut String] = match section {
                    ConflictSection::Both => &mut [&mut base, &mut ours, &mut theirs],
                    ConflictSection::Ours => &mut [&mut ours],
                    ConflictSection::Base => &mut [&mut base],
                    ConflictSection::Theirs => &mut [&mut theirs],
                };
                into.iter_mut().for_each(|side| side.push_str(line));
                section
            }
        };
    }
    let base = (bases == conflicts).then_some(base);
    (conflicts > 0 && section == ConflictSection::Both).then_some(ConflictSides { base, ours, theirs })
}

/// Returns the line for `.gitattributes`.
pub fn git_attribute() -> String {
    format!("{FILE_NAME} merge=pinstream")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::lock::encode::encode;
    use crate::model::lock::merge::merge;
    use crate::model::lock::sample;

    #[track_caller]
    fn check(text: &str, expected: Option<[&str; 3]>) {
        let found = parse(text);
        let found = found.as_ref().map(|one| [one.ours.as_str(), one.base.as_deref().unwrap_or("-"), &one.theirs]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_text_with_markers_has_two_or_three_sides() {
        check("a\n<<<<<<< HEAD\nb\n=======\nc\n>>>>>>> x\nd\n", Some(["a\nb\nd\n", "-", "a\nc\nd\n"]));
        check("<<<<<<<\nb\n||||||| base\nz\n=======\n>>>>>>>\n", Some(["b\n", "z\n", ""]));
        check("<<<<<<< a\r\nb\r\n=======\r\nc\r\n>>>>>>> b\r\n", Some(["b\r\n", "-", "c\r\n"]));
        let mixed = "<<<<<<<\nb\n|||||||\nz\n=======\nc\n>>>>>>>\n<<<<<<<\nb\n=======\nc\n>>>>>>>\n";
        check(mixed, Some(["b\nb\n", "-", "c\nc\n"]));
    }

    #[test]
    fn unbalanced_markers_have_no_sides() {
        for text in ["", "a\n", "<<<<<<<\n", "=======\n", ">>>>>>>\n", "<<<<<<<\n<<<<<<<\n=======\n>>>>>>>\n"] {
            check(text, None);
        }
        check("<<<<<<<\n>>>>>>>\n", None);
        check("<<<<<<<\n=======\n", None);
        check("<<<<<<<< longer\n", None);
    }

    #[test]
    fn only_the_pin_in_conflict_has_markers() {
        let base = sample::python();
        let moved = |number: u8, tag: &str| {
            let mut lock = base.clone();
            lock.pins.get_mut(&tag.parse().unwrap()).unwrap().digest = sample::digest(number);
            lock
        };
        let (ours, mut theirs) = (moved(7, "python:3.12"), moved(8, "python:3.12"));
        theirs.pins.get_mut(&"python:arm".parse().unwrap()).unwrap().digest = sample::digest(9);
        let merged = merge(&base, &ours, &theirs);
        let text = render(&merged, &ours, &theirs);
        insta::assert_snapshot!(text, @r###"
        # Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
        version = 1
        <<<<<<< ours

        [[pin]]
        stream = "python"
        tag = "3.12"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0707070707070707070707070707070707070707070707070707070707070707"
        version = "3.12.4"
        revision = "0f1c2d"
        created = "2026-10-01T08:12:44Z"
        platforms = ["linux/amd64", "linux/arm64"]
        previous = ["sha256:0202020202020202020202020202020202020202020202020202020202020202", "sha256:0101010101010101010101010101010101010101010101010101010101010101"]
        =======

        [[pin]]
        stream = "python"
        tag = "3.12"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0808080808080808080808080808080808080808080808080808080808080808"
        version = "3.12.4"
        revision = "0f1c2d"
        created = "2026-10-01T08:12:44Z"
        platforms = ["linux/amd64", "linux/arm64"]
        previous = ["sha256:0202020202020202020202020202020202020202020202020202020202020202", "sha256:0101010101010101010101010101010101010101010101010101010101010101"]
        >>>>>>> theirs

        [[pin]]
        stream = "python"
        tag = "arm"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0909090909090909090909090909090909090909090909090909090909090909"
        index = "sha256:0303030303030303030303030303030303030303030303030303030303030303"

        [[pin]]
        stream = "python"
        tag = "latest"
        follow = "python:3.12"
        image = "docker.io/library/python:3.12"
        digest = "sha256:0303030303030303030303030303030303030303030303030303030303030303"
        "###);
        let both = parse(&text).unwrap();
        assert_eq!(both.base, None);
        assert!(both.ours.contains(sample::digest(7).as_str()) && !both.ours.contains(sample::digest(8).as_str()));
        assert!(both.theirs.contains(sample::digest(8).as_str()) && !both.theirs.contains(sample::digest(7).as_str()));
    }

    #[test]
    fn without_a_conflict_the_text_is_the_lock() {
        let lock = sample::python();
        assert_eq!(render(&merge(&lock, &lock, &lock), &lock, &lock), encode(&lock));
    }
}
