//! `history`: digests of a tag with commit, author and proposal.

use super::{Stage, image};
use crate::support::sandbox::same;

/// A root whose `python:3.12` was updated twice: by a proposal, and once more without a commit.
fn stage() -> Stage {
    let mut stage = Stage::pinned();
    stage.move_upstream();
    stage.update();
    stage.sandbox.git(&["add", "-A"]);
    stage.sandbox.git(&["commit", "-q", "-m", "Update python (#12)", "--author", "B. Person <b@example.com>"]);
    stage.sandbox.write("README", "unrelated");
    stage.commit("Add a README");
    stage.registry.push("python", "3.12", &image(14, "3.12.6"));
    stage.update();
    for (name, revision) in [("COMMIT-1", "HEAD~2"), ("COMMIT-2", "HEAD~1")] {
        let whole = stage.sandbox.git(&["rev-parse", revision]);
        stage.sandbox.scrub(whole.trim(), &format!("WHOLE-{name}"));
        let id = stage.sandbox.git(&["rev-parse", "--short=9", revision]);
        stage.sandbox.scrub(id.trim(), name);
    }
    stage
}

#[test]
fn each_digest_has_its_commit_author_and_proposal() {
    let mut stage = stage();
    stage.check(
        &["history", "python:3.12", "python:latest"],
        r#"
--- out
python:3.12
  DIGEST         VERSION   WHEN                COMMIT      AUTHOR      PROPOSAL
  0099781af602   3.12.6    uncommitted
  4b8343596c64   3.12.5    About an hour ago   COMMIT-2   B. Person   #12
  346028a7044f   3.12.4    About an hour ago   COMMIT-1   A. Person

python:latest
  DIGEST         VERSION   WHEN                COMMIT      AUTHOR      PROPOSAL
  0099781af602   3.12.6    uncommitted
  4b8343596c64   3.12.5    About an hour ago   COMMIT-2   B. Person   #12
  346028a7044f   3.12.4    About an hour ago   COMMIT-1   A. Person
--- exit 0
"#,
    );
    let utc = stage.sandbox.run(&["history", "python", "--utc", "--limit", "2"]).stdout;
    stage.sandbox.env("PINSTREAM_NOW", "2027-11-24T12:00:00Z");
    assert_eq!(stage.sandbox.run(&["history", "python", "--utc", "--limit", "2"]).stdout, utc);
    assert!(utc.contains("2026-11-24T11:00:00Z") && !utc.contains("346028a7044f"), "{utc}");
    assert_eq!(stage.sandbox.run(&["history", "nope"]).code, Some(64));
}

#[test]
fn json_output_matches_its_schema() {
    let stage = stage();
    let ran = stage.sandbox.run(&["history", "python:3.12", "--format", "json", "--limit", "2"]);
    same(
        &stage.sandbox.scrubbed(&ran.stdout),
        r##"
{
  "schema": "pinstream.history/v1",
  "complete": false,
  "tags": [
    {
      "stream": "python",
      "tag": "3.12",
      "changes": [
        {
          "digest": "sha256:0099781af6028091fe5210aac25a6737aa5364485d03d78403ca978a4dc015aa",
          "image": "REGISTRY/python:3.12",
          "version": "3.12.6"
        },
        {
          "digest": "sha256:4b8343596c64a30aae9999442993390fc0e39116ab8614d0a0165921ad39c65a",
          "image": "REGISTRY/python:3.12",
          "version": "3.12.5",
          "commit": "WHOLE-COMMIT-2",
          "author": "B. Person",
          "time": "2026-11-24T11:00:00Z",
          "proposal": "#12"
        }
      ]
    }
  ]
}
"##,
    );
    let schema: serde_json::Value = serde_json::from_str(&stage.sandbox.run(&["schema", "history"]).stdout).unwrap();
    crate::support::schema::holds(&schema, &serde_json::from_str(&ran.stdout).unwrap());
    let whole = stage.sandbox.run(&["history", "python:3.12", "--format", "json"]).stdout;
    assert!(whole.contains("\"complete\": true"), "{whole}");
}

#[test]
fn an_incomplete_history_is_noted_and_shows_previous_digests() {
    let stage = stage();
    let from = format!("file://{}", stage.sandbox.work().display());
    stage.sandbox.git(&["clone", "-q", "--depth", "1", &from, "shallow"]);
    let ran = stage.sandbox.run(&["-C", "shallow", "history", "python:3.12", "--utc"]);
    let said = stage.sandbox.shown(&ran);
    assert!(
        said.contains("note: the history is incomplete, because this clone is shallow; run `git fetch --unshallow`"),
        "{said}"
    );
    assert!(said.contains("  346028a7044f             unknown"), "{said}");
    // Without a repository, only `previous` is known.
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    stage.check(
        &["history", "python:3.12"],
        r#"
--- out
python:3.12
  DIGEST         VERSION   WHEN          COMMIT   AUTHOR   PROPOSAL
  0099781af602   3.12.6    uncommitted
  4b8343596c64             unknown
  346028a7044f             unknown
--- exit 0
"#,
    );
}

#[test]
fn a_version_with_conflict_markers_is_skipped() {
    let stage = stage();
    let good = stage.sandbox.read("pinstream.lock");
    stage.sandbox.write("pinstream.lock", &format!("<<<<<<< HEAD\n{good}"));
    stage.commit("Merge badly");
    stage.sandbox.write("pinstream.lock", &good);
    stage.commit("Fix it");
    let text = stage.sandbox.scrubbed(&stage.sandbox.run(&["history", "python:3.12"]).stdout);
    let fixed = stage.sandbox.git(&["rev-parse", "--short=9", "HEAD"]);
    assert!(text.lines().nth(2).unwrap().contains(fixed.trim()), "{text}");
    assert_eq!(text.lines().count(), 5, "{text}");
}
