//! Default commit messages, written without a template: a subject, and one line per change.
//!
//! Text from images is reduced to the characters of versions, and links to those of forge URLs: no `@name`, no
//! `[skip ci]`, no trailer and no line break can come from a label.

use std::sync::Arc;

use crate::formats::EditedFile;
use crate::image_diff::{Explanation, Explanations, arrow};
use crate::model::lock::diff::{PinChange, PinSide};
use crate::report::pass::count;

/// Maximum characters of a subject, which tools show whole.
const SUBJECT_MAX: usize = 72;
/// Maximum number of listed changes or files.
pub(super) const LINES_MAX: usize = 100;
/// Maximum characters of a version.
const VERSION_MAX: usize = 40;

/// Writes the message of a commit with `changes`; without changes, only names or details of pins differ. An explanation
/// shared by several changes follows the first of them.
pub(super) fn default_message(changes: &[PinChange], explained: &Explanations) -> String {
    let mut shown: Vec<&Arc<Explanation>> = Vec::new();
    let item = |change: &PinChange| {
        let explanation = explained.get(&change.tag);
        let class = explanation.and_then(|one| one.class).map(|class| format!(", {class}")).unwrap_or_default();
        let mut item = format!("{}{class}", line(change));
        if let Some(one) = explanation.filter(|one| !shown.iter().any(|other| Arc::ptr_eq(other, one))) {
            shown.push(one);
            item.extend(one.warnings().iter().chain(&one.compare).map(|text| format!("\n  {text}")));
        }
        item
    };
    list(subject(changes), changes.iter().map(item))
}

/// Writes the message of a commit that changes no pin and only writes pins to target files.
pub fn target_edits_message(edited: &[EditedFile]) -> String {
    let item = |file: &EditedFile| {
        let mut tags: Vec<String> = file.edits.iter().map(|edit| edit.from.to_string()).collect();
        tags.sort();
        tags.dedup();
        format!("{}: {}", file.path, tags.join(", "))
    };
    list(format!("chore(images): write pins into {}", count(edited.len(), "file")), edited.iter().map(item))
}

/// Appends a list of the first `items` to a subject.
fn list(subject: String, items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(LINES_MAX);
    let mut out = subject + "\n";
    for (at, item) in items.take(LINES_MAX).enumerate() {
        out.push_str(if at == 0 { "\n- " } else { "- " });
        out.push_str(&item);
        out.push('\n');
    }
    if more > 0 {
        out.push_str(&format!("- and {more} more\n"));
    }
    out
}

/// Writes the first line for `changes`.
pub(super) fn subject(changes: &[PinChange]) -> String {
    let all_removed = changes.iter().all(|change| change.after().is_none());
    let verb = if all_removed { "unpin" } else { "pin" };
    match changes {
        [] => "chore(images): refresh the lock".to_owned(),
        [one] => {
            let subject = format!("chore(images): {verb} {}", one.tag);
            if subject.len() <= SUBJECT_MAX { subject } else { format!("chore(images): {verb} 1 tag") }
        }
        many => format!("chore(images): {verb} {} tags", many.len()),
    }
}

fn line(change: &PinChange) -> String {
    let version = |side: &PinSide| side.version.as_deref().map(version_chars).filter(|version| !version.is_empty());
    let digests = match (change.before(), change.after()) {
        (Some(old), Some(new)) => format!("{} → {}", old.digest.short(), new.digest.short()),
        (None, Some(new)) => format!("added at {}", new.digest.short()),
        (Some(old), None) => format!("removed, was {}", old.digest.short()),
        (None, None) => String::new(),
    };
    match arrow(change.before().and_then(version), change.after().and_then(version)) {
        versions if versions.is_empty() => format!("{}: {digests}", change.tag),
        versions => format!("{}: {digests} ({versions})", change.tag),
    }
}

/// Replaces characters that do not occur in versions.
pub(super) fn version_chars(version: &str) -> String {
    version_chars_and(version, "", VERSION_MAX)
}

