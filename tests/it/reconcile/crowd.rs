//! Many concurrent passes on one branch: no pin is lost, nothing is forced, no commit is empty.

use std::process::{Child, Stdio};

use super::history;
use super::people::Person;
use super::stage::{Stage, TELL};
use crate::support::lane::{share, slow};
use crate::support::remote::http::HttpBackend;

/// Creates `streams` streams `s0`, `s1`, … of `tags` tags each.
fn streams(stage: &Stage, streams: u64, tags: u64) {
    for stream in 0..streams {
        let names: Vec<String> = (0..tags).map(|tag| format!("t{tag}")).collect();
        let tags: Vec<(&str, u64)> = names.iter().map(String::as_str).zip(1000 * stream..).collect();
        stage.stream(&format!("s{stream}"), &tags);
    }
}

/// Starts one pass per stream.
fn start(stage: &Stage, streams: u64) -> Vec<Child> {
    let one = |stream: u64| {
        let mut command = stage.command(&[&format!("s{stream}")]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    (0..streams).map(one).collect()
}

/// Waits for all of them; each must succeed.
#[track_caller]
fn finish(stage: &Stage, children: Vec<Child>) {
    for child in children {
        let ran = stage.sandbox.ended(child);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
}

#[test]
fn sixteen_concurrent_passes_lose_nothing() {
    slow!();
    let passes = 16;
    let mut stage = Stage::new("");
    streams(&stage, passes, 2);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.ends(0, &[]);
    let mut people = Vec::new();
    for round in 1..=2 {
        let digests: Vec<_> =
            (0..passes).map(|stream| stage.push(&format!("s{stream}:t0"), round * 100_000 + stream)).collect();
        let children = start(&stage, passes);
        let person = Person::new(&stage, &format!("clone-{round}"));
        people.extend((0..3).map(|_| person.commit()));
        finish(&stage, children);
        for (stream, digest) in digests.iter().enumerate() {
            assert_eq!(stage.pin(&format!("s{stream}:t0")).as_deref(), Some(digest.as_str()));
            assert!(stage.pin(&format!("s{stream}:t1")).is_some());
        }
    }
    history::check(&stage, &people);
}

#[test]
fn t26_thirty_two_concurrent_passes_of_ten_tags_lose_nothing() {
    let passes = share(32, 4);
    let stage = Stage::new(TELL);
    streams(&stage, passes, 10);
    finish(&stage, start(&stage, passes));
    stage.ends(0, &[]);
    let lock: toml::Table = stage.lock().parse().unwrap();
    assert_eq!(lock["pin"].as_array().unwrap().len() as u64, 10 * passes);
    history::check(&stage, &[]);
    // Hooks received every pin.
    let told: std::collections::BTreeSet<String> = stage.events_in_short().lines().map(str::to_owned).collect();
    assert_eq!(told.len() as u64, 10 * passes, "{told:?}");
}
