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
    let images = rows.iter().filter(|row| !row.starts_with("after") && !row.ends_with(" skipped")).count();
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

/// Lists the files of the state.
fn state_files(stage: &Stage) -> String {
    stage.repo.git(&["ls-tree", "-r", "--name-only", "refs/pinstream/state"])
}

#[test]
fn u03_a_failing_tag_is_retried_after_growing_pauses_and_listed_in_between() {
    let mut stage = Stage::new("");
    stage.push("web:good", 1);
    let stream = "[tags]\ngood = \"REGISTRY/web:good\"\ndead = \"REGISTRY/web:dead\"\nafter = { follow = \"dead\" }\n";
    stage.commit("streams/web.toml", stream);
    let outcome = |outcome: &str| format!("after {outcome}, dead {outcome}, good unchanged");
    assert_eq!(due(&mut stage, "2026-11-24T12:00:00Z", 3, &["--due"]), "after failed, dead failed, good added");
    // The exit code is 3 only if the tag was tried: after a minute, two, four …
    assert_eq!(due(&mut stage, "2026-11-24T12:00:59Z", 0, &["--due"]), outcome("skipped"));
    assert_eq!(due(&mut stage, "2026-11-24T12:01:00Z", 3, &["--due"]), outcome("failed"));
    let refs = stage.repo.git(&["for-each-ref"]);
    assert_eq!(due(&mut stage, "2026-11-24T12:02:59Z", 0, &["--due"]), outcome("skipped"));
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
    let report = stage.report(0, &["--due"]);
    let row = report["tags"].as_array().unwrap().iter().find(|row| row["tag"] == "dead").unwrap();
    assert_eq!(row["skipped"], "backing-off");
    let failing = serde_json::json!({
        "since": "2026-11-24T12:00:00Z",
        "last": "2026-11-24T12:01:00Z",
        "next": "2026-11-24T12:03:00Z",
        "attempts": 2,
        "kind": "not-found",
    });
    assert_eq!(row["failing"], failing);
    stage.check(
        &["--due"],
        "
--- out
skipped  web:after  backing off: failing since 2026-11-24T12:00:00Z (not-found, 2 attempts); next attempt 2026-11-24T12:03:00Z
skipped  web:dead   backing off: failing since 2026-11-24T12:00:00Z (not-found, 2 attempts); next attempt 2026-11-24T12:03:00Z
1 unchanged, 2 skipped; nothing to write
--- exit 0",
    );
    assert_eq!(state_files(&stage), "main/@/failing.json");

    // A tag that is named, a pass over all tags, and a pass with other definitions try it at once.
    assert_eq!(due(&mut stage, "2026-11-24T12:02:59Z", 3, &["--due", "web:dead"]), "after failed, dead failed");
    assert_eq!(due(&mut stage, "2026-11-24T12:03:00Z", 0, &["--due"]), outcome("skipped"));
    assert_eq!(due(&mut stage, "2026-11-24T12:03:00Z", 3, &[]), outcome("failed"));
    stage.commit("streams/web.toml", &format!("{stream}# changed\n"));
    assert_eq!(due(&mut stage, "2026-11-24T12:03:00Z", 3, &["--due"]), outcome("failed"));
    assert_eq!(due(&mut stage, "2026-11-24T12:03:01Z", 0, &["--due"]), outcome("skipped"));

    // A success ends it.
    stage.push("web:dead", 2);
    assert_eq!(due(&mut stage, "2026-11-25T12:03:00Z", 0, &["--due"]), "after added, dead added, good unchanged");
    assert_eq!(state_files(&stage), "");
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