/// Returns at most `max` characters of `text`, replacing all but those of versions and of `more`.
pub(super) fn version_chars_and(text: &str, more: &str, max: usize) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~') || more.contains(c);
    text.chars().take(max).map(|c| if is_allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::diff::ChangeKind;
    use crate::model::lock::{Lock, diff, sample};
    use crate::report::tests::sample::side;

    fn change(tag: &str, old: Option<PinSide>, new: Option<PinSide>) -> PinChange {
        let change = match (old, new) {
            (Some(old), Some(new)) => ChangeKind::Updated { old, new },
            (None, Some(new)) => ChangeKind::Added { new },
            (Some(old), None) => ChangeKind::Removed { old },
            (None, None) => unreachable!("a change has at least one side"),
        };
        PinChange {
            tag: tag.parse().unwrap(),
            follow: None,
            image: "a.b/c:d".parse().unwrap(),
            previous_image: None,
            kind: change,
        }
    }

    #[test]
    fn a_message_lists_each_change() {
        let changes = [
            change("python:3.11", side(1, Some("3.11.1")), side(2, Some("3.11.1"))),
            change("python:3.12", side(1, Some("3.12.4")), side(2, Some("3.12.5"))),
            change("python:3.13", None, side(3, None)),
            change("python:3.9", side(4, Some("3.9.1")), None),
        ];
        insta::assert_snapshot!(default_message(&changes, &Explanations::new()), @"
        chore(images): pin 4 tags

        - python:3.11: 010101010101 → 020202020202 (3.11.1)
        - python:3.12: 010101010101 → 020202020202 (3.12.4 → 3.12.5)
        - python:3.13: added at 030303030303
        - python:3.9: removed, was 040404040404 (3.9.1)
        ");
    }

    #[test]
    fn one_change_is_named_in_the_subject_if_it_fits() {
        let subject = |tag: &str, new| {
            default_message(&[change(tag, side(1, None), new)], &Explanations::new()).lines().next().unwrap().to_owned()
        };
        assert_eq!(subject("python:3.12", side(2, None)), "chore(images): pin python:3.12");
        assert_eq!(subject("python:3.12", None), "chore(images): unpin python:3.12");
        assert_eq!(subject(&format!("{}:1", "a".repeat(99)), side(2, None)), "chore(images): pin 1 tag");
        assert_eq!(default_message(&[], &Explanations::new()), "chore(images): refresh the lock\n");
    }

    #[test]
    fn a_shared_explanation_follows_the_first_change() {
        let changes = ["a:1", "a:2", "b:1"].map(|tag| change(tag, side(1, Some("1.0")), side(2, Some("1.1"))));
        let explanation = Arc::new(Explanation {
            class: "minor".parse().ok(),
            compare: Some("https://github.com/acme/web/compare/0a...1b".to_owned()),
            becomes_root: true,
            ..Explanation::default()
        });
        let explained = ["a:1", "a:2"].map(|tag| (tag.parse().unwrap(), Arc::clone(&explanation))).into();
        insta::assert_snapshot!(default_message(&changes, &explained), @r"
            chore(images): pin 3 tags

            - a:1: 010101010101 → 020202020202 (1.0 → 1.1), minor
              now runs as root
              https://github.com/acme/web/compare/0a...1b
            - a:2: 010101010101 → 020202020202 (1.0 → 1.1), minor
            - b:1: 010101010101 → 020202020202 (1.0 → 1.1)
        ");
    }

    #[test]
    fn t9_a_label_cannot_inject_text_into_a_message() {
        let hostile = "1\n\nSigned-off-by: @root [skip ci] fixes #1 <b>\u{202e}";
        let text = default_message(&[change("a:1", side(1, None), side(2, Some(hostile)))], &Explanations::new());
        assert_eq!(
            text,
            "chore(images): pin a:1\n\n- a:1: 010101010101 → 020202020202 (1__Signed-off-by___root__skip_ci__fixes_)\n"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_lock_makes_a_message_act(old in sample::any_lock(), new in sample::any_lock()) {
            for (old, new) in [(&old, &new), (&Lock::default(), &new), (&old, &Lock::default())] {
                let changes = diff::changes(old, new);
                let text = default_message(&changes, &Explanations::new());
                assert!(text.chars().all(|c| c == '\n' || c == '→' || c.is_ascii_graphic() || c == ' '), "{text}");
                assert!(!text.contains(['@', '[', '#', '<']), "{text}");
                assert_eq!(text.lines().count(), if changes.is_empty() { 1 } else { changes.len() + 2 });
            }
        }
    }
}
