//! The conventions of the house, as far as a machine can hold them.

use std::collections::BTreeSet;
use std::path::Path;

/// All Rust files below `folder`, by path from the repository.
pub(crate) fn files(folder: &str) -> Vec<(String, String)> {
    fn collect(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                collect(&entry, found);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let path = entry.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().to_str().unwrap().to_owned();
                found.push((path, std::fs::read_to_string(&entry).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    assert!(found.len() > 20, "{folder}");
    found.sort();
    found
}

/// The text without its blanks but those between words, for the formatter breaks lines where it likes; and without
/// comments.
fn packed(text: &str) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::new();
    let mut blank = false;
    for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
        for c in line.chars() {
            if c.is_whitespace() {
                blank = true;
                continue;
            }
            if blank && is_word(c) && out.ends_with(is_word) {
                out.push(' ');
            }
            blank = false;
            out.push(c);
        }
        blank = true;
    }
    out
}

/// The modules of the library, in the order of `src/lib.rs`.
fn modules() -> Vec<String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/lib.rs")).unwrap();
    let name = |line: &str| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned());
    text.lines().filter_map(name).filter(|name| name != "sim").collect()
}

/// What follows each `prefix` in `text`: the names of a path, one or several in braces.
fn named<'a>(text: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(prefix) {
        // A longer word may end so.
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
            continue;
        }
        let rest = &text[at + prefix.len()..];
        let Some(braced) = rest.strip_prefix('{') else {
            let end = rest.find([';', ',', '(', ')', '{', '}', '<', '>', '|', ' ', '=']).unwrap_or(rest.len());
            let is_list = rest[..end].ends_with("::") && rest[end..].starts_with('{');
            let end = if is_list { rest.find('}').map_or(end, |at| at + 1) } else { end };
            found.push(&rest[..end]);
            continue;
        };
        let (mut depth, mut start) = (0, 0);
        for (at, c) in braced.char_indices() {
            match c {
                '{' => depth += 1,
                '}' | ',' if depth == 0 => {
                    found.push(&braced[start..at]);
                    start = at + 1;
                    if c == '}' {
                        break;
                    }
                }
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

#[test]
fn no_file_is_longer_than_five_hundred_lines() {
    let long: Vec<_> = [files("src"), files("tests")]
        .concat()
        .into_iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 500)
        .collect();
    assert!(long.is_empty(), "{long:?}");
}

#[test]
fn each_file_opens_with_what_it_is_for() {
    for (path, text) in [files("src"), files("tests")].concat() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{path}: {first}");
        assert!(!path.ends_with("/mod.rs"), "{path}");
    }
}

#[test]
fn each_module_names_only_those_above_it() {
    let order = modules();
    assert!(order.len() > 10, "{order:?}");
    let rank = |name: &str| order.iter().position(|known| known == name);
    let mut upward = BTreeSet::new();
    for (path, text) in files("src") {
        let module = path.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        let Some(here) = rank(&module) else { continue };
        // Tests may look at the whole.
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        if path.ends_with("tests.rs") || path.contains("/tests/") {
            continue;
        }
        for target in named(&packed(code), "crate::") {
            let mut parts = target.split("::");
            let name = parts.next().unwrap();
            let part = parts.next().unwrap_or_default();
            let is_for_all = name == "world" && ["clock", "environment", "proc"].contains(&part.trim_matches('{'));
            if rank(name).is_some_and(|there| there > here) && !is_for_all {
                upward.insert(format!("{path} names {target}"));
            }
        }
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn a_step_names_no_act_of_another_step() {
    let steps = [
        "load", "list", "consult", "plan", "resolve", "recall", "pin", "explain", "edit", "commit", "publish", "notify",
    ];
    // What stands at a tip is read again, and explained, where hooks are told of it: others may have landed it.
    let allowed = [("notify", "load::at"), ("notify", "explain::explain")];
    for step in steps {
        let path = format!("{}/src/reconcile/{step}.rs", env!("CARGO_MANIFEST_DIR"));
        let text = packed(&std::fs::read_to_string(&path).unwrap());
        for other in steps.iter().filter(|other| **other != step) {
            let uses = named(&text, "super::").into_iter().filter(|name| name.starts_with(&format!("{other}::")));
            let calls = named(&text, &format!("{other}::")).into_iter().map(|name| (*other, name));
            for (from, name) in uses.flat_map(|name| inner(name).into_iter().map(|name| (*other, name))).chain(calls) {
                let is_type = name.starts_with(char::is_uppercase);
                let called = format!("{from}::{name}");
                assert!(is_type || allowed.contains(&(step, called.as_str())), "{step} names {called}");
            }
        }
    }
}

/// The names at the end of `step::Name` or `step::{Name, Name}`.
fn inner(path: &str) -> Vec<&str> {
    let names = path.split_once("::").map_or("", |(_, names)| names);
    names.trim_matches(['{', '}']).split(',').collect()
}

#[test]
fn words_that_are_never_written_are_not() {
    // Written in two parts, so that this file does not hold them.
    let words = [("to", "do!("), ("unimple", "mented!("), ("crates", ".io"), ("py", "pi.org"), ("npmjs", ".com")];
    for (path, text) in [files("src"), files("tests")].concat() {
        for word in words.map(|(a, b)| format!("{a}{b}")) {
            let found = text.lines().find(|line| line.contains(&word));
            assert_eq!(found, None, "{path} has `{word}`");
        }
    }
}

#[test]
fn the_rules_of_this_file_can_be_broken() {
    assert_eq!(named("use crate::{a::b,c::{d,e},f};", "crate::"), ["a::b", "c::{d,e}", "f"]);
    assert_eq!(named("crate::a::b(crate::c)", "crate::"), ["a::b", "c"]);
    assert_eq!(named("super::load::at(x);reload::at(y)", "load::"), Vec::<&str>::new());
    assert_eq!(named("use super::pin::{A,b};", "super::"), ["pin::{A,b}"]);
    assert_eq!(inner("pin::{A,b}"), ["A", "b"]);
    assert_eq!(packed("// x\na  b\n\tc :: d"), "a b c::d");
}
