//! `--due`: only tags whose schedule fired, by a clock that the test sets.

use super::stage::Stage;
use crate::support::lane::slow;

/// A stream with a daily tag, a weekly one, one with `schedule = "never"`, and one without a schedule.
fn stage() -> Stage {
    let stage = Stage::new("[import]\nschedule = \"0 3 * * *\"\n");
    for (tag, seed) in [("day", 1), ("week", 2), ("hand", 3)] {
        stage.push(&format!("web:{tag}"), seed);
    }
    stage.commit(
        "streams/web.toml",
        "[tags]\nday = \"REGISTRY/web:day\"\nafter = { follow = \"day\" }\n\
         week = { image = \"REGISTRY/web:week\", schedule = \"30 4 * * 1\" }\n\
         hand = { image = \"REGISTRY/web:hand\", schedule = \"never\" }\n",
    );
    stage
}

/// Runs a pass at `now` and returns the due tags with their outcomes.
#[track_caller]
fn due(stage: &mut Stage, now: &str, code: i32, args: &[&str]) -> String {
    stage.sandbox.env("PINSTREAM_NOW", now);
    stage.registry.forget();
    let report = stage.report(code, args);
    let rows = report["tags"].as_array().unwrap().iter().filter(|row| row["skipped"] != "not-due");
    let rows: Vec<_> =
        rows.map(|row| format!("{} {}", row["tag"].as_str().unwrap(), row["outcome"].as_str().unwrap())).collect();
    let asked = stage.registry.counts();
    let images = rows.iter().filter(|row| !row.starts_with("after")).count();
    assert!(asked.head >= images && (images > 0 || asked.get == 0), "{rows:?} {asked:?}");
    rows.join(", ")
}

#[test]
fn due_tags_follow_from_schedules_and_the_last_pass() {
    let mut stage = stage();
    // A Tuesday. Tags that were never resolved are due.
    assert_eq!(due(&mut stage, "2026-11-24T02:00:00Z", 0, &["--due"]), "after added, day added, week added");
    assert_eq!(due(&mut stage, "2026-11-24T02:30:00Z", 0, &["--due"]), "");
    assert_eq!(due(&mut stage, "2026-11-24T03:00:00Z", 0, &["--due"]), "after unchanged, day unchanged");
    assert_eq!(due(&mut stage, "2026-11-24T03:00:30Z", 0, &["--due"]), "");
    stage.push("web:day", 10);
    assert_eq!(due(&mut stage, "2026-11-25T02:59:59Z", 0, &["--due"]), "");
    assert_eq!(due(&mut stage, "2026-11-25T07:00:00Z", 0, &["--due"]), "after updated, day updated");
    // Many missed fire times are one pass.
    assert_eq!(
        due(&mut stage, "2027-11-25T07:00:00Z", 0, &["--due"]),
        "after unchanged, day unchanged, week unchanged"
    );
    assert_eq!(due(&mut stage, "2027-11-25T07:00:01Z", 0, &["--due"]), "");
    // A pass without `--due` resolves everything and does not change what is due.
    assert_eq!(
        due(&mut stage, "2027-11-25T08:00:00Z", 0, &[]),
        "after unchanged, day unchanged, hand added, week unchanged"
    );
    assert_eq!(due(&mut stage, "2027-11-26T03:00:00Z", 0, &["--due"]), "after unchanged, day unchanged");
}

#[test]
fn a_tag_that_failed_stays_due() {
    slow!();
    let mut stage = stage();
    due(&mut stage, "2026-11-24T02:00:00Z", 0, &["--due"]);
    stage.registry.fail("/web/manifests/day", 404);
    assert_eq!(due(&mut stage, "2026-11-24T03:00:00Z", 3, &["--due"]), "after unchanged, day failed");
    assert_eq!(due(&mut stage, "2026-11-24T03:10:00Z", 3, &["--due"]), "after unchanged, day failed");
    stage.registry.clear_lies();
    assert_eq!(due(&mut stage, "2026-11-24T03:20:00Z", 0, &["--due"]), "after unchanged, day unchanged");
    assert_eq!(due(&mut stage, "2026-11-24T03:30:00Z", 0, &["--due"]), "");
}

#[test]
fn due_is_limited_to_the_named_tags() {
    let mut stage = stage();
    assert_eq!(due(&mut stage, "2026-11-24T02:00:00Z", 0, &["--due", "web:week"]), "week added");
    // The others were not resolved, so they are still due.
    assert_eq!(due(&mut stage, "2026-11-24T02:10:00Z", 0, &["--due"]), "after added, day added, week unchanged");
    assert_eq!(due(&mut stage, "2026-11-24T02:20:00Z", 0, &["--due"]), "");
}

#[test]
fn t29_a_wrong_clock_freezes_no_tag() {
    let mut stage = stage();
    due(&mut stage, "2036-11-24T02:00:00Z", 0, &["--due"]);
    assert_eq!(
        due(&mut stage, "2026-11-24T02:00:00Z", 0, &["--due"]),
        "after unchanged, day unchanged, week unchanged"
    );
    assert_eq!(due(&mut stage, "2026-11-24T02:30:00Z", 0, &["--due"]), "");
    assert_eq!(due(&mut stage, "2026-11-24T03:00:00Z", 0, &["--due"]), "after unchanged, day unchanged");
}
