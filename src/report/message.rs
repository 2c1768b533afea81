//! The message of the commit that moves pins.
//!
//! It follows from the moves and what they change, and from the template of the settings. Text of images gets into it
//! only in the letters of a version, and in those of an address of a forge: no `@name`, no `[skip ci]`, no trailer and
//! no line break can come from a label.

mod context;

use std::fmt::Write as _;
use std::rc::Rc;

use crate::formats::EditedFile;
use crate::git::CommitId;
use crate::image_diff::{Explanation, Explanations};
use crate::model::image::Digest;
use crate::model::lock::diff::{PinChange, PinSide};
use crate::text::diagnostics::Problem;
use crate::text::template::context::TemplateContext;
use crate::text::template::{Template, fit};

/// The longest subject that tools show whole, in characters.
const SUBJECT_MAX: usize = 72;
/// How many moves a message lists.
const LINES_MAX: usize = 100;
/// How much of a version is shown, in characters.
const VERSION_MAX: usize = 40;

/// The message for a commit whose lock has `moves` against its parent's; none where only names or details differ. What
/// they change stands below the first of those that moved alike.
pub fn message(moves: &[PinChange], explained: &Explanations) -> String {
    let mut out = subject(moves);
    out.push('\n');
    let mut told: Vec<&Rc<Explanation>> = Vec::new();
    for (at, m) in moves.iter().enumerate().take(LINES_MAX) {
        out.push_str(if at == 0 { "\n- " } else { "- " });
        let explanation = explained.get(&m.tag);
        let class = explanation.and_then(|one| one.class).map(|class| format!(", {class}")).unwrap_or_default();
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "{}{class}", line(m));
        let Some(one) = explanation.filter(|one| !told.iter().any(|other| Rc::ptr_eq(other, one))) else { continue };
        told.push(one);
        one.warnings().iter().chain(&one.compare).for_each(|text| {
            let _ = writeln!(out, "  {text}");
        });
    }
    if moves.len() > LINES_MAX {
        let _ = writeln!(out, "- and {} more", moves.len() - LINES_MAX);
    }
    out
}

/// The message that `template` makes of `moves`, or the one that is written where there is none.
///
/// # Errors
/// What is wrong with the template.
pub fn of(template: Option<&Template>, moves: &[PinChange], explained: &Explanations) -> Result<String, Problem> {
    let default = message(moves, explained);
    let Some(template) = template else { return Ok(default) };
    let text = template.render(&context::context(moves, explained, &default))?;
    Ok(fit::message(&text, &subject(moves)))
}

/// What `template` makes for a proposal of `moves`, in which `title` and `text` stand without one.
///
/// # Errors
/// What is wrong with the template.
pub fn proposal_text(
    template: &Template,
    moves: &[PinChange],
    explained: &Explanations,
    (title, text): (&str, &str),
) -> Result<String, Problem> {
    let given = context::context(moves, explained, "");
    let given = template.render(&TemplateContext { title: title.to_owned(), text: text.trim().to_owned(), ..given })?;
    Ok(fit::words(&given))
}

/// `message` with the trailers of a commit on `parent` with this lock, of the root in the folder `root`.
pub fn with_trailers(message: &str, root: &str, parent: &CommitId, lock: &[u8]) -> String {
    let root = (!root.is_empty()).then(|| format!("Pinstream-Root: {root}"));
    let trailers: Vec<String> = root.into_iter().chain([plan_trailer(parent, lock)]).collect();
    fit::with_trailers(message, &trailers)
}

/// The trailer by which a commit on `parent` with this lock is known to be ours and unchanged.
pub fn plan_trailer(parent: &CommitId, lock: &[u8]) -> String {
    let text = [parent.0.as_bytes(), b"\n", lock].concat();
    format!("Pinstream-Plan: {}", Digest::sha256(&text))
}

