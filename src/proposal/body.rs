//! The body of a proposal, in Markdown that reads well as plain text: a table to decide from, then each image.
//!
//! What images say of themselves stands in code, where it cannot name people, issues or addresses, or be HTML
//! (CommonMark 0.31, "Code spans": nothing in one is read).

use std::fmt::Write as _;
use std::sync::Arc;

use crate::image_diff::text::{DIFFERENCES_MAX, built, difference, layers, size};
use crate::image_diff::{Explanation, Explanations, OldNew};
use crate::model::image::TagId;
use crate::model::image::facts::BaseImage;
use crate::model::lock::diff::{PinChange, PinSide};
use crate::text::escape::code;

use super::ProposalFingerprint;
use super::hidden::hidden;

/// How many moves are told; a forge cuts what is too long, and nobody reads it.
const MOVES_MAX: usize = 100;
/// What is said below a proposal that has nothing left to propose.
pub const WITHDRAWN: &str =
    "Nothing is left to propose here: the branch stands at these digests, or the images moved on.";

/// `text` as the body of a proposal of `moves`: with the line that remembers them, and no other of its kind.
pub fn remembering(text: &str, moves: &[PinChange]) -> String {
    let lines = text.trim().lines().filter(|line| hidden(line).is_none());
    format!("{}\n\n{}\n", lines.collect::<Vec<_>>().join("\n"), ProposalFingerprint::of(moves).line())
}

/// The words of a proposal without a move: of files, which `message`, that of the commit, lists, or of the lock's words.
pub fn without_moves(message: &str) -> String {
    let list: Vec<&str> = message.lines().filter(|line| line.starts_with("- ")).collect();
    match list.is_empty() {
        true => {
            "The lock says the same in other words: names or details of images changed, and no digest.\n".to_owned()
        }
        false => format!("These files do not hold what the lock pins.\n\n{}\n", list.join("\n")),
    }
}

/// The words of a proposal of `moves`.
pub fn words(moves: &[PinChange], explained: &Explanations) -> String {
    let mut out = String::new();
    warnings(&mut out, moves, explained);
    out.push_str("| tag | version | change | built |\n| --- | --- | --- | --- |\n");
    for one in moves.iter().take(MOVES_MAX) {
        row(&mut out, one, first(moves, explained, one));
    }
    if moves.len() > MOVES_MAX {
        let _ = writeln!(out, "\nand {} more tags", moves.len() - MOVES_MAX);
    }
    for one in moves.iter().take(MOVES_MAX) {
        if let First::Itself(explanation) = first(moves, explained, one) {
            image(&mut out, one, explanation);
        }
    }
    out.push_str(
        "\nMerging this pins these digests. Closing it rejects them, until there are newer ones. What somebody else \
         commits to this branch stays, and ends the refreshing of it.\n",
    );
    out
}

/// Where a move is told in full.
enum First<'a> {
    /// Here.
    Itself(&'a Explanation),
    /// At another tag, which moved alike.
    Other(&'a TagId),
    /// Nowhere: nothing is known.
    Nowhere,
}

fn first<'a>(moves: &'a [PinChange], explained: &'a Explanations, one: &PinChange) -> First<'a> {
    let Some(explanation) = explained.get(&one.tag) else { return First::Nowhere };
    let alike = |other: &&PinChange| explained.get(&other.tag).is_some_and(|it| Arc::ptr_eq(it, explanation));
    let all = || moves.iter().filter(alike);
    match all().find(|other| other.follow.is_none()).or_else(|| all().next()) {
        Some(other) if other.tag != one.tag => First::Other(&other.tag),
        _ => First::Itself(explanation),
    }
}

/// What must not be missed comes first.
fn warnings(out: &mut String, moves: &[PinChange], explained: &Explanations) {
    let mut any = false;
    for one in moves {
        let First::Itself(explanation) = first(moves, explained, one) else { continue };
        for warning in explanation.warnings() {
            let _ = writeln!(out, "- **{}: {warning}**", code(&one.tag.to_string()));
            any = true;
        }
    }
    if any {
        out.push('\n');
    }
}

fn row(out: &mut String, one: &PinChange, first: First<'_>) {
    let tag = code(&one.tag.to_string());
    let version = |side: Option<&PinSide>| side.and_then(|side| side.version.as_deref()).map(code);
    let versions = match (version(one.before()), version(one.after())) {
        (Some(old), Some(new)) if old == new => old,
        (Some(old), Some(new)) => format!("{old} → {new}"),
        (None, Some(one)) | (Some(one), None) => one,
        (None, None) => String::new(),
    };
    let (change, when) = match (one.before(), one.after()) {
        (None, _) => ("new".to_owned(), String::new()),
        (_, None) => ("gone".to_owned(), String::new()),
        _ => match first {
            First::Other(tag) if one.follow.is_some() => (format!("follows {}", code(&tag.to_string())), String::new()),
            First::Other(tag) => (format!("as {}", code(&tag.to_string())), String::new()),
            First::Nowhere => (String::new(), String::new()),
            First::Itself(explanation) => {
                let class = explanation.class.map(|class| class.to_string()).unwrap_or_default();
                let when = built(&explanation.made).unwrap_or_default();
                let when = when.strip_prefix("built ").unwrap_or(&when).to_owned();
                match &explanation.compare {
                    Some(link) => (format!("{class} ([compare]({link}))").trim_start().to_owned(), when),
                    None => (class, when),
                }
            }
        },
    };
    let _ = writeln!(out, "| {tag} | {versions} | {change} | {when} |");
}

/// All that is known of one image.
fn image(out: &mut String, one: &PinChange, explanation: &Explanation) {
    let digest = |side: Option<&PinSide>| side.map(|side| format!("`{}`", side.digest)).unwrap_or_default();
    let _ = writeln!(out, "\n#### {}\n", code(&one.image.to_string()));
    let _ = writeln!(out, "{} → {}\n", digest(one.before()), digest(one.after()));
    let mut line = |text: String| {
        let _ = writeln!(out, "- {text}");
    };
    if let Some(unknown) = &explanation.unknown {
        line(code(unknown));
    }
    let sizes = [size(&explanation.size), explanation.layers.map(layers)];
    let sizes: Vec<String> = sizes.into_iter().flatten().collect();
    if !sizes.is_empty() {
        line(sizes.join("; "));
    }
    explanation.gained.iter().for_each(|platform| line(format!("runs on {platform}, too")));
    if let Some(base) = &explanation.base {
        line(base_of(base));
    }
    for one in explanation.differences.iter().take(DIFFERENCES_MAX) {
        line(code(&difference(one)));
    }
    if explanation.differences.len() > DIFFERENCES_MAX {
        line(format!("and {} more differences", explanation.differences.len() - DIFFERENCES_MAX));
    }
}

fn base_of(base: &OldNew<BaseImage>) -> String {
    let text = |base: &Option<BaseImage>| base.as_ref().map_or("not told".to_owned(), |base| code(&base.to_string()));
    format!("base {} → {}", text(&base.old), text(&base.new))
}

#[cfg(test)]
mod tests;
