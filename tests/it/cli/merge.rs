//! Merging locks of two branches, with the merge driver and without it.

use super::{Stage, image};
use crate::support::sandbox::same;

/// Creates two branches from one pinned root: `other` updates `theirs`, `main` updates `ours`, pairs of a tag and the seed
/// of its new image.
fn branches(ours: &[(&str, u64)], theirs: &[(&str, u64)]) -> Stage {
    let stage = Stage::pinned();
    for (branch, moves) in [("other", theirs), ("main", ours)] {
        match branch {
            "main" => stage.sandbox.git(&["checkout", "-q", "main"]),
            _ => stage.sandbox.git(&["checkout", "-q", "-b", branch]),
        };
        stage.registry.push("python", "3.11", &image(11, "3.11.9"));
        stage.registry.push("python", "3.12", &image(12, "3.12.4"));
        for (tag, seed) in moves {
            stage.registry.push("python", tag, &image(*seed, &format!("{tag}.{seed}")));
        }
        stage.update();
        stage.commit(branch);
    }
    stage
}

/// Configures the merge driver.
fn drive(stage: &Stage) {
    std::fs::write(stage.sandbox.work().join(".git/info/attributes"), "pinstream.lock merge=pinstream\n").unwrap();
    let driver = format!("{} merge-driver %O %A %B %P", env!("CARGO_BIN_EXE_pinstream"));
    stage.sandbox.git(&["config", "merge.pinstream.driver", &driver]);
}

/// Runs Git; failure is allowed.
fn git(stage: &Stage, args: &[&str]) -> crate::support::sandbox::RunResult {
    let mut command = stage.sandbox.command("git");
    command.args(args);
    stage.sandbox.finish(command)
}

fn versions(stage: &Stage) -> String {
    let lock = stage.sandbox.read("pinstream.lock");
    lock.lines().filter_map(|line| line.strip_prefix("version = \"")).collect::<Vec<_>>().join(" ")
}

#[test]
fn pins_changed_on_one_side_are_merged_and_rebased() {
    for how in [&["merge", "-q", "--no-edit", "other"][..], &["rebase", "-q", "other"]] {
        let stage = branches(&[("3.11", 21)], &[("3.12", 22)]);
        drive(&stage);
        let ran = git(&stage, how);
        assert_eq!(ran.code, Some(0), "{}{}", ran.stdout, ran.stderr);
        assert_eq!(versions(&stage), "3.11.21\" 3.12.22\" 3.12.22\"", "{how:?}");
        assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
        assert_eq!(stage.sandbox.git(&["status", "--porcelain"]), "");
    }
}

