//! Invalid files: each is a clear error of the whole program.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;

use super::Stage;

#[test]
fn t6_a_stream_file_that_is_too_large_is_reported_with_the_limit() {
    let stage = Stage::new();
    stage.sandbox.write("streams/big.toml", &"# x\n".repeat(75 * 1024));
    stage.check(
        &["check"],
        r#"
--- err
error: `streams/big.toml` is larger than 256 KiB
--> streams/big.toml
 = help: move tags to other streams
--- exit 1
"#,
    );
}

#[test]
fn t6_invalid_utf_8_is_reported_with_its_position() {
    let stage = Stage::new();
    fs::write(stage.sandbox.work().join("streams/nul.toml"), b"[tags]\na = \"\0\"\n").unwrap();
    fs::write(stage.sandbox.work().join("streams/latin1.toml"), b"description = \"caf\xe9\"\n").unwrap();
    stage.check(
        &["check"],
        r#"
--- err
error: byte 18 of `streams/latin1.toml` is not UTF-8
 --> streams/latin1.toml:1:19
  |
1 | description = "caf�"
  |                   ^
  |
  = help: save the file as UTF-8

error: NUL character
 --> streams/nul.toml:2:6
  |
2 | a = "�"
  |      ^
  |
  = help: remove it, or check that this is a text file
--- exit 1
"#,
    );
}

#[test]
fn t6_links_directories_and_invalid_names_are_errors() {
    let stage = Stage::new();
    std::os::unix::fs::symlink("/etc/passwd", stage.sandbox.work().join("streams/link.toml")).unwrap();
    stage.check(
        &["list"],
        r#"
--- err
error: cannot read `streams/link.toml`: it is a symbolic link, which is never followed
--> streams/link.toml
 = help: replace it by a plain file or directory, or remove it
--- exit 1
"#,
    );
    fs::remove_file(stage.sandbox.work().join("streams/link.toml")).unwrap();
    stage.sandbox.write("streams/Team.toml", "");
    stage.check(
        &["list"],
        r#"
--- err
error: invalid stream name `Team`
--> streams/Team.toml
 = help: rename the file to `streams/team.toml`
--- exit 1
"#,
    );
}

#[test]
fn a_newer_lock_is_refused_and_an_unknown_key_too() {
    let stage = Stage::pinned();
    stage.edit_lock("version = 1", "version = 2");
    stage.check(
        &["check"],
        r#"
--- err
error: the lock was written by a newer pinstream: this one supports version 1 and older
 --> pinstream.lock:2:11
  |
2 | version = 2
  |           ^
  |
  = help: install a newer pinstream
--- exit 1
"#,
    );
    stage.edit_lock("version = 2", "version = 1");
    stage.edit_lock("created", "creatd");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(1));
}

#[test]
fn a_policy_refuses_what_it_does_not_list() {
    let mut stage = Stage::pinned();
    stage.sandbox.write("../policy.toml", "registries = [\"quay.io\"]\n");
    stage.check(
        &["check", "--policy", "../policy.toml"],
        r#"
--- err
error: the policy does not allow the registry `REGISTRY` (key `registries`)
--> [SANDBOX]/work/../policy.toml
 = help: ask the operator of this pinstream to allow it
--- exit 4
"#,
    );
    stage.check(
        &["plan", "--policy", "../policy.toml"],
        r#"
--- out
refused  python:3.11  the policy does not allow `REGISTRY`
                      help: add the registry to `registries` in the `--policy` file
refused  python:3.12  the policy does not allow `REGISTRY`
                      help: add the registry to `registries` in the `--policy` file
refused  python:arm   the policy does not allow `REGISTRY`
                      help: add the registry to `registries` in the `--policy` file
1 unchanged, 3 refused; nothing was written
--- exit 4
"#,
    );
    stage.check(
        &["plan", "--policy", "../nowhere.toml"],
        r#"
--- err
error: cannot read the policy `[SANDBOX]/work/../nowhere.toml`: No such file or directory (os error 2)
--- exit 1
"#,
    );
    stage.sandbox.env("PINSTREAM_POLICY", "../policy.toml");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(4));
}

