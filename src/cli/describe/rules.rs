//! Sentences about the rules of a tag: when it is resolved and which digests it adopts.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::settings::adoption_rules::{AdoptionRules, Hold, OnRollback};
use crate::model::stream::Tag;

/// Lists the rules by which a tag is updated, one sentence each. Texts of the definitions are included as they are.
pub(super) fn update_rules(tag: &Tag) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(tag.schedule.as_ref().map(|schedule| format!("schedule: {schedule}")));
    if !tag.platforms.is_empty() {
        lines.push(format!("requires platforms: {}", joined(&tag.platforms)));
    }
    let Some(rules) = &tag.adoption else { return lines };
    let AdoptionRules { soak, on_rollback, ignore, allow, verify, .. } = &**rules;
    lines.extend(verify.as_ref().map(|verify| format!("requires a signature by {verify}")));
    lines.extend(soak.map(|soak| format!("soaks for {}", duration(soak))));
    if !ignore.is_empty() {
        lines.push(format!("ignores changes of class {}", joined(ignore)));
    }
    lines.extend(allow.map(|allow| format!("allows {} version changes at most", allow.as_str())));
    // Followers roll back with the tag that they follow by default.
    let default = if tag.source.followed().is_some() { OnRollback::Allow } else { OnRollback::Hold };
    if *on_rollback != default {
        let word = match on_rollback {
            OnRollback::Hold => "held",
            OnRollback::Allow => "allowed",
            OnRollback::Warn => "allowed with a warning",
        };
        lines.push(format!("rollbacks are {word}"));
    }
    lines
}

/// Lists what keeps a tag from being updated: `hold` and rejected digests.
pub(super) fn restrictions(tag: &Tag) -> Vec<String> {
    let Some(rules) = &tag.adoption else { return Vec::new() };
    let mut lines = Vec::new();
    if let Some(Hold { reason, until }) = &rules.hold {
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        lines.push(format!("held{until}{reason}"));
    }
    lines.extend(rules.reject.iter().map(|digest| format!("rejects {digest}")));
    lines
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Formats a duration as definitions spell it, e.g. `1d12h`.
fn duration(time: Duration) -> String {
    let mut left = time.as_secs();
    let mut text = String::new();
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if left >= unit {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{}{letter}", left / unit);
            left %= unit;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_shown_as_definitions_spell_them() {
        for (written, shown) in [("3d", "3d"), ("1h30m", "1h30m"), ("90s", "1m30s"), ("1d2h3m4s", "1d2h3m4s")] {
            assert_eq!(duration(crate::model::settings::duration::parse(written).unwrap()), shown);
        }
    }
}