#[test]
fn a_pin_changed_on_both_sides_is_a_conflict_that_update_resolves() {
    let stage = branches(&[("3.11", 21), ("3.12", 22)], &[("3.12", 23)]);
    drive(&stage);
    let ran = git(&stage, &["merge", "--no-edit", "other"]);
    same(
        &stage.sandbox.shown(&ran),
        r#"
--- out
Auto-merging pinstream.lock
CONFLICT (content): Merge conflict in pinstream.lock
Automatic merge failed; fix conflicts and then commit the result.
--- err
error: both sides changed `python:3.12`, `python:arm`
help: run `pinstream update python:3.12 python:arm`, then `git add pinstream.lock`
--- exit 1
"#,
    );
    same(
        &stage.sandbox.scrubbed(&stage.sandbox.read("pinstream.lock")),
        r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "python"
tag = "3.11"
image = "REGISTRY/python:3.11"
digest = "sha256:69c1033399a3e38d21cee9d4b22ed71cbf453b93975e599fb2e3975c7cb78254"
version = "3.11.21"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]
previous = ["sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"]
<<<<<<< ours

[[pin]]
stream = "python"
tag = "3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6"
version = "3.12.22"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]
previous = ["sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]
=======

[[pin]]
stream = "python"
tag = "3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:e860ba7470c14cf3a9a0dbf4d4e346e5326da775fc3bb80328f412811fd6f98f"
version = "3.12.23"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]
previous = ["sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]
>>>>>>> theirs
<<<<<<< ours

[[pin]]
stream = "python"
tag = "arm"
image = "REGISTRY/python:3.12"
digest = "sha256:85253793827ddc930c7e459c5994a6d7dc3798236ac0a8f32d6f3de225036417"
index = "sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6"
version = "3.12.22"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/arm64"]
previous = ["sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7"]
=======

[[pin]]
stream = "python"
tag = "arm"
image = "REGISTRY/python:3.12"
digest = "sha256:0be812dc97c9ea158f9edd6b44163f4dea303a0e7f173e7148d1dc55e4355386"
index = "sha256:e860ba7470c14cf3a9a0dbf4d4e346e5326da775fc3bb80328f412811fd6f98f"
version = "3.12.23"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/arm64"]
previous = ["sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7"]
>>>>>>> theirs

[[pin]]
stream = "python"
tag = "latest"
follow = "python:3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:e860ba7470c14cf3a9a0dbf4d4e346e5326da775fc3bb80328f412811fd6f98f"
previous = ["sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6", "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]
"#,
    );
    for args in [&["check"][..], &["update", "--offline"], &["plan"], &["list"]] {
        let ran = stage.sandbox.run(args);
        assert_eq!(ran.code, Some(1), "{args:?}: {}", ran.stdout);
        assert!(ran.stderr.contains("conflict marker `<<<<<<<` on line"), "{}", ran.stderr);
    }
    stage.registry.forget();
    stage.check(
        &["update", "python:3.12", "python:arm"],
        r#"
--- out
updated  python:latest  e860ba7470c1 → b601e820f0dc  3.12.22
1 updated, 2 unchanged, 1 skipped; `pinstream.lock` was written
--- err
merged both sides of `pinstream.lock`; resolved again: `python:3.12`, `python:arm`
--- exit 0
"#,
    );
    same(
        &stage.sandbox.scrubbed(&stage.sandbox.read("pinstream.lock")),
        r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "python"
tag = "3.11"
image = "REGISTRY/python:3.11"
digest = "sha256:69c1033399a3e38d21cee9d4b22ed71cbf453b93975e599fb2e3975c7cb78254"
version = "3.11.21"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]
previous = ["sha256:e0660bcc520007e1137fc46fd5822bdcd7da9f03b70cc06129df828f52082ba4"]

[[pin]]
stream = "python"
tag = "3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6"
version = "3.12.22"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/amd64", "linux/arm64"]
previous = ["sha256:e860ba7470c14cf3a9a0dbf4d4e346e5326da775fc3bb80328f412811fd6f98f", "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]

[[pin]]
stream = "python"
tag = "arm"
image = "REGISTRY/python:3.12"
digest = "sha256:85253793827ddc930c7e459c5994a6d7dc3798236ac0a8f32d6f3de225036417"
index = "sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6"
version = "3.12.22"
created = "2026-10-01T08:12:44Z"
platforms = ["linux/arm64"]
previous = ["sha256:0be812dc97c9ea158f9edd6b44163f4dea303a0e7f173e7148d1dc55e4355386", "sha256:e7a589004cc228d82c9e2416809fd17d1ce641024719c525a545656564b7ccc7"]

[[pin]]
stream = "python"
tag = "latest"
follow = "python:3.12"
image = "REGISTRY/python:3.12"
digest = "sha256:b601e820f0dc4e838d508f55e62803b089aec992d72f3d68a7ce7576cb3a24e6"
previous = ["sha256:e860ba7470c14cf3a9a0dbf4d4e346e5326da775fc3bb80328f412811fd6f98f", "sha256:346028a7044f44bfd45fe184a4e0ce589cd0e59c1e51b5168b36b0c60f67d326"]
"#,
    );
    stage.commit("Merge");
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD~"]).code, Some(0));
}

