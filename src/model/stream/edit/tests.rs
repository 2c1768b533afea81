//! Edits of stream files, which change nothing else.

use std::sync::Arc;

use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;

use super::*;
use crate::model::image::TagId;
use crate::model::settings::ImportSettings;
use crate::model::settings::schedule::Schedules;
use crate::model::stream::validate::DefinitionsDraft;
use crate::model::stream::write::NewSource;
use crate::model::stream::{Definitions, Tag, TagSource};
use crate::text::diagnostics::SourceFile;

const STREAM: &str = "python";

/// One of each way to write a tag.
const ALL: &str = r#"description = "Python" # what for

[tags]
# the usual one
"3.12" = "quay.io/a/b:3.12" # since May
arm    = { image = "quay.io/a/b:arm",   platform = "linux/arm64" }
dotted.image = "quay.io/a/b:d"   # first
dotted.hold.reason = "CVE"
last = { follow = "3.12" }

# kept for the old servers
[tags."3.10"]
# a word
image = "quay.io/a/b:3.10"
reject = [
    "sha256:0101010101010101010101010101010101010101010101010101010101010101", # slow
]
[tags."3.10".annotations]
owner = "platform"

[import]
soak = "1d"
"#;

fn name(text: &str) -> TagName {
    text.parse().unwrap()
}

fn image(text: &str) -> NewTag {
    NewTag::of(NewSource::Image(text.parse().unwrap(), None))
}

fn follow(text: &str) -> NewTag {
    NewTag::of(NewSource::Follow(text.parse().unwrap()))
}

fn digest(number: u8) -> Digest {
    format!("sha256:{}", format!("{number:02x}").repeat(32)).parse().unwrap()
}

/// Parses a text, or returns its problems.
fn read(text: &str) -> Result<Definitions, String> {
    let file = Arc::new(SourceFile { path: "streams/python.toml".to_owned(), text: text.to_owned() });
    let (mut draft, mut schedules) = (DefinitionsDraft::default(), Schedules::default());
    let mut problems = draft.add_stream(&file, STREAM.parse().unwrap(), &ImportSettings::default(), &mut schedules);
    let (definitions, between) = draft.finish(None);
    problems.extend(between);
    let said: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
    if said.is_empty() { Ok(definitions) } else { Err(format!("{said:?}\n{text}")) }
}

fn set(text: &str, tag: &str, new: &NewTag) -> String {
    define(text, &STREAM.parse().unwrap(), &name(tag), new).unwrap()
}

/// The lines that differ.
#[track_caller]
fn check(old: &str, new: &str, expected: &str) {
    read(new).unwrap();
    let diff = similar::TextDiff::from_lines(old, new);
    let lines = diff.iter_all_changes().filter(|change| change.tag() != similar::ChangeTag::Equal);
    let lines: String = lines.map(|change| format!("{}{change}", change.tag())).collect();
    assert_eq!(lines.trim_end(), expected.trim(), "\n{lines}\n{new}");
}

#[test]
fn a_definition_is_replaced_in_place() {
    check(
        ALL,
        &set(ALL, "3.12", &image("quay.io/a/b:4")),
        "-\"3.12\" = \"quay.io/a/b:3.12\" # since May\n+\"3.12\" = \"quay.io/a/b:4\" # since May",
    );
    let scheduled = NewTag { schedule: Some("0 3 * * *".to_owned()), ..image("quay.io/a/b:4") };
    check(
        ALL,
        &set(ALL, "3.12", &scheduled),
        "-\"3.12\" = \"quay.io/a/b:3.12\" # since May\n\
         +\"3.12\" = { image = \"quay.io/a/b:4\", schedule = \"0 3 * * *\" } # since May",
    );
    check(
        ALL,
        &set(ALL, "arm", &follow("python:3.12")),
        "-arm    = { image = \"quay.io/a/b:arm\",   platform = \"linux/arm64\" }\n+arm    = { follow = \"3.12\" }",
    );
    check(
        ALL,
        &set(ALL, "dotted", &scheduled),
        "-dotted.image = \"quay.io/a/b:d\"   # first\n+dotted.image = \"quay.io/a/b:4\"   # first\n\
         +dotted.schedule = \"0 3 * * *\"",
    );
    check(ALL, &set(ALL, "3.10", &follow("python:3.12")), "-image = \"quay.io/a/b:3.10\"\n+follow = \"3.12\"");
}

