//! `--shard`: what a pass over a shard of the root does, and what it leaves to the others.

use pinstream::model::shard::Shard;
use serde_json::Value;

use super::stage::{Stage, TELL};
use crate::support::lane::slow;
use crate::support::registry::{FakeRegistry, Image};

/// Repositories of the registry that belong to `shard`; which ones depends on the registry's port.
pub(crate) fn of<'a>(stage: &'a Stage, shard: &str) -> impl Iterator<Item = String> + 'a {
    let shard: Shard = shard.parse().unwrap();
    let name = |number: usize| format!("app-{number}");
    (0..).map(name).filter(move |name| shard.contains(format!("{}/{name}", stage.registry.host())))
}

/// Outcomes of a report as `tag outcome`, sorted by tag.
fn outcomes(report: &Value) -> String {
    let rows = report["tags"].as_array().unwrap().iter();
    let outcome = |row: &Value| row["skipped"].as_str().or(row["outcome"].as_str()).unwrap().to_owned();
    let row = |row: &Value| format!("{} {}", row["tag"].as_str().unwrap(), outcome(row));
    rows.map(row).collect::<Vec<_>>().join(", ")
}

/// A stream with one image in each of two shards and a follower for each; returns the images.
pub(crate) fn pair(stage: &Stage) -> [String; 2] {
    let images = ["1/2", "2/2"].map(|shard| format!("{}:1", of(stage, shard).next().unwrap()));
    for (image, seed) in images.iter().zip(1..) {
        stage.push(image, seed);
    }
    let text = format!(
        "[tags]\na = \"REGISTRY/{}\"\nafter-a = {{ follow = \"a\" }}\n\
         b = \"REGISTRY/{}\"\nafter-b = {{ follow = \"b\" }}\n",
        images[0], images[1]
    );
    stage.commit("streams/web.toml", &text);
    images
}

#[test]
fn a_shard_is_resolved_and_the_rest_is_unchanged() {
    let stage = Stage::new("");
    let images = pair(&stage);
    let first = stage.report(0, &["--shard", "1/2"]);
    assert_eq!(outcomes(&first), "a added, after-a added, after-b not-selected, b not-selected");
    assert_eq!(first["notes"], serde_json::json!(["shard 1/2 has 2 of 4 tags"]));
    let asked = |image: &str| {
        let repository = image.split(':').next().unwrap();
        stage.registry.requests().iter().filter(|asked| asked.path().contains(&format!("/{repository}/"))).count()
    };
    assert_eq!((asked(&images[0]) > 0, asked(&images[1])), (true, 0));
    let second = stage.report(0, &["--shard", "2/2"]);
    assert_eq!(outcomes(&second), "a not-selected, after-a not-selected, after-b added, b added");

    // A change in another shard is left alone.
    let moved = images.each_ref().map(|image| stage.push(image, 9));
    assert_eq!(
        outcomes(&stage.report(0, &["--shard", "2/2"])),
        "a not-selected, after-a not-selected, after-b updated, b updated"
    );
    let pins = || ["a", "after-a", "b", "after-b"].map(|tag| stage.pin(&format!("web:{tag}")).unwrap());
    assert_eq!(pins()[2..], [moved[1].as_str(), moved[1].as_str()]);
    assert_ne!(pins()[0], moved[0].as_str());

    // Any shard removes the pin of a removed tag.
    stage.commit("streams/web.toml", &format!("[tags]\na = \"REGISTRY/{}\"\n", images[0]));
    assert_eq!(
        outcomes(&stage.report(0, &["--shard", "2/2"])),
        "a not-selected, after-a removed, after-b removed, b removed"
    );
    assert_eq!(outcomes(&stage.report(0, &["--shard", "1/2"])), "a updated");
}

#[test]
fn one_shard_of_one_is_a_complete_pass() {
    let stage = Stage::new("");
    pair(&stage);
    assert_eq!(outcomes(&stage.report(0, &["--shard", "1/1"])), "a added, after-a added, after-b added, b added");
}

#[test]
fn a_named_tag_must_belong_to_the_shard() {
    let stage = Stage::new("");
    pair(&stage);
    let report = stage.report(0, &["--shard", "1/2", "web:b", "web:a"]);
    assert_eq!(outcomes(&report), "a added, after-a added, after-b not-selected, b not-selected");
    assert_eq!(stage.pass(&["--shard", "1/2", "web:c"]).code, Some(64));
}

#[test]
fn discovered_tags_belong_to_the_shard_of_their_repository() {
    let stage = Stage::new("");
    let repository = of(&stage, "1/2").next().unwrap();
    for (tag, seed) in [("1.0", 1), ("1.1", 2)] {
        stage.push(&format!("{repository}:{tag}"), seed);
    }
    stage.commit("streams/app.toml", &format!("[discover]\nrepository = \"REGISTRY/{repository}\"\n"));
    stage.commit("streams/web.toml", "[tags]\nnewest = { follow = \"app:1.1\" }\n");
    assert_eq!(outcomes(&stage.report(0, &["--shard", "2/2"])), "newest not-selected");
    // A discovered tag may be named before it is known.
    assert_eq!(outcomes(&stage.report(0, &["--shard", "2/2", "app:1.1"])), "newest not-selected");
    assert_eq!(stage.registry.requests().len(), 0);
    assert_eq!(outcomes(&stage.report(0, &["--shard", "1/2"])), "1.0 added, 1.1 added, newest added");
    stage.registry.remove(&repository, "1.0");
    stage.registry.forget();
    assert_eq!(
        outcomes(&stage.report(0, &["--shard", "2/2"])),
        "1.0 not-selected, 1.1 not-selected, newest not-selected"
    );
    assert_eq!(stage.registry.requests().len(), 0);
    assert_eq!(outcomes(&stage.report(0, &["--shard", "1/2"])), "1.0 removed, 1.1 unchanged, newest unchanged");
}

