//! What is said of settings that are wrong.

use super::*;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

fn said(text: &str) -> String {
    let file = Arc::new(SourceFile { path: "pinstream.toml".to_owned(), text: text.to_owned() });
    match Problems::check(settings(&file, &mut Schedules::default()).1) {
        Ok(()) => "nothing is wrong".to_owned(),
        Err(problems) => {
            let lost = problems.0.iter().find(|problem| problem.help.as_ref().is_none_or(String::is_empty));
            assert!(lost.is_none(), "no way out: {lost:?}");
            RenderedProblems(&problems, RenderStyle::Plain).to_string()
        }
    }
}

fn read(text: &str) -> Settings {
    assert_eq!(said(text), "nothing is wrong");
    let file = Arc::new(SourceFile { path: "pinstream.toml".to_owned(), text: text.to_owned() });
    settings(&file, &mut Schedules::default()).0
}

#[test]
fn an_empty_file_is_all_defaults() {
    assert_eq!(read(""), Settings::default());
    assert_eq!(read("[import]\n[git]\n"), Settings::default());
}

#[test]
fn registries_are_read_with_mirrors_and_limits() {
    let settings = read(
        "[registry.\"Quay.IO\"]\nmirrors = [\"m.example:5000/a/b\", \"n.example\"]\nca = \"./c/a.pem\"\nrequests = 256",
    );
    let registry = &settings.registries[&"quay.io".parse().unwrap()];
    let mirrors: Vec<_> = registry.mirrors.iter().map(|m| (m.registry.as_str(), m.prefix.as_str())).collect();
    assert_eq!(mirrors, [("m.example:5000", "a/b"), ("n.example", "")]);
    assert_eq!((registry.ca.as_deref(), registry.requests, registry.plain_http), (Some("c/a.pem"), 256, false));
}

#[test]
fn hooks_are_read_in_order_with_defaults() {
    let settings = read(
        "[[hook]]\nname = \"b\"\nrun = [\"./x\"]\n[[hook]]\nname = \"a\"\nrun = [\"kubectl\", \"apply\"]\ntimeout = \"1h30m\"",
    );
    let hooks: Vec<_> =
        settings.hooks.iter().map(|h| (h.name.as_str(), h.timeout.as_secs(), h.program_file())).collect();
    assert_eq!(hooks, [("b", 300, Some("x")), ("a", 5_400, None)]);
    assert!(settings.hooks[0].on.is_all());
}