/// Whether `message` has that trailer.
pub fn is_ours(message: &str, parent: &CommitId, lock: &[u8]) -> bool {
    message.lines().next_back() == Some(plan_trailer(parent, lock).as_str())
}

/// The message for a commit that only writes into files what is pinned already.
pub fn target_edits_message(edited: &[EditedFile]) -> String {
    let mut out = match edited {
        [_] => "chore(images): write pins into 1 file\n".to_owned(),
        several => format!("chore(images): write pins into {} files\n", several.len()),
    };
    for (at, file) in edited.iter().enumerate().take(LINES_MAX) {
        out.push_str(if at == 0 { "\n- " } else { "- " });
        let mut tags: Vec<String> = file.edits.iter().map(|edit| edit.from.to_string()).collect();
        tags.sort();
        tags.dedup();
        let _ = writeln!(out, "{}: {}", file.path, tags.join(", "));
    }
    if edited.len() > LINES_MAX {
        let _ = writeln!(out, "- and {} more", edited.len() - LINES_MAX);
    }
    out
}

fn subject(moves: &[PinChange]) -> String {
    let gone = moves.iter().all(|m| m.after().is_none());
    let verb = if gone { "unpin" } else { "pin" };
    match moves {
        [] => "chore(images): refresh the lock".to_owned(),
        [one] => {
            let subject = format!("chore(images): {verb} {}", one.tag);
            if subject.len() <= SUBJECT_MAX { subject } else { format!("chore(images): {verb} 1 tag") }
        }
        many => format!("chore(images): {verb} {} tags", many.len()),
    }
}

fn line(m: &PinChange) -> String {
    let version = |side: &PinSide| side.version.as_deref().map(letters).filter(|version| !version.is_empty());
    let [old, new] = [m.before(), m.after()].map(|side| side.and_then(version));
    let change = match (m.before(), m.after()) {
        (Some(old), Some(new)) => format!("{} → {}", old.digest.short(), new.digest.short()),
        (None, Some(new)) => format!("new at {}", new.digest.short()),
        (Some(old), None) => format!("gone, was at {}", old.digest.short()),
        (None, None) => String::new(),
    };
    let versions = match (old, new) {
        (Some(old), Some(new)) if old == new => format!(" ({new})"),
        (Some(old), Some(new)) => format!(" ({old} → {new})"),
        (Some(one), None) | (None, Some(one)) => format!(" ({one})"),
        (None, None) => String::new(),
    };
    format!("{}: {change}{versions}", m.tag)
}

/// `version` in the letters that versions have.
fn letters(version: &str) -> String {
    letters_and(version, "", VERSION_MAX)
}

