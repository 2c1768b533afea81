//! `init`: creates a root.

use crate::support::sandbox::Sandbox;

#[test]
fn a_new_root_is_valid_but_not_pinned() {
    let sandbox = Sandbox::new();
    sandbox.check(
        &["init"],
        r#"
--- out
wrote pinstream.toml
wrote streams/example.toml
wrote .gitattributes
to merge locks pin by pin, run once per clone:
  git config merge.pinstream.driver "pinstream merge-driver %O %A %B %P"
next: edit streams/example.toml, run `pinstream update`, then commit all written files
--- exit 0
"#,
    );
    sandbox.check(
        &["check"],
        r#"
--- out
`example:3.12` is not pinned
`example:latest` is not pinned

help: run `pinstream update`, then commit pinstream.lock
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
fn existing_files_are_never_overwritten() {
    let sandbox = Sandbox::new();
    sandbox.write("pinstream.toml", "# mine");
    sandbox.check(
        &["init"],
        r#"
--- err
error: `pinstream.toml` already exists
help: edit it, or run `init` in another directory
--- exit 1
"#,
    );
    assert_eq!(sandbox.read("pinstream.toml"), "# mine");
    assert!(!sandbox.work().join("streams").exists());
}

#[test]
fn a_directory_with_streams_gets_settings_only() {
    let sandbox = Sandbox::new();
    sandbox.write("streams/example.toml", "# mine");
    sandbox.check(
        &["init"],
        r#"
--- out
wrote pinstream.toml
wrote .gitattributes
to merge locks pin by pin, run once per clone:
  git config merge.pinstream.driver "pinstream merge-driver %O %A %B %P"
next: run `pinstream update`, then commit all written files
--- exit 0
"#,
    );
    assert_eq!(sandbox.read("streams/example.toml"), "# mine");
    assert_eq!(sandbox.run(&["check"]).code, Some(0));
}

#[test]
fn the_commented_settings_are_valid() {
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
fn the_line_in_gitattributes_is_added_once() {
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
