//! Selection and adoption rules: problems, and which of them apply.

use std::time::Duration;

use super::said;
use crate::git::RootFiles;
use crate::model::root::Root;
use crate::model::settings::adoption_rules::{Hold, OnRollback};

#[test]
fn selection_rules_are_checked() {
    insta::assert_snapshot!(said(r#"
[tags]
alone = { repository = "a.example/x" }
bare = { repository = "a.example/x", semver = "1.2" }
two = { repository = "a.example/x", semver = "^1", order = "number" }
open = { repository = "a.example/x", pattern = "^n-" }
broken = { repository = "a.example/x", pattern = "(", order = "newest" }
tagged = { repository = "a.example/x:1", semver = "*" }
beside = { image = "a.example/x:1", semver = "^1" }
after = { follow = "alone", pattern = "x" }
both = { follow = "alone", repository = "a.example/x" }
[discover]
semver = ">=a"
limit = 0
"#), @r#"
    error: `repository` without `semver` or `pattern`
     --> streams/python.toml:3:24
      |
    3 | alone = { repository = "a.example/x" }
      |                        ^^^^^^^^^^^^^
      |
      = help: add e.g. `semver = ">=1"`, or `pattern` and `order`

    error: version `1.2` without an operator
     --> streams/python.toml:4:47
      |
    4 | bare = { repository = "a.example/x", semver = "1.2" }
      |                                               ^^^^^
      |
      = help: write `=1.2` for this version, or `^1.2` for all compatible ones

    error: `semver` and another `order` exclude each other
     --> streams/python.toml:5:60
      |
    5 | two = { repository = "a.example/x", semver = "^1", order = "number" }
      |                                                            ^^^^^^^^
      |
      = help: remove `order`; `semver` implies it

    error: `pattern` without `order`
     --> streams/python.toml:6:48
      |
    6 | open = { repository = "a.example/x", pattern = "^n-" }
      |                                                ^^^^^
      |
      = help: add `order = "number"`, `"alphabet"` or `"semver"`; the highest tag is selected

    error: invalid regular expression: found open group without closing ')'
     --> streams/python.toml:7:50
      |
    7 | broken = { repository = "a.example/x", pattern = "(", order = "newest" }
      |                                                  ^^^
      |
      = help: write e.g. `^nightly-(\d{8})$`; the groups are compared

    error: invalid value `newest` for `order`
     --> streams/python.toml:7:63
      |
    7 | broken = { repository = "a.example/x", pattern = "(", order = "newest" }
      |                                                               ^^^^^^^^
      |
      = help: write `semver`, `number` or `alphabet`

    error: `a.example/x:1` is an image, not a repository
     --> streams/python.toml:8:25
      |
    8 | tagged = { repository = "a.example/x:1", semver = "*" }
      |                         ^^^^^^^^^^^^^^^
      |
      = help: remove the tag: `a.example/x`

    error: `semver` and `image` exclude each other
     --> streams/python.toml:9:46
      |
    9 | beside = { image = "a.example/x:1", semver = "^1" }
      |                                              ^^^^
      |
      = help: use it with `repository`

    error: `pattern` and `follow` exclude each other
      --> streams/python.toml:10:39
       |
    10 | after = { follow = "alone", pattern = "x" }
       |                                       ^^^
       |
       = help: use it with `repository`

    error: tag `both` has both `follow` and `repository`
      --> streams/python.toml:11:41
       |
    11 | both = { follow = "alone", repository = "a.example/x" }
       |                                         ^^^^^^^^^^^^^
       |
       = help: remove one of them

    error: `[discover]` has no `repository`
      --> streams/python.toml:12:1
       |
    12 | [discover]
       | ^^^^^^^^^^
       |
       = help: add `repository = "registry/repository"`

    error: invalid version range `a`
      --> streams/python.toml:13:10
       |
    13 | semver = ">=a"
       |          ^^^^^
       |
       = help: write e.g. `>=3.13, <4`, `^1.2`, `~1.2.3`, `1.2.x` or `1.x || 3.x`

    error: invalid value 0 for `limit`
      --> streams/python.toml:14:9
       |
    14 | limit = 0
       |         ^
       |
       = help: write a number from 1 to 10000
    "#);
}

#[test]
fn adoption_rules_are_checked() {
    insta::assert_snapshot!(said(r#"
[import]
soak = "soon"
on-rollback = "maybe"
ignore = ["attestation", "label"]
allow = "all"
[tags.a]
image = "a.example/x:1"
reject = ["sha256:1", "latest"]
hold = { until = "2026-12-01", why = "x" }
[tags.b]
image = "a.example/x:1"
hold = true
[tags.c]
image = "a.example/x:1"
hold = { until = 08:00:00 }
"#), @r#"
    error: invalid duration `soon`
     --> streams/python.toml:3:8
      |
    3 | soak = "soon"
      |        ^^^^^^
      |
      = help: write e.g. `90s`, `5m`, `1h30m` or `3d`

    error: invalid value `maybe` for `on-rollback`
     --> streams/python.toml:4:15
      |
    4 | on-rollback = "maybe"
      |               ^^^^^^^
      |
      = help: write `hold`, `allow` or `warn`

    error: invalid class of changes `label`
     --> streams/python.toml:5:26
      |
    5 | ignore = ["attestation", "label"]
      |                          ^^^^^^^
      |
      = help: use `attestation`, `config`, `layers`, `platforms`, `patch`, `minor`, `major`

    error: invalid version level `all`
     --> streams/python.toml:6:9
      |
    6 | allow = "all"
      |         ^^^^^
      |
      = help: write `patch`, `minor` or `major`

    error: invalid digest `sha256:1`
     --> streams/python.toml:9:11
      |
    9 | reject = ["sha256:1", "latest"]
      |           ^^^^^^^^^^
      |
      = help: write `sha256:` and 64 lower-case hexadecimal digits

    error: invalid digest `latest`
     --> streams/python.toml:9:23
      |
    9 | reject = ["sha256:1", "latest"]
      |                       ^^^^^^^^
      |
      = help: write `sha256:` and 64 lower-case hexadecimal digits

    error: expected a date, found a string
      --> streams/python.toml:10:18
       |
    10 | hold = { until = "2026-12-01", why = "x" }
       |                  ^^^^^^^^^^^^
       |
       = help: write it without quotes, e.g. `2026-12-01` or `2026-12-01T08:00:00Z`

    error: unknown key `why`
      --> streams/python.toml:10:32
       |
    10 | hold = { until = "2026-12-01", why = "x" }
       |                                ^^^
       |
       = help: known keys: `reason`, `until`

    error: expected a string or a table, found `true` or `false`
      --> streams/python.toml:13:8
       |
    13 | hold = true
       |        ^^^^
       |
       = help: write a string or a table

    error: expected a date, found a date or time
      --> streams/python.toml:16:18
       |
    16 | hold = { until = 08:00:00 }
       |                  ^^^^^^^^
       |
       = help: write it without quotes, e.g. `2026-12-01` or `2026-12-01T08:00:00Z`
    "#);
}

#[test]
fn rules_of_adoption_fall_from_the_root_to_the_tag() {
    let stream = r#"
import.ignore = ["attestation"]
[tags]
plain = "a.example/x:1"
own = { image = "a.example/x:1", soak = "1h" }
after = { follow = "plain" }
slow = { follow = "plain", soak = "2d" }
held = { image = "a.example/x:1", hold = "CVE" }
late = { image = "a.example/x:1", hold = { until = 2026-12-01T08:00:00+02:00 } }
"#;
    let files: RootFiles = [
        ("pinstream.toml", "[import]\nsoak = \"3d\"\nignore = [\"layers\", \"config\"]\n"),
        ("streams/python.toml", stream),
    ]
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .into();
    let tags = Root::read(&files).unwrap().definitions.tags;
    let rules = |tag: &str| tags[&format!("python:{tag}").parse().unwrap()].adoption.clone();
    let days = |days: u64| Some(Duration::from_secs(days * 86_400));
    let plain = rules("plain").unwrap();
    assert_eq!((plain.soak, plain.ignore.len()), (days(3), 1));
    let own = rules("own").unwrap();
    assert_eq!((own.soak, own.ignore.len()), (Some(Duration::from_secs(3_600)), 1));
    // A follower goes along with what it follows, which has been through these rules.
    assert_eq!(rules("after"), None);
    let slow = rules("slow").unwrap();
    assert_eq!((slow.soak, slow.ignore.len(), slow.on_rollback), (days(2), 0, OnRollback::Allow));
    assert_eq!(rules("held").unwrap().hold, Some(Hold { reason: Some("CVE".to_owned()), until: None }));
    let until = "2026-12-01T06:00:00Z".parse().ok();
    assert_eq!(rules("late").unwrap().hold, Some(Hold { reason: None, until }));
}

#[test]
fn who_has_to_have_signed_is_a_file_of_keys_or_an_identity() {
    insta::assert_snapshot!(said(r#"
[import]
verify = { key = "../cosign.pub" }
[tags]
a = { image = "a.example/x:1", verify = {} }
b = { image = "a.example/x:1", verify = { issuer = "https://accounts.example" } }
c = { follow = "a", verify = { key = "cosign.pub" } }
d = { image = "a.example/x:1", verify = "cosign.pub" }
e = { image = "a.example/x:1", verify = { identity = "me@a.example", trusted-root = "../root.json" } }
f = { image = "a.example/x:1", verify = { identity = "me@a.example" } }
g = { image = "a.example/x:1", verify = { issuer = "accounts.example", identity = "**" } }
h = { image = "a.example/x:1", verify = { key = "cosign.pub", identity = "me@a.example", trusted-root = "a" } }
i = { image = "a.example/x:1", verify = { trusted-root = "root.json" } }
j = { image = "a.example/x:1", verify = { isuer = "https://accounts.example" } }
"#), @r#"
    error: `../cosign.pub` contains `..`
     --> streams/python.toml:3:18
      |
    3 | verify = { key = "../cosign.pub" }
      |                  ^^^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: `verify` names no signer
     --> streams/python.toml:5:41
      |
    5 | a = { image = "a.example/x:1", verify = {} }
      |                                         ^^
      |
      = help: add `key = "cosign.pub"`, a file of this root, or `issuer` and `identity`

    error: `issuer` without `identity`
     --> streams/python.toml:6:52
      |
    6 | b = { image = "a.example/x:1", verify = { issuer = "https://accounts.example" } }
      |                                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: add `identity = "…"`, e.g. `release@acme.example` or the URL of a workflow

    error: `verify` and `follow` exclude each other
     --> streams/python.toml:7:30
      |
    7 | c = { follow = "a", verify = { key = "cosign.pub" } }
      |                              ^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: move it to `a`

    error: expected a table, found a string
     --> streams/python.toml:8:41
      |
    8 | d = { image = "a.example/x:1", verify = "cosign.pub" }
      |                                         ^^^^^^^^^^^^
      |
      = help: write a table

    error: `identity` without `issuer`
     --> streams/python.toml:9:54
      |
    9 | e = { image = "a.example/x:1", verify = { identity = "me@a.example", trusted-root = "../root.json" } }
      |                                                      ^^^^^^^^^^^^^^
      |
      = help: add `issuer = "https://…"`, e.g. `https://token.actions.githubusercontent.com`

    error: `../root.json` contains `..`
     --> streams/python.toml:9:85
      |
    9 | e = { image = "a.example/x:1", verify = { identity = "me@a.example", trusted-root = "../root.json" } }
      |                                                                                     ^^^^^^^^^^^^^^
      |
      = help: write the path from the root

    error: `identity` without `issuer`
      --> streams/python.toml:10:54
       |
    10 | f = { image = "a.example/x:1", verify = { identity = "me@a.example" } }
       |                                                      ^^^^^^^^^^^^^^
       |
       = help: add `issuer = "https://…"`, e.g. `https://token.actions.githubusercontent.com`

    error: invalid issuer `accounts.example`: not an `https` URL
      --> streams/python.toml:11:52
       |
    11 | g = { image = "a.example/x:1", verify = { issuer = "accounts.example", identity = "**" } }
       |                                                    ^^^^^^^^^^^^^^^^^^
       |
       = help: write its exact URL, e.g. `https://token.actions.githubusercontent.com`

    error: identity `**` matches every signer
      --> streams/python.toml:11:83
       |
    11 | g = { image = "a.example/x:1", verify = { issuer = "accounts.example", identity = "**" } }
       |                                                                                   ^^^^
       |
       = help: write the common part of the accepted signers, e.g. `https://github.com/acme/*`

    error: `identity` and `key` exclude each other
      --> streams/python.toml:12:74
       |
    12 | h = { image = "a.example/x:1", verify = { key = "cosign.pub", identity = "me@a.example", trusted-root = "a" } }
       |                                                                          ^^^^^^^^^^^^^^
       |
       = help: remove one of them: a signature is made with a key, or keyless by an identity of an issuer

    error: `trusted-root` and `key` exclude each other
      --> streams/python.toml:12:105
       |
    12 | h = { image = "a.example/x:1", verify = { key = "cosign.pub", identity = "me@a.example", trusted-root = "a" } }
       |                                                                                                         ^^^
       |
       = help: remove one of them: a signature is made with a key, or keyless by an identity of an issuer

    error: `verify` names no signer
      --> streams/python.toml:13:41
       |
    13 | i = { image = "a.example/x:1", verify = { trusted-root = "root.json" } }
       |                                         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: add `key = "cosign.pub"`, a file of this root, or `issuer` and `identity`

    error: unknown key `isuer`
      --> streams/python.toml:14:43
       |
    14 | j = { image = "a.example/x:1", verify = { isuer = "https://accounts.example" } }
       |                                           ^^^^^
       |
       = help: did you mean `issuer`?
    "#);
}

#[test]
fn the_innermost_verify_applies() {
    let files = [
        ("pinstream.toml", "[import]\nverify = { key = \"root.pub\" }\n"),
        (
            "streams/s.toml",
            "import.verify.key = \"keys/stream.pub\"\n[tags]\na = \"x.example/a:1\"\n\
             b = { image = \"x.example/a:1\", soak = \"1d\", verify = { key = \"./tag.pub\" } }\nc = { follow = \"a\" }\n",
        ),
        (
            "streams/t.toml",
            "[tags]\na = \"x.example/a:1\"\nb = { image = \"x.example/b:1\", verify.key = \"tag.pub\" }\n\
             c = { image = \"x.example/b:1\", verify = { issuer = \"https://a.example\", identity = \"me@*\", \
             trusted-root = \"tag.pub\" } }\nd = { image = \"x.example/b:1\", verify.key = \"tag.pub\" }\n",
        ),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec())).into();
    let root = crate::model::root::Root::read(&files).unwrap();
    let rule = |tag: &crate::model::stream::Tag| Some(tag.adoption.as_ref()?.verify.as_ref()?.to_string());
    let rules = root.definitions.tags.iter().map(|(id, tag)| format!("{id} {}", rule(tag).unwrap_or_default()));
    let expected = [
        "s:a `keys/stream.pub`",
        "s:b `tag.pub`",
        "s:c ",
        "t:a `root.pub`",
        "t:b `tag.pub`",
        "t:c `me@*` of `https://a.example`",
        "t:d `tag.pub`",
    ];
    assert_eq!(rules.collect::<Vec<_>>(), expected);
    let named: Vec<String> =
        root.trust_files().map(|anchor| format!("{:?} {}", anchor.kind, anchor.file.path)).collect();
    assert_eq!(named, ["Keys root.pub", "Keys keys/stream.pub", "Keys tag.pub", "TrustedRoot tag.pub"]);
}
