//! A root read from its files: what is right together, and every problem at once.

use std::collections::BTreeMap;

use super::*;
use crate::text::diagnostics::{RenderStyle, RenderedProblems};

/// A root's files, and what is said of them.
fn said(files: &[(&str, &str)]) -> String {
    let mut all: RootFiles = BTreeMap::from([(settings::FILE_NAME.to_owned(), Vec::new())]);
    all.extend(files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec())));
    match Root::read(&all) {
        Ok(_) => "nothing is wrong".to_owned(),
        Err(problems) => {
            let lost = problems.0.iter().find(|problem| problem.help.as_ref().is_none_or(String::is_empty));
            assert!(lost.is_none(), "no way out: {lost:?}");
            RenderedProblems(&problems, RenderStyle::Plain).to_string()
        }
    }
}

#[test]
fn a_root_of_all_that_is_supported_is_read() {
    let said = said(&[
        (
            "pinstream.toml",
            r#"
[git]
branch = "main"
author = "pinstream <pinstream@acme.example>"
[import]
schedule = "*/30 * * * *"
timezone = "Europe/Berlin"
platforms = ["linux/amd64"]
[registry."registry.redhat.io"]
mirrors = ["mirror.corp.example:5000/redhat", "other.example"]
ca = "certs/corp.pem"
requests = 8
[registry."localhost:5000"]
plain-http = true
[[hook]]
name = "rollout"
on = ["python:*", "team-a/**"]
run = ["./scripts/rollout.sh", "prod"]
files = ["scripts/lib.sh"]
env = ["KUBECONFIG"]
timeout = "5m"
each = true
"#,
        ),
        (
            "streams/python.toml",
            r#"
description = "Python builders"
annotations = { "acme.example/team" = "a" }
[import]
schedule = "0 3 * * 1"
[tags]
"3.12" = "docker.io/library/python:3.12"
"3.11" = { image = "docker.io/library/python:3.11", schedule = "never" }
latest = { follow = "3.12" }
arm = { image = "docker.io/library/python:3.12", platform = "linux/arm64" }
golden = { image = "quay.io/acme/base@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" }
[tags."3.10"]
image = "docker.io/library/python:3.10"
timezone = "America/New_York"
platforms = []
annotations = { "acme.example/owner" = "platform" }
"#,
        ),
        ("streams/team-a/web.toml", "[tags]\nprod = { follow = \"python:latest\" }\n"),
    ]);
    assert_eq!(said, "nothing is wrong");
}