#[test]
fn a_new_tag_is_added_next_to_the_others() {
    check(ALL, &set(ALL, "new", &follow("python:arm")), "+new = { follow = \"arm\" }");
    let new = image("quay.io/a/b:2");
    for (text, expected) in [
        ("", "[tags]\nnew = \"quay.io/a/b:2\"\n"),
        ("[tags.a]\nimage = 'b.c/d:e'", "[tags.a]\nimage = 'b.c/d:e'\n\n[tags.new]\nimage = \"quay.io/a/b:2\""),
        ("[tags]", "[tags]\nnew = \"quay.io/a/b:2\""),
        ("[tags]\r\n# none\r\n", "[tags]\r\nnew = \"quay.io/a/b:2\"\r\n# none\r\n"),
        ("tags = {}", "tags = { new = \"quay.io/a/b:2\" }"),
        ("tags = { a = \"b.c/d:e\" } # all", "tags = { a = \"b.c/d:e\", new = \"quay.io/a/b:2\" } # all"),
        ("tags.a = \"b.c/d:e\"\n[import]\n", "tags.a = \"b.c/d:e\"\ntags.new = \"quay.io/a/b:2\"\n[import]\n"),
        ("[import]\r\n", "[import]\r\n\r\n[tags]\r\nnew = \"quay.io/a/b:2\"\r\n"),
    ] {
        assert_eq!(set(text, "new", &new), expected, "{text:?}");
        read(expected).unwrap();
    }
}

#[test]
fn a_rejected_digest_joins_the_others_with_its_reason() {
    let rejecting = |tag: &str| reject(ALL, &name(tag), &digest(2), "it\nbroke # twice").unwrap();
    let element = format!("\"{}\", # it broke # twice", digest(2));
    check(ALL, &rejecting("3.10"), &format!("+    {element}"));
    check(
        ALL,
        &rejecting("3.12"),
        &format!(
            "-\"3.12\" = \"quay.io/a/b:3.12\" # since May\n\
             +\"3.12\" = {{ image = \"quay.io/a/b:3.12\", reject = [\n+  {element}\n+] }} # since May"
        ),
    );
    check(ALL, &rejecting("dotted"), &format!("+dotted.reject = [\n+  {element}\n+]"));
    let list = |list: &str| format!("tags.a = {{ image = \"b.c/d:e\", reject = {list}, soak = \"1d\" }}\n");
    let one = format!("\"{}\"", digest(1));
    for (before, after) in [
        ("[]".to_owned(), format!("[\n  {element}\n]")),
        (format!("[{one}]"), format!("[{one},\n  {element}\n]")),
        (format!("[ {one}, ]"), format!("[ {one},\n  {element}\n]")),
        (format!("[\n\t{one} # a, b\n]"), format!("[\n\t{one}, # a, b\n\t{element}\n]")),
        (format!("[\n\t{one}, # a\n\t# b\n]"), format!("[\n\t{one}, # a\n\t# b\n\t{element}\n]")),
    ] {
        let text = list(&before);
        let new = reject(&text, &name("a"), &digest(2), "it\nbroke # twice").unwrap();
        assert_eq!(new, list(&after));
        read(&new).unwrap();
    }
}

