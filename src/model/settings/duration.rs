//! Durations: `90s`, `5m`, `1h`, `1h30m`, `3d`.

use std::time::Duration;

use crate::model::image::NameError;

/// Parses a duration: integers with `s`, `m`, `h` or `d`, more than zero in total.
///
/// # Errors
/// Returns an error with an example.
pub fn parse(text: &str) -> Result<Duration, NameError> {
    let bad = || NameError::new(format!("invalid duration `{text}`")).help("write e.g. `90s`, `5m`, `1h30m` or `3d`");
    let mut rest = text;
    let mut seconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| bad())?;
        let unit = match rest.as_bytes().get(digits) {
            Some(b's') => 1,
            Some(b'm') => 60,
            Some(b'h') => 3_600,
            Some(b'd') => 86_400,
            _ => return Err(bad()),
        };
        seconds = number.checked_mul(unit).and_then(|more| seconds.checked_add(more)).ok_or_else(bad)?;
        rest = &rest[digits + 1..];
    }
    if seconds == 0 { Err(bad()) } else { Ok(Duration::from_secs(seconds)) }
}

#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        assert_eq!(super::parse(text).ok().map(|duration| duration.as_secs()), expected, "{text}");
    }

    #[test]
    fn lengths_of_time_are_read_as_people_write_them() {
        check("90s", Some(90));
        check("5m", Some(300));
        check("1h30m", Some(5_400));
        check("3d", Some(259_200));
    }

    #[test]
    fn invalid_durations_are_rejected() {
        for text in
            ["", "5", "m", "0s", "-1s", "1.5h", "1 h", "5M", "1h30", "99999999999999999999s", "999999999999999999d"]
        {
            check(text, None);
        }
    }
}
