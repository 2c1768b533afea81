//! `demo`: its whole output.

use std::time::{Duration, Instant};

use crate::support::sandbox::{Sandbox, same};

/// Scrubs what differs between runs: the registry's port and the commits.
fn name_parts(sandbox: &mut Sandbox, told: &str, checkout: &str) {
    let host = told.split("\"3.12\" = \"").nth(1).unwrap().split('/').next().unwrap();
    assert!(host.starts_with("127.0.0.1:"), "{host}");
    sandbox.scrub(host, "REGISTRY");
    let commits = sandbox.git(&["-C", checkout, "log", "--format=%H"]);
    for (number, id) in commits.lines().rev().enumerate() {
        sandbox.scrub(id, &format!("COMMIT-{number}"));
        sandbox.scrub(&id[..9], &format!("COMMIT-{number}"));
    }
}

#[test]
fn the_demo_shows_everything_within_seconds() {
    let mut sandbox = Sandbox::new();
    let start = Instant::now();
    let ran = sandbox.run(&["demo", "story"]);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    name_parts(&mut sandbox, &ran.stdout, "story/checkout");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    same(
        &sandbox.scrubbed(&ran.stdout),
        r#"
1. Somebody writes streams/python.toml and pushes it as COMMIT-0:

    description = "Python builders"

    [tags]
    "3.12" = "REGISTRY/demo/python:3.12"
    "3.11" = "REGISTRY/demo/python:3.11"
    latest = { follow = "3.12" }
    arm    = { image = "REGISTRY/demo/python:3.12", platform = "linux/arm64" }

2. `pinstream reconcile` pins all tags, commits the lock and runs the hook:

    added  python:3.11    e9818f317a22                 3.11.9
    added  python:3.12    10723ac67c16                 3.12.4
    added  python:arm     7c17f17a1528                 3.12.4
    added  python:latest  10723ac67c16                 3.12.4
    hook rollout succeeded for 4 changes
        rolling out to prod from commit COMMIT-1: 3.11 3.12 arm latest
    4 added; landed as COMMIT-1 on main

3. Upstream publishes a new image as python:3.12. The next pass updates the pins:

    updated  python:3.12    10723ac67c16 → 2b773382ee08  3.12.4 → 3.12.5
    updated  python:arm     7c17f17a1528 → d44cf4e5d490  3.12.4 → 3.12.5
    updated  python:latest  10723ac67c16 → 2b773382ee08  3.12.4 → 3.12.5
    hook rollout succeeded for 3 changes
        rolling out to prod from commit COMMIT-2: 3.12 arm latest
    3 updated, 1 unchanged; landed as COMMIT-2 on main

4. The commit of that pass:

    commit COMMIT-2
    Author: pinstream <pinstream@localhost>

        chore(images): pin 3 tags

        - python:3.12: 10723ac67c16 → 2b773382ee08 (3.12.4 → 3.12.5), patch
        - python:arm: 7c17f17a1528 → d44cf4e5d490 (3.12.4 → 3.12.5), patch
        - python:latest: 10723ac67c16 → 2b773382ee08 (3.12.4 → 3.12.5), patch

        Pinstream-Plan: sha256:[PLAN]

    --- a/pinstream.lock
    +++ b/pinstream.lock
    @@ -15,26 +15,29 @@
     stream = "python"
     tag = "3.12"
     image = "REGISTRY/demo/python:3.12"
    -digest = "sha256:10723ac67c16c76ea0f223b4b26e394bebd73c15659c30b780b3cb3b6bf0bf0a"
    -version = "3.12.4"
    +digest = "sha256:2b773382ee08de68399f5c87a467905573fdc84fb0f3a311c323a6a51f6052c3"
    +version = "3.12.5"
     revision = "0f1c2d3e4f5061728394a5b6c7d8e9f001122334"
    -created = "2026-10-01T08:12:44Z"
    +created = "2026-11-02T09:30:00Z"
     platforms = ["linux/amd64", "linux/arm64"]
    +previous = ["sha256:10723ac67c16c76ea0f223b4b26e394bebd73c15659c30b780b3cb3b6bf0bf0a"]

     [[pin]]
     stream = "python"
     tag = "arm"
     image = "REGISTRY/demo/python:3.12"
    -digest = "sha256:7c17f17a1528988eb0838f890d39128223aaf94b989e5948913484ae686c57e9"
    -index = "sha256:10723ac67c16c76ea0f223b4b26e394bebd73c15659c30b780b3cb3b6bf0bf0a"
    -version = "3.12.4"
    +digest = "sha256:d44cf4e5d490d7952c67916ed48647a3e9435f8d62ec0f5005c173f6555b7886"
    +index = "sha256:2b773382ee08de68399f5c87a467905573fdc84fb0f3a311c323a6a51f6052c3"
    +version = "3.12.5"
     revision = "0f1c2d3e4f5061728394a5b6c7d8e9f001122334"
    -created = "2026-10-01T08:12:44Z"
    +created = "2026-11-02T09:30:00Z"
     platforms = ["linux/arm64"]
    +previous = ["sha256:7c17f17a1528988eb0838f890d39128223aaf94b989e5948913484ae686c57e9"]

     [[pin]]
     stream = "python"
     tag = "latest"
     follow = "python:3.12"
     image = "REGISTRY/demo/python:3.12"
    -digest = "sha256:10723ac67c16c76ea0f223b4b26e394bebd73c15659c30b780b3cb3b6bf0bf0a"
    +digest = "sha256:2b773382ee08de68399f5c87a467905573fdc84fb0f3a311c323a6a51f6052c3"
    +previous = ["sha256:10723ac67c16c76ea0f223b4b26e394bebd73c15659c30b780b3cb3b6bf0bf0a"]

5. Nothing has changed since, so another pass commits nothing:

    4 unchanged; nothing to write

Explore the result (the registry stopped with this command):

    cd [SANDBOX]/work/story/checkout
    git log -p pinstream.lock
    pinstream list
    pinstream describe python
"#,
    );
}

