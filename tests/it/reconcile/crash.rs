//! Passes that are killed at any moment, and one more that is not: everything is as it should be.

use std::time::Duration;

use serde_json::Value;

use super::history;
use super::people::Person;
use super::stage::Stage;
use crate::support::remote::http::HttpBackend;

/// A hook that keeps every event in a file of its own.
const KEEP: &str =
    "[[hook]]\nname = \"keep\"\nrun = [\"sh\", \"-c\", \"cp $PINSTREAM_CHANGES $(mktemp $HOME/told/XXXXXXXXXX)\"]\n";

const TAGS: [&str; 4] = ["a", "b", "c", "d"];

/// Kills `times` passes, each within `reach`, while tags move and people commit.
fn kill(stage: &Stage, times: u64, reach: Duration) {
    std::fs::create_dir(stage.sandbox.home().join("told")).unwrap();
    stage.stream("web", &TAGS.map(|tag| (tag, 0)));
    let mut random = fastrand::Rng::with_seed(27);
    let (person, mut people) = (Person::new(stage, "clone"), Vec::new());
    let mut digests = TAGS.map(|tag| stage.push(&format!("web:{tag}"), 0));
    let mut killed = 0;
    for number in 1..=times {
        let at = random.usize(..TAGS.len());
        digests[at] = stage.push(&format!("web:{}", TAGS[at]), number);
        let mut child = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
        // A pass that died with Git's lock on the branch keeps people off until the next one mends that.
        if number % 20 == 0 {
            people.push(person.commit());
        }
        std::thread::sleep(reach.mul_f64(random.f64()));
        killed += usize::from(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }
    stage.ends(0, &[]);
    let (tip, told) = (stage.repo.git(&["for-each-ref"]), events(stage));
    assert!(killed as u64 > times / 4, "only {killed} passes were killed");
    for (tag, digest) in TAGS.iter().zip(&digests) {
        assert_eq!(stage.pin(&format!("web:{tag}")).as_deref(), Some(digest.as_str()), "{tag}");
        let is_told = |event: &Value| {
            event["moves"]
                .as_array()
                .unwrap()
                .iter()
                .any(|one| one["tag"] == *tag && one["new"]["digest"] == digest.as_str())
        };
        assert!(told.iter().any(is_told), "the hook was never told of {tag} at {digest}");
    }
    history::check(stage, &people);
    // There is nothing left to do.
    stage.ends(0, &[]);
    assert_eq!((stage.repo.git(&["for-each-ref"]), events(stage).len()), (tip, told.len()));
}

/// What the hook was told; a hook that was killed while it wrote has left half of it.
fn events(stage: &Stage) -> Vec<Value> {
    let files = std::fs::read_dir(stage.sandbox.home().join("told")).unwrap();
    files.filter_map(|file| serde_json::from_slice(&std::fs::read(file.unwrap().path()).unwrap()).ok()).collect()
}

#[test]
fn t27_two_hundred_passes_are_killed_over_a_folder() {
    kill(&Stage::new(KEEP), 200, Duration::from_millis(80));
}

#[test]
fn t27_sixty_passes_are_killed_over_http() {
    let mut stage = Stage::new(KEEP);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    kill(&stage, 60, Duration::from_millis(250));
}
