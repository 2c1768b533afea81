//! Tables and ages, as commands print them.

use std::io::Write as _;

use jiff::Timestamp;

use crate::text::escape;

use crate::cli::CliError;

/// Aligns rows in columns as wide as their widest cell; control characters in cells are escaped.
pub fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[String; N]> = rows.iter().map(|row| row.each_ref().map(|cell| escape::one_line(cell))).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.extend(std::iter::repeat_n(' ', width - cell.chars().count() + 3));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Prints `title` and a row per place that a command skipped to standard error, sorted by file and line.
///
/// # Errors
/// Fails if standard error cannot be written.
pub fn print_skipped(title: &str, rows: &[[String; 3]]) -> Result<(), CliError> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut shown = vec![["AT", "TEXT", "REASON"].map(str::to_owned)];
    shown.extend(rows.iter().cloned());
    let place = |row: &[String; 3]| {
        let (path, line) = row[0].rsplit_once(':').unwrap_or((&row[0], ""));
        (path.to_owned(), line.parse::<usize>().unwrap_or_default())
    };
    shown[1..].sort_by_cached_key(place);
    Ok(write!(anstream::stderr(), "{title}:\n{}", table(&shown))?)
}

/// Formats a time as its age at `now`, or else in UTC.
pub fn when(time: Timestamp, now: Option<Timestamp>) -> String {
    now.map_or_else(|| time.to_string(), |now| age(now.duration_since(time).as_secs()))
}

/// Formats an age like `HumanDuration` of docker/go-units.
fn age(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let age = match seconds {
        ..1 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        2..MINUTE => format!("{seconds} seconds"),
        s if s < 2 * MINUTE => "About a minute".to_owned(),
        s if s < HOUR => format!("{} minutes", s / MINUTE),
        s if s < 2 * HOUR => "About an hour".to_owned(),
        s if s < 2 * DAY => format!("{} hours", s / HOUR),
        s if s < 14 * DAY => format!("{} days", s / DAY),
        s if s < 60 * DAY => format!("{} weeks", s / DAY / 7),
        s if s < 730 * DAY => format!("{} months", s / DAY / 30),
        s => format!("{} years", s / DAY / 365),
    };
    format!("{age} ago")
}
