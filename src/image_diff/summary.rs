//! Summarizes an explanation in plain text, one line per item: for terminals, logs, commit messages and proposals.

use jiff::{SignedDuration, Timestamp};

use super::layers::size;
use super::{BaseImage, Explanation, OldNew};
use crate::text::escape;

/// The number of differences listed one by one.
pub const DIFFERENCES_MAX: usize = 12;
/// The number of characters shown of a base image.
const TEXT_MAX: usize = 60;

/// Formats `explanation` as lines, the most significant first; text from images is escaped for a terminal.
pub fn lines(explanation: &Explanation) -> Vec<String> {
    let mut lines: Vec<String> = explanation.warnings().iter().map(|warning| format!("! {warning}")).collect();
    lines.extend(explanation.unknown.as_deref().map(escape::terminal));
    let summary = summary(explanation);
    lines.extend((!summary.is_empty()).then_some(summary));
    lines.extend(explanation.compare.clone());
    lines.extend(explanation.added_platforms.iter().map(|platform| format!("adds platform {platform}")));
    lines.extend(explanation.base.as_ref().map(|base| format!("base {}", base_change(base))));
    let differences = &explanation.differences;
    lines.extend(differences.iter().take(DIFFERENCES_MAX).map(ToString::to_string));
    if differences.len() > DIFFERENCES_MAX {
        lines.push(format!("and {} more differences", differences.len() - DIFFERENCES_MAX));
    }
    lines
}

/// `minor; built 2026-10-01, 12 days later; 12.1 MB → 12.4 MB; 3 of 5 layers kept, 2 new`
fn summary(explanation: &Explanation) -> String {
    let class = explanation.class.map(|class| class.to_string());
    let layers = explanation.layers.map(|layers| layers.to_string());
    let parts = [class, built(&explanation.created), size(&explanation.size), layers];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Formats the build time, e.g. `built 2026-10-01, 12 days later`.
pub(crate) fn built(created: &OldNew<Timestamp>) -> Option<String> {
    let new = created.new?;
    // RFC 3339 up to the day.
    let day: String = new.to_string().chars().take(10).collect();
    let age = age(created).map(|age| format!(", {age}")).unwrap_or_default();
    Some(format!("built {day}{age}"))
}

/// Formats the build time relative to the old image, e.g. `12 days later`.
pub fn age(created: &OldNew<Timestamp>) -> Option<String> {
    Some(match created.new?.duration_since(created.old?) {
        gap if gap.is_zero() => "at the same time".to_owned(),
        gap if gap.is_negative() => format!("{} earlier", duration(gap.abs())),
        gap => format!("{} later", duration(gap)),
    })
}

fn base_change(base: &OldNew<BaseImage>) -> String {
    let show = |base: &BaseImage| escape::truncate(&base.to_string(), TEXT_MAX);
    match (&base.old, &base.new) {
        (Some(old), Some(new)) => format!("{} → {}", show(old), show(new)),
        (None, Some(new)) => format!("{} (not declared before)", show(new)),
        (Some(old), None) => format!("{} (no longer declared)", show(old)),
        (None, None) => String::new(),
    }
}

/// Formats a duration in its largest unit.
fn duration(time: SignedDuration) -> String {
    let several = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match time.as_secs() {
        seconds if seconds < 120 => several(seconds, "second"),
        seconds if seconds < 2 * 3_600 => several(seconds / 60, "minute"),
        seconds if seconds < 2 * 86_400 => several(seconds / 3_600, "hour"),
        seconds => several(seconds / 86_400, "day"),
    }
}