#[test]
fn all_problems_of_all_files_are_shown_at_once() {
    let said = said(&[
        ("pinstream.toml", "[import]\nscedule = \"* * * * *\"\nplatforms = \"linux/amd64\"\n[[hook]]\nrun = [\"a\"]\n"),
        (
            "streams/a.toml",
            "[tags]\nx = \"python:3.12\"\ny = 3.12\nz = { follow = \"q\", schedule = \"5/15 * * * *\" }\n",
        ),
        ("streams/b.toml", "[tags\n"),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: unknown key `scedule`
     --> pinstream.toml:2:1
      |
    2 | scedule = "* * * * *"
      | ^^^^^^^
      |
      = help: did you mean `schedule`?

    error: expected a list, found a string
     --> pinstream.toml:3:13
      |
    3 | platforms = "linux/amd64"
      |             ^^^^^^^^^^^^^
      |
      = help: put it in brackets: `["linux/amd64"]`

    error: the hook has no `name`
     --> pinstream.toml:4:1
      |
    4 | [[hook]]
      | ^^^^^^^^
      |
      = help: add e.g. `name = "rollout"`; it identifies the hook's state

    error: image `python:3.12` has no registry
     --> streams/a.toml:2:5
      |
    2 | x = "python:3.12"
      |     ^^^^^^^^^^^^^
      |
      = help: write `docker.io/library/python:3.12`

    error: expected a string or a table, found a float
     --> streams/a.toml:3:5
      |
    3 | y = 3.12
      |     ^^^^
      |
      = help: put it in quotes: `"3.12"`

    error: `schedule` and `follow` exclude each other
     --> streams/a.toml:4:32
      |
    4 | z = { follow = "q", schedule = "5/15 * * * *" }
      |                                ^^^^^^^^^^^^^^
      |
      = help: move it to `q`

    error: invalid TOML: unclosed table, expected `]`
     --> streams/b.toml:1:6
      |
    1 | [tags
      |      ^
      |
      = help: write one `key = "value"` per line, below a header such as `[tags]`
    "#);
}

#[test]
fn a_folder_without_settings_is_not_a_root() {
    let problems = Root::read(&RootFiles::new()).unwrap_err();
    insta::assert_snapshot!(RenderedProblems(&problems, RenderStyle::Plain), @r"
    error: no `pinstream.toml` in this directory
    help: change to a directory that has one, or run `pinstream init`
    ");
}

#[test]
fn an_invalid_file_name_is_reported_with_a_valid_one() {
    let said = said(&[("streams/My Stream.toml", ""), ("streams/Python.toml", ""), ("streams/python.toml", "")]);
    insta::assert_snapshot!(said, @r"
    error: invalid stream name `My Stream`
    --> streams/My Stream.toml
     = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`

    error: invalid stream name `Python`
    --> streams/Python.toml
     = help: rename the file to `streams/python.toml`

    error: `streams/python.toml` and `streams/Python.toml` differ only in case
    --> streams/python.toml
     = help: rename one of them: some file systems cannot store both
    ");
}

#[test]
fn following_a_tag_of_an_unreadable_file_is_not_reported() {
    let said = said(&[
        ("streams/a.toml", "[tags]\nx = { follow = \"b:y\" }\nz = { follow = \"c:gone\" }\n"),
        ("streams/b.toml", "<<<<<<< ours\n[tags]\ny = \"docker.io/library/python:3\"\n"),
        ("streams/c.toml", "tags = 1\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: conflict marker on line 1
     --> streams/b.toml:1:1
      |
    1 | <<<<<<< ours
      | ^^^^^^^^^^^^
      |
      = help: resolve the merge conflict: keep one side and remove the markers

    error: expected a table, found an integer
     --> streams/c.toml:1:8
      |
    1 | tags = 1
      |        ^
      |
      = help: write a table
    ");
}

#[test]
fn streams_and_tags_override_the_settings_of_the_root() {
    let files: RootFiles = [
        ("pinstream.toml", "[import]\nschedule = \"0 1 * * *\"\ntimezone = \"Europe/Berlin\"\nplatforms = [\"linux/amd64\"]"),
        ("streams/a.toml", "[tags]\nx = \"a.example/x:1\"\ny = { image = \"a.example/x:2\", schedule = \"never\", platform = \"linux/arm64\" }\nf = { follow = \"x\" }"),
        ("streams/b.toml", "[import]\ntimezone = \"UTC\"\nplatforms = []\n[tags]\nx = \"a.example/x:1\"\ny = { image = \"a.example/x:2\", schedule = \"0 2 * * *\", timezone = \"Asia/Tokyo\" }"),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .collect();
    let root = Root::read(&files).unwrap();
    let lines: Vec<String> = root
        .definitions
        .tags
        .iter()
        .map(|(id, tag)| {
            let platforms: Vec<String> = tag.platforms.iter().map(ToString::to_string).collect();
            let schedule = tag.schedule.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{id} [{schedule}] {platforms:?}")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    a:f [] []
    a:x [0 1 * * * (Europe/Berlin)] ["linux/amd64"]
    a:y [never] []
    b:x [0 1 * * *] []
    b:y [0 2 * * * (Asia/Tokyo)] []
    "#);
}

#[test]
fn t6_more_tags_than_the_cap_are_refused_by_name() {
    let files = |streams: usize, tags: usize| -> RootFiles {
        let mut text = "[tags]\n".to_owned();
        text.extend((0..tags).map(|n| format!("t{n}=\"a.b/c:d\"\n")));
        let streams = (0..streams).map(|n| (format!("streams/s{n:03}.toml"), text.clone().into_bytes()));
        streams.chain([(settings::FILE_NAME.to_owned(), Vec::new())]).collect()
    };
    assert_eq!(Root::read(&files(10, 10_000)).unwrap().definitions.tags.len(), 100_000);
    let problems = Root::read(&files(11, 10_000)).unwrap_err();
    insta::assert_snapshot!(RenderedProblems(&problems, RenderStyle::Plain), @r"
    error: the root has more than 100000 tags
    --> streams/s010.toml
     = help: split it into several roots, each with its own `pinstream.toml`
    ");
}

#[test]
fn the_policy_covers_remotes_hooks_registries_and_mirrors() {
    let files: RootFiles = [
        ("pinstream.toml", "[registry.\"quay.io\"]\nmirrors = [\"m.example\"]\n[[hook]]\nname = \"x\"\nrun = [\"sh\"]"),
        ("streams/a.toml", "[tags]\nx = \"quay.io/a/b:1\"\ny = \"ghcr.io/a/b:1\"\nz = { follow = \"y\" }"),
    ]
    .into_iter()
    .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
    .collect();
    let root = Root::read(&files).unwrap();
    let policy =
        Policy::read("/etc/p.toml", b"remotes = []\nprograms = ['kubectl']\nregistries = ['quay.io']").unwrap();
    let refused = Problems(root.policy_problems(&policy, Some("https://u:p@git.example/x"), crate::git::display_url));
    insta::assert_snapshot!(RenderedProblems(&refused, RenderStyle::Plain), @r"
    error: the policy does not allow the remote `https://git.example/x` (key `remotes`)
    --> /etc/p.toml
     = help: ask the operator of this pinstream to allow it

    error: the policy does not allow the program `sh` of the hook `x` (key `programs`)
    --> /etc/p.toml
     = help: ask the operator of this pinstream to allow it

    error: the policy does not allow the registry `ghcr.io` (key `registries`)
    --> /etc/p.toml
     = help: ask the operator of this pinstream to allow it

    error: the policy does not allow the registry `m.example` (key `registries`)
    --> /etc/p.toml
     = help: ask the operator of this pinstream to allow it
    ");
    assert!(root.policy_problems(&Policy::read("p", b"").unwrap(), Some("x"), crate::git::display_url).is_empty());
}

#[test]
fn a_target_of_a_missing_tag_is_reported_with_the_nearest() {
    let target = |from: &str| format!("[[target]]\nfrom = \"{from}\"\nyaml = {{ path = \"a.yaml\", at = \"a\" }}\n");
    let settings = [target("python:3.13"), target("node:22"), target("app:new"), target("python:3.12")].concat();
    let discover = "[discover]\nrepository = \"quay.io/acme/app\"\n";
    let said = said(&[
        ("pinstream.toml", &settings),
        ("streams/python.toml", "[tags]\n\"3.12\" = \"docker.io/library/python:3.12\"\n"),
        ("streams/app.toml", discover),
    ]);
    insta::assert_snapshot!(said, @r"
    error: the target writes `python:3.13`, which is not defined
     --> pinstream.toml:1:1
      |
    1 | [[target]]
      | ^^^^^^^^^^
      |
      = help: did you mean `python:3.12`?

    error: the target writes `node:22`, which is not defined
     --> pinstream.toml:4:1
      |
    4 | [[target]]
      | ^^^^^^^^^^
      |
      = help: define it in `streams/node.toml`
    ");
}

#[test]
fn cached_definitions_are_used_if_only_the_lock_differs() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let pins = format!(
        "version = 1\n\n[[pin]]\nstream = \"found\"\ntag = \"2\"\nimage = \"a.example/f:2\"\ndigest = \"{digest}\"\n"
    );
    let files = |found: &str, lock: &str| -> RootFiles {
        [("pinstream.toml", ""), ("streams/found.toml", found), ("pinstream.lock", lock)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into()
    };
    let first = files("[discover]\nrepository = \"a.example/f\"\n", "version = 1\n");
    let defined = || {
        let Root { settings, definitions, .. } = Root::read(&first).unwrap();
        CachedDefinitions { fingerprint: Fingerprint::of(&first), settings, definitions }
    };
    // Discovered tags follow from the lock.
    let again = files("[discover]\nrepository = \"a.example/f\"\n", &pins);
    let mut known = Some(defined());
    let root = Root::read_cached(&again, Fingerprint::of(&again), &mut known).unwrap();
    assert_eq!(root, Root::read(&again).unwrap());
    assert!(known.is_none() && root.definitions.tags.len() == 1);

    let other = files("[tags]\n2 = \"a.example/f:2\"\n", &pins);
    let mut known = Some(defined());
    let root = Root::read_cached(&other, Fingerprint::of(&other), &mut known).unwrap();
    assert_eq!(root, Root::read(&other).unwrap());
    assert!(known.is_some());
    let wrong = files("[discover]\nrepository = \"a.example/f\"\n", "version = 9\n");
    assert!(Root::read_cached(&wrong, Fingerprint::of(&wrong), &mut known).is_err());
}
