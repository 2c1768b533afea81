//! A state ref that cannot be used: the pass lands with the state of this machine, says what is wrong, and `hooks
//! reset-state` replaces it.

use serde_json::Value;

use super::stage::{Stage, TELL};
use crate::support::lane::slow;
use crate::support::remote::BareRepo;
use crate::support::remote::http::HttpBackend;

const STATE: &str = "refs/pinstream/state";

/// A fault of the state ref, how to cause it, and a part of the message about it.
type Fault = (&'static str, fn(&BareRepo), &'static str);

const FAULTS: [Fault; 8] = [
    ("a blob", |repo| point(repo, &blob(repo)), "it is a blob, not a commit"),
    ("a tree", |repo| point(repo, &repo.git(&["rev-parse", "main^{tree}"])), "it is a tree, not a commit"),
    ("a tag", |repo| point(repo, &tag(repo, "commit", &repo.git(&["rev-parse", "main"]))), "it is a tag, not a commit"),
    ("a tag of a blob", |repo| point(repo, &tag(repo, "blob", &blob(repo))), "it is a tag, not a commit"),
    (
        "no tree",
        |repo| remove(repo, &repo.git(&["rev-parse", &format!("{STATE}^{{tree}}")])),
        "the server cannot send it: ",
    ),
    ("no file", |repo| remove(repo, &any_file(repo)), "the server cannot send it: "),
    ("a ref above", |repo| block(repo, "refs/pinstream"), "the ref `refs/pinstream` blocks its name"),
    ("a ref below", |repo| block(repo, "refs/pinstream/state/x"), "the ref `refs/pinstream/state/x` blocks its name"),
];

fn blob(repo: &BareRepo) -> String {
    repo.git_with(&["hash-object", "-w", "--stdin"], b"no state")
}

fn tag(repo: &BareRepo, kind: &str, object: &str) -> String {
    let text = format!("object {object}\ntype {kind}\ntag x\ntagger A <a@example.com> 1750000000 +0000\n\nx\n");
    repo.git_with(&["mktag"], text.as_bytes())
}

fn point(repo: &BareRepo, object: &str) {
    repo.git(&["update-ref", STATE, object]);
}

/// Returns the object of a file of the state.
fn any_file(repo: &BareRepo) -> String {
    let files = repo.git(&["ls-tree", "-r", "--format=%(objectname)", STATE]);
    files.lines().next().unwrap().to_owned()
}

fn remove(repo: &BareRepo, id: &str) {
    std::fs::remove_file(repo.path().join("objects").join(&id[..2]).join(&id[2..])).unwrap();
}

fn block(repo: &BareRepo, name: &str) {
    repo.git(&["update-ref", "-d", STATE]);
    let _ = std::fs::remove_dir(repo.path().join("refs/pinstream"));
    repo.git(&["update-ref", name, "main"]);
}

/// Returns the only error of a report, with its remedy.
#[track_caller]
fn only_error(report: &Value) -> &str {
    let [error] = report["errors"].as_array().unwrap().as_slice() else { panic!("{report}") };
    error.as_str().unwrap()
}

#[track_caller]
fn reset(stage: &Stage) -> String {
    let ran = stage.sandbox.run(&["hooks", "reset-state", "--yes", "--remote", &stage.remote]);
    assert_eq!(ran.code, Some(0), "{}", stage.sandbox.shown(&ran));
    ran.stdout
}

