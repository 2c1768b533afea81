//! The time budget of a pass: good tags land beside those that hang, and the rest comes first in the next pass.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::stage::Stage;
use crate::support::lane::slow;
use crate::support::registry::http::{Answer, Body};

/// Budget of a pass in seconds: those that hang make way for others after two, and the first delays all others by two.
const BUDGET: u64 = 8;

/// A root with `tags` tags in one repository, and `requests` at once.
fn stage(tags: u64, requests: usize) -> Stage {
    let stage = Stage::new(&format!("requests = {requests}\n[import]\nbudget = \"{BUDGET}s\"\n"));
    let mut text = "[tags]\nafter = { follow = \"t00\" }\n".to_owned();
    for number in 0..tags {
        stage.push(&format!("web:t{number:02}"), number);
        text += &format!("t{number:02} = {{ image = \"REGISTRY/web:t{number:02}\", schedule = \"0 3 * * *\" }}\n");
    }
    stage.commit("streams/web.toml", &text);
    stage
}

/// Lets every request for a tag hang that `hangs` accepts the number of.
fn hang(stage: &Stage, hangs: impl Fn(u64) -> bool + Send + 'static) {
    stage.registry.lie(move |request| {
        let number = request.target.rsplit_once("/manifests/t")?.1.parse().ok()?;
        hangs(number).then(|| Answer::new(200).sent(Body::Drip(Duration::from_secs(2))))
    });
}

/// Runs a pass that ends with `code` shortly after its budget; returns the tags with `outcome`.
#[track_caller]
fn tags(stage: &Stage, code: i32, args: &[&str], outcome: &str) -> Vec<String> {
    let start = Instant::now();
    let report = stage.report(code, args);
    assert!(start.elapsed() < Duration::from_secs(BUDGET + 10), "{:?}", start.elapsed());
    let rows = report["tags"].as_array().unwrap().iter().filter(|row| row["outcome"] == outcome);
    let name = |row: &Value| row["tag"].as_str().unwrap().to_owned();
    rows.map(name).collect()
}

/// Returns the numbers of the first `count` tags that were requested.
fn first(stage: &Stage, count: usize) -> Vec<u64> {
    let requests = stage.registry.requests();
    let heads = requests.iter().filter(|request| request.method == "HEAD");
    let number = |target: &str| target.rsplit_once("/manifests/t").unwrap().1.parse().unwrap();
    let mut found: Vec<u64> = heads.take(count).map(|request| number(&request.target)).collect();
    found.sort_unstable();
    found
}

#[test]
fn s04_a_pass_ends_with_its_budget_and_the_good_tags_land_beside_every_third_that_hangs() {
    slow!();
    let mut stage = stage(60, 16);
    hang(&stage, |number| number.is_multiple_of(3));
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T03:00:00Z");
    let deferred = tags(&stage, 3, &["--due"], "deferred");
    // A follower of a tag that hangs waits with it.
    let expected: Vec<String> = (0..60).step_by(3).map(|number| format!("t{number:02}")).collect();
    assert_eq!(deferred, [&["after".to_owned()], expected.as_slice()].concat());
    assert_eq!(stage.lock().matches("[[pin]]").count(), 40);

    // They stay due, and once they answer, the state forgets them.
    stage.registry.clear_lies();
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T03:10:00Z");
    assert_eq!(tags(&stage, 0, &["--due"], "added"), deferred);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T03:20:00Z");
    assert_eq!(tags(&stage, 0, &["--due"], "skipped").len(), 61);
}

#[test]
fn s04_deferred_tags_come_first_in_the_next_pass() {
    slow!();
    let stage = stage(40, 1);
    stage.ends(0, &[]);
    hang(&stage, |number| number >= 36);
    assert_eq!(tags(&stage, 3, &[], "deferred"), ["t36", "t37", "t38", "t39"]);
    // They fail no pass after they answer, and a pass over other tags leaves them waiting.
    stage.registry.clear_lies();
    stage.ends(0, &["web:t00"]);
    stage.registry.forget();
    stage.ends(0, &[]);
    assert_eq!(first(&stage, 4), [36, 37, 38, 39]);
    stage.registry.forget();
    stage.ends(0, &[]);
    assert_eq!(first(&stage, 4), [0, 1, 2, 3]);
}

#[test]
fn s04_lists_of_tags_are_part_of_the_budget() {
    slow!();
    let stage = Stage::new("[import]\nbudget = \"1s\"\n");
    stage.push("web:1.0.1", 1);
    stage.commit("streams/chosen.toml", "[tags]\nedge = { repository = \"REGISTRY/web\", semver = \">=1\" }\n");
    stage.commit("streams/found.toml", "[discover]\nrepository = \"REGISTRY/web\"\nsemver = \">=1\"\n");
    stage.registry.lie(|request| {
        request.target.contains("/tags/list").then(|| Answer::new(200).sent(Body::Drip(Duration::from_secs(2))))
    });
    let report = stage.report(3, &[]);
    assert_eq!((&report["tags"][0]["outcome"], &report["tags"][0]["deferred"]), (&"deferred".into(), &"budget".into()));
    let error = "cannot discover the tags of `found`: the budget of the pass is spent";
    assert_eq!(report["errors"], serde_json::json!([error]));
}
