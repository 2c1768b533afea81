//! What a tag's definition says of when it is imported and which digests it adopts, a line each.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::settings::adoption_rules::{AdoptionRules, Hold, OnRollback};
use crate::model::stream::{Tag, TagSource};
use crate::text::escape;

/// When and by what rules it moves.
pub(super) fn source_lines(text: &mut String, tag: &Tag) {
    let mut line = |words: String| {
        let _ = writeln!(text, "  {words}");
    };
    if let Some(schedule) = &tag.schedule {
        line(format!("on the schedule {schedule}"));
    }
    if !tag.platforms.is_empty() {
        line(format!("needs {}", joined(&tag.platforms)));
    }
    let Some(rules) = &tag.adoption else { return };
    let AdoptionRules { soak, on_rollback, ignore, allow, verify, .. } = &**rules;
    if let Some(verify) = verify {
        line(format!("moves only to what {} has signed", escape::terminal(&verify.to_string())));
    }
    if let Some(soak) = soak {
        line(format!("soaks for {}", length(*soak)));
    }
    if !ignore.is_empty() {
        line(format!("leaves moves alone that change no more than {}", joined(ignore)));
    }
    if let Some(allow) = allow {
        line(format!("moves no farther than a {} version", allow.as_str()));
    }
    // A follower goes back with what it follows unless it says otherwise.
    let usual = match tag.source {
        TagSource::Image { .. } | TagSource::Select { .. } => OnRollback::Hold,
        TagSource::Follow(_) | TagSource::Remote(_) => OnRollback::Allow,
    };
    if *on_rollback != usual {
        line(match on_rollback {
            OnRollback::Hold => "stays where it is when that goes back".to_owned(),
            OnRollback::Allow => "goes back when that does".to_owned(),
            OnRollback::Warn => "goes back when that does, and says so".to_owned(),
        });
    }
}

/// What keeps it where it stands.
pub(super) fn warnings(text: &mut String, tag: &Tag) {
    let Some(rules) = &tag.adoption else { return };
    if let Some(Hold { reason, until }) = &rules.hold {
        let until = until.map(|until| format!(" until {until}")).unwrap_or_default();
        let reason = reason.as_ref().map(|reason| format!(": {}", escape::terminal(reason))).unwrap_or_default();
        let _ = writeln!(text, "  ! held{until}{reason}");
    }
    for digest in &rules.reject {
        let _ = writeln!(text, "  ! rejects {digest}");
    }
}

fn joined(items: &[impl ToString]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// A length of time as definitions write it.
fn length(time: Duration) -> String {
    let mut left = time.as_secs();
    let mut text = String::new();
    for (unit, letter) in [(86_400, 'd'), (3_600, 'h'), (60, 'm'), (1, 's')] {
        if left >= unit {
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
    fn a_length_of_time_is_shown_as_it_is_written() {
        for written in ["3d", "1h30m", "90s", "1d2h3m4s"] {
            let shown = length(crate::model::settings::duration::parse(written).unwrap());
            assert_eq!(shown, if written == "90s" { "1m30s" } else { written });
        }
    }
}