#[test]
fn a_hold_is_set_changed_and_taken_out() {
    let held = |text: &str, tag: &str, reason: Option<&str>| hold(text, &name(tag), reason).unwrap();
    let once = held(ALL, "dotted", Some("a \"b\""));
    check(ALL, &once, "-dotted.hold.reason = \"CVE\"\n+dotted.hold = \"a \\\"b\\\"\"");
    let twice = held(&once, "dotted", Some("c"));
    check(&once, &twice, "-dotted.hold = \"a \\\"b\\\"\"\n+dotted.hold = \"c\"");
    check(&twice, &held(&twice, "dotted", None), "-dotted.hold = \"c\"");
    let inline = held(ALL, "arm", Some("c"));
    assert!(inline.contains("{ image = \"quay.io/a/b:arm\", hold = \"c\",   platform = \"linux/arm64\" }"), "{inline}");
    assert_eq!(held(&inline, "arm", None), ALL);
    assert_eq!(held(ALL, "last", None), ALL);
    let table = format!("{ALL}\n[tags.\"3.10\".hold]\nreason = \"x\" # why\nuntil = 2026-12-01\n");
    assert_eq!(held(&table, "3.10", None), ALL);
}

#[test]
fn a_tag_is_taken_out_with_all_that_is_its_own() {
    let without = |tag: &str| remove(ALL, tag).unwrap().unwrap();
    check(ALL, &without("arm"), "-arm    = { image = \"quay.io/a/b:arm\",   platform = \"linux/arm64\" }");
    check(ALL, &without("dotted"), "-dotted.image = \"quay.io/a/b:d\"   # first\n-dotted.hold.reason = \"CVE\"");
    let text = without("3.10");
    assert!(text.ends_with("# kept for the old servers\n[import]\nsoak = \"1d\"\n"), "{text}");
    assert_eq!(remove(ALL, "none").unwrap(), None);
    for (text, expected) in [
        ("tags = { a = 'b.c/d:e', \"no name\" = 'x' }", "tags = { a = 'b.c/d:e' }"),
        ("tags = { \"no name\".image = 'x', a = 'b.c/d:e' }", "tags = { a = 'b.c/d:e' }"),
        ("[tags]\na = 'b.c/d:e'\n\"no name\" = 3", "[tags]\na = 'b.c/d:e'\n"),
        ("[tags]\n\n[tags.'no name']\nx = 1\n\n[tags.'no name'.y]\n", "[tags]\n"),
        ("tags.'no name' = 1\n", ""),
    ] {
        assert_eq!(remove(text, "no name").unwrap().as_deref(), Some(expected), "{text:?}");
    }
    assert!(remove("[", "a").is_err());
}

/// One tag, written in one of the ways there are: the lines under `[tags]`, and those of tables of its own.
fn any_way(tag: &'static str) -> impl Strategy<Value = (String, String)> {
    let source = select(vec!["image = \"b.c/d:e\"", "follow = \"other:1\"", "repository = 'b.c/d', semver = '>=1'"]);
    let rest = select(vec!["", "soak = \"1d\"", "hold = 'x'", "annotations.a = \"b\""]);
    let comment = select(vec!["", " # a, { \" ] b", "\t# ü"]);
    (0..4_u8, source, rest, comment).prop_map(move |(way, source, rest, comment)| {
        let pairs: Vec<&str> = source.split(", ").chain(Some(rest).filter(|rest| !rest.is_empty())).collect();
        let lines =
            |before: &str| -> String { pairs.iter().map(|pair| format!("{before}{pair}{comment}\n")).collect() };
        match way {
            0 => (format!("\"{tag}\" = \"b.c/d:e\"{comment}\n"), String::new()),
            1 => (format!("  \"{tag}\"={{{} }}{comment}\n", pairs.join(" ,  ")), String::new()),
            2 => (lines(&format!("\"{tag}\" . ")), String::new()),
            _ => (String::new(), format!("[ tags.'{tag}' ]{comment}\n{}\n", lines("\t"))),
        }
    })
}

