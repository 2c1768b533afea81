//! Repositories in a format that libgit2 does not read.

use super::Stage;

const COMMANDS: [&[&str]; 4] =
    [&["describe"], &["history", "python:3.12"], &["check", "--base", "HEAD"], &["reconcile"]];

/// Replaces the repository of a pinned root by one that `git init` creates with `option`.
fn with_format(option: &str) -> Stage {
    let stage = Stage::pinned();
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    stage.sandbox.git(&["init", "-q", option]);
    stage.commit("Pin two images");
    stage
}

/// Checks that commands which read the repository fail with one clear error, and others work.
#[track_caller]
fn fails(stage: &Stage, reason: &str, help: &str) {
    for args in COMMANDS {
        let ran = stage.sandbox.run(args);
        let shown = stage.sandbox.shown(&ran);
        assert_eq!(
            shown,
            format!("--- err\nerror: cannot read the repository `[SANDBOX]/work`: {reason}\nhelp: {help}\n--- exit 1"),
            "{args:?}"
        );
    }
    for args in [&["check"][..], &["update", "--offline"], &["list"], &["plan"]] {
        let ran = stage.sandbox.run(args);
        assert_eq!(ran.code, Some(0), "{args:?}\n{}", stage.sandbox.shown(&ran));
    }
}

#[test]
fn l11_a_sha256_checkout_is_one_clear_error() {
    let stage = with_format("--object-format=sha256");
    fails(
        &stage,
        "its object ids are SHA-256, which is not supported",
        "use a repository with SHA-1 ids, as `git init --object-format=sha1` creates it",
    );
}

#[test]
fn l11_a_sha256_remote_is_one_clear_error() {
    let stage = with_format("--object-format=sha256");
    let ran = stage.sandbox.run(&["-C", "..", "reconcile", "--remote", stage.sandbox.work().to_str().unwrap()]);
    assert_eq!(
        stage.sandbox.shown(&ran),
        "--- err\nerror: cannot read the repository `[SANDBOX]/work`: its object ids are SHA-256, which is not supported\n\
         help: use a repository with SHA-1 ids, as `git init --object-format=sha1` creates it\n--- exit 1"
    );
}

#[test]
fn l23_a_reftable_checkout_names_the_command_that_converts_it() {
    let stage = with_format("--ref-format=reftable");
    let help =
        "run `git refs migrate --ref-format=files` (git 2.48 or later), or clone it again with `--ref-format=files`";
    fails(&stage, "its refs are stored in the format `reftable`", help);
    // A linked work tree has the format of its repository.
    stage.sandbox.git(&["worktree", "add", "-q", "../linked"]);
    let ran = stage.sandbox.run(&["-C", "../linked", "describe"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("git refs migrate"), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l23_with_a_remote_the_format_of_the_checkout_does_not_matter() {
    let stage = with_format("--ref-format=reftable");
    stage.sandbox.git(&["clone", "-q", "--bare", "--ref-format=files", ".", "../remote.git"]);
    let ran = stage.sandbox.run(&["reconcile", "--remote", "../remote.git"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    // git serves a remote in any format.
    stage.sandbox.git(&["clone", "-q", "--bare", "--ref-format=reftable", ".", "../reftable.git"]);
    let ran = stage.sandbox.run(&["reconcile", "--remote", "../reftable.git"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
}

#[test]
fn l23_other_extensions_and_versions_are_named() {
    let stage = Stage::pinned();
    stage.sandbox.git(&["config", "core.repositoryformatversion", "1"]);
    stage.sandbox.git(&["config", "extensions.relocated", "true"]);
    fails(
        &stage,
        "it uses the extension `relocated`, which is not supported",
        "clone it again without `extensions.relocated`",
    );
    let config = stage.sandbox.work().join(".git/config");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("repositoryformatversion = 1", "repositoryformatversion = 7")).unwrap();
    fails(
        &stage,
        "its format has version 7; versions up to 1 are supported",
        "clone it again with an older git, or use a newer pinstream",
    );
}
