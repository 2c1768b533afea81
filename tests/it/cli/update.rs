//! `update`: resolves tags and writes the lock in the work tree.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

use super::Stage;
use crate::support::registry::http::{Answer, Body};
use crate::support::sandbox::same;

#[test]
fn a_first_update_writes_the_whole_lock() {
    let stage = Stage::new();
    stage.check(
        &["update"],
        r#"
--- out
added  python:3.11    e0660bcc5200                 3.11.9
added  python:3.12    346028a7044f                 3.12.4
added  python:arm     e7a589004cc2                 3.12.4
added  python:latest  346028a7044f                 3.12.4
4 added; `pinstream.lock` was written
--- exit 0
"#,
    );
    let lock = stage.sandbox.scrubbed(&stage.sandbox.read("pinstream.lock"));
    same(
        &lock,
        r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "python"
tag = "3.11"
image = "REGISTRY/python:3.11"
digest = "sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"
version = "3.11.9"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]

[[pin]]
stream = "python"
tag = "3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
version = "3.12.4"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]

[[pin]]
stream = "python"
tag = "arm"
image = "REGISTRY/python:3.12"
digest = "sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7"
index = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
version = "3.12.4"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/arm64"]

[[pin]]
stream = "python"
tag = "latest"
follow = "python:3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"
"#,
    );
    stage.check(
        &["update"],
        r#"
--- out
4 unchanged; nothing to write
--- exit 0
"#,
    );
}

#[test]
fn only_named_tags_are_updated() {
    let stage = Stage::pinned();
    stage.registry.push("python", "3.11", &super::image(14, "3.11.10"));
    stage.move_upstream();
    stage.registry.forget();
    stage.check(
        &["update", "python:3.11"],
        r#"
--- out
updated  python:3.11  e0660bcc5200 → c5895003e8ee  3.11.9 → 3.11.10
1 updated, 3 skipped; `pinstream.lock` was written
--- exit 0
"#,
    );
    assert_eq!(stage.registry.counts().head, 1);
    stage.check(
        &["update", "python:l*"],
        r#"
--- out
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
2 updated, 2 skipped; `pinstream.lock` was written
--- exit 0
"#,
    );
    stage.check(
        &["update", "python"],
        r#"
--- out
updated  python:arm  e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
1 updated, 3 unchanged; `pinstream.lock` was written
--- exit 0
"#,
    );
}

#[test]
fn an_unknown_tag_changes_nothing_and_gets_a_suggestion() {
    let stage = Stage::pinned();
    stage.registry.forget();
    stage.check(
        &["update", "pyton:3.12"],
        r#"
--- err
error: no tag named `pyton:3.12`
help: did you mean `python:3.12`?
--- exit 64
"#,
    );
    stage.check(
        &["update", "python:3.12", "node"],
        r#"
--- err
error: no tag named `node`
help: run `pinstream list` for all tags
--- exit 64
"#,
    );
    stage.check(
        &["update", "docker.io/library/python:3.12"],
        r#"
--- err
error: no tag named `docker.io/library/python:3.12`
help: run `pinstream list` for all tags
--- exit 64
"#,
    );
    assert_eq!(stage.registry.requests().len(), 0);
}

#[test]
fn a_lock_with_crlf_stays_until_something_changes() {
    let stage = Stage::pinned();
    let windows = stage.sandbox.read("pinstream.lock").replace('\n', "\r\n");
    stage.sandbox.write("pinstream.lock", &windows);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    stage.update();
    assert_eq!(stage.sandbox.read("pinstream.lock"), windows);
    stage.move_upstream();
    stage.update();
    let lock = stage.sandbox.read("pinstream.lock");
    assert!(!lock.contains('\r') && lock.contains("3.12.5"), "{lock}");
}

#[test]
fn the_lock_is_replaced_atomically_and_keeps_its_mode() {
    let stage = Stage::pinned();
    let path = stage.sandbox.work().join("pinstream.lock");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let old = fs::File::open(&path).unwrap();
    stage.move_upstream();
    stage.update();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // A process that has the old file open reads it to the end.
    assert!(!std::io::read_to_string(old).unwrap().contains("3.12.5"));
    let names = fs::read_dir(stage.sandbox.work()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().contains("lock")).count(), 1);
}

#[test]
fn a_lock_that_is_a_symbolic_link_is_not_followed() {
    let stage = Stage::pinned();
    let path = stage.sandbox.work().join("pinstream.lock");
    fs::rename(&path, stage.sandbox.home().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(stage.sandbox.home().join("elsewhere"), &path).unwrap();
    stage.check(
        &["update"],
        r#"
--- err
error: cannot read `pinstream.lock`: it is a symbolic link, which is never followed
--> pinstream.lock
 = help: replace it by a plain file or directory, or remove it
--- exit 1
"#,
    );
}

#[test]
fn failing_tags_keep_their_pins() {
    let stage = Stage::pinned();
    let before = stage.digest("python:3.11");
    stage.registry.remove("python", "3.11");
    stage.move_upstream();
    stage.check(
        &["update"],
        r#"
--- out
failed   python:3.11    not-found: `REGISTRY/python:3.11` not found: `REGISTRY` returned 404
updated  python:3.12    346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
updated  python:arm     e7a589004cc2 → 688f172987f3  3.12.4 → 3.12.5
updated  python:latest  346028a7044f → 4b8343596c64  3.12.4 → 3.12.5
3 updated, 1 failed; `pinstream.lock` was written
--- exit 3
"#,
    );
    assert_eq!(stage.digest("python:3.11"), before);
}

#[test]
fn offline_sends_no_requests() {
    let stage = Stage::pinned();
    stage.move_upstream();
    stage.registry.forget();
    stage.check(
        &["update", "--offline"],
        r#"
--- out
4 skipped; nothing to write
--- exit 0
"#,
    );
    assert_eq!(stage.registry.requests().len(), 0);
}

#[test]
fn offline_sends_no_requests_to_explain_a_change() {
    let stage = Stage::pinned();
    let stream = stage.sandbox.read("streams/python.toml");
    assert!(stream.contains("latest = { follow = \"3.12\" }"), "{stream}");
    stage.registry.push("python", "3.11", &super::image(11, "3.11.9"));
    stage.update();
    stage.sandbox.write("streams/python.toml", &stream.replace("follow = \"3.12\"", "follow = \"3.11\""));
    stage.registry.forget();
    let ran = stage.sandbox.run(&["update", "--offline"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    assert!(ran.stdout.starts_with("updated "), "{}", ran.stdout);
    assert_eq!(stage.registry.requests().len(), 0);
}

#[test]
fn on_sigterm_it_stops_at_once_and_writes_nothing() {
    let stage = Stage::new();
    stage.registry.lie(|request| {
        let drip = || Answer::new(200).sent(Body::Drip(Duration::from_millis(50)));
        (request.method == "GET").then(drip)
    });
    for (signal, said) in [("-TERM", "terminated"), ("-INT", "interrupted")] {
        stage.registry.forget();
        let mut child = stage.sandbox.start(&["update"]);
        let start = Instant::now();
        while stage.registry.counts().get == 0 {
            assert!(start.elapsed() < Duration::from_secs(20) && child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let stderr = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(130), "{stderr}");
        assert_eq!(stderr, format!("error: {said}; run again to continue\n"));
        assert!(!stage.sandbox.work().join("pinstream.lock").exists());
    }
}
