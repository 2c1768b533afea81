//! Schedules as crontab(5) has them, over clocks that jump.

use super::*;

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = Schedule::parse(text, &TimeZone::UTC).unwrap_err();
    let found = error.help.map_or(error.message.clone(), |help| format!("{} — {help}", error.message));
    assert_eq!(found, expected, "{text}");
}

/// The next times after `from`, each as the wall clock of `zone` shows it with its offset.
#[track_caller]
fn check(text: &str, zone: &str, from: &str, expected: &[&str]) {
    let zone = TimeZone::get(zone).unwrap();
    let schedule = Schedule::parse(text, &zone).unwrap();
    let mut at: Timestamp = from.parse().unwrap();
    let mut found = Vec::new();
    for _ in expected {
        at = schedule.next_after(at).unwrap();
        found.push(at.to_zoned(zone.clone()).strftime("%a %F %H:%M %:z").to_string());
    }
    assert_eq!(found, expected, "{text}");
}

#[test]
fn five_fields_are_read_as_crontab_has_them() {
    check(
        "*/30 * * * *",
        "UTC",
        "2026-01-01T00:10:00Z",
        &["Thu 2026-01-01 00:30 +00:00", "Thu 2026-01-01 01:00 +00:00"],
    );
    check(
        "0 3 * * 1-5",
        "UTC",
        "2026-01-02T03:00:00Z",
        &["Mon 2026-01-05 03:00 +00:00", "Tue 2026-01-06 03:00 +00:00"],
    );
    check(
        "5,10-12 0 1 jan,JUL *",
        "UTC",
        "2026-01-01T00:05:00Z",
        &[
            "Thu 2026-01-01 00:10 +00:00",
            "Thu 2026-01-01 00:11 +00:00",
            "Thu 2026-01-01 00:12 +00:00",
            "Wed 2026-07-01 00:05 +00:00",
        ],
    );
    check("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", &["Tue 2028-02-29 00:00 +00:00"]);
}

#[test]
fn sunday_is_0_and_7_and_sun() {
    for day in ["0", "7", "sun", "SUN"] {
        check(
            &format!("0 0 * * {day}"),
            "UTC",
            "2026-01-01T00:00:00Z",
            &["Sun 2026-01-04 00:00 +00:00", "Sun 2026-01-11 00:00 +00:00"],
        );
    }
    check(
        "0 0 * * 5-7",
        "UTC",
        "2026-01-01T00:00:00Z",
        &[
            "Fri 2026-01-02 00:00 +00:00",
            "Sat 2026-01-03 00:00 +00:00",
            "Sun 2026-01-04 00:00 +00:00",
            "Fri 2026-01-09 00:00 +00:00",
        ],
    );
    check("0 0 * * 1", "UTC", "2026-01-01T00:00:00Z", &["Mon 2026-01-05 00:00 +00:00"]);
}

#[test]
fn day_of_month_or_day_of_week_is_enough() {
    check(
        "0 0 13 * 5",
        "UTC",
        "2026-01-07T00:00:00Z",
        &["Fri 2026-01-09 00:00 +00:00", "Tue 2026-01-13 00:00 +00:00", "Fri 2026-01-16 00:00 +00:00"],
    );
}

#[test]
fn c02_day_and_weekday_must_both_match_if_one_starts_with_a_star() {
    check(
        "0 0 */2 * MON",
        "UTC",
        "2026-06-01T00:00:00Z",
        &["Mon 2026-06-15 00:00 +00:00", "Mon 2026-06-29 00:00 +00:00"],
    );
    check(
        "0 0 1 * */7",
        "UTC",
        "2026-01-02T00:00:00Z",
        &["Sun 2026-02-01 00:00 +00:00", "Sun 2026-03-01 00:00 +00:00"],
    );
}

#[test]
fn c01_skipped_times_fire_once_right_after_the_gap() {
    for text in ["30 2 * * *", "0,30 2 * * *", "*/15 2 * * *", "0-30/10 2 * * *", "0 2,3 * * *"] {
        check(text, "Europe/Berlin", "2026-03-28T12:00:00Z", &["Sun 2026-03-29 03:00 +02:00"]);
    }
    let next = &["Sun 2026-03-29 03:00 +02:00", "Mon 2026-03-30 02:00 +02:00", "Mon 2026-03-30 02:30 +02:00"];
    check("0,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", next);
    check("0 2,4 * * *", "Europe/Berlin", "2026-03-29T01:00:00Z", &["Sun 2026-03-29 04:00 +02:00"]);
}

