//! `rollback`: an earlier digest is put back, and no pass brings the bad one again.

use super::{Stage, image};

const COMMENTED: &str = r#"
[tags]
"3.12" = "REGISTRY/python:3.12" # the usual one
latest = { follow = "3.12" }
prod = { follow = "latest" }
mine = { follow = "3.12", hold = "mine" }
"#;

/// A root whose `python:3.12` stood at three digests, each committed.
fn stage() -> Stage {
    let mut stage = Stage::new();
    stage.stream(COMMENTED);
    stage.update();
    stage.sandbox.git(&["init", "-q"]);
    stage.commit("Pin");
    for (seed, version) in [(13, "3.12.5"), (14, "3.12.6")] {
        stage.registry.push("python", "3.12", &image(seed, version));
        stage.update();
        stage.commit("Move");
    }
    for (name, revision) in [("FIRST", "HEAD~2"), ("SECOND", "HEAD~1"), ("THIRD", "HEAD")] {
        let lock = stage.sandbox.git(&["show", &format!("{revision}:pinstream.lock")]);
        let digest =
            lock.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_matches('"').to_owned();
        stage.sandbox.scrub(digest.clone(), &format!("sha256:{name}"));
        stage.sandbox.scrub(digest["sha256:".len()..][..12].to_owned(), name);
    }
    stage
}

/// The version that each tag of the stream stands at, as `list` has it.
fn versions(stage: &Stage) -> Vec<String> {
    let list = stage.sandbox.run(&["list", "--no-headers"]).stdout;
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let version = words.iter().find(|word| word.starts_with("3.12.")).copied().unwrap_or("?");
        format!("{} {version}", words[0].trim_start_matches("python:"))
    };
    list.lines().map(row).collect()
}

/// The stream's text, comparable.
fn stream(stage: &Stage) -> String {
    stage.sandbox.scrubbed(&stage.sandbox.read("streams/python.toml"))
}

#[test]
fn the_earlier_digest_is_put_back_and_a_pass_moves_on_to_a_newer_one_only() {
    let stage = stage();
    stage.check(
        &["rollback", "python:3.12", "--reason", "it crashes at start"],
        r#"
--- out
python:3.12: THIRD (3.12.6) -> SECOND (3.12.5)
python:latest: THIRD (3.12.6) -> SECOND (3.12.5)
python:prod: THIRD (3.12.6) -> SECOND (3.12.5)
python:3.12 rejects THIRD from now on; a newer digest moves on
wrote streams/python.toml
wrote pinstream.lock
next: git add streams/python.toml pinstream.lock && git commit -m "Roll back python:3.12"
--- exit 0
"#,
    );
    let rejecting = "\"3.12\" = { image = \"REGISTRY/python:3.12\", reject = [\n  \
        \"sha256:THIRD\", # it crashes at start\n] } # the usual one";
    assert!(stream(&stage).contains(rejecting), "{}", stream(&stage));
    let after = ["3.12 3.12.5", "latest 3.12.5", "mine ?", "prod 3.12.5"];
    assert_eq!(versions(&stage), after);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    stage.sandbox.git(&["add", "streams/python.toml", "pinstream.lock"]);
    stage.sandbox.git(&["commit", "-q", "-m", "Roll back"]);
    // The registry serves the bad one still: no pass brings it, whatever was remembered.
    let lock = stage.sandbox.read("pinstream.lock");
    for args in [&["update"][..], &["update", "python:prod"], &["update", "--offline"]] {
        assert_eq!(stage.sandbox.run(args).code, Some(0), "{args:?}");
        assert_eq!(stage.sandbox.read("pinstream.lock"), lock, "{args:?}");
    }
    assert_eq!(stage.sandbox.run(&["check", "--base", "HEAD~1"]).code, Some(0));
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage), ["3.12 3.12.7", "latest 3.12.7", "mine ?", "prod 3.12.7"]);
}