#[test]
fn all_problems_of_definitions_are_reported_at_once() {
    let stage = Stage::new();
    stage.settings("\n[imprt]\n");
    stage.stream("[tags]\n3.12 = \"python\"\nlatest = { folow = \"3.12\" }\n");
    stage.check(
        &["check"],
        r#"
--- err
error: unknown key `imprt`
 --> pinstream.toml:4:2
  |
4 | [imprt]
  |  ^^^^^
  |
  = help: did you mean `import`?

error: TOML reads `3.12` as the key `12` in a table `3`
 --> streams/python.toml:2:1
  |
2 | 3.12 = "python"
  | ^^^^
  |
  = help: quote it: `"3.12" = …`

error: unknown key `folow`
 --> streams/python.toml:3:12
  |
3 | latest = { folow = "3.12" }
  |            ^^^^^
  |
  = help: did you mean `follow`?
--- exit 1
"#,
    );
}

#[test]
fn a_conflict_marker_is_reported_with_its_line() {
    let stage = Stage::pinned();
    stage.edit_lock(
        "version = \"3.11.9\"",
        "<<<<<<< HEAD\nversion = \"3.11.9\"\n=======\nversion = \"3.11.8\"\n>>>>>>> other",
    );
    stage.check(
        &["check"],
        r#"
--- err
error: conflict marker `<<<<<<<` on line 9
 --> pinstream.lock:9:1
  |
9 | <<<<<<< HEAD
  | ^^^^^^^^^^^^
  |
  = help: run `pinstream update`: it merges both sides and resolves the tags that both changed
--- exit 1
"#,
    );
    stage.check(
        &["update"],
        r#"
--- out
4 unchanged; nothing to write
--- err
merged both sides of `pinstream.lock`; resolved again: `python:3.11`
--- exit 0
"#,
    );
}

#[test]
fn t6_an_unreadable_file_hides_no_other_problem() {
    let stage = Stage::new();
    let streams = stage.sandbox.work().join("streams");
    std::os::unix::fs::symlink("/etc/passwd", streams.join("link.toml")).unwrap();
    fs::write(streams.join("big.toml"), "#".repeat(2 << 20)).unwrap();
    fs::write(streams.join(OsStr::from_bytes(b"y\xff.toml")), "").unwrap();
    stage.sandbox.write("streams/broken.toml", "nonsense = 1\n");
    stage.sandbox.write("pinstream.lock", "version = 2\n");
    let expected = r#"
--- err
error: the lock was written by a newer pinstream: this one supports version 1 and older
 --> pinstream.lock:1:11
  |
1 | version = 2
  |           ^
  |
  = help: install a newer pinstream

error: `streams/big.toml` is larger than 256 KiB
--> streams/big.toml
 = help: move tags to other streams

error: unknown key `nonsense`
 --> streams/broken.toml:1:1
  |
1 | nonsense = 1
  | ^^^^^^^^
  |
  = help: known keys: `annotations`, `description`, `discover`, `import`, `tags`

error: cannot read `streams/link.toml`: it is a symbolic link, which is never followed
--> streams/link.toml
 = help: replace it by a plain file or directory, or remove it

error: cannot read `streams/y�.toml`: its name is not Unicode
--> streams/y�.toml
 = help: replace it by a plain file or directory, or remove it
--- exit 1
"#;
    for command in ["check", "plan"] {
        stage.check(&[command], expected);
    }
}

#[test]
fn files_left_by_an_editor_are_not_streams() {
    let stage = Stage::pinned();
    let streams = stage.sandbox.work().join("streams");
    std::os::unix::fs::symlink("person@host.123:456", streams.join(".#python.toml")).unwrap();
    stage.sandbox.write("streams/.python.toml.swp.toml", "nonsense");
    stage.sandbox.write("streams/.cache/a.toml", "nonsense");
    assert_eq!(stage.sandbox.run(&["check"]).code, Some(0));
}
