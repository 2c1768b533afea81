//! Passes that are killed at random moments: one more pass repairs everything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::Value;

use super::history;
use super::people::Person;
use super::stage::Stage;
use crate::support::lane::{is_full, share, slow};
use crate::support::remote::http::HttpBackend;

/// A slow hook that keeps every event in a file of its own.
const KEEP: &str = r#"
[[hook]]
name = "keep"
run = ["sh", "-c", "touch $(mktemp $HOME/begun/XXXXXXXXXX); sleep 0.05; cp $PINSTREAM_CHANGES $(mktemp $HOME/told/XXXXXXXXXX)"]
"#;

const TAGS: [&str; 4] = ["a", "b", "c", "d"];

/// Stages at which passes were killed.
#[derive(Debug, Default)]
struct KillCounts {
    before_landing: usize,
    within_hook: usize,
    after_landing: usize,
}

/// Kills `times` passes at random moments while tags change and people commit.
fn kill(mut stage: Stage, times: u64) {
    let tmp = stage.sandbox.work().join("tmp");
    stage.sandbox.env("TMPDIR", tmp.to_str().unwrap());
    for folder in [&tmp, &stage.sandbox.home().join("told"), &stage.sandbox.home().join("begun")] {
        std::fs::create_dir(folder).unwrap();
    }
    let stage = &stage;
    stage.stream("web", &TAGS.map(|tag| (tag, 0)));
    let mut random = fastrand::Rng::with_seed(27);
    let (person, mut people) = (Person::new(stage, "clone"), Vec::new());
    let mut digests = TAGS.map(|tag| stage.push(&format!("web:{tag}"), 0));
    stage.ends(0, &[]);
    digests[0] = stage.push("web:a", 1000);
    let begin = Instant::now();
    stage.ends(0, &[]);
    let reach = begin.elapsed().mul_f64(1.1);
    let mut fell = KillCounts::default();
    for number in 1..=times {
        let at = random.usize(..TAGS.len());
        digests[at] = stage.push(&format!("web:{}", TAGS[at]), number);
        let (tip, begun, told) = (stage.repo.tip("refs/heads/main"), count(stage, "begun"), count(stage, "told"));
        let mut child = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
        match number % 10 {
            // Some passes die while their hook runs, however busy the machine is.
            0 => while count(stage, "begun") == begun && child.try_wait().unwrap().is_none() {},
            _ => std::thread::sleep(reach.mul_f64(random.f64())),
        }
        let is_running = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        if is_running {
            let landed = stage.repo.tip("refs/heads/main") != tip;
            fell.before_landing += usize::from(!landed);
            fell.after_landing += usize::from(landed);
            fell.within_hook += usize::from(count(stage, "begun") - begun > count(stage, "told") - told);
        }
        // A lock file of Git that a killed pass left on the branch blocks people until the next pass.
        if number % 20 == 0 {
            stage.pass(&[]);
            people.push(person.commit());
        }
    }
    stage.ends(0, &[]);
    let is_spread = fell.before_landing > 2 && fell.within_hook > 2 && fell.after_landing > 2;
    assert!(is_spread || !is_full(), "{fell:?}");
    let (tip, told) = (stage.repo.git(&["for-each-ref"]), events(stage));
    for (tag, digest) in TAGS.iter().zip(&digests) {
        assert_eq!(stage.pin(&format!("web:{tag}")).as_deref(), Some(digest.as_str()), "{tag}");
        let is_told = |one: &&Value| one["tag"] == *tag && one["new"]["digest"] == digest.as_str();
        assert!(moves(&told).any(|one| is_told(&one)), "the hook did not receive {tag} at {digest}");
    }
    // No tag gets the same digest twice, so repeated deliveries of a change have one id, and no id belongs to two
    // changes.
    let (mut ids, mut meanings) = (BTreeMap::new(), BTreeMap::new());
    for one in moves(&told) {
        let meaning = format!("{} {} {}", one["tag"], one["old"]["digest"], one["new"]["digest"]);
        ids.entry(format!("{} {}", one["tag"], one["new"]["digest"]))
            .or_insert_with(BTreeSet::new)
            .insert(one["id"].to_string());
        meanings.entry(one["id"].to_string()).or_insert_with(BTreeSet::new).insert(meaning);
    }
    assert!(ids.values().chain(meanings.values()).all(|all| all.len() == 1), "{ids:#?} {meanings:#?}");
    history::check(stage, &people);
    // Another pass does nothing, and no files are left over.
    stage.ends(0, &[]);
    assert_eq!((stage.repo.git(&["for-each-ref"]), events(stage).len()), (tip, told.len()));
    stage.push("web:a", times + 1);
    stage.ends(0, &[]);
    let left: Vec<_> = std::fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Counts the files in a directory of the home.
fn count(stage: &Stage, folder: &str) -> usize {
    std::fs::read_dir(stage.sandbox.home().join(folder)).unwrap().count()
}

fn moves(events: &[Value]) -> impl Iterator<Item = &Value> {
    events.iter().flat_map(|event| event["changes"].as_array().unwrap())
}

/// Events that the hook received; a hook that was killed while writing left half of one.
fn events(stage: &Stage) -> Vec<Value> {
    let files = std::fs::read_dir(stage.sandbox.home().join("told")).unwrap();
    files.filter_map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).ok()).collect()
}

#[test]
fn t27_killed_passes_over_a_directory_lose_nothing() {
    slow!();
    kill(Stage::new(KEEP), 200);
}

#[test]
fn t27_killed_passes_over_http_lose_nothing() {
    let mut stage = Stage::new(KEEP);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    kill(stage, share(60, 10));
}
