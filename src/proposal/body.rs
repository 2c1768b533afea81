//! The body of a proposal, in Markdown that also reads well as plain text: a table to decide from, then each image.
//!
//! Text from images is always a code span, in which it cannot mention people or issues, link, or be HTML (CommonMark
//! 0.31, "Code spans": nothing inside one is interpreted).

use std::fmt::Write as _;

use crate::image_diff::layers::size;
use crate::image_diff::summary::{DIFFERENCES_MAX, built};
use crate::image_diff::{Explanation, Explanations, OldNew, arrow};
use crate::model::image::TagId;
use crate::model::image::facts::BaseImage;
use crate::model::lock::diff::{PinChange, PinSide};
use crate::text::escape::markdown_code;

use super::fingerprint::ProposalFingerprint;
use super::marker;

/// Maximum number of changes that are listed; longer bodies are truncated by forges and read by nobody.
const CHANGES_MAX: usize = 100;
/// Comment on a proposal that pinstream closes.
pub const WITHDRAWN: &str = "Closed by pinstream: the branch already has these digests, the images changed again, or the \
                             changes are in another proposal.";

/// Adds the fingerprint of `changes` to a body and removes all other hidden lines.
pub fn with_fingerprint(body: &str, changes: &[PinChange]) -> String {
    let lines = body.trim().lines().filter(|line| marker::read(line).is_none());
    format!("{}\n\n{}\n", lines.collect::<Vec<_>>().join("\n"), ProposalFingerprint::of(changes).line())
}

/// Writes the body of a proposal without changed digests. It lists the files that `message`, the commit message, lists;
/// if there are none, only other fields of the lock changed.
pub fn write_without_changes(message: &str) -> String {
    let list: Vec<&str> = message.lines().filter(|line| line.starts_with("- ")).collect();
    match list.is_empty() {
        true => "No digest changed; only image names or details in the lock did.\n".to_owned(),
        false => format!("This proposal updates these files to match the lock.\n\n{}\n", list.join("\n")),
    }
}

/// Writes the body of a proposal of `changes`.
pub fn write(changes: &[PinChange], explained: &Explanations) -> String {
    let mut out = String::new();
    warnings(&mut out, changes, explained);
    out.push_str("| tag | version | change | built |\n| --- | --- | --- | --- |\n");
    for change in changes.iter().take(CHANGES_MAX) {
        row(&mut out, change, detail(changes, explained, change));
    }
    if changes.len() > CHANGES_MAX {
        let _ = writeln!(out, "\nand {} more tags", changes.len() - CHANGES_MAX);
    }
    for change in changes.iter().take(CHANGES_MAX) {
        if let Detail::Here(explanation) = detail(changes, explained, change) {
            image(&mut out, change, explanation);
        }
    }
    out.push_str(
        "\nMerging pins these digests. Closing rejects them; newer digests will be proposed again. pinstream stops \
         refreshing this branch when someone else commits to it.\n",
    );
    out
}

/// Place of the details of a change: tags that share an explanation show it once.
enum Detail<'a> {
    /// At the change itself.
    Here(&'a Explanation),
    /// At another tag with the same change.
    At(&'a TagId),
    /// Nowhere: the change has no explanation.
    Unknown,
}

fn detail<'a>(changes: &'a [PinChange], explained: &'a Explanations, change: &PinChange) -> Detail<'a> {
    let Some(explanation) = explained.get(&change.tag) else { return Detail::Unknown };
    let explanation: &Explanation = explanation;
    let is_shared = |other: &&PinChange| explained.get(&other.tag).is_some_and(|it| std::ptr::eq(&**it, explanation));
    let all = || changes.iter().filter(is_shared);
    match all().find(|other| other.follow.is_none()).or_else(|| all().next()) {
        Some(other) if other.tag != change.tag => Detail::At(&other.tag),
        _ => Detail::Here(explanation),
    }
}

/// Lists all warnings, so that they come first.
fn warnings(out: &mut String, changes: &[PinChange], explained: &Explanations) {
    for change in changes {
        let Detail::Here(explanation) = detail(changes, explained, change) else { continue };
        for warning in explanation.warnings() {
            let _ = writeln!(out, "- **{}: {warning}**", markdown_code(&change.tag.to_string()));
        }
    }
    if !out.is_empty() {
        out.push('\n');
    }
}

fn row(out: &mut String, change: &PinChange, detail: Detail<'_>) {
    let tag = markdown_code(&change.tag.to_string());
    let version = |side: Option<&PinSide>| side.and_then(|side| side.version.as_deref()).map(markdown_code);
    let versions = arrow(version(change.before()), version(change.after()));
    let (class, when) = match (change.before(), change.after(), detail) {
        (None, ..) => ("added".to_owned(), String::new()),
        (_, None, _) => ("removed".to_owned(), String::new()),
        (.., Detail::At(tag)) => {
            let relation = if change.follow.is_some() { "follows" } else { "same as" };
            (format!("{relation} {}", markdown_code(&tag.to_string())), String::new())
        }
        (.., Detail::Unknown) => (String::new(), String::new()),
        (.., Detail::Here(explanation)) => {
            let class = explanation.class.map(|class| class.to_string()).unwrap_or_default();
            let link = explanation.compare.as_ref().map(|link| format!(" ([compare]({link}))")).unwrap_or_default();
            let when = built(&explanation.created).unwrap_or_default();
            let when = when.strip_prefix("built ").unwrap_or(&when).to_owned();
            (format!("{class}{link}").trim_start().to_owned(), when)
        }
    };
    let _ = writeln!(out, "| {tag} | {versions} | {class} | {when} |");
}

/// Writes the details of one image.
fn image(out: &mut String, change: &PinChange, explanation: &Explanation) {
    let digest = |side: Option<&PinSide>| side.map(|side| format!("`{}`", side.digest)).unwrap_or_default();
    let _ = writeln!(out, "\n#### {}\n", markdown_code(&change.image.to_string()));
    let _ = writeln!(out, "{} → {}\n", digest(change.before()), digest(change.after()));
    let mut line = |text: String| {
        let _ = writeln!(out, "- {text}");
    };
    if let Some(unknown) = &explanation.unknown {
        line(markdown_code(unknown));
    }
    let sizes = [size(&explanation.size), explanation.layers.map(|layers| layers.to_string())];
    let sizes: Vec<String> = sizes.into_iter().flatten().collect();
    if !sizes.is_empty() {
        line(sizes.join("; "));
    }
    explanation.added_platforms.iter().for_each(|platform| line(format!("new platform {platform}")));
    if let Some(base) = &explanation.base {
        line(base_image(base));
    }
    for one in explanation.differences.iter().take(DIFFERENCES_MAX) {
        line(markdown_code(&one.to_string()));
    }
    if explanation.differences.len() > DIFFERENCES_MAX {
        line(format!("and {} more differences", explanation.differences.len() - DIFFERENCES_MAX));
    }
}

fn base_image(base: &OldNew<BaseImage>) -> String {
    let text =
        |base: &Option<BaseImage>| base.as_ref().map_or("unknown".to_owned(), |base| markdown_code(&base.to_string()));
    format!("base image {} → {}", text(&base.old), text(&base.new))
}

#[cfg(test)]
mod tests;
