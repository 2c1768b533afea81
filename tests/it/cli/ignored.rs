//! Files of a root that `.gitignore` keeps out of commits.

use super::Stage;
use crate::support::lane::needs;
use crate::support::sandbox::Sandbox;

#[test]
fn l08_init_update_and_check_name_an_ignored_lock_and_the_line() {
    needs!("git");
    let stage = Stage::new();
    stage.sandbox.git(&["init", "-q"]);
    stage.sandbox.write(".gitignore", "# build\n/target\n*.lock\n");
    let rule = "Git ignores `pinstream.lock` because of `*.lock` in `.gitignore`, line 3, so it will not be committed";
    let ran = stage.sandbox.run(&["update"]);
    assert_eq!(ran.code, Some(0));
    assert_eq!(
        ran.stderr,
        format!("warning: {rule}\n  help: run `git add --force pinstream.lock`, or change the rule that ignores it\n")
    );
    stage.check(
        &["check"],
        &format!(
            "
--- out
{rule}
  help: run `git add --force pinstream.lock`, or change the rule that ignores it
--- exit 2
"
        ),
    );
    let ran = stage.sandbox.run(&["check", "--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&report["exit"], &report["ignored"][0]["file"]), (&2.into(), &"pinstream.lock".into()));
    let ran = stage.sandbox.run(&["check", "--format", "github"]);
    assert!(ran.code == Some(2) && ran.stdout.contains("Git ignores `pinstream.lock`"), "{}", ran.stdout);
    // Git tracks what somebody added by force.
    stage.sandbox.git(&["add", "--force", "pinstream.lock"]);
    for command in ["update", "check"] {
        let ran = stage.sandbox.run(&[command]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{}", ran.stdout);
    }

    let sandbox = Sandbox::new();
    sandbox.git(&["init", "-q"]);
    sandbox.write(".gitignore", "*.lock\n");
    let ran = sandbox.run(&["init"]);
    assert_eq!(ran.code, Some(0));
    assert!(ran.stderr.contains("`pinstream.lock` because of `*.lock` in `.gitignore`, line 1"), "{}", ran.stderr);
}

#[test]
fn l08_ignored_streams_and_targets_are_named_too() {
    needs!("git");
    let stage = Stage::new();
    stage.sandbox.git(&["init", "-q"]);
    stage.sandbox.write("app/.gitignore", "web.*\n!web.txt\n");
    stage.sandbox.write(".gitignore", "/streams/\n");
    for name in ["web.yaml", "web.txt"] {
        stage.sandbox.write(&format!("app/{name}"), "image: nginx:1 # pinstream: python:3.12\n");
    }
    stage.settings(
        "[[target]]\nmarker = { path = \"app/web.yaml\" }\n[[target]]\nmarker = { path = \"app/web.txt\" }\n",
    );
    stage.update();
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(2), "{}", stage.sandbox.shown(&ran));
    for line in [
        "Git ignores `streams/python.toml` because of `/streams/` in `.gitignore`, line 1, ",
        "Git ignores `app/web.yaml` because of `web.*` in `app/.gitignore`, line 1, ",
    ] {
        assert!(ran.stdout.contains(line), "{}", ran.stdout);
    }
    assert!(!ran.stdout.contains("web.txt") && !ran.stdout.contains("pinstream.toml"), "{}", ran.stdout);
}

#[test]
fn l08_a_root_below_the_top_and_git_without_a_program() {
    let stage = Stage::new();
    stage.sandbox.git(&["init", "-q", ".."]);
    stage.sandbox.write("../.gitignore", "*.lock\nhome/\nbin/\n");
    stage.update();
    let ran = stage.sandbox.run(&["check"]);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("`pinstream.lock` because of `*.lock` in `../.gitignore`, line 1"), "{}", ran.stdout);
    let mut command = stage.sandbox.pinstream(&["check"]);
    command.env("PATH", "/nowhere");
    let ran = stage.sandbox.finish(command);
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.starts_with("Git ignores `pinstream.lock`, so it will not be committed\n"), "{}", ran.stdout);
}
