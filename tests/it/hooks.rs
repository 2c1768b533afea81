//! Hooks as real processes: every kind of misbehaviour, their input, and that no process is left.

mod given;
mod shapes;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use pinstream::hook::{HookEnv, HookExit, HookFile, HookResult, HookRun};

/// The time between `TERM` and `KILL` in these tests.
const GRACE: Duration = Duration::from_millis(400);

/// A run of a hook, and the variable that identifies its processes.
pub(crate) struct WatchedRun {
    pub(crate) run: HookRun,
    pub(crate) canary: String,
}

/// Creates a run of `argv`, with a variable that identifies its processes.
pub(crate) fn hook(argv: &[&str]) -> WatchedRun {
    let canary = format!("{:032x}", fastrand::u128(..));
    let run = HookRun {
        name: "test".to_owned(),
        owner: pinstream::system::owner::this_process(),
        argv: argv.iter().map(ToString::to_string).collect(),
        files: Vec::new(),
        pass_env: Vec::new(),
        env: vec![("PINSTREAM_CANARY".to_owned(), canary.clone())],
        stdin: "{}".to_owned(),
        timeout: Duration::from_secs(20),
    };
    WatchedRun { run, canary: format!("PINSTREAM_CANARY={canary}") }
}

/// Creates a run of a script of the root.
pub(crate) fn script(text: &str) -> WatchedRun {
    let WatchedRun { mut run, canary } = hook(&["./hooks/run.sh"]);
    let bytes = format!("#!/bin/sh\n{text}\n").into_bytes();
    run.files.push(HookFile { path: "hooks/run.sh".to_owned(), bytes, executable: true });
    WatchedRun { run, canary }
}

/// Creates an environment with a `PATH` and a secret that no hook may see.
pub(crate) fn env() -> HookEnv {
    let variables = BTreeMap::from([
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOME", "/nonexistent"),
        ("TZ", "Europe/Berlin"),
        ("DEPLOY_TOKEN", "for the hook that names it"),
        ("CANARY_SECRET", "for nobody"),
    ]);
    HookEnv::new(move |name| variables.get(name).map(ToString::to_string)).grace(GRACE)
}

/// Runs a future on a runtime like the program's.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Runs a hook to its end.
pub(crate) fn run(run: &HookRun) -> HookResult {
    block_on(pinstream::hook::run(run, &env()))
}

/// Lists the processes that were started with `variable`, alive or not yet reaped.
pub(crate) fn survivors(variable: &str) -> Vec<String> {
    let has = |pid: &String| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|entry| entry == variable.as_bytes())
    };
    let names = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(has).collect()
}

/// Returns the reason why a run was not started.
pub(crate) fn refusal(run: &HookRun) -> String {
    match self::run(run).exit {
        HookExit::NotStarted(reason) => reason,
        other => panic!("the hook was started: {other:?}"),
    }
}
