//! The whole story, word for word: first pins, an unchanged pass, a change, and the hook that receives exactly that.

use super::stage::{Stage, TELL};

const PYTHON: &str = "[tags]\n\"3.11\" = \"REGISTRY/python:3.11\"\n\"3.12\" = \"REGISTRY/python:3.12\"\nlatest = { follow = \"3.12\" }\n";

const FIRST: &str = "
--- out
added  python:3.11    936a3bf027ab                 1.0.11
added  python:3.12    5af98a12e567                 1.0.12
added  python:latest  5af98a12e567                 1.0.12
hook tell succeeded for 3 changes
3 added; landed as [COMMIT 3] on main
--- exit 0";

const FIRST_LOCK: &str = r#"
# Pinned by pinstream. Review it; don't edit it. Conflict? Run: pinstream update
version = 1

[[pin]]
stream = "python"
tag = "3.11"
image = "[REGISTRY]/python:3.11"
digest = "sha256:936a3bf027aba037cf827431e7bd30c8512c229c873014b05ed573869d481d53"
version = "1.0.11"
platforms = ["linux/amd64"]

[[pin]]
stream = "python"
tag = "3.12"
image = "[REGISTRY]/python:3.12"
digest = "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"
version = "1.0.12"
platforms = ["linux/amd64"]

[[pin]]
stream = "python"
tag = "latest"
follow = "python:3.12"
image = "[REGISTRY]/python:3.12"
digest = "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"
"#;

const QUIET: &str = "
--- out
3 unchanged; nothing to write
--- exit 0";

const MOVED: &str = "
--- out
updated  python:3.12    5af98a12e567 → fb132077ece8  1.0.12 → 1.0.13
updated  python:latest  5af98a12e567 → fb132077ece8  1.0.12 → 1.0.13
hook tell succeeded for 2 changes
2 updated, 1 unchanged; landed as [COMMIT 4] on main
--- exit 0";

const MOVED_DIFF: &str = r#"
--- a/pinstream.lock
+++ b/pinstream.lock
-digest = "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"
-version = "1.0.12"
+digest = "sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53"
+version = "1.0.13"
+previous = ["sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"]
-digest = "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"
+digest = "sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53"
+previous = ["sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea"]
"#;

const EVENT: &str = r#"
{
  "schema": "pinstream.event/v1",
  "id": "[ID]",
  "hook": "tell",
  "remote": "[REMOTE]",
  "branch": "main",
  "root": "",
  "commit": "[COMMIT 4]",
  "changes": [
    {
      "id": "[MOVE 1]",
      "stream": "python",
      "tag": "3.12",
      "image": "[REGISTRY]/python:3.12",
      "change": "updated",
      "old": {
        "digest": "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea",
        "version": "1.0.12"
      },
      "new": {
        "digest": "sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53",
        "version": "1.0.13"
      },
      "reference": "[REGISTRY]/python:3.12@sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53",
      "explanation": {
        "class": "patch",
        "warnings": [],
        "built": {
          "old": null,
          "new": null
        },
        "size": {
          "old": 20,
          "new": 20
        },
        "layers": {
          "kept": 0,
          "added": 1,
          "removed": 1
        },
        "platforms_gained": [],
        "platforms_lost": [],
        "differences": []
      }
    },
    {
      "id": "[MOVE 2]",
      "stream": "python",
      "tag": "latest",
      "follow": "python:3.12",
      "image": "[REGISTRY]/python:3.12",
      "change": "updated",
      "old": {
        "digest": "sha256:5af98a12e567106051d2be32de2a9c71d8e6c890e91f7724bc924536a93324ea",
        "version": "1.0.12"
      },
      "new": {
        "digest": "sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53",
        "version": "1.0.13"
      },
      "reference": "[REGISTRY]/python:3.12@sha256:fb132077ece88484f60e7afc9fae10211b0b1d3da2a688b7637c5c58a998ad53",
      "explanation": {
        "class": "patch",
        "warnings": [],
        "built": {
          "old": null,
          "new": null
        },
        "size": {
          "old": 20,
          "new": 20
        },
        "layers": {
          "kept": 0,
          "added": 1,
          "removed": 1
        },
        "platforms_gained": [],
        "platforms_lost": [],
        "differences": []
      }
    }
  ]
}"#;

const LOG: &str = "
pinstream <pinstream@localhost> 2026-11-24T12:00:00Z
pinstream 2026-11-24T12:00:00Z
chore(images): pin 2 tags

- python:3.12: 5af98a12e567 → fb132077ece8 (1.0.12 → 1.0.13), patch
- python:latest: 5af98a12e567 → fb132077ece8 (1.0.12 → 1.0.13), patch

Pinstream-Plan: sha256:[PLAN]

[COMMIT 3]";

#[test]
fn the_story_word_for_word() {
    let stage = Stage::new(TELL);
    stage.push("python:3.11", 11);
    stage.push("python:3.12", 12);
    stage.commit("streams/python.toml", PYTHON);

    // The first pass pins everything: one commit, and the hook receives what landed.
    stage.check(&[], FIRST);
    check(&stage.shown(&stage.lock()), FIRST_LOCK);
    assert_eq!(stage.events_in_short(), "python:3.11 - > 1.0.11\npython:3.12 - > 1.0.12\npython:latest - > 1.0.12\n");

    // Nothing changed: no commit, no state, no hook.
    let before = stage.repo.git(&["for-each-ref"]);
    stage.check(&[], QUIET);
    assert_eq!(stage.repo.git(&["for-each-ref"]), before);
    assert_eq!(stage.events().len(), 1);

    // A tag and its follower change: one commit, and the hook receives exactly that.
    stage.push("python:3.12", 13);
    stage.check(&[], MOVED);
    let diff = stage.repo.git(&["diff", "-U0", "main^", "main"]);
    let diff: Vec<&str> = diff.lines().filter(|line| line.starts_with(['+', '-'])).collect();
    check(&diff.join("\n"), MOVED_DIFF);
    let (text, events) = (stage.home("told"), stage.events());
    let mut last = text[text.rfind("\n{").unwrap()..].replace(events[1]["id"].as_str().unwrap(), "[ID]");
    for (number, one) in events[1]["changes"].as_array().unwrap().iter().enumerate() {
        last = last.replace(one["id"].as_str().unwrap(), &format!("[MOVE {}]", number + 1));
    }
    check(&stage.shown(&last), EVENT);
    assert_ne!(events[0]["id"], events[1]["id"]);
    check(&stage.shown(&stage.repo.git(&["log", "--format=%an <%ae> %aI%n%cn %cI%n%B%n%P", "-1", "main"])), LOG);
    stage.repo.git(&["fsck", "--strict", "--no-dangling"]);
}

#[track_caller]
fn check(found: &str, expected: &str) {
    assert_eq!(found.trim(), expected.trim(), "\n{found}\n");
}
