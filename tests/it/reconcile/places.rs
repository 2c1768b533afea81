//! Remote, branch and root of a pass: from arguments, or from the current checkout.

use super::stage::{Stage, TELL, pin};
use crate::support::sandbox::RunResult;

/// Two roots in one repository, each with a stream of the same name.
fn roots() -> Stage {
    let stage = Stage::new("");
    let settings = format!("[registry.\"REGISTRY\"]\nplain-http = true\n{TELL}");
    for (root, seed) in [("a", 1), ("deep/b", 2)] {
        stage.commit(&format!("{root}/pinstream.toml"), &settings);
        let repository = root.replace('/', "-");
        stage.push(&format!("{repository}:1"), seed);
        stage.commit(&format!("{root}/streams/web.toml"), &format!("[tags]\n\"1\" = \"REGISTRY/{repository}:1\"\n"));
    }
    stage
}

/// Files that the tip of a branch changed.
fn changed(stage: &Stage, branch: &str) -> String {
    stage.repo.git(&["diff", "--name-only", &format!("{branch}^"), branch])
}

#[test]
fn each_root_has_its_own_lock_and_hooks() {
    let stage = roots();
    stage.ends(0, &["--root", "a"]);
    assert_eq!(changed(&stage, "main"), "a/pinstream.lock");
    stage.ends(0, &["--root", "deep/b/"]);
    assert_eq!(changed(&stage, "main"), "deep/b/pinstream.lock");
    let tip = stage.repo.git(&["for-each-ref"]);
    for root in ["a", "deep/b"] {
        stage.ends(0, &["--root", root]);
    }
    assert_eq!(stage.repo.git(&["for-each-ref"]), tip);
    let roots: Vec<_> = stage.events().iter().map(|event| event["root"].as_str().unwrap().to_owned()).collect();
    assert_eq!(roots, ["a", "deep/b"]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 - > 1.0.2\n");
}

#[test]
fn each_branch_has_its_own_state() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.repo.git(&["branch", "stage", "main"]);
    stage.ends(0, &["--branch", "stage"]);
    assert_eq!((stage.lock().as_str(), changed(&stage, "stage").as_str()), ("", "pinstream.lock"));
    stage.push("web:1", 2);
    stage.ends(0, &[]);
    let told = stage.events();
    let branches: Vec<_> = told.iter().map(|event| event["branch"].as_str().unwrap()).collect();
    assert_eq!(branches, ["stage", "main"]);
    assert_eq!(stage.events_in_short(), "web:1 - > 1.0.1\nweb:1 - > 1.0.2\n");
    let said = stage.ends(1, &["--branch", "gone"]);
    assert!(said.contains("gone"), "{said}");
}

#[test]
fn the_branch_is_from_the_settings_without_an_argument() {
    let stage = Stage::new("[git]\nbranch = \"live\"\nauthor = \"Pins <pins@example.com>\"\n");
    stage.stream("web", &[("1", 1)]);
    stage.repo.git(&["branch", "live", "main"]);
    stage.ends(0, &[]);
    assert_eq!((stage.lock().as_str(), changed(&stage, "live").as_str()), ("", "pinstream.lock"));
    assert_eq!(stage.repo.git(&["log", "-1", "--format=%an <%ae>", "live"]), "Pins <pins@example.com>");
}

#[test]
fn remote_and_root_default_to_the_current_checkout() {
    let stage = roots();
    stage.repo.git(&["branch", "stage", "main"]);
    stage.sandbox.git(&["clone", "--quiet", "--branch", "stage", &stage.remote, "clone"]);
    let here = |folder: &str, args: &[&str]| -> RunResult {
        let mut command = stage.sandbox.pinstream(&[&["reconcile"], args].concat());
        command.current_dir(stage.sandbox.work().join(folder));
        stage.sandbox.finish(command)
    };
    let main = stage.repo.tip("refs/heads/main");
    let ran = here("clone/deep/b/streams", &["--branch", "stage"]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    assert_eq!(changed(&stage, "stage"), "deep/b/pinstream.lock");
    let lock = stage.repo.read("stage", "deep/b/pinstream.lock").unwrap();
    assert!(pin(&lock, "web:1").is_some());
    // The work tree and the branch of the checkout are unchanged.
    assert_eq!(stage.sandbox.git(&["-C", "clone", "status", "--porcelain", "--branch"]), "## stage...origin/stage\n");
    assert_eq!(here("clone", &["-C", "a", "--branch", "stage"]).code, Some(0));
    assert_eq!(changed(&stage, "stage"), "a/pinstream.lock");
    assert_eq!(stage.repo.tip("refs/heads/main"), main);
    // Outside of a checkout, `--remote` is required.
    stage.sandbox.check(
        &["reconcile"],
        "--- err\n\
         error: no remote: the current directory is not in a checkout with a remote\n\
         help: name one with `--remote URL`\n\
         --- exit 64",
    );
}
