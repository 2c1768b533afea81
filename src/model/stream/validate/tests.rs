//! Problems of invalid stream files.

mod rules;
mod values;

use super::*;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

/// Returns the problems of a stream `python`, next to one with the tag `base:1`.
fn said(text: &str) -> String {
    let file = |path: &str, text: &str| Arc::new(SourceFile { path: path.to_owned(), text: text.to_owned() });
    let (mut draft, mut schedules) = (DefinitionsDraft::default(), Schedules::default());
    let mut problems = Vec::new();
    for (name, text) in [("base", "[tags]\n1 = \"a.example/base:1\""), ("python", text)] {
        let file = file(&format!("streams/{name}.toml"), text);
        problems.extend(draft.add_stream(&file, name.parse().unwrap(), &ImportSettings::default(), &mut schedules));
    }
    problems.extend(draft.finish(None).1);
    match Problems::check(problems) {
        Ok(()) => "nothing is wrong".to_owned(),
        Err(problems) => {
            let lost = problems.0.iter().find(|problem| problem.help.as_ref().is_none_or(String::is_empty));
            assert!(lost.is_none(), "no way out: {lost:?}");
            RenderedProblems(&problems, RenderStyle::Plain).to_string()
        }
    }
}

#[test]
fn a_tag_needs_one_source_and_only_one() {
    insta::assert_snapshot!(said(r#"
[tags]
none = {}
both = { image = "a.example/x:1", follow = "base:1" }
later = { repository = "a.example/x", semver = ">=1" }
"#), @r#"
    error: tag `none` has no source
     --> streams/python.toml:3:1
      |
    3 | none = {}
      | ^^^^
      |
      = help: add `image = "registry/repository:tag"`, `follow = "stream:tag"`, or `repository = "registry/repository"` with `semver` or `pattern`

    error: tag `both` has both `image` and `follow`
     --> streams/python.toml:4:44
      |
    4 | both = { image = "a.example/x:1", follow = "base:1" }
      |                                            ^^^^^^^^
      |
      = help: remove one of them
    "#);
}

#[test]
fn s04_the_budget_is_a_setting_of_the_root() {
    let problem = "error: unknown key `budget`\n --> streams/python.toml:1:8\n";
    assert!(said("import.budget = '5m'").starts_with(problem));
}

#[test]
fn short_names_are_reported_with_the_full_ones() {
    insta::assert_snapshot!(said("tags = { a = \"python:3.12\", b = { image = \"https://a.example/x:1\" }, c = \"a.example/x\" }"), @r#"
    error: image `python:3.12` has no registry
     --> streams/python.toml:1:14
      |
    1 | tags = { a = "python:3.12", b = { image = "https://a.example/x:1" }, c = "a.example/x" }
      |              ^^^^^^^^^^^^^
      |
      = help: write `docker.io/library/python:3.12`

    error: `https://a.example/x:1` is a URL, not an image
     --> streams/python.toml:1:43
      |
    1 | tags = { a = "python:3.12", b = { image = "https://a.example/x:1" }, c = "a.example/x" }
      |                                           ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: remove the scheme: `a.example/x:1`

    error: image `a.example/x` has no tag
     --> streams/python.toml:1:74
      |
    1 | tags = { a = "python:3.12", b = { image = "https://a.example/x:1" }, c = "a.example/x" }
      |                                                                          ^^^^^^^^^^^^^
      |
      = help: add a tag, e.g. `a.example/x:latest`
    "#);
}

#[test]
fn an_unquoted_version_is_reported_with_its_meaning_in_toml() {
    insta::assert_snapshot!(said(r#"
[tags]
3.12 = "docker.io/library/python:3.12"
3.11.4 = { image = "docker.io/library/python:3.11" }
ok.image = "docker.io/library/python:3"
[tags.3.10]
image = "docker.io/library/python:3.10"
[tags.v1 . 2]
image = "docker.io/library/python:3.10"
[tags.good.annotations]
a = "b"
"#), @r#"
    error: TOML reads `3.12` as the key `12` in a table `3`
     --> streams/python.toml:3:1
      |
    3 | 3.12 = "docker.io/library/python:3.12"
      | ^^^^
      |
      = help: quote it: `"3.12" = …`

    error: TOML reads `3.11.4` as the key `11.4` in a table `3`
     --> streams/python.toml:4:1
      |
    4 | 3.11.4 = { image = "docker.io/library/python:3.11" }
      | ^^^^^^
      |
      = help: quote it: `"3.11.4" = …`

    error: TOML reads `3.10` as the key `10` in a table `3`
     --> streams/python.toml:6:7
      |
    6 | [tags.3.10]
      |       ^^^^
      |
      = help: quote it: `[tags."3.10"]`

    error: TOML reads `v1.2` as the key `2` in a table `v1`
     --> streams/python.toml:8:7
      |
    8 | [tags.v1 . 2]
      |       ^^^^^^
      |
      = help: quote it: `[tags."v1.2"]`

    error: tag `good` has no source
      --> streams/python.toml:10:7
       |
    10 | [tags.good.annotations]
       |       ^^^^
       |
       = help: add `image = "registry/repository:tag"`, `follow = "stream:tag"`, or `repository = "registry/repository"` with `semver` or `pattern`
    "#);
}

#[test]
fn all_unknown_keys_are_reported_with_the_nearest() {
    insta::assert_snapshot!(said(r#"
descripton = "x"
owner = "me"
[tags]
a = { imge = "a.example/x:1", colour = "red" }
b = { image = "a.example/x:1", platfrom = "linux/amd64" }
"#), @r#"
    error: unknown key `descripton`
     --> streams/python.toml:2:1
      |
    2 | descripton = "x"
      | ^^^^^^^^^^
      |
      = help: did you mean `description`?

    error: unknown key `owner`
     --> streams/python.toml:3:1
      |
    3 | owner = "me"
      | ^^^^^
      |
      = help: known keys: `annotations`, `description`, `discover`, `import`, `tags`

    error: unknown key `imge`
     --> streams/python.toml:5:7
      |
    5 | a = { imge = "a.example/x:1", colour = "red" }
      |       ^^^^
      |
      = help: did you mean `image`?

    error: unknown key `colour`
     --> streams/python.toml:5:31
      |
    5 | a = { imge = "a.example/x:1", colour = "red" }
      |                               ^^^^^^
      |
      = help: known keys: `allow`, `annotations`, `follow`, `hold`, `ignore`, `image`, `on-rollback`, `order`, `pattern`, `platform`, `platforms`, `reject`, `repository`, `schedule`, `semver`, `soak`, `timezone`, `verify`

    error: unknown key `platfrom`
     --> streams/python.toml:6:32
      |
    6 | b = { image = "a.example/x:1", platfrom = "linux/amd64" }
      |                                ^^^^^^^^
      |
      = help: did you mean `platform`?
    "#);
}

#[test]
fn values_of_the_wrong_kind_are_reported_with_a_remedy() {
    insta::assert_snapshot!(said(r#"
description = 1
[tags]
a = 3.12
b = { image = true, platforms = "linux/amd64" }
c = ["a.example/x:1"]
d = 2026-01-01
e = { image = "a.example/x:1", platforms = [1, "linux/amd64", 2] }
"#), @r#"
    error: expected a string, found an integer
     --> streams/python.toml:2:15
      |
    2 | description = 1
      |               ^
      |
      = help: put it in quotes: `"1"`

    error: expected a string or a table, found a float
     --> streams/python.toml:4:5
      |
    4 | a = 3.12
      |     ^^^^
      |
      = help: put it in quotes: `"3.12"`

    error: expected a string, found `true` or `false`
     --> streams/python.toml:5:15
      |
    5 | b = { image = true, platforms = "linux/amd64" }
      |               ^^^^
      |
      = help: write a string

    error: expected a list, found a string
     --> streams/python.toml:5:33
      |
    5 | b = { image = true, platforms = "linux/amd64" }
      |                                 ^^^^^^^^^^^^^
      |
      = help: put it in brackets: `["linux/amd64"]`

    error: expected a string or a table, found a list
     --> streams/python.toml:6:5
      |
    6 | c = ["a.example/x:1"]
      |     ^^^^^^^^^^^^^^^^^
      |
      = help: write a string or a table

    error: expected a string or a table, found a date or time
     --> streams/python.toml:7:5
      |
    7 | d = 2026-01-01
      |     ^^^^^^^^^^
      |
      = help: put it in quotes: `"2026-01-01"`

    error: expected a string, found an integer
     --> streams/python.toml:8:45
      |
    8 | e = { image = "a.example/x:1", platforms = [1, "linux/amd64", 2] }
      |                                             ^
      |
      = help: put it in quotes: `"1"`

    error: expected a string, found an integer
     --> streams/python.toml:8:63
      |
    8 | e = { image = "a.example/x:1", platforms = [1, "linux/amd64", 2] }
      |                                                               ^
      |
      = help: put it in quotes: `"2"`
    "#);
}

#[test]
fn tags_defined_twice_name_the_first_line() {
    insta::assert_snapshot!(said(r#"
[tags]
"3.12" = "a.example/x:1"
'3.12' = "a.example/x:2"
b = { image = "a.example/x:1", image = "a.example/x:2" }
[tags."c"]
image = "a.example/x:1"
[tags."c"]
image = "a.example/x:1"
[tags.d]
image = "python"
"#), @r#"
    error: `3.12` is defined twice, first on line 3
     --> streams/python.toml:4:1
      |
    4 | '3.12' = "a.example/x:2"
      | ^^^^^^
      |
      = help: remove one of them

    error: `image` is defined twice, first on line 5
     --> streams/python.toml:5:32
      |
    5 | b = { image = "a.example/x:1", image = "a.example/x:2" }
      |                                ^^^^^
      |
      = help: remove one of them

    error: `c` is defined twice, first on line 6
     --> streams/python.toml:8:7
      |
    8 | [tags."c"]
      |       ^^^
      |
      = help: remove one of them

    error: image `python` has no registry
      --> streams/python.toml:11:9
       |
    11 | image = "python"
       |         ^^^^^^^^
       |
       = help: write `docker.io/library/python:latest`
    "#);
}

#[test]
fn syntax_errors_are_reported_for_every_line() {
    insta::assert_snapshot!(said("[tags]\na = docker.io/library/python:3\nb = \"x\nc = 'a.example/x:1'\nd\n"), @r#"
    error: invalid TOML: string values must be quoted, expected literal string
     --> streams/python.toml:2:5
      |
    2 | a = docker.io/library/python:3
      |     ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: quote strings, e.g. `key = "value"`, and close the quotes on the same line

    error: invalid TOML: invalid basic string, expected `"`
     --> streams/python.toml:3:7
      |
    3 | b = "x
      |       ^
      |
      = help: quote strings, e.g. `key = "value"`, and close the quotes on the same line

    error: invalid TOML: key with no value, expected `=`
     --> streams/python.toml:5:2
      |
    5 | d
      |  ^
      |
      = help: write one `key = "value"` per line, below a header such as `[tags]`
    "#);
}

#[test]
fn an_unquoted_version_after_a_prefix_is_reported() {
    insta::assert_snapshot!(said("[tags]\n\"3\" = \"a.example/x:3\"\n3.12 = \"a.example/x:3.12\"\n"), @r#"
    error: invalid TOML: cannot extend value of type string with a dotted key
     --> streams/python.toml:3:1
      |
    3 | 3.12 = "a.example/x:3.12"
      | ^
      |
      = help: quote it: `"3.12" = …`
    "#);
}

#[test]
fn an_invalid_registry_host_is_reported_with_an_example() {
    insta::assert_snapshot!(said("[tags]\na = { image = \"a_b.c/x:1\" }\n"), @r#"
    error: invalid registry `a_b.c`
     --> streams/python.toml:2:15
      |
    2 | a = { image = "a_b.c/x:1" }
      |               ^^^^^^^^^^^
      |
      = help: write `host` or `host:port`, e.g. `quay.io` or `localhost:5000`
    "#);
}
