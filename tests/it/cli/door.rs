//! Usage errors of `reconcile`, and defaults from the current directory.

use crate::support::registry::FakeRegistry;
use crate::support::remote::BareRepo;
use crate::support::sandbox::Sandbox;

struct Door {
    sandbox: Sandbox,
    repo: BareRepo,
    /// Keeps the registry running.
    _registry: FakeRegistry,
}

impl Door {
    /// A remote with one tag, whose image is in the registry.
    fn new(settings: &str) -> Self {
        let (mut sandbox, repo, registry) = (Sandbox::new(), BareRepo::new(), FakeRegistry::start());
        let host = registry.host();
        registry.push("web", "1", &super::image(1, "1.0"));
        sandbox.scrub(repo.path().display().to_string(), "[REMOTE]");
        let settings = format!("[registry.\"{host}\"]\nplain-http = true\n{settings}");
        let stream = format!("[tags]\n1 = \"{host}/web:1\"\n");
        repo.commit("main", &[("pinstream.toml", &settings), ("streams/web.toml", &stream)]);
        Self { sandbox, repo, _registry: registry }
    }

    #[track_caller]
    fn says(&self, code: i32, args: &[&str], expected: &str) {
        let remote = self.repo.url();
        let ran = self.sandbox.run(&[&["reconcile", "--remote", &remote], args].concat());
        let shown = self.sandbox.shown(&ran);
        assert!(ran.code == Some(code) && shown.contains(expected), "{args:?}\n{shown}");
    }
}

#[test]
fn an_unknown_tag_is_a_usage_error() {
    let door = Door::new("");
    let tip = door.repo.tip("refs/heads/main");
    door.says(64, &["web:2"], "error: no tag named `web:2`\nhelp: did you mean `web:1`?\n");
    door.says(64, &["web:1", "x*"], "error: no tag named `x*`\nhelp: run `pinstream list` for all tags\n");
    assert_eq!(door.repo.tip("refs/heads/main"), tip);
    door.says(0, &["web:1"], "1 added; landed as ");
}

#[test]
fn roots_and_branches_are_validated_first() {
    let door = Door::new("");
    let root = "help: name the directory of `pinstream.toml` relative to the top of the repository, e.g. `deploy/prod`";
    door.says(64, &["--root", "../a"], root);
    door.says(64, &["--root", "/"], root);
    door.says(64, &["--root", "a//b"], root);
    door.says(64, &["--branch", ""], "error: invalid branch name ``\nhelp: write e.g. `main` or `release/1.2`");
    door.says(64, &["--branch", "refs/heads/main"], "help: remove `refs/heads/`: `main`");
    door.says(
        1,
        &["--root", "nope"],
        "error: no `nope/pinstream.toml` on branch `main`\nhelp: set `--root` to the directory that contains `pinstream.toml`, choose \
         another branch with `--branch`, or commit an empty `pinstream.toml`\n",
    );
    door.says(0, &["--root", ".", "--branch", "main"], "1 added; landed as ");
    for root in ["./", ""] {
        door.says(0, &["--root", root], "1 unchanged; nothing to write");
    }
}

#[test]
fn l06_the_branch_of_the_checkout_is_not_used_but_noted() {
    let door = Door::new("[git]\nbranch = \"main\"\n");
    door.repo.git(&["branch", "feature", "main"]);
    door.sandbox.git(&["clone", "-q", "--branch", "feature", &door.repo.url(), "clone"]);
    let before = door.repo.tip("refs/heads/feature");
    let note = "note: using branch `main`, not `feature` of the checkout; `--branch` chooses another one\n";
    let ran = door.sandbox.run(&["-C", "clone", "reconcile"]);
    assert!(ran.code == Some(0) && ran.stdout.contains(note), "{}", door.sandbox.shown(&ran));
    assert_eq!(door.repo.tip("refs/heads/feature"), before);
    door.says(0, &["--branch", "feature"], "note: using branch `feature`; `[git] branch` in the settings is `main`\n");
    let ran = door.sandbox.run(&["-C", "clone", "reconcile", "--branch", "main"]);
    assert!(ran.code == Some(0) && !ran.stdout.contains("note"), "{}", door.sandbox.shown(&ran));
}

#[test]
fn l06_a_detached_checkout_works_on_the_head_of_the_remote() {
    let door = Door::new("");
    door.repo.git(&["branch", "release-1", "main"]);
    door.sandbox.git(&["clone", "-q", "--branch", "release-1", &door.repo.url(), "clone"]);
    door.sandbox.git(&["-C", "clone", "checkout", "-q", "--detach"]);
    let ran = door.sandbox.run(&["-C", "clone", "reconcile"]);
    assert!(ran.code == Some(0) && ran.stdout.contains(" on main\n"), "{}", door.sandbox.shown(&ran));
}

#[test]
fn l06_a_proposal_branch_is_never_a_base() {
    let door = Door::new("");
    door.repo.git(&["branch", "pinstream/web", "main"]);
    door.says(
        1,
        &["--branch", "pinstream/web"],
        "cannot work on `pinstream/web`: branches below `pinstream/` are reserved",
    );
}

#[test]
fn with_a_remote_the_owner_of_the_checkout_does_not_matter() {
    let door = Door::new("");
    door.sandbox.git(&["init", "-q"]);
    for name in [".", ".git"] {
        std::os::unix::fs::chown(door.sandbox.work().join(name), Some(4321), None).unwrap();
    }
    let ran = door.sandbox.run(&["reconcile"]);
    assert!(ran.code == Some(1) && ran.stderr.contains("belongs to another user"), "{}", ran.stderr);
    door.says(0, &[], "1 added; landed as ");
}

#[test]
fn invalid_shards_are_usage_errors() {
    let mut door = Door::new("");
    for word in ["0/8", "9/8", "a/8", "1/0"] {
        let said = format!(
            "error: invalid shard `{word}`\nhelp: write e.g. `1/8` for the first of eight; the limit is 1000 shards"
        );
        door.says(64, &["--shard", word], &said);
    }
    let variables = ["JOB_COMPLETION_INDEX", "CI_NODE_INDEX", "CIRCLE_NODE_INDEX", "BUILDKITE_PARALLEL_JOB"];
    for variable in variables {
        door.says(64, &["--shard", "auto"], &format!("`{variable}` with "));
    }
    door.sandbox.env("JOB_COMPLETION_INDEX", "0");
    door.says(
        64,
        &["--shard", "auto"],
        "help: set `PINSTREAM_SHARDS` to the number of shards: `completions` of the Job",
    );
    door.sandbox.env("PINSTREAM_SHARDS", "1");
    door.says(0, &["--shard", "auto"], "1 added; landed as ");
}