#[test]
fn a_shard_does_not_report_other_shards_from_an_older_tip() {
    let other = FakeRegistry::start();
    let mut stage = Stage::new(&format!("[registry.\"{}\"]\nplain-http = true\n", other.host()));
    let image = format!("{}:1", of(&stage, "1/2").next().unwrap());
    stage.push(&image, 1);
    let second: Shard = "2/2".parse().unwrap();
    let far =
        (0..).map(|n| format!("far-{n}")).find(|name| second.contains(format!("{}/{name}", other.host()))).unwrap();
    let move_to = |seed: u64| other.push(&far, "1", &Image::new(seed));
    move_to(1);
    let stream = format!(
        "[tags]\na = \"REGISTRY/{image}\"\nb = \"{}/{far}:1\"\nprod = {{ follow = \"b\", soak = \"2d\" }}\n",
        other.host()
    );
    stage.commit("streams/web.toml", &stream);
    stage.ends(0, &[]);

    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T10:00:00Z");
    move_to(2);
    stage.ends(0, &["--shard", "2/2"]);
    // The second shard lands something newer while the first waits for its registry.
    move_to(3);
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T11:00:00Z");
    let mut late = Some(stage.command(&["--shard", "2/2"]));
    stage.registry.lie(move |_| {
        let ended = late.take().map(|mut late| late.output().unwrap());
        assert!(ended.is_none_or(|ended| ended.status.success()));
        None
    });
    assert_eq!(outcomes(&stage.report(0, &["--due", "--shard", "1/2"])), "a unchanged, b not-selected, prod soaking");
    stage.sandbox.env("PINSTREAM_NOW", "2026-11-24T12:00:00Z");
    let report = stage.report(0, &["--shard", "2/2"]);
    let reason = report["tags"][2]["held"]["reason"].as_str().unwrap();
    assert_eq!(reason, "soaking since 2026-11-24T11:00:00Z, until 2026-11-26T11:00:00Z");
}

#[test]
fn each_shard_has_its_own_schedules() {
    let mut stage = Stage::new("[import]\nschedule = \"0 3 * * *\"\n");
    pair(&stage);
    let mut due = |now: &str, shard: &str, expected: &str| {
        stage.sandbox.env("PINSTREAM_NOW", now);
        let args: &[&str] = if shard.is_empty() { &["--due"] } else { &["--due", "--shard", shard] };
        assert_eq!(outcomes(&stage.report(0, args)), expected, "{now} {shard}");
    };
    let (one, two) = ("1/2", "2/2");
    due("2026-11-24T02:00:00Z", one, "a added, after-a added, after-b not-selected, b not-selected");
    due("2026-11-24T02:00:01Z", two, "a not-selected, after-a not-selected, after-b added, b added");
    due("2026-11-24T03:00:00Z", one, "a unchanged, after-a unchanged, after-b not-selected, b not-selected");
    due("2026-11-24T03:00:01Z", one, "a not-due, after-a not-due, after-b not-selected, b not-selected");
    // A pass of one shard does not change what is due for the other.
    due("2026-11-24T03:00:02Z", two, "a not-selected, after-a not-selected, after-b unchanged, b unchanged");
    due("2026-11-24T03:00:03Z", two, "a not-selected, after-a not-selected, after-b not-due, b not-due");
    // Shards of another total have no history.
    due("2026-11-24T03:00:04Z", "1/1", "a unchanged, after-a unchanged, after-b unchanged, b unchanged");
    due("2026-11-24T03:00:05Z", "1/1", "a not-due, after-a not-due, after-b not-due, b not-due");
    due("2026-11-24T03:00:06Z", "", "a unchanged, after-a unchanged, after-b unchanged, b unchanged");
    // After a complete pass, no shard has anything to catch up on.
    due("2026-11-24T03:00:07Z", one, "a not-due, after-a not-due, after-b not-selected, b not-selected");
    let files = stage.repo.git(&["ls-tree", "-r", "--name-only", "refs/pinstream/state"]);
    assert_eq!(files, "main/@/schedule.json");
}

#[test]
fn concurrent_shards_deliver_each_change_once() {
    slow!();
    let stage = Stage::new(TELL);
    let names: Vec<String> = (0..40).map(|number| format!("app-{number}")).collect();
    for (name, seed) in names.iter().zip(1..) {
        stage.stream(name, &[("1", seed)]);
    }
    // The first pass adopts the current lock as what the hook has seen, so the lock has to exist.
    stage.ends(0, &[]);
    let told = stage.events().len();
    for (name, seed) in names.iter().zip(101..) {
        stage.push(&format!("{name}:1"), seed);
    }
    let shards: Vec<_> = (1..=8)
        .map(|shard| {
            let mut command = stage.command(&["--shard", &format!("{shard}/8")]);
            command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for shard in shards {
        let ran = stage.sandbox.ended(shard);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    }
    let events = stage.events().split_off(told);
    // A shard that lands while the hook runs leaves its changes to the shard that runs the hook.
    assert!((1..=8).contains(&events.len()), "{}", events.len());
    let mut moves: Vec<String> = events.iter().flat_map(super::stage::in_short).collect();
    moves.sort();
    let mut expected: Vec<String> =
        names.iter().zip(1..).map(|(name, seed)| format!("{name}:1 1.0.{seed} > 1.0.{}\n", seed + 100)).collect();
    expected.sort();
    assert_eq!(moves, expected);
}