#[derive(Clone, Debug)]
enum Act {
    Image,
    Follow,
    Reject,
    Hold,
    Unhold,
    Remove,
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![select(vec![Act::Image, Act::Follow, Act::Reject]), select(vec![Act::Hold, Act::Unhold, Act::Remove]),]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edit_changes_the_tag_and_nothing_else(
        a in any_way("a"), tag_in in any_way("3.1"), z in any_way("z"),
        act in any_act(), is_crlf in any::<bool>(), ends in any::<bool>(),
    ) {
        let (head, mid) = ("# head\n[tags]\n", "\n# between\n");
        let before = format!("{head}{}", a.0);
        let after = format!("{}{mid}{}", z.0, a.1);
        let end = format!("{}# the end\n[annotations]\nlast = 'one'\n", z.1);
        let text = format!("{before}{}{after}{}{end}", tag_in.0, tag_in.1);
        // A tag that follows needs the tag that it follows.
        let text = text.replace("other:1", "python:q").replace("[tags]\n", "[tags]\nq = 'b.c/d:q'\n");
        let written = |text: &str| {
            let text = text.replace("other:1", "python:q").replace("[tags]\n", "[tags]\nq = 'b.c/d:q'\n");
            if is_crlf { text.replace('\n', "\r\n") } else { text }
        };
        let text = if is_crlf { text.replace('\n', "\r\n") } else { text };
        let text = if ends { text } else { text.trim_end().to_owned() };
        let before_edit = read(&text).unwrap();
        let tag_name = name("3.1");
        let new = match act {
            Act::Image => set(&text, "3.1", &NewTag { schedule: Some("0 3 * * *".to_owned()), ..image("b.c/d:new") }),
            Act::Follow => set(&text, "3.1", &follow("python:q")),
            Act::Reject => reject(&text, &tag_name, &digest(7), "why").unwrap(),
            Act::Hold => hold(&text, &tag_name, Some("why")).unwrap(),
            Act::Unhold => hold(&text, &tag_name, None).unwrap(),
            Act::Remove => remove(&text, "3.1").unwrap().unwrap(),
        };
        // The text around its lines is unchanged, byte for byte and in order.
        let mut rest = new.as_str();
        let end = if ends { written(&end) } else { written(&end).trim_end().to_owned() };
        for part in [written(&before), written(&after), end] {
            let at = rest.find(&part).unwrap_or_else(|| panic!("{part:?} is not in {new:?}"));
            rest = &rest[at + part.len()..];
        }
        assert_eq!(rest, "", "{new:?}");
        assert!(new.starts_with(&written(&before)), "{new:?}");
        assert_eq!(is_crlf, !new.replace("\r\n", "").contains('\n') && new.contains("\r\n"), "{new:?}");
        // The tag has its new definition, and all others their old ones.
        let mut after_edit = read(&new).unwrap();
        let id = TagId { stream: STREAM.parse().unwrap(), tag: tag_name };
        let old = &before_edit.tags[&id];
        let now = after_edit.tags.remove(&id);
        let rules = |tag: &Tag| tag.adoption.as_deref().cloned().unwrap_or_default();
        match (&act, now) {
            (Act::Remove, now) => assert_eq!(now, None),
            (_, None) => panic!("it is gone: {new}"),
            (Act::Image, Some(now)) => {
                assert!(matches!(&now.source, TagSource::Image { image, .. } if image.to_string() == "b.c/d:new"));
                assert!(now.schedule.is_some());
                assert_eq!((&now.annotations, rules(&now).hold), (&old.annotations, rules(old).hold));
            }
            (Act::Follow, Some(now)) => assert_eq!(now.source, TagSource::Follow("python:q".parse().unwrap())),
            (Act::Reject, Some(now)) => assert_eq!(rules(&now).reject, [digest(7)]),
            (Act::Hold, Some(now)) => assert_eq!(rules(&now).hold.unwrap().reason.as_deref(), Some("why")),
            (Act::Unhold, Some(now)) => assert_eq!((rules(&now).hold, &now.source), (None, &old.source)),
        }
        let mut others = before_edit;
        others.tags.remove(&id);
        assert_eq!(after_edit, others);
    }
}
