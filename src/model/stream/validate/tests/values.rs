//! Values of the right kind that make no sense where they stand.

use super::said;

#[test]
fn keys_of_the_followed_tag_are_rejected_at_the_follower() {
    insta::assert_snapshot!(said(r#"
[tags]
a = { follow = "base:1", schedule = "never" }
b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
"#), @r#"
    error: `schedule` and `follow` exclude each other
     --> streams/python.toml:3:37
      |
    3 | a = { follow = "base:1", schedule = "never" }
      |                                     ^^^^^^^
      |
      = help: move it to `base:1`

    error: `platform` and `follow` exclude each other
     --> streams/python.toml:4:37
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                     ^^^^^^^^^^^^^
      |
      = help: move it to `base:1`

    error: `platforms` and `follow` exclude each other
     --> streams/python.toml:4:64
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                                                ^^^^^^^^^^^^^^^
      |
      = help: move it to `base:1`

    error: `timezone` and `follow` exclude each other
     --> streams/python.toml:4:92
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                                                                            ^^^^^
      |
      = help: move it to `base:1`
    "#);
}

#[test]
fn platforms_and_schedules_that_make_no_sense_are_refused() {
    insta::assert_snapshot!(said(r#"
[tags]
a = { image = "a.example/x:1", platform = "linux/arm64", platforms = ["linux/amd64"] }
b = { image = "a.example/x:1", platforms = ["linux", "linux/amd64", "linux/amd64"] }
c = { image = "a.example/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", schedule = "0 3 * * *" }
d = { image = "a.example/x:1", timezone = "Europe/Berlin" }
e = { image = "a.example/x:1", schedule = "0 3 * * *", timezone = "Europe/Berln" }
"#), @r#"
    error: `platform` and `platforms` exclude each other
     --> streams/python.toml:3:70
      |
    3 | a = { image = "a.example/x:1", platform = "linux/arm64", platforms = ["linux/amd64"] }
      |                                                                      ^^^^^^^^^^^^^^^
      |
      = help: use `platform` to pin one platform's own digest, or `platforms` to require platforms of the index

    error: invalid platform `linux`
     --> streams/python.toml:4:45
      |
    4 | b = { image = "a.example/x:1", platforms = ["linux", "linux/amd64", "linux/amd64"] }
      |                                             ^^^^^^^
      |
      = help: write `os/architecture` or `os/architecture/variant`, e.g. `linux/amd64`

    error: duplicate platform `linux/amd64`
     --> streams/python.toml:4:69
      |
    4 | b = { image = "a.example/x:1", platforms = ["linux", "linux/amd64", "linux/amd64"] }
      |                                                                     ^^^^^^^^^^^^^
      |
      = help: remove one of them

    error: `schedule` has no effect on an image with a digest
     --> streams/python.toml:5:113
      |
    5 | c = { image = "a.example/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", schedule = "0 3 * * *" }
      |                                                                                                                 ^^^^^^^^^^^
      |
      = help: remove the schedule, or name a tag without its digest

    error: `timezone` without `schedule`
     --> streams/python.toml:6:43
      |
    6 | d = { image = "a.example/x:1", timezone = "Europe/Berlin" }
      |                                           ^^^^^^^^^^^^^^^
      |
      = help: add a schedule, or remove the time zone

    error: unknown time zone `Europe/Berln`
     --> streams/python.toml:7:67
      |
    7 | e = { image = "a.example/x:1", schedule = "0 3 * * *", timezone = "Europe/Berln" }
      |                                                                   ^^^^^^^^^^^^^^
      |
      = help: did you mean `Europe/Berlin`?
    "#);
}

#[test]
fn names_of_tags_and_words_of_the_user_are_checked() {
    insta::assert_snapshot!(said(r#"
description = "a\u001bb"
[annotations]
"" = "x"
a = "\u202e"
[tags]
"-x" = "a.example/x:1"
"a b" = "a.example/x:1"
"" = "a.example/x:1"
"#), @r#"
    error: unprintable character U+001B
     --> streams/python.toml:2:15
      |
    2 | description = "a\u001bb"
      |               ^^^^^^^^^^
      |
      = help: remove it

    error: invalid annotation name
     --> streams/python.toml:4:1
      |
    4 | "" = "x"
      | ^^
      |
      = help: use a name without spaces, e.g. `acme.example/owner`

    error: unprintable character U+202E
     --> streams/python.toml:5:5
      |
    5 | a = "\u202e"
      |     ^^^^^^^^
      |
      = help: remove it

    error: invalid tag name `-x`
     --> streams/python.toml:7:1
      |
    7 | "-x" = "a.example/x:1"
      | ^^^^
      |
      = help: use at most 128 letters, digits, `_`, `.` and `-`, and do not start with `.` or `-`

    error: invalid tag name `a b`
     --> streams/python.toml:8:1
      |
    8 | "a b" = "a.example/x:1"
      | ^^^^^
      |
      = help: use at most 128 letters, digits, `_`, `.` and `-`, and do not start with `.` or `-`

    error: invalid tag name ``
     --> streams/python.toml:9:1
      |
    9 | "" = "a.example/x:1"
      | ^^
      |
      = help: use at most 128 letters, digits, `_`, `.` and `-`, and do not start with `.` or `-`
    "#);
}