#[test]
fn the_demo_leaves_a_checkout_to_explore() {
    let mut sandbox = Sandbox::new();
    let ran = sandbox.run(&["demo", "story"]);
    name_parts(&mut sandbox, &ran.stdout, "story/checkout");
    sandbox.check(
        &["-C", "story/checkout", "check", "--base", "HEAD"],
        r#"
--- out
4 pins in 1 stream: lock matches the definitions
--- exit 0
"#,
    );
    sandbox.check(
        &["-C", "story/checkout", "list", "--no-headers"],
        r#"
--- out
python:3.11     REGISTRY/demo/python:3.11                 e9818f317a22   3.11.9   2026-09-12   pinned
python:3.12     REGISTRY/demo/python:3.12                 2b773382ee08   3.12.5   2026-11-02   pinned
python:arm      REGISTRY/demo/python:3.12 (linux/arm64)   d44cf4e5d490   3.12.5   2026-11-02   pinned
python:latest   -> python:3.12                                   2b773382ee08   3.12.5   2026-11-02   pinned
--- exit 0
"#,
    );
    let described = sandbox.run(&["-C", "story/checkout", "describe", "python"]).stdout;
    assert_eq!(described.matches("by pinstream").count(), 5, "{described}");
    let log = sandbox.git(&["-C", "story/checkout", "log", "-p", "pinstream.lock"]);
    assert!(log.contains("\n-version = \"3.12.4\"\n") && log.contains("\n+version = \"3.12.5\"\n"), "{log}");
    assert_eq!(sandbox.git(&["-C", "story/checkout", "status", "--porcelain"]), "");
}

#[test]
fn the_demo_uses_no_proxy_for_its_registry() {
    let mut sandbox = Sandbox::new();
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        sandbox.env(name, "http://127.0.0.1:9");
    }
    let ran = sandbox.run(&["demo", "story"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
}

#[test]
fn without_an_argument_the_demo_creates_a_temporary_directory() {
    let mut sandbox = Sandbox::new();
    sandbox.env("TMPDIR", sandbox.home().to_str().unwrap().to_owned());
    let ran = sandbox.run(&["demo"]);
    let folder = ran.stdout.lines().find_map(|line| line.trim().strip_prefix("cd ")).unwrap();
    assert!(folder.contains("pinstream-demo-") && std::path::Path::new(folder).join("pinstream.lock").is_file());
}

#[test]
fn an_existing_directory_is_not_touched() {
    let sandbox = Sandbox::new();
    sandbox.write("mine/file", "x");
    sandbox.check(
        &["demo", "mine"],
        r#"
--- err
error: cannot create `[SANDBOX]/work/mine`: File exists (os error 17)
help: name a directory that does not exist yet
--- exit 1
"#,
    );
    assert_eq!(std::fs::read_dir(sandbox.work().join("mine")).unwrap().count(), 1);
    sandbox.check(
        &["demo", "no/such/parent"],
        r#"
--- err
error: cannot create `[SANDBOX]/work/no/such/parent`: No such file or directory (os error 2)
help: name a directory that does not exist yet
--- exit 1
"#,
    );
}
