//! Problems of invalid settings.

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
fn s04_the_budget_is_a_duration_and_five_minutes_by_default() {
    let budget = |text: &str| read(text).budget.0.as_secs();
    assert_eq!((budget(""), budget("import.budget = '90s'"), budget("import.budget = '1h'")), (300, 90, 3_600));
    insta::assert_snapshot!(said("import.budget = 'soon'"), @r#"
    error: invalid duration `soon`
     --> pinstream.toml:1:17
      |
    1 | import.budget = 'soon'
      |                 ^^^^^^
      |
      = help: write e.g. `90s`, `5m`, `1h30m` or `3d`
    "#);
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
    error: invalid branch name `refs/heads/main`
     --> pinstream.toml:3:10
      |
    3 | branch = "refs/heads/main"
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: remove `refs/heads/`: `main`

    error: invalid author `me@acme.example`
     --> pinstream.toml:4:10
      |
    4 | author = "me@acme.example"
      |          ^^^^^^^^^^^^^^^^^
      |
      = help: write `name <address>`, e.g. `pinstream <pinstream@acme.example>`

    error: invalid template `git.message` (line 1, column 4): `tilte` is undefined, rendered for an updated tag
     --> pinstream.toml:5:15
      |
    5 | message = "{{ tilte }}"
      |               ^^^^^
      |
      = help: did you mean `title`?

    error: invalid value `gpg` for `sign`
     --> pinstream.toml:6:8
      |
    6 | sign = "gpg"
      |        ^^^^^
      |
      = help: write `ssh` or `openpgp`, with a key in `PINSTREAM_SIGNING_KEY`, an agent or git config, or `github` for proposals on GitHub
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
        assert!(said(&format!("git.branch = '{branch}'")).contains("invalid branch name"), "{branch}");
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
    error: invalid registry `https://quay.io`
     --> pinstream.toml:2:11
      |
    2 | [registry."https://quay.io"]
      |           ^^^^^^^^^^^^^^^^^
      |
      = help: remove the scheme: `quay.io`

    error: duplicate registry `a.example`
     --> pinstream.toml:3:11
      |
    3 | [registry."a.example"]
      |           ^^^^^^^^^^^
      |
      = help: remove one of them; case does not matter in host names

    error: `https://m.example/x` is a URL, not a mirror
     --> pinstream.toml:4:12
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |            ^^^^^^^^^^^^^^^^^^^^^
      |
      = help: remove the scheme: `m.example/x`

    error: invalid mirror `m.example/UP`
     --> pinstream.toml:4:35
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |                                   ^^^^^^^^^^^^^^
      |
      = help: write `host` or `host:port`, optionally with a path, e.g. `mirror.corp.example:5000/redhat`

    error: expected a string, found an integer
     --> pinstream.toml:4:64
      |
    4 | mirrors = ["https://m.example/x", "m.example/UP", "m.example", 5]
      |                                                                ^
      |
      = help: put it in quotes: `"5"`

    error: invalid value 0 for `requests`
     --> pinstream.toml:5:12
      |
    5 | requests = 0
      |            ^
      |
      = help: use a number from 1 to 256

    error: `../corp.pem` contains `..`
     --> pinstream.toml:6:6
      |
    6 | ca = "../corp.pem"
      |      ^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: expected `true` or `false`, found a string
     --> pinstream.toml:7:14
      |
    7 | plain-http = "yes"
      |              ^^^^^
      |
      = help: write `true` or `false`

    error: integer out of range
     --> pinstream.toml:9:12
      |
    9 | requests = 99999999999999999999
      |            ^^^^^^^^^^^^^^^^^^^^
      |
      = help: use a smaller number

    error: `ca` has no effect with `plain-http`
      --> pinstream.toml:10:6
       |
    10 | ca = "corp.pem"
       |      ^^^^^^^^^^
       |
       = help: remove one of them
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
    error: the hook has no `name`
     --> pinstream.toml:2:1
      |
    2 | [[hook]]
      | ^^^^^^^^
      |
      = help: add e.g. `name = "rollout"`; it identifies the hook's state

    error: the hook has no `run`
     --> pinstream.toml:2:1
      |
    2 | [[hook]]
      | ^^^^^^^^
      |
      = help: add e.g. `run = ["./scripts/rollout.sh"]`

    error: invalid hook name `Roll out`
     --> pinstream.toml:4:8
      |
    4 | name = "Roll out"
      |        ^^^^^^^^^^
      |
      = help: use at most 63 lower-case letters, digits and `-`, and do not start with `-`

    error: `run` is empty
     --> pinstream.toml:5:7
      |
    5 | run = []
      |       ^^
      |
      = help: write a program and its arguments, e.g. `["./scripts/rollout.sh", "prod"]`

    error: `on` is empty, so the hook never runs
     --> pinstream.toml:6:6
      |
    6 | on = []
      |      ^^
      |
      = help: remove `on` to run it for all tags

    error: `./scripts/../../x` contains `..`
     --> pinstream.toml:9:8
      |
    9 | run = ["./scripts/../../x"]
      |        ^^^^^^^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: `/etc/passwd` is outside the root
      --> pinstream.toml:10:10
       |
    10 | files = ["/etc/passwd"]
       |          ^^^^^^^^^^^^^
       |
       = help: write a path within this root, e.g. `scripts/rollout.sh`

    error: `PINSTREAM_X` is set by pinstream itself
      --> pinstream.toml:11:8
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |        ^^^^^^^^^^^^^
       |
       = help: remove it from `env`

    error: `LD_PRELOAD` changes the code that programs load
      --> pinstream.toml:11:23
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |                       ^^^^^^^^^^^^
       |
       = help: remove it from `env`

    error: invalid variable name `A B`
      --> pinstream.toml:11:37
       |
    11 | env = ["PINSTREAM_X", "LD_PRELOAD", "A B", "HOME"]
       |                                     ^^^^^
       |
       = help: use letters, digits and `_`; the value comes from pinstream's own environment

    error: invalid duration `fast`
      --> pinstream.toml:12:11
       |
    12 | timeout = "fast"
       |           ^^^^^^
       |
       = help: write e.g. `90s`, `5m`, `1h30m` or `3d`

    error: invalid stream name `Python`
      --> pinstream.toml:13:7
       |
    13 | on = ["Python:*", "python"]
       |       ^^^^^^^^^^
       |
       = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`

    error: duplicate hook name `a`
      --> pinstream.toml:15:8
       |
    15 | name = "a"
       |        ^^^
       |
       = help: give each hook its own name

    error: invalid program `sh -c x`
      --> pinstream.toml:16:8
       |
    16 | run = ["sh -c x"]
       |        ^^^^^^^^^
       |
       = help: write the program and each argument as a separate string; there is no shell

    error: time limit `25h` is longer than a day
      --> pinstream.toml:17:11
       |
    17 | timeout = "25h"
       |           ^^^^^
       |
       = help: use a shorter one; a pass waits for its hooks

    error: expected `true` or `false`, found an integer
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
    error: invalid day of month `L`
     --> pinstream.toml:3:12
      |
    3 | schedule = "0 0 L * *"
      |            ^^^^^^^^^^^
      |
      = help: use numbers from 1 to 31, `*`, ranges such as `1-31` or steps such as `*/2`

    error: invalid registry `a_b.c`
     --> pinstream.toml:4:11
      |
    4 | [registry."a_b.c"]
      |           ^^^^^^^
      |
      = help: write `host` or `host:port`, e.g. `quay.io` or `localhost:5000`

    error: invalid glob `[`: unclosed character class; missing ']'
     --> pinstream.toml:8:7
      |
    8 | on = ["python:[", "A"]
      |       ^^^^^^^^^^
      |
      = help: use `*`, `**`, `?`, `[a-z]` and `{a,b}`

    error: invalid stream name `A`
     --> pinstream.toml:8:19
      |
    8 | on = ["python:[", "A"]
      |                   ^^^
      |
      = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`
    "#);
}
