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
use crate::text::diagnostics::{did_you_mean, nearest};
use fire_time::FireTimes;

/// The number of invalid names for which the nearest time zone is suggested, which bounds the cost for a broken root.
const NEAREST_MAX: usize = 20;

/// The schedule of a tag for `--due`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The expression as written, or `never`.
    text: Arc<str>,
    /// The parsed expression; `None` for `never`: only on request.
    cron: Option<Arc<Cron>>,
    /// True if the expression matches every hour.
    is_interval: bool,
    /// The time zone of its fields.
    zone: TimeZone,
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && (self.is_never() || self.zone == other.zone)
    }
}

impl Schedule {
    /// Parses a schedule from a definition.
    ///
    /// # Errors
    /// Returns an error with a remedy, if there is one.
    pub fn parse(text: &str, zone: &TimeZone) -> Result<Self, NameError> {
        let text = text.trim();
        let never = Self { text: text.into(), cron: None, is_interval: false, zone: zone.clone() };
        if text == "never" {
            return Ok(never);
        }
        let [_, hours, days, _, weekdays] = check_fields(text)?;
        // crontab(5): both must match if one of them starts with `*`, else either.
        let both = days.starts_with('*') || weekdays.starts_with('*');
        let parser =
            CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).dom_and_dow(both).build();
        let cron = parser.parse(text).map_err(|error| {
            NameError::new(format!("invalid schedule `{text}`: {error}"))
                .help("write five fields as in crontab(5), e.g. `*/30 * * * *`, or `never`")
        })?;
        let is_interval = matches!(hours, "*" | "*/1" | "0-23" | "0-23/1");
        Ok(Self { cron: Some(Arc::new(cron)), is_interval, ..never })
    }

    /// Returns true if it is `never`.
    pub fn is_never(&self) -> bool {
        self.cron.is_none()
    }

    /// Returns the same schedule in another time zone.
    #[must_use]
    pub fn in_zone(&self, zone: &TimeZone) -> Self {
        Self { zone: zone.clone(), ..self.clone() }
    }

    /// Returns true if it fired after `last` and not after `now`; without `last`, if it ever fires.
    pub fn is_due(&self, last: Option<Timestamp>, now: Timestamp) -> bool {
        last.map_or(!self.is_never(), |last| self.next_after(last).is_some_and(|next| next <= now))
    }

    /// Returns the first time after `moment`, if there is one.
    pub fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        FireTimes { cron: self.cron.as_ref()?, zone: &self.zone, is_interval: self.is_interval }.next_after(moment)
    }
}

impl std::fmt::Display for Schedule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.zone.iana_name() {
            Some(name) if name != "UTC" && !self.is_never() => write!(f, "{} ({name})", self.text),
            _ => f.write_str(&self.text),
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

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const FIELDS: [CronField; 5] = [
    CronField { name: "minute", least: 0, most: 59, names: &[] },
    CronField { name: "hour", least: 0, most: 23, names: &[] },
    CronField { name: "day of month", least: 1, most: 31, names: &[] },
    CronField { name: "month", least: 1, most: 12, names: &MONTHS },
    CronField { name: "day of week", least: 0, most: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

/// Splits `text` into fields and checks them against the grammar of crontab(5), which is smaller than the parser's:
/// syntax that other programs do not support, or interpret differently, is rejected by name.
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
    if weekdays.starts_with('*') && !days.starts_with('*') && !any_day_exists(days, months) {
        return Err(NameError::new(format!("`{text}` never fires: these months do not have that day"))
            .help("write `never` to resolve it only on request"));
    }
    Ok(fields)
}

fn check_part(field: &CronField, part: &str) -> Result<(), NameError> {
    let CronField { name, least, most, .. } = *field;
    let bad = || {
        NameError::new(format!("invalid {name} `{part}`")).help(format!(
            "use numbers from {least} to {most}, `*`, ranges such as `{least}-{most}` or steps such as `*/2`"
        ))
    };
    let range = match part.split_once('/') {
        None => part,
        Some((range, step)) if range != "*" && !range.contains('-') => {
            let help = format!("write a range, e.g. `{range}-{most}/{step}`");
            let message = format!("`{part}` is not supported: crontab(5) allows steps only after `*` or a range");
            return Err(NameError::new(message).help(help));
        }
        Some((range, step)) => number(step).filter(|step| (1..=most).contains(step)).map(|_| range).ok_or_else(bad)?,
    };
    if range == "*" {
        return Ok(());
    }
    let (from, to) = bounds(field, part).filter(|(from, to)| *from >= least && *to <= most).ok_or_else(bad)?;
    if from > to {
        return Err(NameError::new(format!("the range `{range}` is reversed"))
            .help(format!("write two ranges: `{from}-{most},{least}-{to}`")));
    }
    Ok(())
}

/// Returns the first and the last value of a part, unless it is `*`.
fn bounds(field: &CronField, part: &str) -> Option<(u32, u32)> {
    let range = part.split_once('/').map_or(part, |(range, _)| range);
    let (from, to) = range.split_once('-').unwrap_or((range, range));
    Some((value(field, from)?, value(field, to)?))
}

/// Parses at most four digits.
fn number(text: &str) -> Option<u32> {
    Some(text).filter(|text| text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

fn value(field: &CronField, text: &str) -> Option<u32> {
    let named = field.names.iter().position(|name| name.eq_ignore_ascii_case(text));
    number(text).or_else(|| named.and_then(|at| u32::try_from(at).ok()).map(|at| at + field.least))
}

/// Returns true if the lowest of `days` exists in any of `months`; both are valid.
fn any_day_exists(days: &str, months: &str) -> bool {
    let least = days.split(',').filter_map(|part| bounds(&FIELDS[2], part)).map(|(from, _)| from).min().unwrap_or(1);
    months.split(',').any(|part| {
        let (from, to) = bounds(&FIELDS[3], part).unwrap_or((1, 12));
        (from..=to).any(|month| match month {
            2 => least <= 29,
            4 | 6 | 9 | 11 => least <= 30,
            _ => true,
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
    let write = || "write a name of the IANA database, e.g. `Europe/Berlin`".to_owned();
    let help = nearest(name, known.iter().map(String::as_str)).map_or_else(write, did_you_mean);
    Err(NameError::new(format!("unknown time zone `{name}`")).help(help))
}

#[cfg(test)]
mod tests;
