//! Values of the right kind that make no sense where they stand.

use super::said;

#[test]
fn what_belongs_to_the_followed_tag_cannot_stand_at_the_follower() {
    insta::assert_snapshot!(said(r#"
[tags]
a = { follow = "base:1", schedule = "never" }
b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
"#), @r#"
    error: `schedule` cannot stand beside `follow`: it belongs to what the tag follows
     --> streams/python.toml:3:37
      |
    3 | a = { follow = "base:1", schedule = "never" }
      |                                     ^^^^^^^
      |
      = help: write it at `base:1`

    error: `platform` cannot stand beside `follow`: it belongs to what the tag follows
     --> streams/python.toml:4:37
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                     ^^^^^^^^^^^^^
      |
      = help: write it at `base:1`

    error: `platforms` cannot stand beside `follow`: it belongs to what the tag follows
     --> streams/python.toml:4:64
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                                                ^^^^^^^^^^^^^^^
      |
      = help: write it at `base:1`

    error: `timezone` cannot stand beside `follow`: it belongs to what the tag follows
     --> streams/python.toml:4:92
      |
    4 | b = { follow = "base:1", platform = "linux/amd64", platforms = ["linux/amd64"], timezone = "UTC" }
      |                                                                                            ^^^^^
      |
      = help: write it at `base:1`
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
      = help: `platform` pins one platform's own digest; `platforms` says which ones the index must have

    error: `linux` is not a platform
     --> streams/python.toml:4:45
      |
    4 | b = { image = "a.example/x:1", platforms = ["linux", "linux/amd64", "linux/amd64"] }
      |                                             ^^^^^^^
      |
      = help: a platform is `os/architecture` or `os/architecture/variant`, as `linux/amd64`

    error: `linux/amd64` is named twice
     --> streams/python.toml:4:69
      |
    4 | b = { image = "a.example/x:1", platforms = ["linux", "linux/amd64", "linux/amd64"] }
      |                                                                     ^^^^^^^^^^^^^
      |
      = help: name it once

    error: an image named by its digest never moves, so it needs no schedule
     --> streams/python.toml:5:113
      |
    5 | c = { image = "a.example/x@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", schedule = "0 3 * * *" }
      |                                                                                                                 ^^^^^^^^^^^
      |
      = help: take the schedule out, or name a tag without its digest

    error: a time zone says nothing without a schedule
     --> streams/python.toml:6:43
      |
    6 | d = { image = "a.example/x:1", timezone = "Europe/Berlin" }
      |                                           ^^^^^^^^^^^^^^^
      |
      = help: add a schedule, or take the time zone out

    error: `Europe/Berln` is not a time zone
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
    error: the character U+001B cannot be shown
     --> streams/python.toml:2:15
      |
    2 | description = "a\u001bb"
      |               ^^^^^^^^^^
      |
      = help: take it out

    error: an annotation needs a name without spaces
     --> streams/python.toml:4:1
      |
    4 | "" = "x"
      | ^^
      |
      = help: as `acme.example/owner`

    error: the character U+202E cannot be shown
     --> streams/python.toml:5:5
      |
    5 | a = "\u202e"
      |     ^^^^^^^^
      |
      = help: take it out

    error: `-x` is not a tag's name
     --> streams/python.toml:7:1
      |
    7 | "-x" = "a.example/x:1"
      | ^^^^
      |
      = help: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128 characters

    error: `a b` is not a tag's name
     --> streams/python.toml:8:1
      |
    8 | "a b" = "a.example/x:1"
      | ^^^^^
      |
      = help: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128 characters

    error: `` is not a tag's name
     --> streams/python.toml:9:1
      |
    9 | "" = "a.example/x:1"
      | ^^
      |
      = help: letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`, at most 128 characters
    "#);
}
