//! Hooks run for everything that landed, no matter who landed it, until they succeed.

use super::stage::{Stage, TELL};
use crate::support::remote::http::HttpBackend;

/// A hook that fails until the file `fixed` exists in its home.
const FLAKY: &str = "[[hook]]\nname = \"flaky\"\nrun = [\"sh\", \"-c\", \"cat >> $HOME/flaky; test -e $HOME/fixed\"]\n";

fn ids(text: &str) -> Vec<String> {
    let events = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    events.map(|event| event.unwrap()["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_hook_that_fails_stays_pending_and_the_others_go_on() {
    let stage = Stage::new(&format!("{FLAKY}{TELL}"));
    stage.stream("web", &[("1", 1)]);
    let said = stage.ends(6, &[]);
    assert!(said.contains("hook flaky failed for 1 change and stays pending: exit code 1"), "{said}");
    assert!(said.contains("hook tell succeeded for 1 change"), "{said}");
    stage.ends(6, &[]);
    std::fs::write(stage.sandbox.home().join("fixed"), "").unwrap();
    stage.ends(0, &[]);
    stage.ends(0, &[]);
    let ids = ids(&stage.home("flaky"));
    assert!(ids.len() == 3 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(stage.events().len(), 1);
}

#[test]
fn a_hook_runs_for_a_commit_that_a_person_made() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    let (old, new) = (stage.pin("web:1").unwrap(), stage.push("web:1", 2));
    let git = |args: &[&str]| stage.sandbox.git(&[&["-C", "clone"], args].concat());
    stage.sandbox.git(&["clone", "--quiet", &stage.remote, "clone"]);
    let lock = stage.sandbox.read("clone/pinstream.lock").replace(&old, new.as_str());
    stage.sandbox.write("clone/pinstream.lock", &lock.replace("1.0.1", "1.0.2"));
    git(&["commit", "--quiet", "--all", "--message", "Pin by hand"]);
    git(&["push", "--quiet", "origin", "main"]);
    let commits = stage.commits();
    stage.ends(0, &[]);
    stage.ends(0, &[]);
    assert_eq!(stage.commits(), commits);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.2\n");
    assert_eq!(stage.events()[1]["commit"], *commits.last().unwrap());
}

#[test]
fn a_new_hook_adopts_what_is_there() {
    let stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    stage.settings(TELL);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "");
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 1.0.1 > 1.0.2\n");
}

#[test]
fn a_hook_receives_only_its_own_tags() {
    let stage = Stage::new(&TELL.replace("run =", "on = [\"web:*\"]\nrun ="));
    stage.stream("web", &[("1", 1)]);
    stage.stream("db", &[("1", 2)]);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\n");
    stage.push("db:1", 3);
    stage.ends(0, &[]);
    assert_eq!(stage.events().len(), 1);
}

#[test]
fn a_removed_tag_is_not_an_event() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.ends(0, &[]);
    stage.stream("web", &[("1", 1)]);
    let said = stage.ends(0, &[]);
    assert!(said.contains("removed  web:2"), "{said}");
    assert_eq!((stage.pin("web:2"), stage.events().len()), (None, 1));
    // A tag that returns unchanged is not an event; a different digest is.
    stage.stream("web", &[("1", 1), ("2", 2)]);
    stage.ends(0, &[]);
    assert_eq!(stage.events().len(), 1);
    stage.push("web:2", 3);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:2 - > 1.0.2\nweb:2 1.0.2 > 1.0.3\n");
}

#[test]
fn local_state_is_used_with_a_note_if_the_remote_refuses_the_state_ref() {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.repo.hook("update", "case $1 in refs/pinstream/*) echo 'not here' >&2; exit 1;; esac");
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    let said = stage.ends(0, &[]);
    assert!(said.contains("note: ") && said.contains("this machine"), "{said}");
    stage.ends(0, &[]);
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    stage.ends(0, &[]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.2\n");
    assert_eq!(stage.repo.tip("refs/pinstream/state"), None);
}
