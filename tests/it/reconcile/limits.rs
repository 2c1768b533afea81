//! Limits of the machine.

use std::process::Command;

use super::stage::{Stage, TELL};
use crate::support::lane::{is_root, needs, note};
use crate::support::sandbox::RunResult;

/// A user without other processes.
const USER: &str = "54321";

/// Runs a pass as a user who may have at most `limit` processes and threads.
fn limited(stage: &Stage, limit: u32) -> RunResult {
    for directory in [stage.sandbox.work().parent().unwrap(), stage.repo.base()] {
        assert!(Command::new("chown").args(["-R", USER]).arg(directory).status().unwrap().success());
    }
    // The program may be in a directory that only we can enter, so it is opened first.
    let script = format!(
        "exec 9<\"$0\"; exec setpriv --reuid={USER} --clear-groups prlimit --nproc={limit}:{limit} /proc/self/fd/9 \"$@\""
    );
    let mut command = stage.sandbox.command("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_pinstream"), "reconcile", "--remote", &stage.remote]);
    stage.sandbox.finish(command)
}

#[test]
fn s08_at_a_limit_of_processes_every_failure_names_it() {
    needs!("setpriv", "prlimit");
    if !is_root() {
        return note("tests that change the user are skipped: they need root");
    }
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    let mut last = String::new();
    for limit in [1, 2, 3, 4, 6, 8, 12, 24] {
        stage.push("web:1", 10 + u64::from(limit));
        let ran = limited(&stage, limit);
        let shown = stage.sandbox.shown(&ran);
        let code = ran.code.unwrap();
        assert!(matches!(code, 0 | 1 | 6) && !shown.contains("panicked"), "{limit}: {shown}");
        if limit == 1 {
            let named = "cannot start a thread: the limit on processes and threads is reached (`ulimit -u` is 1";
            assert!(code == 1 && shown.contains(named), "{shown}");
        }
        last = shown;
    }
    assert!(last.ends_with("--- exit 0"), "{last}");
}
