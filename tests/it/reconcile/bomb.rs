//! Repositories that are small on the wire and large in memory: a pass needs little memory or stops.

use std::io::Write as _;
use std::process::Stdio;

use super::stage::Stage;
use crate::support::lane::slow;
use crate::support::remote::http::HttpBackend;
use crate::support::sandbox::RunResult;

/// Size in bytes that git compresses to a thousandth.
const BOMB: usize = 400 << 20;
/// Memory that a pass may use besides it, in MiB.
const MOST: u64 = 150;

/// Adds a file of zeros next to the root's files, or in place of one of them.
fn plant(stage: &Stage, path: &str) {
    let repo = stage.repo.path();
    let mut git = stage.sandbox.command("git");
    git.args(["--git-dir", repo.to_str().unwrap(), "hash-object", "-w", "--stdin"]);
    let mut git = git.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (zeros, mut input) = (vec![b'0'; 1 << 20], git.stdin.take().unwrap());
    (0..BOMB >> 20).for_each(|_| input.write_all(&zeros).unwrap());
    drop(input);
    let blob = String::from_utf8(git.wait_with_output().unwrap().stdout).unwrap();
    let index = stage.sandbox.home().join("index");
    let run = |args: &[&str]| {
        let mut git = stage.sandbox.command("git");
        git.env("GIT_INDEX_FILE", &index).args(["--git-dir", repo.to_str().unwrap()]).args(args);
        stage.sandbox.finish(git).stdout.trim().to_owned()
    };
    run(&["read-tree", "main"]);
    run(&["update-index", "--add", "--cacheinfo", &format!("100644,{},{path}", blob.trim())]);
    let commit = run(&["commit-tree", "-p", "main", "-m", "A bomb", &run(&["write-tree"])]);
    run(&["update-ref", "refs/heads/main", &commit]);
}

/// Runs a pass and returns its exit code and peak memory in MiB.
fn measured(stage: &Stage) -> (RunResult, u64) {
    let mut child = stage.sandbox.start(&["reconcile", "--remote", &stage.remote]);
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        peak = now.max(peak);
    }
    (stage.sandbox.ended(child), peak / 1024)
}

#[test]
fn t7_a_compressed_file_costs_no_memory() {
    slow!();
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    plant(&stage, "large.bin");
    let (ran, peak) = measured(&stage);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!((1..MOST).contains(&peak), "{peak} MiB");
    assert!(stage.pin("web:1").is_some());
}

#[test]
fn t7_a_compressed_definition_is_refused_unread() {
    slow!();
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    plant(&stage, "streams/web.toml");
    let (ran, peak) = measured(&stage);
    assert_eq!(ran.code, Some(4), "{}", ran.stderr);
    assert!(ran.stderr.contains("`streams/web.toml`") && ran.stderr.contains("larger than 256 KiB"), "{}", ran.stderr);
    assert!((1..MOST).contains(&peak), "{peak} MiB");
}
