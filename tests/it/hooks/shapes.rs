//! T30: hooks that misbehave in every way end in time, with every process they started.

use std::fs;
use std::time::{Duration, Instant};

use pinstream::hook::{HookExit, HookResult};

use super::{WatchedRun, block_on, env, hook, run, script, survivors};
use crate::support::lane::slow;

/// Extra time for starting, cleaning up and a busy machine.
const SLACK: Duration = Duration::from_secs(5);

/// Runs a hook to its end within `limit`, and checks that no process survives.
#[track_caller]
fn check(watched: WatchedRun, limit: Duration, expected: HookExit) -> HookResult {
    let WatchedRun { run: hook, canary } = watched;
    let begin = Instant::now();
    let end = run(&hook);
    let took = begin.elapsed();
    assert_eq!(end.exit, expected, "{}", end.output);
    assert_eq!(survivors(&canary), Vec::<String>::new());
    assert!(took < limit + SLACK, "it took {took:?}");
    end
}

/// Starts a hook, drops the run once it has written `ready`, and checks that no process survives.
#[track_caller]
fn check_dropped(watched: WatchedRun) {
    let WatchedRun { run: mut hook, canary } = watched;
    let ready = tempfile::tempdir().unwrap();
    let mark = ready.path().join("ready");
    hook.env.push(("READY".to_owned(), mark.to_str().unwrap().to_owned()));
    let begin = Instant::now();
    block_on(async {
        let env = env();
        let started = async {
            while !mark.exists() {
                assert!(begin.elapsed() < Duration::from_secs(20), "it never began");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::select! {
            end = pinstream::hook::run(&hook, &env) => panic!("it ended: {end:?}"),
            () = started => {}
        }
    });
    assert_eq!(survivors(&canary), Vec::<String>::new());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
}

fn limited(mut watched: WatchedRun) -> WatchedRun {
    watched.run.timeout = Duration::from_millis(400);
    watched
}

const NO_TIME: Duration = Duration::ZERO;
const LIMIT: Duration = Duration::from_millis(800);
const EOF_WAIT: Duration = Duration::from_secs(2);

#[test]
fn t30_a_hook_that_succeeds() {
    let end = check(script("echo out; echo err >&2; echo again"), NO_TIME, HookExit::Success);
    assert_eq!(end.output, "out\nerr\nagain\n");
}

#[test]
fn t30_a_hook_that_fails() {
    check(script("echo no; exit 7"), NO_TIME, HookExit::Code(7));
}

#[test]
fn t30_a_hook_that_a_signal_kills() {
    check(script("kill -SEGV $$"), NO_TIME, HookExit::Signal(11));
}

#[test]
fn t30_a_hook_that_floods() {
    let flood = "echo begin; perl -e '$x = \"y\" x 1048576; print $x for 1 .. 100'; echo; echo end";
    let end = check(script(flood), Duration::from_secs(10), HookExit::Success);
    assert!(end.output.starts_with("begin\nyyy") && end.output.ends_with("yyy\nend\n"));
    assert!(end.output.len() < 140 << 10, "{}", end.output.len());
    assert!(end.output.contains(&format!(" {} bytes omitted", (100 << 20) + 6 + 5 - (128 << 10))));
}

#[test]
fn t30_a_hook_that_floods_forever() {
    check(limited(script("yes")), LIMIT, HookExit::TimedOut);
}

#[test]
fn t30_a_hook_that_hangs_and_ignores_term() {
    let end = check(limited(script("trap '' TERM; echo begun; while :; do sleep 1; done")), LIMIT, HookExit::TimedOut);
    assert_eq!(end.output, "begun\n");
}

#[test]
fn t30_a_hook_can_clean_up_on_term() {
    let text = "trap 'echo cleaned; exit 0' TERM; echo begun; while :; do sleep 0.05; done";
    let end = check(limited(script(text)), LIMIT, HookExit::TimedOut);
    assert!(end.output.starts_with("begun\n") && end.output.ends_with("cleaned\n"), "{}", end.output);
}

#[test]
fn t30_a_child_can_clean_up_on_term_after_its_parent_ended() {
    let child = "trap 'sleep 0.1; echo cleaned; exit 0' TERM; while :; do sleep 0.02; done";
    let end = check(limited(script(&format!("sh -c \"{child}\" & wait"))), LIMIT, HookExit::TimedOut);
    assert!(end.output.contains("cleaned"), "{}", end.output);
}

#[test]
fn t30_a_hook_that_daemonises_with_the_pipe_open() {
    slow!();
    let end = check(script("setsid sleep 600 & echo done"), EOF_WAIT, HookExit::Success);
    assert_eq!(end.output, "done\n");
}

#[test]
fn t30_a_hook_that_daemonises_quietly() {
    let quiet = "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo done";
    check(script(quiet), NO_TIME, HookExit::Success);
}

#[test]
fn t30_a_hook_that_forks_twice() {
    slow!();
    let perl = "use POSIX; exit 0 if fork; POSIX::setsid(); exit 0 if fork; chdir '/'; sleep 600";
    check(hook(&["perl", "-e", perl]), EOF_WAIT, HookExit::Success);
}

#[test]
fn t30_a_daemon_without_an_environment_is_found_by_its_directory() {
    let tag = tag();
    let WatchedRun { run, .. } = script(&format!("setsid env -i sleep {tag} >/dev/null 2>&1 </dev/null & sleep 0.2"));
    check(WatchedRun { run, canary: "none".to_owned() }, NO_TIME, HookExit::Success);
    assert_eq!(named(&tag), 0);
}

#[test]
fn t30_a_child_that_holds_the_pipe_after_the_end() {
    slow!();
    check(script("sleep 600 & exit 3"), EOF_WAIT, HookExit::Code(3));
}

#[test]
fn t30_the_last_output_of_a_child_is_captured() {
    let end = check(script("(sleep 0.2; echo late) & echo early"), EOF_WAIT, HookExit::Success);
    assert_eq!(end.output, "early\nlate\n");
}

#[test]
fn t30_a_hook_that_never_reads_its_input() {
    let WatchedRun { run: mut hook, canary } = script("sleep 0.1; echo done");
    hook.stdin = "x".repeat(10 << 20);
    check(WatchedRun { run: hook, canary }, NO_TIME, HookExit::Success);
}

#[test]
fn t30_a_hook_that_closes_its_input() {
    let WatchedRun { run: mut hook, canary } = script("exec <&-; sleep 0.1; echo done");
    hook.stdin = "x".repeat(10 << 20);
    check(WatchedRun { run: hook, canary }, NO_TIME, HookExit::Success);
}

#[test]
fn t30_a_hook_gets_all_of_its_input() {
    let WatchedRun { run: mut hook, canary } = script("sha256sum; sha256sum < \"$PINSTREAM_CHANGES\"");
    hook.stdin = "{\"x\": 1}\n".repeat(1 << 20);
    let digest = pinstream::model::image::Digest::sha256(hook.stdin.as_bytes());
    let line = format!("{}  -\n", digest.as_str().strip_prefix("sha256:").unwrap());
    let end = check(WatchedRun { run: hook, canary }, NO_TIME, HookExit::Success);
    assert_eq!(end.output, line.repeat(2));
}

#[test]
fn t30_a_hook_that_echoes_more_than_a_pipe_holds() {
    let WatchedRun { run: mut hook, canary } = hook(&["cat"]);
    hook.stdin = "0123456789".repeat(100_000);
    let end = check(WatchedRun { run: hook, canary }, NO_TIME, HookExit::Success);
    assert!(end.output.starts_with("0123456789") && end.output.ends_with("0123456789"));
}

#[test]
fn t30_children_that_ignore_term() {
    let child = "perl -e '$SIG{TERM} = \"IGNORE\"; sleep 600'";
    check(limited(script(&format!("{child} & setsid {child} & ({child} &); wait"))), LIMIT, HookExit::TimedOut);
}

#[test]
fn t30_a_stopped_hook_is_killed_too() {
    check(limited(script("kill -STOP $$")), LIMIT, HookExit::TimedOut);
}

#[test]
fn t30_a_dropped_run_leaves_no_process() {
    slow!();
    let ready = "touch \"$READY\"";
    check_dropped(script(&format!("{ready}; sleep 600")));
    check_dropped(script(&format!("trap '' TERM; {ready}; while :; do sleep 1; done")));
    check_dropped(script(&format!("setsid sleep 600 & {ready}; wait")));
    check_dropped(script(&format!("setsid sh -c 'setsid sleep 600 & trap \"\" TERM; {ready}; wait' & sleep 600")));
    check_dropped(script(&format!("{ready}; yes")));
}

#[test]
fn t30_a_dropped_hook_can_clean_up() {
    let trace = tempfile::tempdir().unwrap();
    let mark = trace.path().join("cleaned");
    let text = format!("trap 'touch {}; exit' TERM; touch \"$READY\"; while :; do sleep 0.05; done", mark.display());
    check_dropped(script(&text));
    assert!(mark.exists());
}

#[test]
fn t30_no_zombie_is_left() {
    slow!();
    let tag = tag();
    let quiet = "</dev/null >/dev/null 2>&1";
    let text = format!("(setsid sh -c 'exit 0' {quiet} &); (setsid sleep {tag} {quiet} &); (sleep {tag} &); sleep 0.2");
    let WatchedRun { run, canary } = script(&text);
    check(WatchedRun { run, canary }, EOF_WAIT, HookExit::Success);
    assert_eq!(named(&tag), 0);
    let own = std::process::id().to_string();
    let mine = fs::read_to_string(format!("/proc/{own}/stat")).unwrap();
    let group = |stat: &str| stat.rsplit(')').next().unwrap().split_whitespace().nth(2).unwrap().to_owned();
    let parent = |stat: &str| stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().to_owned();
    // Other tests have orphans for a moment; they must disappear.
    let begin = Instant::now();
    loop {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let stats: Vec<String> = entries.filter_map(|e| fs::read_to_string(e.path().join("stat")).ok()).collect();
        let zombie = |stat: &&String| stat.contains("(sleep) Z ") && parent(stat) == own && group(stat) != group(&mine);
        let Some(found) = stats.iter().find(zombie) else { break };
        assert!(begin.elapsed() < Duration::from_secs(10), "{found}");
    }
}

/// Returns a unique duration for `sleep`.
fn tag() -> String {
    format!("61.{:09}", fastrand::u32(..1_000_000_000))
}

/// Counts the processes that run `sleep <tag>`.
fn named(tag: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| *line == format!("sleep\0{tag}\0").into_bytes()).count()
}
