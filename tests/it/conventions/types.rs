//! Types: one name, one meaning.

use std::collections::BTreeMap;

use super::none;
use crate::support::source::{Source, library};

/// Names that several public types may share, with the reason.
const ALLOWED: [(&str, &str); 0] = [];

/// Public types of a file: visible outside it in any way.
fn public_types(source: &Source) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for window in source.tokens.windows(6) {
        if !window[0].is("pub") {
            continue;
        }
        let at = if window[1].is("(") { 4 } else { 1 };
        if ["struct", "enum", "trait", "type", "union"].contains(&window[at].text.as_str()) {
            found.push((window[at + 1].text.clone(), source.at(&window[at])));
        }
    }
    found
}

#[test]
fn no_two_public_types_share_a_name() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, place) in library().iter().flat_map(public_types) {
        places.entry(name).or_default().push(place);
    }
    assert!(places.len() > 200, "{} types", places.len());
    let is_allowed = |name: &str| ALLOWED.iter().any(|(allowed, _)| *allowed == name);
    let shared = places.iter().filter(|(name, places)| places.len() > 1 && !is_allowed(name));
    let shared: Vec<String> = shared.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    none("give each type a name of its own", &shared);
}

#[test]
fn the_check_of_types_sees_every_visibility() {
    let text =
        "pub struct A;\npub(crate) enum B {}\nstruct C;\npub fn d() {}\npub(in crate::x) struct E;\n// pub struct F;\n";
    let source = Source::new("src/x.rs".to_owned(), text.to_owned() + "pub type G = u8; fn h() {}");
    let names: Vec<String> = public_types(&source).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["A", "B", "G"]);
}
