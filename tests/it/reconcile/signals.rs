//! Signals during a hook.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::left::{running, wait_for};
use super::stage::Stage;

/// A hook that starts a process in the background and waits.
const WAIT: &str = "[[hook]]\nname = \"wait\"\nrun = [\"sh\", \"-c\", \"sleep 600 & touch $HOME/begun; wait\"]\n";

/// Starts a pass, and sends `signal` to it once its hook runs.
fn interrupted(stage: &Stage, signal: &str) -> (Option<i32>, String) {
    let home = stage.sandbox.home();
    // The tests themselves may run under nohup.
    let mut command = stage.sandbox.as_program("env");
    let program = env!("CARGO_BIN_EXE_pinstream");
    command.args(["--default-signal=HUP,QUIT", program, "reconcile", "--remote", &stage.remote]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&home.join("begun"));
    std::fs::remove_file(home.join("begun")).unwrap();
    kill(signal, child.id());
    let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
    (child.wait().unwrap().code(), stderr)
}

fn kill(signal: &str, process: u32) {
    assert!(Command::new("kill").args([signal, &process.to_string()]).status().unwrap().success());
}

#[test]
fn s07_every_signal_that_ends_a_pass_ends_its_hook_and_names_what_landed() {
    let stage = Stage::new(WAIT);
    stage.stream("web", &[("1", 1)]);
    for (number, (signal, event)) in [
        ("-HUP", "interrupted by SIGHUP"),
        ("-QUIT", "interrupted by SIGQUIT"),
        ("-TERM", "terminated"),
        ("-INT", "interrupted"),
    ]
    .into_iter()
    .enumerate()
    {
        stage.push("web:1", 10 + number as u64);
        let (code, stderr) = interrupted(&stage, signal);
        let tip = stage.repo.tip("refs/heads/main").unwrap();
        let expected = format!("error: {event}; run again to continue (landed: {})\n", &tip[..9]);
        assert_eq!((code, stderr), (Some(130), expected), "{signal}");
        assert_eq!(running(&stage.sandbox), 0, "{signal}");
    }
}

#[test]
fn s07_a_pass_under_nohup_ignores_the_hangup() {
    let stage = Stage::new(&WAIT.replace("sleep 600 & touch $HOME/begun; wait", WAIT_FOR_GO));
    stage.stream("web", &[("1", 1)]);
    let home = stage.sandbox.home();
    let mut command = stage.sandbox.as_program("sh");
    let program = env!("CARGO_BIN_EXE_pinstream");
    command.args(["-c", &format!("trap '' HUP; exec {program} reconcile --remote {}", stage.remote)]);
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    wait_for(&home.join("begun"));
    kill("-HUP", child.id());
    let begin = Instant::now();
    while is_pending(child.id()) {
        assert!(begin.elapsed() < Duration::from_secs(30));
        std::thread::yield_now();
    }
    std::fs::write(home.join("go"), "").unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

const WAIT_FOR_GO: &str = "touch $HOME/begun; until test -e $HOME/go; do sleep 0.02; done";

/// Reports whether a signal waits for delivery to a process.
fn is_pending(process: u32) -> bool {
    let status = std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status")).unwrap();
    let pending = status.lines().filter_map(|line| line.strip_prefix("SigPnd:").or(line.strip_prefix("ShdPnd:")));
    pending.map(str::trim).any(|mask| mask.chars().any(|digit| digit != '0'))
}
