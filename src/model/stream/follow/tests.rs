//! Followers in their order, circles and tags that are not there.

use super::*;
use crate::model::settings::ImportSettings;
use crate::model::settings::schedule::Schedules;
use crate::model::stream::validate::DefinitionsDraft;
use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

/// Streams, one a line: `stream tag>target tag …`; a tag without a target has an image.
fn read(streams: &str) -> (Definitions, String) {
    let (mut draft, mut schedules) = (DefinitionsDraft::default(), Schedules::default());
    let mut problems = Vec::new();
    for line in streams.lines() {
        let (name, tags) = line.split_once(' ').unwrap_or((line, ""));
        let mut text = "[tags]\n".to_owned();
        for tag in tags.split_whitespace() {
            text += &match tag.split_once('>') {
                Some((tag, target)) => format!("{tag} = {{ follow = \"{target}\" }}\n"),
                None => format!("{tag} = \"a.example/x:1\"\n"),
            };
        }
        let file = Arc::new(SourceFile { path: format!("streams/{name}.toml"), text });
        problems.extend(draft.add_stream(&file, name.parse().unwrap(), &ImportSettings::default(), &mut schedules));
    }
    let (definitions, more) = draft.finish(Some(&BTreeMap::new()));
    problems.extend(more);
    let said = match Problems::check(problems) {
        Ok(()) => "nothing is wrong".to_owned(),
        Err(problems) => RenderedProblems(&problems, RenderStyle::Plain).to_string(),
    };
    (definitions, said)
}

#[track_caller]
fn check_order(streams: &str, expected: &str) {
    let order: Vec<String> = order(&read(streams).0).iter().map(ToString::to_string).collect();
    assert_eq!(order.join(" "), expected);
}

#[test]
fn a_follower_comes_after_the_followed_tag_over_any_number_of_hops() {
    check_order("a w>x x>b:y z\nb y>c:z\nc z", "a:z c:z b:y a:x a:w");
    check_order("a x>y y z>y", "a:y a:x a:z");
    check_order("", "");
}

#[test]
fn a_cycle_is_in_no_order_and_does_not_hang_it() {
    let (mut definitions, _) = read("a x y z");
    for (tag, target) in [("a:x", "a:y"), ("a:y", "a:x")] {
        let source = TagSource::Follow(target.parse().unwrap());
        definitions.tags.get_mut(&tag.parse::<TagId>().unwrap()).unwrap().source = source;
    }
    assert_eq!(order(&definitions).iter().map(ToString::to_string).collect::<Vec<_>>(), ["a:z"]);
}

#[test]
fn a_cycle_is_shown_with_its_whole_path_and_once() {
    insta::assert_snapshot!(read("a x>b:y lead>x\nb y>c:z\nc z>a:x own>own").1, @r#"
    error: `a:x` follows itself: a:x → b:y → c:z → a:x
     --> streams/a.toml:2:16
      |
    2 | x = { follow = "b:y" }
      |                ^^^^^
      |
      = help: define one of the tags by an image

    error: `c:own` follows itself
     --> streams/c.toml:3:18
      |
    3 | own = { follow = "own" }
      |                  ^^^^^
      |
      = help: define one of the tags by an image
    "#);
}

#[test]
fn a_very_long_cycle_is_not_a_very_long_message() {
    let mut tags: Vec<String> = (0..2_000).map(|n| format!("t{n}>t{}", n + 1)).collect();
    tags.push("t2000>t0".to_owned());
    let said = read(&format!("a {}", tags.join(" "))).1;
    assert!(said.contains("`a:t0` follows itself: a:t0 → a:t1 → "), "{said}");
    assert!(said.contains("→ 1961 more → a:t0"), "{said}");
    assert_eq!(said.matches("error: ").count(), 1);
}

#[test]
fn a_missing_tag_is_reported_with_the_nearest() {
    insta::assert_snapshot!(read(
        "python 3-12 latest>3-13 b>pyton:latest c>python d>nowhere:x e>docker.io/library/x:1 f>node:7 g>empty:1\nnode 20 22\nempty"
    ).1, @r#"
    error: `python:latest` follows `python:3-13`, which does not exist
     --> streams/python.toml:3:21
      |
    3 | latest = { follow = "3-13" }
      |                     ^^^^^^
      |
      = help: did you mean `python:3-12`?

    error: `python:b` follows `pyton:latest`, which does not exist
     --> streams/python.toml:4:16
      |
    4 | b = { follow = "pyton:latest" }
      |                ^^^^^^^^^^^^^^
      |
      = help: there is no stream `pyton`; did you mean `python:latest`?

    error: `python:c` follows `python:python`, which does not exist
     --> streams/python.toml:5:16
      |
    5 | c = { follow = "python" }
      |                ^^^^^^^^
      |
      = help: `python` is a stream; add a tag, e.g. `python:3-12`

    error: `python:d` follows `nowhere:x`, which does not exist
     --> streams/python.toml:6:16
      |
    6 | d = { follow = "nowhere:x" }
      |                ^^^^^^^^^^^
      |
      = help: there is no stream `nowhere`

    error: `python:e` follows `docker.io/library/x:1`, which does not exist
     --> streams/python.toml:7:16
      |
    7 | e = { follow = "docker.io/library/x:1" }
      |                ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: use `image` for an image of a registry

    error: `python:f` follows `node:7`, which does not exist
     --> streams/python.toml:8:16
      |
    8 | f = { follow = "node:7" }
      |                ^^^^^^^^
      |
      = help: the stream `node` has `node:20`, `node:22`

    error: `python:g` follows `empty:1`, which does not exist
     --> streams/python.toml:9:16
      |
    9 | g = { follow = "empty:1" }
      |                ^^^^^^^^^
      |
      = help: the stream `empty` has no tags
    "#);
}

#[test]
fn invalid_values_of_follow_are_reported() {
    insta::assert_snapshot!(read("a x>linux/arm64//b:c y>a.example/x@sha256:00 z>B:c").1, @r#"
    error: invalid remote name `linux/arm64`
     --> streams/a.toml:2:16
      |
    2 | x = { follow = "linux/arm64//b:c" }
      |                ^^^^^^^^^^^^^^^^^^
      |
      = help: use at most 63 lower-case letters, digits and `-`, and do not start with `-`

    error: `a.example/x@sha256:00` is a digest, not a tag
     --> streams/a.toml:3:16
      |
    3 | y = { follow = "a.example/x@sha256:00" }
      |                ^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: use `image` for an image with its digest

    error: invalid stream name `B`
     --> streams/a.toml:4:16
      |
    4 | z = { follow = "B:c" }
      |                ^^^^^
      |
      = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`
    "#);
}

#[test]
fn ten_thousand_missing_targets_are_said_quickly() {
    let tags: Vec<String> = (0..8_000).map(|n| format!("t{n}>gone{n}")).collect();
    let (_, said) = read(&format!("a {}", tags.join(" ")));
    assert!(said.ends_with("… and 7900 more problems\n"), "{said}");
}
