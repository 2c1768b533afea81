//! Schedules: cron expressions of five fields, as in crontab(5) and in Kubernetes' CronJob.
//!
//! Pure: the next time follows from expression, time zone and a given time; never reads a clock.

mod fire_time;

use std::collections::HashMap;
use std::sync::Arc;

use cron::Cron;
use cron::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::model::image::NameError;
use crate::text::diagnostics::nearest;
use fire_time::FireTimes;

/// The number of invalid names for which the nearest time zone is suggested, which bounds the cost for a broken root.
const NEAREST_MAX: usize = 20;

/// The schedule of a tag for `--due`.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// At the times of a cron expression.
    Cron {
        /// The expression as written.
        text: Arc<str>,
        /// The parsed expression.
        cron: Arc<Cron>,
        /// True if it matches every hour.
        is_interval: bool,
        /// The time zone of its fields.
        zone: TimeZone,
    },
    /// Only on request: `never`.
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
    /// Parses a schedule from a definition.
    ///
    /// # Errors
    /// Returns an error with a remedy, if there is one.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Self, NameError> {
        let text = text.trim();
        if text == "never" {
            return Ok(Self::Never);
        }
        let [_, hours, days, _, weekdays] = check_fields(text)?;
        let is_interval = matches!(hours, "*" | "*/1" | "0-23" | "0-23/1");
        // crontab(5): both must match if one of them starts with `*`, else either.
        let both = days.starts_with('*') || weekdays.starts_with('*');
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).dom_and_dow(both).build();
        match parser.parse(text) {
            Ok(cron) => Ok(Self::Cron { text: text.into(), cron: Arc::new(cron), is_interval, zone: zone.clone() }),
            Err(error) => Err(NameError::new(format!("invalid schedule `{text}`: {error}"))
                .help("write five fields as in crontab(5), e.g. `*/30 * * * *`, or `never`")),
        }
    }

    /// Returns the same schedule in another time zone.
    #[must_use]
    pub fn in_zone(&self, zone: &TimeZone) -> Self {
        match self {
            Self::Never => Self::Never,
            Self::Cron { text, cron, is_interval, .. } => {
                let (text, cron) = (Arc::clone(text), Arc::clone(cron));
                Self::Cron { text, cron, is_interval: *is_interval, zone: zone.clone() }
            }
        }
    }

    /// Returns true if it fired after `last` and not after `now`; without `last`, if it ever fires.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        match (self, last) {
            (Self::Never, _) => false,
            (Self::Cron { .. }, None) => true,
            (Self::Cron { .. }, Some(last)) => self.next_after(last).is_some_and(|next| next <= now),
        }
    }

    /// Returns the first time after `moment`, if there is one.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Never => None,
            Self::Cron { cron, is_interval, zone, .. } => {
                FireTimes { cron, zone, is_interval: *is_interval }.next_after(moment)
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

/// A field of an expression, with the names and numbers it accepts.
struct CronField {
    name: &'static str,
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const FIELDS: [CronField; 5] = [
    CronField { name: "minute", least: 0, most: 59, names: &[] },
    CronField { name: "hour", least: 0, most: 23, names: &[] },
    CronField { name: "day of month", least: 1, most: 31, names: &[] },
    CronField {
        name: "month",
        least: 1,
        most: 12,
        names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    },
    CronField { name: "day of week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Splits `text` into fields and checks them against the grammar of crontab(5), which is smaller than the parser's: syntax that other programs do
/// not support, or interpret differently, is rejected by name.
fn check_fields(text: &str) -> Result<[&str; 5], NameError> {
    if text.len() > 255 {
        return Err(NameError::new("schedule longer than 255 characters").help("write e.g. `*/30 * * * *`, or `never`"));
    }
    if text.starts_with('@') {
        return Err(NameError::new(format!("`{text}` is not supported: expected five fields"))
            .help("write minute, hour, day of month, month and day of week, e.g. `0 3 * * *` for every day at 3:00"));
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let Ok(fields) = <[&str; 5]>::try_from(fields.as_slice()) else {
        return Err(NameError::new(format!("expected five fields, `{text}` has {}", fields.len()))
            .help("write minute, hour, day of month, month and day of week, e.g. `*/30 * * * *`, or `never`"));
    };
    let [_, _, days, months, weekdays] = fields;
    for (field, written) in FIELDS.iter().zip(fields) {
        written.split(',').try_for_each(|part| check_part(field, part))?;
    }
    if weekdays == "*" && !days.starts_with('*') && !any_day_exists(days, months) {
        return Err(NameError::new(format!("`{text}` never fires: these months do not have that day"))
            .help("write `never` to resolve it only on request"));
    }
    Ok(fields)
}

fn check_part(field: &CronField, part: &str) -> Result<(), NameError> {
    let CronField { name, least, most, .. } = *field;
    let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
    let bad = || {
        NameError::new(format!("invalid {name} `{part}`")).help(format!(
            "use numbers from {least} to {most}, `*`, ranges such as `{least}-{most}` or steps such as `*/2`"
        ))
    };
    if let Some(step) = step {
        if range != "*" && !range.contains('-') {
            let help = format!("write a range, e.g. `{range}-{most}/{step}`");
            let message = format!("`{part}` is not supported: crontab(5) allows steps only after `*` or a range");
            return Err(NameError::new(message).help(help));
        }
        let step: u32 = number(step).ok_or_else(bad)?;
        if step == 0 || step > most {
            return Err(bad());
        }
    }
    if range == "*" {
        return Ok(());
    }
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    let (from, to) = (value(field, from).ok_or_else(bad)?, value(field, to).ok_or_else(bad)?);
    if from < least || to > most {
        return Err(bad());
    }
    if from > to {
        return Err(NameError::new(format!("the range `{range}` is reversed"))
            .help(format!("write two ranges: `{from}-{most},{least}-{to}`")));
    }
    Ok(())
}

/// Parses at most four digits.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn value(field: &CronField, text: &str) -> Option<u32> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    number(text).or_else(|| named.and_then(|at| u32::try_from(at).ok()).map(|at| at + field.least))
}

/// Returns true if the lowest of `days` exists in any of `months`; both are valid.
fn any_day_exists(days: &str, months: &str) -> bool {
    let span = |field: &CronField, part: &str| {
        let range = part.split_once('/').map_or(part, |(range, _)| range);
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        Some((value(field, from)?, value(field, to)?))
    };
    let least = days.split(',').filter_map(|part| span(&FIELDS[2], part)).map(|(from, _)| from).min().unwrap_or(1);
    months.split(',').any(|part| {
        let (from, to) = span(&FIELDS[3], part).unwrap_or((1, 12));
        (from..=to).any(|month| {
            let last = match month {
                2 => 29,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            least <= last
        })
    })
}

/// Cache of parsed schedules and time zones: each text is parsed once.
#[derive(Debug, Default)]
pub(crate) struct Schedules {
    schedules: HashMap<String, Result<Schedule, NameError>>,
    zones: HashMap<String, Result<TimeZone, NameError>>,
}

impl Schedules {
    /// Parses a schedule for `zone`.
    pub(crate) fn schedule(&mut self, text: &str, zone: &TimeZone) -> Result<Schedule, NameError> {
        if let Some(read) = self.schedules.get(text) {
            return read.clone().map(|schedule| schedule.in_zone(zone));
        }
        let read = Schedule::parse(text, zone);
        self.schedules.insert(text.to_owned(), read.clone());
        read
    }

    /// Looks up a time zone of the IANA database.
    pub(crate) fn zone(&mut self, name: &str) -> Result<TimeZone, NameError> {
        if let Some(read) = self.zones.get(name) {
            return read.clone();
        }
        let read = zone(name, self.zones.len() < NEAREST_MAX);
        self.zones.insert(name.to_owned(), read.clone());
        read
    }
}

/// Looks up a time zone; for an unknown one, suggests the nearest if `look` is set.
fn zone(name: &str, look: bool) -> Result<TimeZone, NameError> {
    let plain = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_+-".contains(&b));
    if let Some(zone) = plain.then(|| TimeZone::get(name).ok()).flatten() {
        return Ok(zone);
    }
    let all = look.then(|| jiff::tz::db().available());
    let known: Vec<String> = all.into_iter().flatten().map(|name| name.to_string()).collect();
    let help = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "write a name of the IANA database, e.g. `Europe/Berlin`".to_owned(),
    };
    Err(NameError::new(format!("unknown time zone `{name}`")).help(help))
}

#[cfg(test)]
mod tests;