#[test]
fn conflicts_of_a_plain_text_merge_are_resolved_with_or_without_base() {
    for style in ["merge", "diff3", "zdiff3"] {
        let stage = branches(&[("3.11", 21), ("3.12", 22)], &[("3.12", 23)]);
        stage.sandbox.git(&["config", "merge.conflictStyle", style]);
        assert_eq!(git(&stage, &["merge", "-q", "other"]).code, Some(1));
        assert!(stage.sandbox.read("pinstream.lock").contains("<<<<<<< HEAD"));
        stage.registry.push("python", "3.12", &image(24, "3.12.24"));
        // Conflicting pins are resolved again, even if other tags are named.
        let ran = stage.sandbox.run(&["update", "python:3.11"]);
        assert_eq!(ran.code, Some(0), "{style}: {}{}", ran.stdout, ran.stderr);
        assert_eq!(versions(&stage), "3.11.21\" 3.12.24\" 3.12.24\"", "{style}");
        assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
        let lock = stage.sandbox.read("pinstream.lock");
        let pin = lock.split("\n\n").find(|pin| pin.contains("tag = \"3.12\"")).unwrap();
        // The digests of both sides, and the earlier one.
        assert_eq!(pin.lines().last().unwrap().matches("sha256:").count(), 3, "{pin}");
    }
}

#[test]
fn a_conflict_that_cannot_be_resolved_stays() {
    let stage = branches(&[("3.12", 22)], &[("3.12", 23)]);
    assert_eq!(git(&stage, &["merge", "-q", "other"]).code, Some(1));
    let before = stage.sandbox.read("pinstream.lock");
    stage.registry.remove("python", "3.12");
    stage.check(
        &["update"],
        r#"
--- err
error: cannot resolve `python:3.12`, which both sides changed: `REGISTRY/python:3.12` not found: `REGISTRY` returned 404
help: fix that and run the command again, or check out one side of the file
--- exit 1
"#,
    );
    assert_eq!(stage.sandbox.read("pinstream.lock"), before);
}

#[test]
fn an_invalid_side_is_an_error() {
    let stage = Stage::pinned();
    let lock = stage.sandbox.read("pinstream.lock");
    stage.sandbox.write("pinstream.lock", &format!("<<<<<<< ours\n{lock}=======\nnonsense\n>>>>>>> theirs\n"));
    stage.check(
        &["update"],
        r#"
--- err
error: side `theirs` of the conflict in `pinstream.lock` is not a valid lock: key with no value, expected `=`
help: check out one side of the file, then run `pinstream update`
--- exit 1
"#,
    );
    stage.sandbox.write("pinstream.lock", "=======\n>>>>>>> theirs\n<<<<<<< ours\n");
    assert_eq!(stage.sandbox.run(&["update"]).code, Some(1));
    for (path, text) in [("base", ""), ("ours", lock.as_str()), ("theirs", "nonsense")] {
        stage.sandbox.write(path, text);
    }
    stage.check(
        &["merge-driver", "base", "ours", "theirs"],
        r#"
--- err
error: `pinstream.lock` of side `theirs` is not a valid lock: key with no value, expected `=`
help: check out one side of the file, then run `pinstream update`
--- exit 1
"#,
    );
    assert_eq!(stage.sandbox.read("ours"), format!("<<<<<<< ours\n{lock}=======\nnonsense\n>>>>>>> theirs\n"));
    stage.check(
        &["merge-driver", "base", "nowhere", "theirs"],
        r#"
--- err
error: cannot read `nowhere`: No such file or directory (os error 2)
--- exit 1
"#,
    );
}

#[test]
fn locks_without_a_common_ancestor_merge_where_equal() {
    let stage = Stage::pinned();
    let lock = stage.sandbox.read("pinstream.lock");
    let one = lock.split("\n[[pin]]").next().unwrap().to_owned();
    for (path, text) in [("base", ""), ("ours", lock.as_str()), ("theirs", one.as_str())] {
        stage.sandbox.write(path, text);
    }
    stage.check(&["merge-driver", "base", "ours", "theirs", "deploy/pinstream.lock"], "--- exit 0");
    assert_eq!(stage.sandbox.read("ours"), lock);
}
