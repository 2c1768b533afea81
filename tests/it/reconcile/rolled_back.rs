//! A rollback by a person, from the clone it is made in to the passes that follow.

use super::stage::{Stage, TELL};
use crate::support::lane::slow;

#[test]
fn a_rollback_lands_reaches_hooks_and_is_not_undone() {
    slow!();
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.commit("streams/prod.toml", "[tags]\nweb = { follow = \"web:1\" }\n");
    stage.ends(0, &[]);
    let good = stage.pin("web:1");
    let bad = stage.push("web:1", 2);
    stage.ends(0, &[]);
    assert_eq!(stage.pin("web:1").as_deref(), Some(bad.as_str()));
    // A person rolls back in a clone, with the command that the program suggests.
    stage.sandbox.git(&["clone", "-q", &stage.remote, "clone"]);
    let clone = stage.sandbox.work().join("clone");
    let git = |args: &[&str]| stage.sandbox.git(&[&["-C", "clone"], args].concat());
    let ran = stage.sandbox.run(&["-C", "clone", "rollback", "web:1", "--reason", "it crashes"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let next = ran.stdout.lines().last().and_then(|line| line.strip_prefix("next: ")).unwrap().to_owned();
    let mut shell = stage.sandbox.command("sh");
    shell.current_dir(&clone).args(["-c", &next]);
    assert_eq!(stage.sandbox.finish(shell).code, Some(0), "{next}");
    git(&["push", "-q", "origin", "HEAD:main"]);
    let rolled_back = stage.lock();
    for name in ["web:1", "prod:web"] {
        assert_eq!(stage.pin(name), good, "{name}");
    }
    // The registry still serves the bad digest; passes on any machine, with or without state, respect the rollback.
    stage.ends(0, &[]);
    std::fs::remove_dir_all(stage.sandbox.home().join(".cache")).ok();
    stage.sandbox.env("PINSTREAM_NOW", "2027-11-24T12:00:00Z");
    let said = stage.ends(0, &[]);
    assert_eq!(stage.lock(), rolled_back, "{said}");
    let newer = stage.push("web:1", 3);
    stage.ends(0, &[]);
    for name in ["web:1", "prod:web"] {
        assert_eq!(stage.pin(name).as_deref(), Some(newer.as_str()), "{name}");
    }
    let told = stage.events_in_short();
    let moves: Vec<&str> = told.lines().filter(|line| line.starts_with("web:1")).collect();
    assert_eq!(moves, ["web:1 - > 1.0.1", "web:1 1.0.1 > 1.0.2", "web:1 1.0.2 > 1.0.1", "web:1 1.0.1 > 1.0.3"]);
}
