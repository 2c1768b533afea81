//! Passes whose cache is damaged, full, read-only or missing: they succeed, and do not blame the remote.

use std::process::Command;

use super::stage::Stage;
use crate::git::damaged::{DAMAGES, LOCK_DAMAGES, first_slot};
use crate::support::lane::{note, slow};
use crate::support::remote::http::HttpBackend;
use crate::support::sandbox::RunResult;

/// A stage with a server as remote, so that nothing is read from its directory.
fn stage() -> (Stage, HttpBackend) {
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    (stage, server)
}

/// Checks that a pass succeeded and that no message is about the remote.
#[track_caller]
fn check(stage: &Stage, ran: &RunResult, kind: &str) {
    let shown = stage.sandbox.shown(ran);
    assert_eq!(ran.code, Some(0), "{kind}\n{shown}");
    assert!(!ran.stderr.contains("remote"), "{kind}\n{shown}");
}

#[test]
fn s01_a_pass_succeeds_with_every_kind_of_damage() {
    slow!();
    let (stage, _server) = stage();
    stage.ends(0, &[]);
    let cache = stage.sandbox.home().join(".cache/pinstream");
    for (number, (kind, damage)) in DAMAGES.into_iter().chain(LOCK_DAMAGES).enumerate() {
        damage(&first_slot(&cache));
        let digest = stage.push("web:1", 100 + number as u64);
        check(&stage, &stage.pass(&[]), kind);
        assert_eq!(stage.pin("web:1").as_deref(), Some(digest.as_str()), "{kind}");
        if !first_slot(&cache).with_extension("lock").is_file() {
            std::fs::remove_dir_all(&cache).unwrap();
        }
        stage.push("web:1", 200 + number as u64);
        check(&stage, &stage.pass(&[]), kind);
    }
}

/// Runs a pass after `mounts`, a shell script, in a mount namespace of its own; none if this machine does not allow that.
fn with_mounts(stage: &Stage, mounts: &str) -> Option<RunResult> {
    let is_allowed = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !is_allowed.is_ok_and(|output| output.status.success()) {
        note("tests that mount file systems are skipped: they need root");
        return None;
    }
    let mut command = stage.sandbox.as_program("unshare");
    let script = format!("set -e; {mounts}; exec \"$@\"");
    command.args(["-m", "sh", "-c", &script, "sh", env!("CARGO_BIN_EXE_pinstream")]);
    command.args(["reconcile", "--remote", &stage.remote]);
    Some(stage.sandbox.finish(command))
}

/// Adds files that do not fit on a small disk.
fn grow(stage: &Stage) {
    let mut state = 1_u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        format!("{state:016x}")
    };
    let text: String = (0..20_000).map(|_| noise()).collect();
    stage.commit("noise", &text);
}

#[test]
fn s01_a_pass_succeeds_with_a_cache_on_a_full_disk() {
    let (stage, _server) = stage();
    grow(&stage);
    let cache = stage.sandbox.home().join(".cache");
    std::fs::create_dir_all(&cache).unwrap();
    let cache = cache.display();
    let Some(ran) = with_mounts(&stage, &format!("mount -t tmpfs -o size=64k none {cache}")) else { return };
    check(&stage, &ran, "64 KiB");
    assert!(stage.pin("web:1").is_some());
    let expected = format!("no space left for `{cache}/pinstream/");
    assert!(ran.stderr.contains(&expected), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("on the disk mounted at `{cache}`; using a temporary one")), "{}", ran.stderr);

    // A warm cache on a disk that is full by now.
    stage.push("web:1", 2);
    let fill = format!("mount -t tmpfs -o size=24m none {cache}; head -c 23m /dev/zero > {cache}/other");
    check(&stage, &with_mounts(&stage, &fill).unwrap(), "filled");
}

#[test]
fn s01_without_any_space_the_message_names_the_disk() {
    let (stage, _server) = stage();
    grow(&stage);
    let mounts = "mount -t tmpfs -o size=64k none /dev/shm; export TMPDIR=/dev/shm PINSTREAM_CACHE=/dev/shm/cache";
    let Some(ran) = with_mounts(&stage, mounts) else { return };
    assert_eq!(ran.code, Some(1), "{}", stage.sandbox.shown(&ran));
    let expected = "error: no space left for `/dev/shm` on the disk mounted at `/dev/shm`\nhelp: free space there, or set \
                    `PINSTREAM_CACHE` and `TMPDIR` to directories on another disk\n";
    assert!(ran.stderr.ends_with(expected), "{}", ran.stderr);
}

#[test]
fn s01_a_pass_succeeds_with_a_read_only_cache() {
    let (stage, _server) = stage();
    let cache = stage.sandbox.home().join(".cache");
    std::fs::create_dir_all(&cache).unwrap();
    let mounts = format!("mount -t tmpfs -o ro none {}", cache.display());
    let Some(ran) = with_mounts(&stage, &mounts) else { return };
    check(&stage, &ran, "read-only");
    assert!(stage.pin("web:1").is_some());
}

#[test]
fn s01_a_pass_succeeds_without_a_directory_for_caches() {
    let (stage, _server) = stage();
    let file = stage.sandbox.home().join("file");
    std::fs::write(&file, "").unwrap();
    let mut command = stage.command(&[]);
    command.env("PINSTREAM_CACHE", &file);
    check(&stage, &stage.sandbox.finish(command), "a file");
    stage.push("web:1", 2);
    let mut command = stage.command(&[]);
    command.env_remove("HOME").env("TMPDIR", stage.sandbox.work()).env("PINSTREAM_STATE", stage.sandbox.work());
    check(&stage, &stage.sandbox.finish(command), "no home");
}
