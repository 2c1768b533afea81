//! Commit messages and texts of proposals, with or without templates from the settings, and the trailers of commits.

mod context;
mod default;

use crate::git::CommitId;
use crate::image_diff::Explanations;
use crate::model::image::Digest;
use crate::model::lock::diff::PinChange;
use crate::text::diagnostics::Problem;
use crate::text::template::context::TemplateContext;
use crate::text::template::{Template, commit_message as fit};
pub use default::target_edits_message;
use default::{default_message, subject};

/// Writes the message of a commit with `changes`, using `template` if there is one.
///
/// # Errors
/// A problem in the template.
pub fn commit_message(
    template: Option<&Template>,
    changes: &[PinChange],
    explained: &Explanations,
) -> Result<String, Problem> {
    let default = default_message(changes, explained);
    let Some(template) = template else { return Ok(default) };
    let text = template.render(&context::template_context(changes, explained, &default))?;
    Ok(fit::message(&text, &subject(changes)))
}

/// Renders `template`, the title or body of a proposal of `changes`; `title` and `body` are the default ones.
///
/// # Errors
/// A problem in the template.
pub fn proposal_text(
    template: &Template,
    changes: &[PinChange],
    explained: &Explanations,
    title: &str,
    body: &str,
) -> Result<String, Problem> {
    let context = context::template_context(changes, explained, "");
    let (title, text) = (title.to_owned(), body.trim().to_owned());
    let rendered = template.render(&TemplateContext { title, text, ..context })?;
    Ok(fit::plain_text(&rendered))
}

/// Appends the trailers for a commit on `parent` with the bytes of its lock, of the root in the directory `root`.
pub fn with_trailers(message: &str, root: &str, parent: &CommitId, lock: &[u8]) -> String {
    let root = (!root.is_empty()).then(|| format!("Pinstream-Root: {root}"));
    let trailers: Vec<String> = root.into_iter().chain([plan_trailer(parent, lock)]).collect();
    fit::with_trailers(message, &trailers)
}

/// Computes the trailer that identifies an unmodified commit of ours on `parent` with this lock.
pub fn plan_trailer(parent: &CommitId, lock: &[u8]) -> String {
    let text = [parent.0.as_bytes(), b"\n", lock].concat();
    format!("Pinstream-Plan: {}", Digest::sha256(&text))
}

/// Returns true if `message` ends with the plan trailer for this parent and lock.
pub fn has_plan_trailer(message: &str, parent: &CommitId, lock: &[u8]) -> bool {
    message.lines().next_back() == Some(plan_trailer(parent, lock).as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_verifiable_trailers() {
        let (parent, other) = (CommitId("0a".repeat(20)), CommitId("0b".repeat(20)));
        let made = with_trailers("pin a:1\n\n- a:1\n", "deploy/prod", &parent, b"version = 1\n");
        insta::assert_snapshot!(made, @"
        pin a:1

        - a:1

        Pinstream-Root: deploy/prod
        Pinstream-Plan: sha256:3f77faef3353b74242c22c7723031524e8a9d5804ec98fcf5159cf933828d7ba
        ");
        assert!(has_plan_trailer(&made, &parent, b"version = 1\n"));
        assert!(
            !has_plan_trailer(&made, &other, b"version = 1\n") && !has_plan_trailer(&made, &parent, b"version = 2\n")
        );
        assert!(!has_plan_trailer(&format!("{made}Signed-off-by: A <a@b.c>\n"), &parent, b"version = 1\n"));
        assert!(!with_trailers("pin a:1", "", &parent, b"").contains("Pinstream-Root"));
    }
}