#[test]
fn a_second_rollback_goes_further_back_past_what_is_rejected() {
    let stage = stage();
    for _ in 0..2 {
        assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    }
    assert_eq!(versions(&stage)[0], "3.12 3.12.4");
    assert!(
        stream(&stage).contains("[\n  \"sha256:THIRD\", # bad\n  \"sha256:SECOND\", # bad\n]"),
        "{}",
        stream(&stage)
    );
    stage.check(
        &["rollback", "python:3.12", "--reason", "bad"],
        r#"
--- err
error: no earlier digest of `python:3.12` is known, but for those it rejects
help: `pinstream history python:3.12` shows where it stood
--- exit 1
"#,
    );
}

#[test]
fn a_digest_is_named_by_number_or_by_its_beginning() {
    let stage = stage();
    let lock = stage.sandbox.read("pinstream.lock");
    let first = stage.sandbox.git(&["show", "HEAD~2:pinstream.lock"]);
    let first = first.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_matches('"').to_owned();
    for to in ["2", &first, &first["sha256:".len()..][..10], &first[..20]] {
        stage.sandbox.git(&["checkout", "-q", "."]);
        let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", to, "--reason", "bad"]);
        assert_eq!(ran.code, Some(0), "{to}: {}", ran.stderr);
        assert_eq!(versions(&stage)[0], "3.12 3.12.4");
    }
    stage.sandbox.git(&["checkout", "-q", "."]);
    let now = stage.digest("python:3.12");
    for (to, said) in [
        ("sha256:", "neither a number nor the beginning of a digest"),
        ("0", "earlier digests are counted from 1"),
        ("xyz", "neither a number nor the beginning of a digest"),
        ("3", "`python:3.12` has 2 earlier digests, and no 3th"),
        (
            "sha256:000000",
            "`python:3.12` never stood at `sha256:000000`\nhelp: it stood at `sha256:SECOND`, `sha256:FIRST`",
        ),
        (&now, "`python:3.12` stands at `sha256:THIRD` already"),
    ] {
        let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", to, "--reason", "bad"]);
        let shown = stage.sandbox.scrubbed(&ran.stderr);
        assert_eq!((ran.code, shown.contains(said)), (Some(64), true), "{to}: {shown}");
    }
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
}

#[test]
fn a_beginning_of_several_digests_names_them() {
    let stage = Stage::new();
    stage.stream(COMMENTED);
    // As many digests as there are first digits, and one more: two begin alike.
    for seed in 0..17 {
        stage.registry.push("python", "3.12", &image(100 + seed, &format!("3.12.{seed}")));
        stage.update();
        if seed == 0 {
            stage.sandbox.git(&["init", "-q"]);
        }
        stage.commit("Move");
    }
    let history = stage.sandbox.run(&["history", "python:3.12", "--format", "json"]).stdout;
    let digests: Vec<&str> = history.split('"').filter(|word| word.starts_with("sha256:")).collect();
    let twins = |beginning: &&str| digests.iter().filter(|digest| digest.starts_with(*beginning)).count() > 1;
    let beginning = digests.iter().map(|digest| &digest[..8]).find(twins).unwrap();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--to", beginning, "--reason", "bad"]);
    let said = format!(
        "error: `{beginning}` is the beginning of several digests of `python:3.12`\nhelp: write more of one of `{beginning}"
    );
    assert_eq!((ran.code, ran.stderr.starts_with(&said)), (Some(64), true), "{}", ran.stderr);
}

#[test]
fn a_hold_stands_in_place_of_the_rejection() {
    let stage = stage();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--hold", "--reason", "CVE \"1\""]);
    assert!(
        ran.stdout.contains("python:3.12 is held until `hold` is taken out of streams/python.toml\n"),
        "{}",
        ran.stdout
    );
    let held = "\"3.12\" = { image = \"REGISTRY/python:3.12\", hold = \"CVE \\\"1\\\"\" } # the usual one";
    assert!(stream(&stage).contains(held), "{}", stream(&stage));
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage)[0], "3.12 3.12.5");
}