/// At most `max` characters of `text` in the same letters and in those of `more`.
fn letters_and(text: &str, more: &str, max: usize) -> String {
    let is_letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '~') || more.contains(c);
    text.chars().take(max).map(|c| if is_letter(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::diff::{ChangeKind, changes};
    use crate::model::lock::{Lock, sample};
    use crate::report::sample::side;

    fn moved(tag: &str, old: Option<PinSide>, new: Option<PinSide>) -> PinChange {
        let change = match (old, new) {
            (Some(old), Some(new)) => ChangeKind::Moved { old, new },
            (None, Some(new)) => ChangeKind::Added { new },
            (Some(old), None) => ChangeKind::Removed { old },
            (None, None) => unreachable!(),
        };
        PinChange { tag: tag.parse().unwrap(), follow: None, image: "a.b/c:d".parse().unwrap(), was: None, change }
    }

    #[test]
    fn a_message_tells_each_move() {
        let moves = [
            moved("python:3.11", side(1, Some("3.11.1")), side(2, Some("3.11.1"))),
            moved("python:3.12", side(1, Some("3.12.4")), side(2, Some("3.12.5"))),
            moved("python:3.13", None, side(3, None)),
            moved("python:3.9", side(4, Some("3.9.1")), None),
        ];
        insta::assert_snapshot!(message(&moves, &Explanations::new()), @r###"
        chore(images): pin 4 tags

        - python:3.11: 010101010101 → 020202020202 (3.11.1)
        - python:3.12: 010101010101 → 020202020202 (3.12.4 → 3.12.5)
        - python:3.13: new at 030303030303
        - python:3.9: gone, was at 040404040404 (3.9.1)
        "###);
    }

    #[test]
    fn one_move_is_named_in_the_subject_if_it_fits() {
        let subject = |tag: &str, new| {
            message(&[moved(tag, side(1, None), new)], &Explanations::new()).lines().next().unwrap().to_owned()
        };
        assert_eq!(subject("python:3.12", side(2, None)), "chore(images): pin python:3.12");
        assert_eq!(subject("python:3.12", None), "chore(images): unpin python:3.12");
        assert_eq!(subject(&format!("{}:1", "a".repeat(99)), side(2, None)), "chore(images): pin 1 tag");
        assert_eq!(message(&[], &Explanations::new()), "chore(images): refresh the lock\n");
    }

    #[test]
    fn what_moves_change_stands_below_the_first_that_moved_so() {
        let moves = ["a:1", "a:2", "b:1"].map(|tag| moved(tag, side(1, Some("1.0")), side(2, Some("1.1"))));
        let explanation = Rc::new(Explanation {
            class: "minor".parse().ok(),
            compare: Some("https://github.com/acme/web/compare/0a...1b".to_owned()),
            to_root: true,
            ..Explanation::default()
        });
        let explained = ["a:1", "a:2"].map(|tag| (tag.parse().unwrap(), Rc::clone(&explanation))).into();
        insta::assert_snapshot!(message(&moves, &explained), @r###"
        chore(images): pin 3 tags

        - a:1: 010101010101 → 020202020202 (1.0 → 1.1), minor
          it runs as root, and did not before
          https://github.com/acme/web/compare/0a...1b
        - a:2: 010101010101 → 020202020202 (1.0 → 1.1), minor
        - b:1: 010101010101 → 020202020202 (1.0 → 1.1)
        "###);
    }

    #[test]
    fn a_message_ends_with_trailers_that_are_known_again() {
        let (parent, other) = (CommitId("0a".repeat(20)), CommitId("0b".repeat(20)));
        let made = with_trailers("pin a:1\n\n- a:1\n", "deploy/prod", &parent, b"version = 1\n");
        insta::assert_snapshot!(made, @"
        pin a:1

        - a:1

        Pinstream-Root: deploy/prod
        Pinstream-Plan: sha256:3f77faef3353b74242c22c7723031524e8a9d5804ec98fcf5159cf933828d7ba
        ");
        assert!(is_ours(&made, &parent, b"version = 1\n"));
        assert!(!is_ours(&made, &other, b"version = 1\n") && !is_ours(&made, &parent, b"version = 2\n"));
        assert!(!is_ours(&format!("{made}Signed-off-by: A <a@b.c>\n"), &parent, b"version = 1\n"));
        assert!(!with_trailers("pin a:1", "", &parent, b"").contains("Pinstream-Root"));
    }

    #[test]
    fn t9_a_label_cannot_speak_in_a_message() {
        let hostile = "1\n\nSigned-off-by: @root [skip ci] fixes #1 <b>\u{202e}";
        let text = message(&[moved("a:1", side(1, None), side(2, Some(hostile)))], &Explanations::new());
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
                let moves = changes(old, new);
                let text = message(&moves, &Explanations::new());
                assert!(text.chars().all(|c| c == '\n' || c == '→' || c.is_ascii_graphic() || c == ' '), "{text}");
                assert!(!text.contains(['@', '[', '#', '<']), "{text}");
                assert_eq!(text.lines().count(), if moves.is_empty() { 1 } else { moves.len() + 2 });
            }
        }
    }
}