#[test]
fn c01_repeated_times_fire_once() {
    let next = &["Sun 2026-10-25 02:00 +02:00", "Sun 2026-10-25 02:30 +02:00", "Mon 2026-10-26 02:00 +01:00"];
    check("0,30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", next);
    check("0-30/30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", next);
    check("0 1-3 * * *", "Europe/Berlin", "2026-10-25T00:30:00Z", &["Sun 2026-10-25 03:00 +01:00"]);
}

/// An expression as its fields, for the oracle.
struct Fields {
    text: &'static str,
    minutes: &'static [i8],
    /// None for every hour.
    hours: Option<&'static [i8]>,
}

const EXPRESSIONS: [Fields; 7] = [
    Fields { text: "30 2 * * *", minutes: &[30], hours: Some(&[2]) },
    Fields { text: "0,30 0-3 * * *", minutes: &[0, 30], hours: Some(&[0, 1, 2, 3]) },
    Fields { text: "*/20 */2 * * *", minutes: &[0, 20, 40], hours: Some(&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22]) },
    Fields { text: "15-17 1,23 * * *", minutes: &[15, 16, 17], hours: Some(&[1, 23]) },
    Fields { text: "*/30 * * * *", minutes: &[0, 30], hours: None },
    Fields { text: "7 * * * *", minutes: &[7], hours: None },
    Fields { text: "59 0,1,2,3,22,23 * * *", minutes: &[59], hours: Some(&[0, 1, 2, 3, 22, 23]) },
];

/// Finds the fire times in minutes from `from` on by looking at the clock each minute.
fn by_the_minute(fields: &Fields, zone: &TimeZone, from: Timestamp, minutes: i64) -> Vec<Timestamp> {
    let matches = |local: jiff::civil::DateTime| {
        fields.minutes.contains(&local.minute()) && fields.hours.is_none_or(|hours| hours.contains(&local.hour()))
    };
    let at = |minute: i64| from + jiff::SignedDuration::from_mins(minute);
    let mut seen = std::collections::BTreeSet::new();
    let mut found = Vec::new();
    // Three hours earlier, for local times that are repeated.
    for minute in -180..=minutes {
        let (before, local) = (zone.to_datetime(at(minute - 1)), zone.to_datetime(at(minute)));
        let skipped = (1..).map(|step: i64| before.saturating_add(jiff::Span::new().minutes(step)));
        let skipped = skipped.take_while(|skipped| *skipped < local).any(&matches);
        let is_new = seen.insert(local);
        let fires = match fields.hours {
            None => matches(local),
            Some(_) => skipped || (is_new && matches(local)),
        };
        if fires && minute > 0 {
            found.push(at(minute));
        }
    }
    found
}

#[test]
fn c01_fire_times_agree_with_a_clock_at_every_jump_of_every_zone_from_2000_to_2037() {
    let (start, end): (Timestamp, Timestamp) =
        ("2000-01-01T00:00:00Z".parse().unwrap(), "2038-01-01T00:00:00Z".parse().unwrap());
    let mut seen = std::collections::HashSet::new();
    let mut jumps = 0;
    for name in jiff::tz::db().available() {
        let zone = TimeZone::get(name.as_str()).unwrap();
        let transitions = zone.following(start).take_while(|transition| transition.timestamp() < end);
        for jump in transitions.map(|transition| transition.timestamp()) {
            let offsets = [zone.to_offset(jump - jiff::SignedDuration::from_secs(1)), zone.to_offset(jump)];
            let whole = offsets.iter().all(|offset| offset.seconds() % 60 == 0);
            // Aliases, and changes of the name alone, show nothing new.
            if offsets[0] == offsets[1] || !whole || !seen.insert((jump, offsets)) {
                continue;
            }
            let fields = &EXPRESSIONS[jumps % EXPRESSIONS.len()];
            let schedule = Schedule::parse(fields.text, &zone).unwrap();
            let from = jump - jiff::SignedDuration::from_mins(200);
            let expected = by_the_minute(fields, &zone, from, 400);
            let mut at = from;
            let mut found = Vec::new();
            while let Some(next) =
                schedule.next_after(at).filter(|next| *next <= from + jiff::SignedDuration::from_mins(400))
            {
                at = next;
                found.push(next);
            }
            assert_eq!(found, expected, "{} in {name} at {jump}", fields.text);
            jumps += 1;
        }
    }
    assert!(jumps > 500, "{jumps}");
}

