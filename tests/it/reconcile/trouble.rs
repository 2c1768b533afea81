//! Faults of the machine: full disks and wrong clocks. Nothing is committed in part, and no pin depends on the time.

use super::stage::{Stage, TELL};
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;

#[test]
fn t28_a_pass_works_without_a_writable_cache() {
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.sandbox.write("cache", "a file\n");
    stage.sandbox.env("PINSTREAM_CACHE", stage.sandbox.work().join("cache").to_str().unwrap());
    stage.ends(0, &[]);
    assert!(stage.pin("web:1").is_some());
}

#[test]
fn t28_without_a_disk_for_caches_a_pass_uses_memory() {
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.sandbox.write("file", "a file\n");
    let file = stage.sandbox.work().join("file").display().to_string();
    stage.sandbox.env("PINSTREAM_CACHE", &file);
    stage.sandbox.env("TMPDIR", &file);
    stage.ends(0, &[]);
    assert!(stage.pin("web:1").is_some());
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn t28_without_a_place_for_the_state_nothing_is_committed() {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.repo.hook("update", "case $1 in refs/pinstream/*) exit 1;; esac");
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.sandbox.write("file", "a file\n");
    stage.sandbox.env("PINSTREAM_STATE", stage.sandbox.work().join("file").to_str().unwrap());
    let refs = stage.repo.git(&["for-each-ref"]);
    let said = stage.ends(1, &[]);
    let folder = stage.sandbox.work().join("file").display().to_string();
    assert!(said.starts_with("error: ") && said.contains(&folder), "{said}");
    assert_eq!(stage.repo.git(&["for-each-ref"]), refs);
    assert_eq!(stage.events().len(), 0);
}

#[test]
fn t28_a_broken_cache_is_replaced() {
    let mut stage = Stage::new("");
    stage.stream("web", &[("1", 1)]);
    let server = HttpBackend::start(stage.repo.base());
    stage.remote = server.url();
    stage.ends(0, &[]);
    let cache = stage.sandbox.home().join(".cache/pinstream");
    let slot =
        std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    std::fs::write(slot.join("HEAD"), "").unwrap();
    for pack in std::fs::read_dir(slot.join("objects/pack")).unwrap() {
        // libgit2 writes read-only packs.
        let path = pack.unwrap().path();
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "broken").unwrap();
    }
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    assert_eq!(stage.commits().len(), 4);
}

#[test]
fn t29_no_pin_depends_on_the_time() {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1), ("2", 2)]);
    let definitions = stage.commits().pop().unwrap();
    let mut locks = Vec::new();
    for now in ["2016-11-24T12:00:00Z", "2026-11-24T12:00:00Z", "2036-11-24T12:00:00Z"] {
        stage.sandbox.env("PINSTREAM_NOW", now);
        // The same definitions in a repository without state.
        let fresh = BareRepo::new();
        fresh.git(&["fetch", "--quiet", &stage.repo.url(), &format!("{definitions}:refs/heads/main")]);
        stage.remote = fresh.url();
        stage.ends(0, &[]);
        locks.push(fresh.read("main", "pinstream.lock").unwrap());
        // The same in a repository that was resolved over all these years.
        stage.remote = stage.repo.url();
        stage.ends(0, &["--due"]);
        locks.push(stage.lock());
    }
    locks.dedup();
    assert_eq!(locks.len(), 1, "{locks:#?}");
    assert_eq!(stage.commits().len(), 3);
}
