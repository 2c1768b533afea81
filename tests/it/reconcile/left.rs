//! Leftovers of a killed pass: a running hook, its directory, a lock file in the remote.

use std::path::Path;
use std::time::{Duration, Instant};

use super::stage::Stage;
use crate::support::sandbox::Sandbox;

/// A hook that reports that it started, and waits for permission to go on.
const SLOW: &str = r#"
[[hook]]
name = "slow"
run = ["sh", "-c", "test -e $HOME/fast || touch $HOME/begun; until test -e $HOME/fast || test -e $HOME/go; do sleep 0.02; done; cat >> $HOME/told"]
"#;

/// Waits until a file exists.
pub(super) fn wait_for(path: &Path) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(begin.elapsed() < Duration::from_secs(30), "`{}` never came", path.display());
        std::thread::yield_now();
    }
}

/// Number of processes whose `HOME` is that of `sandbox`.
pub(super) fn running(sandbox: &Sandbox) -> usize {
    let home = format!("HOME={}", sandbox.home().display());
    let has = |entry: &std::fs::DirEntry| {
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == home.as_bytes())
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(has).count()
}

#[test]
fn t27_an_orphaned_hook_is_ended_before_the_next_pass_runs_it() {
    let mut stage = Stage::new(SLOW);
    let tmp = stage.sandbox.work().join("tmp");
    std::fs::create_dir(&tmp).unwrap();
    stage.sandbox.env("TMPDIR", tmp.to_str().unwrap());
    let home = stage.sandbox.home();
    std::fs::write(home.join("fast"), "").unwrap();
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    std::fs::remove_file(home.join("fast")).unwrap();

    stage.push("web:1", 2);
    let mut child = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
    wait_for(&home.join("begun"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(running(&stage.sandbox) > 0, "the hook went with its pass, which nobody had told it to");

    // The next pass runs the hook for the current pins. When both may go on, only that one is left.
    std::fs::remove_file(home.join("begun")).unwrap();
    stage.push("web:1", 3);
    let mut next = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
    wait_for(&home.join("begun"));
    std::fs::write(home.join("go"), "").unwrap();
    assert_eq!(next.wait().unwrap().code(), Some(0));
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 1.0.1 > 1.0.3\n");
    assert_eq!(running(&stage.sandbox), 0);
    let left: Vec<_> = std::fs::read_dir(&tmp).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(left.is_empty(), "{left:?}");
}
