//! Whole passes against other Git servers: gitolite with rules per user and ref, and dulwich, an implementation of its own.

use super::stage::{Stage, TELL};
use crate::support::lane::{needs, slow};
use crate::support::remote::dulwich::Dulwich;
use crate::support::remote::gitolite::Gitolite;
use crate::support::remote::ssh::Sshd;

/// A stage whose remote is a repository of gitolite.
fn stage_behind(rules: &str, key: &str) -> (Stage, Gitolite) {
    let mut stage = Stage::new(TELL);
    let home = stage.sandbox.home();
    let server = Gitolite::start(stage.repo.base(), &home, rules);
    stage.sandbox.env("GIT_SSH_COMMAND", Sshd::command(&home));
    stage.sandbox.env("PINSTREAM_GIT_SSH_KEY", server.sshd.file(key).to_str().unwrap());
    stage.remote = server.url("repo");
    stage.stream("python", &[("3.12", 1)]);
    (stage, server)
}

/// Runs the story: first pins, an unchanged pass, a change.
fn tell(stage: &Stage) {
    stage.ends(0, &[]);
    let before = stage.repo.git(&["for-each-ref"]);
    stage.ends(0, &[]);
    assert_eq!(stage.repo.git(&["for-each-ref"]), before);
    let updated = stage.push("python:3.12", 2);
    stage.ends(0, &[]);
    assert_eq!(stage.pin("python:3.12").as_deref(), Some(updated.as_str()));
    assert_eq!(stage.events_in_short(), "python:3.12 - > 1.0.1\npython:3.12 1.0.1 > 1.0.2\n");
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn the_story_works_with_gitolite() {
    slow!();
    needs!("gitolite", "sshd", "ssh-keygen");
    let (stage, _server) = stage_behind("repo repo\n  RW main$ = bot\n  RW refs/pinstream/ = bot\n", "user");
    tell(&stage);
    assert!(stage.repo.tip("refs/pinstream/state").is_some());
}

#[test]
fn l02_a_rule_of_gitolite_against_the_state_ref_keeps_the_state_on_this_machine() {
    slow!();
    needs!("gitolite", "sshd", "ssh-keygen");
    let (stage, server) = stage_behind("repo repo\n  RW main$ = bot\n", "user");
    tell(&stage);
    assert_eq!(stage.repo.tip("refs/pinstream/state"), None);
    let before = server.pushes();
    let output = stage.ends(0, &[]);
    assert_eq!(server.pushes(), before, "{output}");
}

#[test]
fn l17_a_rule_of_gitolite_against_the_branch_is_reported_with_its_message_after_one_push() {
    slow!();
    needs!("gitolite", "sshd", "ssh-keygen");
    let rules = "repo repo\n  - main$ = bot\n  RW refs/pinstream/ = bot\n  R = bot\n";
    let (stage, server) = stage_behind(rules, "user");
    // The hook's first state is pushed before anything lands.
    let output = stage.ends(1, &[]);
    let expected = "refused the push to `refs/heads/main`: hook declined: FATAL: W refs/heads/main repo bot DENIED by \
                    refs/heads/main$; error: hook declined";
    assert!(output.contains(expected), "{output}");
    assert_eq!(server.pushes(), 2, "{output}");
    assert_eq!(stage.pin("python:3.12"), None);
}

#[test]
fn l17_a_user_of_gitolite_who_may_only_read_is_told_so() {
    slow!();
    needs!("gitolite", "sshd", "ssh-keygen");
    let (stage, _server) = stage_behind("repo repo\n  RW = bot\n  R = reader\n", "stranger");
    let output = stage.ends(1, &[]);
    assert!(output.contains("W any repo reader DENIED by fallthru"), "{output}");
    assert_eq!(stage.pin("python:3.12"), None);
}

#[test]
fn the_story_works_with_a_wild_repository_of_gitolite() {
    slow!();
    needs!("gitolite", "sshd", "ssh-keygen");
    let rules = "repo team/[a-z]+\n  C = bot\n  RW+C = CREATOR\n";
    let (mut stage, server) = stage_behind(rules, "user");
    // The first access creates the repository; gitolite finds the files of the other one in it.
    stage.remote = server.url("team/deploy");
    let output = stage.ends(1, &[]);
    assert!(output.contains("has no branch"), "{output}");
    let created = stage.repo.base().join("team/deploy.git");
    let (created_path, source) = (created.to_str().unwrap(), stage.repo.path());
    stage.repo.git(&["--git-dir", created_path, "fetch", "--quiet", source.to_str().unwrap(), "main:main"]);
    stage.repo.git(&["--git-dir", created_path, "symbolic-ref", "HEAD", "refs/heads/main"]);
    stage.ends(0, &[]);
    let lock = std::process::Command::new("git").arg("-C").arg(&created).args(["show", "main:pinstream.lock"]).output();
    assert!(String::from_utf8(lock.unwrap().stdout).unwrap().contains("python"));
}

#[test]
fn the_story_works_with_dulwich_over_http() {
    slow!();
    needs!("dulwich");
    let mut stage = Stage::new(TELL);
    let server = Dulwich::start(&stage.repo.path());
    stage.remote = server.url();
    stage.stream("python", &[("3.12", 1)]);
    tell(&stage);
}
