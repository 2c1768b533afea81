//! Validates text and lists that users write: annotations, templates, lists of names.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::text::diagnostics::{At, Diagnostics, Problem, SourceFile, is_unprintable};
use crate::text::template::Template;
use crate::text::toml::Entries;

/// The largest number of elements of a list.
pub(super) const LIST_MAX: usize = 100;

/// Validates annotations: the user's own keys and texts.
pub(crate) fn annotations(written: Entries<At<String>>, findings: &mut Diagnostics<'_>) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for (key, text) in written.0 {
        if key.value.is_empty() || key.value.contains(char::is_whitespace) {
            let help = "use a name without spaces, e.g. `acme.example/owner`";
            findings.report(&key.span, "invalid annotation name", help);
        }
        if is_text(&key, findings) && is_text(&text, findings) {
            annotations.insert(key.value, text.value);
        }
    }
    annotations
}

/// Returns true if `text` is printable; line breaks and tabs are allowed.
pub(crate) fn is_text(text: &At<String>, findings: &mut Diagnostics<'_>) -> bool {
    let odd = text.value.chars().find(|c| is_unprintable(*c));
    if let Some(odd) = odd {
        let message = format!("unprintable character U+{:04X}", u32::from(odd));
        findings.report(&text.span, message, "remove it");
    }
    odd.is_none()
}

/// Validates a template with `read`.
pub(super) fn template(
    key: &str,
    text: &At<String>,
    read: impl Fn(&str, &At<String>, &Arc<SourceFile>) -> Result<Template, Problem>,
    findings: &mut Diagnostics<'_>,
) -> Option<Template> {
    if !is_text(text, findings) {
        return None;
    }
    read(key, text, findings.file).map_err(|problem| findings.problems.push(problem)).ok()
}

/// Returns `list`, or reports a list that is too long and returns an empty one.
pub(super) fn bounded<'a>(
    list: &'a [At<String>],
    what: &str,
    help: &str,
    findings: &mut Diagnostics<'_>,
) -> &'a [At<String>] {
    let Some(more) = list.get(LIST_MAX) else { return list };
    findings.report(&more.span, format!("more than {LIST_MAX} {what}"), help);
    &[]
}