#[test]
fn mistakes_in_git_settings_are_said() {
    insta::assert_snapshot!(said(r#"
[git]
branch = "refs/heads/main"
author = "me@acme.example"
message = "{{ tilte }}"
sign = "gpg"
"#), @r#"
    error: `refs/heads/main` is not a branch's name
     --> pinstream.toml:3:10
      |
    3 | branch = "refs/heads/main"
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: leave `refs/heads/` out: `main`

    error: `me@acme.example` does not name an author
     --> pinstream.toml:4:10
      |
    4 | author = "me@acme.example"
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: a name and an address, as `pinstream <pinstream@acme.example>`

    error: the template `git.message` cannot be used (line 1, column 4): `tilte` is not known, tried on a tag that moved
     --> pinstream.toml:5:15
      |
    5 | message = "{{ tilte }}"
      |               ^^^^^
      |
      = help: did you mean `title`?

    error: `gpg` is no way to sign commits
     --> pinstream.toml:6:8
      |
    6 | sign = "gpg"
      |        ^^^^^
      |
      = help: `ssh` or `openpgp`, the key comes from `PINSTREAM_SIGNING_KEY` or `PINSTREAM_SIGNING_KEY_FILE`; or `github` for proposals there
    "#);
    for branch in ["main", "release/1.2", "a-b_c"] {
        read(&format!("git.branch = '{branch}'"));
    }
    for branch in [
        "",
        "-x",
        "a..b",
        "a b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a~1",
        "@{u}",
        "HEAD",
        "refs/tags/x",
        "a\\b",
    ] {
        assert!(said(&format!("git.branch = '{branch}'")).contains("is not a branch's name"), "{branch}");
    }
}

#[test]
fn mistakes_in_registries_are_said() {
    insta::assert_snapshot!(said(r#"
[registry."https://quay.io"]
[registry."a.example"]
mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
requests = 0
ca = "../corp.pem"
plain-http = "yes"
[registry."A.example"]
requests = 99999999999999999999
ca = "corp.pem"
plain-http = true
"#), @r#"
    error: `https://quay.io` is not a registry's `host` or `host:port`
     --> pinstream.toml:2:11
      |
    2 | [registry."https://quay.io"]
      |           ^^^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: `quay.io`

    error: the registry `a.example` is defined twice
     --> pinstream.toml:3:11
      |
    3 | [registry."a.example"]
      |           ^^^^^^^^^^^
      |
      = help: upper and lower case are the same in a host's name: keep one of the two

    error: `https://m.example/x` is a URL, not a mirror
     --> pinstream.toml:4:12
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |            ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: leave the scheme out: `m.example/x`

    error: `m.example/UP` is not a mirror
     --> pinstream.toml:4:35
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |                                   ^^^^^^^^^^^^^^
      |
      = help: `host`, `host:port`, or these and a path, as `mirror.corp.example:5000/redhat`

    error: a string was expected, this is a whole number
     --> pinstream.toml:4:64
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |                                                                ^
      |
      = help: put it in quotes: `"5"`

    error: `requests` is 0, and may be 1 to 256
     --> pinstream.toml:5:12
      |
    5 | requests = 0
      |            ^
      |
      = help: leave it out for 16

    error: `../corp.pem` leads out of a folder with `..`
     --> pinstream.toml:6:6
      |
    6 | ca = "../corp.pem"
      |      ^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: `true` or `false` was expected, this is a string
     --> pinstream.toml:7:14
      |
    7 | plain-http = "yes"
      |              ^^^^^
      |
      = help: write `true` or `false`

    error: a number out of all range
     --> pinstream.toml:9:12
      |
    9 | requests = 99999999999999999999
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = help: write a smaller one

    error: `ca` says nothing where `plain-http` is on
      --> pinstream.toml:10:6
       |
    10 | ca = "corp.pem"
       |      ^^^^^^^^^^
       |
       = help: take one of the two out
    "#);
}

#[test]
fn mistakes_in_hooks_are_said() {
    insta::assert_snapshot!(said(r#"
[[hook]]
[[hook]]
name = "Roll out"
run = []
on = []
[[hook]]
name = "a"
run = ["./scripts/../../x"]
files = ["/etc/passwd"]
env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
timeout = "fast"
on = ["Python:*", "python"]
[[hook]]
name = "a"
run = ["sh -c x"]
timeout = "25h"
each = 1
"#), @r#"
    error: a hook without a name
     --> pinstream.toml:2:1
      |
    2 | [[hook]]
      | ^^^^^^^^
      |
      = help: add `name = "rollout"`: what it has seen is kept under it

    error: a hook without a command
     --> pinstream.toml:2:1
      |
    2 | [[hook]]
      | ^^^^^^^^
      |
      = help: add `run = ["./scripts/rollout.sh"]`

    error: `Roll out` is not a hook's name
     --> pinstream.toml:4:8
      |
    4 | name = "Roll out"
      |        ^^^^^^^^^^
      |
      = help: lower-case letters, digits and `-`, not beginning with `-`, at most 63

    error: `run` is empty
     --> pinstream.toml:5:7
      |
    5 | run = []
      |       ^^
      |
      = help: name a program and its arguments, as `["./scripts/rollout.sh", "prod"]`

    error: `on` is empty, so the hook never runs
     --> pinstream.toml:6:6
      |
    6 | on = []
      |      ^^
      |
      = help: leave `on` out for all tags

    error: `./scripts/../../x` leads out of a folder with `..`
     --> pinstream.toml:9:8
      |
    9 | run = ["./scripts/../../x"]
      |        ^^^^^^^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: `/etc/passwd` is not a path within the root
      --> pinstream.toml:10:10
       |
    10 | files = ["/etc/passwd"]
       |          ^^^^^^^^^^^^^
       |
       = help: name a file of this root, as `scripts/rollout.sh`

    error: `PINSTREAM_X` is set by pinstream itself
      --> pinstream.toml:11:8
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |        ^^^^^^^^^^^^^
       |
       = help: take it out of `env`

    error: `LD_PRELOAD` changes which code programs load
      --> pinstream.toml:11:23
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |                       ^^^^^^^^^^^^
       |
       = help: take it out of `env`

    error: `A B` is not a variable's name
      --> pinstream.toml:11:37
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |                                     ^^^^^
       |
       = help: letters, digits and `_`; its value is taken from pinstream's own environment

    error: `fast` is not a length of time
      --> pinstream.toml:12:11
       |
    12 | timeout = "fast"
       |           ^^^^^^
       |
       = help: as `90s`, `5m`, `1h30m` or `3d`

    error: `Python` is not a stream's name
      --> pinstream.toml:13:7
       |
    13 | on = ["Python:*", "python"]
       |       ^^^^^^^^^^
       |
       = help: lower-case letters, digits and single `.`, `_`, `-` between them, parted by `/`

    error: two hooks are named `a`
      --> pinstream.toml:15:8
       |
    15 | name = "a"
       |        ^^^
       |
       = help: give each its own name

    error: `sh -c x` is not a program
      --> pinstream.toml:16:8
       |
    16 | run = ["sh -c x"]
       |        ^^^^^^^^^
       |
       = help: `run` is a program and its arguments, each a string of its own; there is no shell

    error: `25h` is longer than a day
      --> pinstream.toml:17:11
       |
    17 | timeout = "25h"
       |           ^^^^^
       |
       = help: a pass waits for its hooks

    error: `true` or `false` was expected, this is a whole number
      --> pinstream.toml:18:8
       |
    18 | each = 1
       |        ^
       |
       = help: write `true` or `false`
    "#);
}

#[test]
fn t6_a_hundred_of_anything_is_enough() {
    let many = vec!["\"a*\""; 101].join(", ");
    let said =
        said(&format!("[[hook]]\nname = \"a\"\nrun = [{many}]\non = [{many}]\nenv = [{many}]\nfiles = [{many}]"));
    assert_eq!(said.matches("more than 100").count(), 4, "{said}");
}

#[test]
fn patterns_hosts_and_schedules_that_are_none_have_a_way_out() {
    insta::assert_snapshot!(said(r#"
[import]
schedule = "0 0 L * *"
[registry."a_b.c"]
[[hook]]
name = "a"
run = ["a"]
on = ["python:[", "A"]
"#), @r#"
    error: `L` is not a day of month
     --> pinstream.toml:3:12
      |
    3 | schedule = "0 0 L * *"
      |            ^^^^^^^^^^^
      |
      = help: numbers from 1 to 31, `*`, ranges as `1-31`, steps as `*/2`

    error: `a_b.c` is not a registry's `host` or `host:port`
     --> pinstream.toml:4:11
      |
    4 | [registry."a_b.c"]
      |           ^^^^^^^
      |
      = help: letters, digits and `-` between dots, and a port, as `quay.io` or `localhost:5000`

    error: `[` is not a pattern: unclosed character class; missing ']'
     --> pinstream.toml:8:7
      |
    8 | on = ["python:[", "A"]
      |       ^^^^^^^^^^
      |
      = help: a pattern may have `*`, `**`, `?`, `[a-z]` and `{a,b}`

    error: `A` is not a stream's name
     --> pinstream.toml:8:19
      |
    8 | on = ["python:[", "A"]
      |                   ^^^
      |
      = help: lower-case letters, digits and single `.`, `_`, `-` between them, parted by `/`
    "#);
}