#[test]
fn a_follower_is_put_back_by_itself_with_what_follows_it() {
    let stage = stage();
    stage.check(
        &["rollback", "python:latest", "--reason", "too new"],
        r#"
--- out
python:latest: THIRD (3.12.6) -> SECOND
python:prod: THIRD (3.12.6) -> SECOND
python:latest rejects THIRD from now on; a newer digest moves on
python:3.12, which it follows, stays; `pinstream rollback python:3.12` takes back all that follow
wrote streams/python.toml
wrote pinstream.lock
next: git add streams/python.toml pinstream.lock && git commit -m "Roll back python:latest"
--- exit 0
"#,
    );
    let lock = stage.sandbox.read("pinstream.lock");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
    stage.update();
    assert_eq!(stage.sandbox.read("pinstream.lock"), lock);
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_eq!(versions(&stage), ["3.12 3.12.7", "latest 3.12.7", "mine ?", "prod 3.12.7"]);
}

#[test]
fn what_was_never_committed_is_rejected_and_leaves_no_trace_in_the_lock() {
    let stage = stage();
    let committed = stage.sandbox.read("pinstream.lock");
    stage.registry.push("python", "3.12", &image(15, "3.12.7"));
    stage.update();
    assert_ne!(stage.sandbox.read("pinstream.lock"), committed);
    assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    assert_eq!(stage.sandbox.read("pinstream.lock"), committed);
    stage.update();
    assert_eq!(stage.sandbox.read("pinstream.lock"), committed);
}

#[test]
fn without_a_history_the_registry_describes_what_the_lock_remembers() {
    let stage = stage();
    std::fs::remove_dir_all(stage.sandbox.work().join(".git")).unwrap();
    assert_eq!(stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]).code, Some(0));
    assert_eq!(versions(&stage)[0], "3.12 3.12.5");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn a_discovered_tag_is_written_down() {
    let stage = Stage::new();
    stage.stream("[discover]\nrepository = \"REGISTRY/python\"\nsemver = \">=3\"\n");
    stage.update();
    let bad = stage.digest("python:3.12");
    stage.move_upstream();
    stage.update();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "bad"]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(stage.digest("python:3.12"), bad);
    assert!(
        stream(&stage).contains("[tags]\n\"3.12\" = { image = \"REGISTRY/python:3.12\", reject = [\n"),
        "{}",
        stream(&stage)
    );
    stage.update();
    assert_eq!(stage.digest("python:3.12"), bad);
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn what_cannot_be_rolled_back_says_why() {
    let stage = stage();
    let now = stage.digest("python:3.12");
    for (args, code, said) in [
        (&["rollback", "python:nope", "--reason", "x"][..], 64, "no tag named `python:nope`"),
        (&["rollback", "python", "--reason", "x"], 64, "invalid tag `python`"),
        (&["rollback", "python:3.12", "--reason", " "], 64, "a rollback needs a reason"),
        (&["rollback", "python:3.12"], 64, "--reason <TEXT>"),
    ] {
        let ran = stage.sandbox.run(args);
        assert_eq!((ran.code, ran.stderr.contains(said)), (Some(code), true), "{args:?}: {}", ran.stderr);
    }
    // A definition that asks for another image now does not get one of the former.
    stage.stream(&COMMENTED.replace("REGISTRY/python:3.12", "REGISTRY/python:3.11"));
    stage.update();
    let ran = stage.sandbox.run(&["rollback", "python:3.12", "--reason", "x"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stdout);
    assert!(ran.stderr.contains("that digest is not what the definition asks for now"), "{}", ran.stderr);
    stage.stream(&format!("[tags]\nfixed = \"REGISTRY/python@{now}\"\nnew = \"REGISTRY/python:new\"\n"));
    stage.sandbox.run(&["update"]);
    for (tag, said) in [("fixed", "is fixed to its digest by its definition"), ("new", "is not pinned")] {
        let ran = stage.sandbox.run(&["rollback", &format!("python:{tag}"), "--reason", "x"]);
        assert_eq!((ran.code, ran.stderr.contains(said)), (Some(1), true), "{}", ran.stderr);
    }
}

#[test]
fn a_tag_without_a_pin_is_told_how_to_get_one() {
    let stage = Stage::new();
    stage.stream("[tags]\nnew = \"REGISTRY/python:3.12\"\n");
    stage.check(
        &["rollback", "python:new", "--reason", "x"],
        r#"
--- err
error: `python:new` is not pinned, so there is nothing to go back from
help: `pinstream update python:new` pins it
--- exit 1
"#,
    );
}
