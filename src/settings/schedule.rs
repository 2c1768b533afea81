//! When a tag is due: cron expressions of five fields, as crontab(5) and Kubernetes' CronJob have them.
//!
//! The next time follows from expression, time zone and a moment alone; no clock is read here.

use cron::Cron;
use cron::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// When `--due` imports a tag.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// At the times of a cron expression.
    Cron {
        /// The expression as written.
        text: String,
        /// What it means.
        cron: Box<Cron>,
        /// The time zone its fields are read in.
        zone: TimeZone,
    },
    /// Only when a person asks: `never`.
    Never,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cron { text: a, zone: x, .. }, Self::Cron { text: b, zone: y, .. }) => a == b && x == y,
            (Self::Never, Self::Never) => true,
            _ => false,
        }
    }
}

impl Schedule {
    /// Reads `text` as it stands in a definition.
    ///
    /// # Errors
    /// A sentence and, where there is one, a way out.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Self, (String, Option<String>)> {
        let text = text.trim();
        if text == "never" {
            return Ok(Self::Never);
        }
        let refuse = |message: String, help: &str| Err((message, Some(help.to_owned())));
        if text.starts_with('@') {
            return refuse(
                format!("`{text}` is not supported: a schedule has five fields"),
                "write minute, hour, day of month, month and day of week, as `0 3 * * *` for each day at three",
            );
        }
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        if fields.len() != 5 {
            return refuse(
                format!("a schedule has five fields, `{text}` has {}", fields.len()),
                "minute, hour, day of month, month and day of week, as `*/30 * * * *`; or `never`",
            );
        }
        let start_only =
            |part: &str| part.split_once('/').is_some_and(|(start, _)| start != "*" && !start.contains('-'));
        if let Some(part) = fields.iter().flat_map(|field| field.split(',')).find(|part| start_only(part)) {
            let (start, step) = part.split_once('/').unwrap_or((part, ""));
            return refuse(
                format!("`{part}` is not supported: crontab(5) has steps only after `*` or a range"),
                &format!("write a range, as `{start}-59/{step}`"),
            );
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        match parser.parse(&fields.join(" ")) {
            Ok(cron) => Ok(Self::Cron { text: text.to_owned(), cron: Box::new(cron), zone: zone.clone() }),
            Err(error) => Err((format!("`{text}` is not a schedule: {error}"), None)),
        }
    }

    /// Whether it fired after `last` and not after `now`; with no `last`, whether it ever fires by itself.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        match (self, last) {
            (Self::Never, _) => false,
            (Self::Cron { .. }, None) => true,
            (Self::Cron { .. }, Some(last)) => self.next_after(last).is_some_and(|next| next <= now),
        }
    }

    /// The first time after `moment`, none where there is none.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Cron { cron, zone, .. } => {
                let from = moment.to_zoned(zone.clone());
                cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp())
            }
        }
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Cron { text, zone, .. } => match zone.iana_name() {
                Some(name) if name != "UTC" => write!(f, "{text} ({name})"),
                _ => f.write_str(text),
            },
        }
    }
}
