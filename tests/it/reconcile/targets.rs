//! Targets on the branch: in the same commit as the lock, and restored if somebody changed them.

use super::stage::{Stage, TELL};
use crate::support::sandbox::same;

const TARGETS: &str = r#"
[[target]]
from = "python:3.12"
yaml = { path = "deploy/web.yaml", at = "image" }

[[target]]
from = "python:3.12"
dockerfile = { path = "**/Dockerfile" }

[[target]]
from = "python:3.12"
workflow = { path = ".github/workflows/*.yml" }
"#;

const WEB: &str = "\u{feff}image: \"python:3\"\r\n# no end";
const DOCKERFILE: &str = "FROM golang:1 AS go\nFROM REGISTRY/python:old\n";
const WORKFLOW: &str = "jobs: {test: {container: REGISTRY/python}}\n";

/// Commits a stream and three files with targets; nothing is pinned yet.
fn stage() -> Stage {
    let stage = Stage::new(&format!("{TELL}{TARGETS}"));
    stage.stream("python", &[("3.12", 12)]);
    stage.commit("deploy/web.yaml", WEB);
    stage.commit("app/Dockerfile", DOCKERFILE);
    stage.commit(".github/workflows/ci.yml", WORKFLOW);
    stage
}

#[track_caller]
fn is_written(stage: &Stage) {
    let host = stage.registry.host();
    let new = format!("{host}/python:3.12@{}", stage.pin("python:3.12").unwrap());
    let read = |path: &str| stage.repo.git_with(&["show", &format!("main:{path}")], b"");
    assert_eq!(read("deploy/web.yaml"), WEB.replace("python:3", &new));
    same(&read("app/Dockerfile"), &DOCKERFILE.replace("REGISTRY/python:old", &new));
    same(&read(".github/workflows/ci.yml"), &WORKFLOW.replace("REGISTRY/python", &new));
}

/// Files that the tip's commit changes, and its message.
fn tip(stage: &Stage) -> String {
    stage.shown(&stage.repo.git(&["show", "--format=%B", "--name-only", "main"]))
}

#[test]
fn a_change_lands_with_its_targets_in_one_commit() {
    let stage = stage();
    stage.check(
        &[],
        "
--- out
added  python:3.12  5af98a12e567                 1.0.12
wrote .github/workflows/ci.yml, line 1
wrote app/Dockerfile, line 2
wrote deploy/web.yaml, line 1
hook tell succeeded for 1 change
1 added; landed as [COMMIT 6] on main
--- exit 0
",
    );
    is_written(&stage);
    assert_eq!(stage.repo.git(&["show", "--format=", "--name-only", "main"]).lines().count(), 4);
    stage.push("python:3.12", 13);
    stage.check(
        &[],
        "
--- out
updated  python:3.12  5af98a12e567 → fb132077ece8  1.0.12 → 1.0.13
wrote .github/workflows/ci.yml, line 1
wrote app/Dockerfile, line 2
wrote deploy/web.yaml, line 1
hook tell succeeded for 1 change
1 updated; landed as [COMMIT 7] on main
--- exit 0
",
    );
    is_written(&stage);
    assert_eq!(stage.repo.git(&["show", "--format=", "--name-only", "main"]).lines().count(), 4);
    stage.check(
        &[],
        "
--- out
1 unchanged; nothing to write
--- exit 0
",
    );
}

#[test]
fn a_target_changed_by_hand_is_restored_without_a_change() {
    let stage = stage();
    stage.ends(0, &[]);
    stage.commit("app/Dockerfile", DOCKERFILE);
    let told = stage.events().len();
    stage.check(
        &[],
        "
--- out
wrote app/Dockerfile, line 2
1 unchanged; landed as [COMMIT 8] on main
--- exit 0
",
    );
    is_written(&stage);
    same(
        &tip(&stage),
        "
chore(images): write pins into 1 file

- app/Dockerfile: python:3.12

Pinstream-Plan: sha256:[PLAN]


app/Dockerfile
",
    );
    assert_eq!(stage.events().len(), told);
    let report = stage.report(0, &[]);
    assert_eq!((&report["end"], &report["files"]), (&"unchanged".into(), &serde_json::json!([])));
    stage.commit("deploy/web.yaml", WEB);
    let files = serde_json::json!([{ "path": "deploy/web.yaml", "lines": [1] }]);
    assert_eq!(stage.report(0, &[])["files"], files);
    is_written(&stage);
}