/// Lands two changes while the state ref is damaged, resets it, and lands a third one.
fn check((kind, damage, expected): Fault, is_server: bool) {
    let mut stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    let server = is_server.then(|| HttpBackend::start(stage.repo.base()));
    if let Some(server) = &server {
        stage.remote = server.url();
    }
    stage.ends(0, &[]);
    damage(&stage.repo);
    // Another machine has no copy of what is missing.
    std::fs::remove_dir_all(stage.sandbox.home().join(".cache")).unwrap();
    for seed in [2, 3] {
        let digest = stage.push("web:1", seed);
        let report = stage.report(1, &[]);
        let error = only_error(&report);
        assert!(
            error.starts_with("the state is kept on this machine: cannot use `refs/pinstream/state` of "),
            "{error}"
        );
        assert!(error.contains(expected), "{kind}: {error}");
        assert!(error.ends_with("; run `pinstream hooks reset-state` to replace it"), "{kind}: {error}");
        assert_eq!(stage.pin("web:1").as_deref(), Some(digest.as_str()), "{kind}: {report}");
    }
    // The hook runs with the state of this machine.
    assert!(stage.events_in_short().ends_with("web:1 1.0.2 > 1.0.3\n"), "{kind}: {}", stage.events_in_short());
    let said = reset(&stage);
    assert!(said.starts_with("reset `refs/pinstream/state` of "), "{said}");
    stage.push("web:1", 4);
    stage.ends(0, &[]);
    assert_eq!(stage.repo.git(&["cat-file", "-t", STATE]), "commit", "{kind}");
    assert!(stage.events_in_short().ends_with("web:1 1.0.2 > 1.0.3\nweb:1 1.0.3 > 1.0.4\n"), "{kind}");
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn s09_a_state_ref_that_is_a_blob_does_not_stop_a_pass() {
    check(FAULTS[0], true);
}

#[test]
fn s09_a_damaged_state_ref_is_named_and_replaced_and_the_pass_lands() {
    slow!();
    // Most of the time is spent on pauses before a fetch is repeated.
    std::thread::scope(|scope| {
        for (fault, is_server) in FAULTS.into_iter().flat_map(|fault| [(fault, false), (fault, true)]) {
            let (kind, damage, expected) = fault;
            // A directory lends its objects, so that missing ones are noticed as such.
            let expected = if is_server || !expected.starts_with("the server") { expected } else { "" };
            scope.spawn(move || check((kind, damage, expected), is_server));
        }
    });
}

#[test]
fn s09_a_state_ref_without_its_commit_is_replaced() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    stage.ends(0, &[]);
    std::fs::write(stage.repo.path().join(STATE), "1234567890".repeat(4) + "\n").unwrap();
    stage.push("web:1", 2);
    // git accepts no push to such a repository.
    let said = stage.ends(1, &[]);
    assert!(said.contains("bad object refs/pinstream/state"), "{said}");
    assert!(said.contains("help: run `pinstream hooks reset-state` to replace the damaged state ref\n"), "{said}");
    reset(&stage);
    stage.ends(0, &[]);
    assert_eq!(stage.repo.git(&["cat-file", "-t", STATE]), "commit");
}

#[test]
fn s09_a_reset_asks_first_and_leaves_an_absent_state_alone() {
    let stage = Stage::new(TELL);
    stage.stream("web", &[("1", 1)]);
    let run = |args: &[&str]| {
        let all = [&["hooks", "reset-state", "--remote", &stage.remote], args].concat();
        let ran = stage.sandbox.run(&all);
        format!("{}{}{:?}", ran.stdout, ran.stderr, ran.code.unwrap())
    };
    let absent = run(&[]);
    assert!(absent.ends_with(" has no `refs/pinstream/state`; nothing to reset\n0"), "{absent}");
    stage.ends(0, &[]);
    let before = stage.repo.tip(STATE).unwrap();
    let refused = run(&[]);
    assert_eq!(
        refused,
        "error: cannot ask for confirmation without a terminal\nhelp: pass `--yes` to reset the state of all roots and \
         branches\n64"
    );
    assert_eq!(stage.repo.tip(STATE).as_ref(), Some(&before));
    let done = run(&["--yes"]);
    assert!(done.ends_with(&format!("; replaced commit {before} (intact)\n0")), "{done}");
    assert_ne!(stage.repo.tip(STATE), Some(before));
    stage.push("web:1", 2);
    stage.ends(0, &[]);
}