#[test]
fn every_half_hour_goes_on_through_both_changes() {
    check(
        "*/30 * * * *",
        "Europe/Berlin",
        "2026-03-29T00:30:00Z",
        &["Sun 2026-03-29 03:00 +02:00", "Sun 2026-03-29 03:30 +02:00"],
    );
    check(
        "0 * * * *",
        "Europe/Berlin",
        "2026-10-24T23:30:00Z",
        &["Sun 2026-10-25 02:00 +02:00", "Sun 2026-10-25 02:00 +01:00", "Sun 2026-10-25 03:00 +01:00"],
    );
}

#[test]
fn a_schedule_is_due_if_it_fired_since_the_last_time() {
    let time = |text: &str| text.parse::<Timestamp>().unwrap();
    let schedule = Schedule::parse("0 3 * * *", &TimeZone::UTC).unwrap();
    let last = Some(time("2026-01-01T03:00:00Z"));
    assert!(!schedule.is_due(last, time("2026-01-02T02:59:59Z")));
    assert!(schedule.is_due(last, time("2026-01-02T03:00:00Z")));
    assert!(schedule.is_due(last, time("2026-01-09T00:00:00Z")));
    assert!(schedule.is_due(None, time("2026-01-01T00:00:00Z")));
    let never = Schedule::parse("never", &TimeZone::UTC).unwrap();
    assert!(!never.is_due(None, time("2026-01-01T00:00:00Z")) && !never.is_due(last, time("2027-01-01T00:00:00Z")));
}

#[test]
fn syntax_unknown_to_crontab_is_rejected_by_name() {
    refused(
        "@every 5m",
        "`@every 5m` is not supported: expected five fields — write minute, hour, day of month, month and day of week, e.g. `0 3 * * *` for every day at 3:00",
    );
    refused(
        "5/15 * * * *",
        "`5/15` is not supported: crontab(5) allows steps only after `*` or a range — write a range, e.g. `5-59/15`",
    );
    refused(
        "0 5/2 * * *",
        "`5/2` is not supported: crontab(5) allows steps only after `*` or a range — write a range, e.g. `5-23/2`",
    );
    refused(
        "0 0 * * * *",
        "expected five fields, `0 0 * * * *` has 6 — write minute, hour, day of month, month and day of week, e.g. `*/30 * * * *`, or `never`",
    );
    refused(
        "0 0 L * *",
        "invalid day of month `L` — use numbers from 1 to 31, `*`, ranges such as `1-31` or steps such as `*/2`",
    );
    refused(
        "60 * * * *",
        "invalid minute `60` — use numbers from 0 to 59, `*`, ranges such as `0-59` or steps such as `*/2`",
    );
    // Day and weekday must both match.
    refused(
        "0 0 31 2 */2",
        "`0 0 31 2 */2` never fires: these months do not have that day — write `never` to resolve it only on request",
    );
    refused("0 22-2 * * *", "the range `22-2` is reversed — write two ranges: `22-23,0-2`");
    refused(
        "0 0 30 2 *",
        "`0 0 30 2 *` never fires: these months do not have that day — write `never` to resolve it only on request",
    );
    for text in [
        "",
        "a b c d e",
        "*/0 * * * *",
        "0 0 15W * *",
        "0 0 * * 1#2",
        "0 0 1 * +mon",
        "? * * * *",
        "0 0 31 4,6 *",
        "1- * * * *",
        ", * * * *",
        "0 0 * * 8",
        "-1 * * * *",
        "0 0 0 * *",
    ] {
        assert!(Schedule::parse(text, &TimeZone::UTC).is_err(), "{text}");
    }
}

#[test]
fn a_time_zone_is_a_name_of_the_database() {
    let mut schedules = Schedules::default();
    assert!(schedules.zone("Europe/Berlin").is_ok());
    let help = |name: &str, schedules: &mut Schedules| schedules.zone(name).unwrap_err().help.unwrap();
    assert_eq!(help("Europe/Berln", &mut schedules), "did you mean `Europe/Berlin`?");
    for name in ["", "+01:00", "../../etc/passwd", "/etc/localtime"] {
        assert!(schedules.zone(name).is_err(), "{name}");
    }
}

#[test]
fn a_text_is_parsed_once_for_all_zones() {
    let mut schedules = Schedules::default();
    let berlin = TimeZone::get("Europe/Berlin").unwrap();
    let a = schedules.schedule("0 3 * * *", &TimeZone::UTC).unwrap();
    let b = schedules.schedule("0 3 * * *", &berlin).unwrap();
    assert_eq!((a.to_string().as_str(), b.to_string().as_str()), ("0 3 * * *", "0 3 * * * (Europe/Berlin)"));
    assert!(Arc::ptr_eq(&a.cron.unwrap(), &b.cron.unwrap()));
}