#[test]
fn an_executable_file_stays_executable() {
    let stage = stage();
    stage.settings("[[target]]\nmarker = { path = \"run.sh\" }\n");
    let parent = stage.commit("run.sh", "#!/bin/sh\nrun python:3 # pinstream: python:3.12\n");
    let file = stage.repo.git(&["rev-parse", &format!("{parent}:run.sh")]);
    let list =
        stage.repo.git(&["ls-tree", &parent]).replace(&format!("100644 blob {file}"), &format!("100755 blob {file}"));
    let tree = stage.repo.git_with(&["mktree"], list.as_bytes());
    let commit = stage.repo.git(&["commit-tree", &tree, "-p", &parent, "-m", "Run it"]);
    stage.repo.git(&["update-ref", "refs/heads/main", &commit]);
    stage.ends(0, &[]);
    assert!(stage.repo.git(&["ls-tree", "main", "run.sh"]).starts_with("100755 blob"));
    assert!(stage.repo.read("main", "run.sh").unwrap().contains("/python:3.12@sha256:"));
}

#[test]
fn a_target_that_cannot_be_written_lands_nothing() {
    let stage = stage();
    stage.commit("deploy/web.yaml", "imag: python:3\n");
    let before = stage.repo.tip("refs/heads/main");
    stage.check(
        &[],
        "
--- err
error: `deploy/web.yaml` has no `image`
 --> deploy/web.yaml:1:1
  |
1 | imag: python:3
  | ^
  |
  = help: did you mean `imag`?
--- exit 1
",
    );
    assert_eq!(stage.repo.tip("refs/heads/main"), before);
    assert_eq!(stage.lock(), "");
}

#[test]
fn links_and_submodules_are_refused_by_name_and_skipped_in_patterns() {
    let stage = stage();
    let parent = stage.commit("deploy/web.yaml", WEB);
    let link = stage.repo.git_with(&["hash-object", "-w", "--stdin"], b"/etc/passwd");
    for (mode, kind, id) in [("120000", "blob", &link), ("160000", "commit", &parent)] {
        let replace = |folder: &str, name: &str| {
            let list = stage.repo.git(&["ls-tree", &format!("{parent}:{folder}")]);
            let others =
                list.lines().filter(|line| !line.ends_with(&format!("\t{name}"))).collect::<Vec<_>>().join("\n");
            let list = format!("{others}\n{mode} {kind} {id}\t{name}\n");
            stage.repo.git_with(&["mktree", "--missing"], list.trim_start().as_bytes())
        };
        let land = |folder: &str, tree: &str| {
            let list = stage.repo.git(&["ls-tree", &parent]);
            let others =
                list.lines().filter(|line| !line.ends_with(&format!("\t{folder}"))).collect::<Vec<_>>().join("\n");
            let list = format!("{others}\n040000 tree {tree}\t{folder}\n");
            let top = stage.repo.git_with(&["mktree", "--missing"], list.as_bytes());
            let commit = stage.repo.git(&["commit-tree", &top, "-p", &parent, "-m", "Lead elsewhere"]);
            stage.repo.git(&["update-ref", "refs/heads/main", &commit]);
            commit
        };
        let commit = land("deploy", &replace("deploy", "web.yaml"));
        let said = stage.ends(4, &[]);
        assert!(said.contains("cannot use `deploy/web.yaml` in the repository: it is a s"), "{said}");
        assert_eq!(stage.repo.tip("refs/heads/main"), Some(commit));
        land("app", &replace("app", "Dockerfile"));
        let said = stage.ends(1, &[]);
        assert!(said.contains("no file matches the target's glob `**/Dockerfile`"), "{said}");
    }
}
