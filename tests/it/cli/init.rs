//! `init`: a root to begin with.

use crate::support::sandbox::Sandbox;

#[test]
fn a_new_root_lacks_nothing_but_its_pins() {
    let sandbox = Sandbox::new();
    sandbox.check(
        &["init"],
        r#"
--- out
wrote pinstream.toml
wrote streams/example.toml
wrote .gitattributes
in each clone, so that `git merge` joins locks pin by pin:
  git config merge.pinstream.driver "pinstream merge-driver %O %A %B %P"
next: edit streams/example.toml, then run `pinstream update` and commit what it writes
--- exit 0
"#,
    );
    sandbox.check(
        &["check"],
        r#"
--- out
`example:3.12` is not pinned
`example:latest` is not pinned

to mend it: pinstream update
--- exit 2
"#,
    );
    sandbox.check(
        &["list"],
        r#"
--- out
TAG              SOURCE                          DIGEST   VERSION   CREATED   STATUS
example:3.12     docker.io/library/python:3.12                                not pinned
example:latest   -> example:3.12                                              not pinned
--- exit 0
"#,
    );
}

#[test]
fn nothing_is_ever_written_over() {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", "# mine");
    sandbox.check(
        &["init"],
        r#"
--- err
error: `pinstream.toml` is already there
help: this folder is a root; edit its files
--- exit 1
"#,
    );
    assert_eq!(sandbox.read("pinstream.toml"), "# mine");
    assert!(!sandbox.work().join("streams").exists());
}

#[test]
fn a_folder_that_has_streams_gets_the_settings_alone() {
    let sandbox = Sandbox::new();
    sandbox.write("streams/example.toml", "# mine");
    sandbox.check(
        &["init"],
        r#"
--- out
wrote pinstream.toml
wrote .gitattributes
in each clone, so that `git merge` joins locks pin by pin:
  git config merge.pinstream.driver "pinstream merge-driver %O %A %B %P"
next: run `pinstream update` and commit what it writes
--- exit 0
"#,
    );
    assert_eq!(sandbox.read("streams/example.toml"), "# mine");
    assert_eq!(sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn what_is_commented_out_is_right_too() {
    let sandbox = Sandbox::new();
    sandbox.run(&["init"]);
    for path in ["pinstream.toml", "streams/example.toml"] {
        let text = sandbox.read(path);
        let keys = text.lines().map(|line| match line.strip_prefix("# ") {
            Some(code) if code.contains(" = ") || code.starts_with('[') => code,
            _ => line,
        });
        sandbox.write(path, &keys.collect::<Vec<_>>().join("\n"));
    }
    assert!(sandbox.read("pinstream.toml").contains("\nschedule = "));
    sandbox.check(
        &["list"],
        r#"
--- out
TAG              SOURCE                                        DIGEST   VERSION   CREATED   STATUS
example:3.12     docker.io/library/python:3.12                                              not pinned
example:arm      docker.io/library/python:3.12 (linux/arm64)                                not pinned
example:edge     docker.io/library/python in >=3.13, <4                                     not pinned
example:latest   -> example:3.12                                                            not pinned
--- exit 0
"#,
    );
}

#[test]
fn git_is_told_of_the_lock_by_a_line_that_is_added_once() {
    let sandbox = Sandbox::new();
    sandbox.write(".gitattributes", "*.bin binary");
    assert!(sandbox.run(&["init"]).stdout.contains("added a line to .gitattributes\n"));
    assert_eq!(sandbox.read(".gitattributes"), "*.bin binary\npinstream.lock merge=pinstream\n");
    for path in ["pinstream.toml", "streams/example.toml"] {
        std::fs::remove_file(sandbox.work().join(path)).unwrap();
    }
    let ran = sandbox.run(&["init"]);
    assert!(ran.code == Some(0) && !ran.stdout.contains(".gitattributes"), "{}", ran.stdout);
    assert_eq!(sandbox.read(".gitattributes"), "*.bin binary\npinstream.lock merge=pinstream\n");
    let config = std::fs::read_to_string(sandbox.home().join(".gitconfig")).unwrap();
    assert!(!config.contains("merge"), "{config}");
}
