//! Layout: file length, headers, direction of dependencies, import cycles, steps of a pass.

use std::collections::BTreeSet;

use super::none;
use crate::support::source::{Imports, Source, files, library, read, sources};

/// Parts of a module that come later than the module itself, each just after another module.
const LATER_PARTS: [(&str, &str); 5] = [
    // Settings contain targets, whose tables are those of their formats; streams contain settings; roots contain both.
    ("model::settings", "formats"),
    ("model::stream", "model::settings"),
    ("model::drift", "model::stream"),
    ("model::adoption", "model::stream"),
    ("model::root", "model::adoption"),
];

/// Steps of a pass: `src/reconcile/<step>.rs` and the files below `src/reconcile/<step>/`.
const STEPS: [&str; 6] = ["load", "gather", "decide", "land", "record", "notify"];

/// Functions of a step that another step may call, with the reason.
const STEP_CALLS: [(&str, &str, &str); 0] = [];

/// Text that must not occur in any file, in two parts so that this file does not contain it.
const FORBIDDEN: [(&str, &str); 5] =
    [("to", "do!("), ("unimple", "mented!("), ("crates", ".io"), ("py", "pi.org"), ("npmjs", ".com")];

#[test]
fn no_file_is_longer_than_500_lines() {
    let all = [files("src"), files("tests")].concat();
    let lengths = all.iter().map(|(path, text)| (path, text.lines().count()));
    let long: Vec<String> =
        lengths.filter(|(_, lines)| *lines > 500).map(|(path, lines)| format!("{path}: {lines} lines")).collect();
    none("split files of more than 500 lines by concept", &long);
}

#[test]
fn every_file_opens_with_its_purpose() {
    for (path, text) in [files("src"), files("tests")].concat() {
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! "), "{path} starts with `{first}`");
        assert!(!path.ends_with("/mod.rs"), "{path} must be a `.rs` file beside its directory");
    }
}

#[test]
fn no_file_contains_forbidden_text() {
    for (path, text) in [files("src"), files("tests")].concat() {
        for word in FORBIDDEN.map(|(a, b)| format!("{a}{b}")) {
            assert_eq!(text.lines().find(|line| line.contains(&word)), None, "{path} contains `{word}`");
        }
    }
}

/// Modules of the library, lower ones first.
fn modules() -> Vec<String> {
    let mut order: Vec<String> = read("src/lib.rs")
        .lines()
        .filter_map(|line| Some(line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?.to_owned()))
        .filter(|name| name != "sim")
        .collect();
    assert!(order.len() > 10, "{order:?}");
    for (part, after) in LATER_PARTS {
        let at = order.iter().position(|module| module == after).unwrap();
        order.insert(at + 1, part.to_owned());
    }
    order
}

/// Rank of a path: that of the longest module or part it lies in.
fn rank(order: &[String], path: &[String]) -> Option<usize> {
    (1..=path.len()).rev().find_map(|length| {
        let name = path[..length].join("::");
        order.iter().position(|module| *module == name)
    })
}

#[test]
fn modules_depend_only_on_lower_modules() {
    let (order, library) = (modules(), library());
    let imports = Imports::of(&library);
    let mut upward = BTreeSet::new();
    for source in &library {
        let Some(here) = rank(&order, &source.module()) else { continue };
        for path in imports.paths(&source.path) {
            if rank(&order, path).is_some_and(|there| there > here) {
                upward.insert(format!("{} imports {}", source.path, path.join("::")));
            }
        }
    }
    let upward: Vec<String> = upward.into_iter().collect();
    none("the order of modules is that of src/lib.rs", &upward);
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let library = library();
    let imports = Imports::of(&library);
    let cycles = imports.cycles();
    let shown: Vec<String> = cycles
        .iter()
        .map(|group| {
            let edges = group.iter().flat_map(|file| {
                let theirs = imports.others(file);
                group
                    .iter()
                    .filter(move |other| theirs.contains(*other))
                    .map(move |other| format!("  {file} -> {other}"))
            });
            format!("cycle:\n{}", edges.collect::<Vec<_>>().join("\n"))
        })
        .collect();
    none("move what both files need to a third one", &shown);
}

#[test]
fn steps_of_a_pass_do_not_call_each_other() {
    let library = library();
    let imports = Imports::of(&library);
    let mut named = Vec::new();
    for step in STEPS {
        let is_of_step = |source: &&Source| {
            source.path == format!("src/reconcile/{step}.rs")
                || source.path.starts_with(&format!("src/reconcile/{step}/"))
        };
        let own: Vec<&Source> = library.iter().filter(is_of_step).collect();
        assert!(!own.is_empty(), "there is no step `{step}`");
        for source in own {
            for path in imports.paths(&source.path) {
                let ["reconcile", other, .., name] = path.iter().map(String::as_str).collect::<Vec<_>>()[..] else {
                    continue;
                };
                let is_type = name.starts_with(char::is_uppercase);
                let is_allowed =
                    STEP_CALLS.iter().any(|(from, call, _)| *from == step && *call == path[1..].join("::"));
                if STEPS.contains(&other) && other != step && !is_type && !is_allowed {
                    named.push(format!("{} calls {}", source.path, path[1..].join("::")));
                }
            }
        }
    }
    none("pass values between steps in src/reconcile.rs", &named);
}

#[test]
fn the_checks_see_imports_calls_and_re_exports() {
    let source = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let library = [
        source("src/a.rs", "mod b;\npub use b::Thing;\nfn f() { b::g() }"),
        source(
            "src/a/b.rs",
            "use crate::c::{self, d::{E, F as G}};\npub struct Thing;\n#[cfg(test)]\nmod tests { use crate::z::Z; }",
        ),
        source("src/c.rs", "pub mod d;\nuse super::a::Thing;\n// use crate::z::Z;\nconst S: &str = \"crate::z::Z\";"),
        source("src/c/d.rs", "pub struct E;\npub fn f<'a>(c: char) -> bool { c == '\"' || super::other() }"),
    ];
    let imports = Imports::of(&library);
    let paths = |file: &str| imports.paths(file).iter().map(|path| path.join("::")).collect::<Vec<_>>();
    assert_eq!(paths("src/a.rs"), ["a::b::Thing", "a::b::g"]);
    assert_eq!(paths("src/a/b.rs"), ["c", "c::d::E", "c::d::F"]);
    assert_eq!(paths("src/c.rs"), ["a::Thing"]);
    assert_eq!(paths("src/c/d.rs"), ["c::other"]);
    assert_eq!(imports.files("src/c.rs"), BTreeSet::from(["src/a/b.rs"]));
    assert_eq!(imports.cycles(), [["src/a/b.rs", "src/c.rs"]]);
    assert!(sources("src").len() > library.len());
}
