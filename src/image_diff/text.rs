//! An explanation in plain words, a line each: for terminals, logs and the bodies of commits and proposals.

use jiff::{SignedDuration, Timestamp};

use super::{BaseImage, Difference, DifferenceKind, Explanation, LayerDiff, OldNew};
use crate::text::escape;

/// How many differences are told one by one.
pub const DIFFERENCES_MAX: usize = 12;
/// How much of a text is shown, in characters.
const TEXT_MAX: usize = 60;

/// `explanation` as lines, the weightiest first; what comes from images is escaped for a terminal.
pub fn lines(explanation: &Explanation) -> Vec<String> {
    let mut lines: Vec<String> = explanation.warnings().iter().map(|warning| format!("! {warning}")).collect();
    lines.extend(explanation.unknown.as_deref().map(escape::terminal));
    let summary = summary(explanation);
    lines.extend((!summary.is_empty()).then_some(summary));
    lines.extend(explanation.compare.clone());
    let gained = explanation.added_platforms.iter().map(|platform| format!("it runs on {platform}, too"));
    lines.extend(gained);
    lines.extend(explanation.base.as_ref().map(|base| format!("base {}", moved(base, of_base))));
    let differences = &explanation.differences;
    lines.extend(differences.iter().take(DIFFERENCES_MAX).map(difference));
    if differences.len() > DIFFERENCES_MAX {
        lines.push(format!("and {} more differences", differences.len() - DIFFERENCES_MAX));
    }
    lines
}

/// `minor; built 2026-10-01, 12 days later; 12.1 MB → 12.4 MB; 3 of 5 layers kept`
fn summary(explanation: &Explanation) -> String {
    let class = explanation.class.map(|class| class.to_string());
    let parts = [class, built(&explanation.created), size(&explanation.size), explanation.layers.map(layers)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// `built 2026-10-01, 12 days later`
pub(crate) fn built(made: &OldNew<Timestamp>) -> Option<String> {
    let new = made.new?;
    // RFC 3339 up to the day.
    let day: String = new.to_string().chars().take(10).collect();
    let age = age(made).map(|age| format!(", {age}")).unwrap_or_default();
    Some(format!("built {day}{age}"))
}

/// How long after the old image the new one was built, as `12 days later`.
pub fn age(made: &OldNew<Timestamp>) -> Option<String> {
    Some(match made.new?.duration_since(made.old?) {
        gap if gap.is_zero() => "at the same moment".to_owned(),
        gap if gap.is_negative() => format!("{} earlier", long(gap.abs())),
        gap => format!("{} later", long(gap)),
    })
}

/// `12.1 MB → 12.4 MB`
pub(crate) fn size(size: &OldNew<u64>) -> Option<String> {
    match (size.old.map(bytes), size.new.map(bytes)) {
        (Some(old), Some(new)) if old != new => Some(format!("{old} → {new}")),
        (_, new) => new,
    }
}

/// `3 of 5 layers kept`
pub(crate) fn layers(layers: LayerDiff) -> String {
    let LayerDiff { kept, added, removed } = layers;
    match kept + removed {
        _ if added == 0 && removed == 0 => "same layers".to_owned(),
        before => format!("{kept} of {before} layers kept, {added} new"),
    }
}

/// `user app → root`
pub(crate) fn difference(difference: &Difference) -> String {
    let Difference { what, old, new } = difference;
    let name = match what {
        DifferenceKind::User => "user".to_owned(),
        DifferenceKind::Entrypoint => "entry point".to_owned(),
        DifferenceKind::Command => "command".to_owned(),
        DifferenceKind::WorkingDir => "working folder".to_owned(),
        DifferenceKind::Port => "port".to_owned(),
        DifferenceKind::Variable(name) => format!("variable {}", escape::within(name, TEXT_MAX)),
        DifferenceKind::Label(name) => format!("label {}", escape::within(name, TEXT_MAX)),
    };
    let text = |side: &Option<String>| side.as_deref().map(|text| escape::within(text, TEXT_MAX));
    match (text(old), text(new)) {
        (Some(old), Some(new)) => format!("{name}: {old} → {new}"),
        (None, Some(new)) => format!("{name}: {new}, new"),
        (Some(old), None) => format!("{name}: {old}, gone"),
        (None, None) => name,
    }
}

fn moved<T: PartialEq>(sides: &OldNew<T>, show: impl Fn(&T) -> String) -> String {
    match (&sides.old, &sides.new) {
        (Some(old), Some(new)) => format!("{} → {}", show(old), show(new)),
        (None, Some(new)) => format!("{}, not told before", show(new)),
        (Some(old), None) => format!("{}, not told any more", show(old)),
        (None, None) => String::new(),
    }
}

fn of_base(base: &BaseImage) -> String {
    escape::within(&base.to_string(), TEXT_MAX)
}

/// A size in units of a thousand, as registries show it, with one decimal that is rounded down.
fn bytes(size: u64) -> String {
    let units = [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match units.into_iter().find(|(_, unit)| size >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", size / unit, size % unit / (unit / 10)),
        None => format!("{size} bytes"),
    }
}

/// A length of time in its largest unit.
fn long(time: SignedDuration) -> String {
    let several = |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match time.as_secs() {
        seconds if seconds < 120 => several(seconds, "second"),
        seconds if seconds < 2 * 3_600 => several(seconds / 60, "minute"),
        seconds if seconds < 2 * 86_400 => several(seconds / 3_600, "hour"),
        seconds => several(seconds / 86_400, "day"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_told_in_their_largest_unit() {
        for (size, expected) in [
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (12_345, "12.3 kB"),
            (999_999, "999.9 kB"),
            (12_345_678, "12.3 MB"),
            (1_234_567_890, "1.2 GB"),
            (u64::MAX, "18446744.0 TB"),
        ] {
            assert_eq!(bytes(size), expected);
        }
        for (seconds, expected) in
            [(1, "1 second"), (119, "119 seconds"), (3_600, "60 minutes"), (86_400, "24 hours"), (172_800, "2 days")]
        {
            assert_eq!(long(SignedDuration::from_secs(seconds)), expected);
        }
    }
}
