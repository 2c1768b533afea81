//! Ids of `tests/THREATS.md`: every id that a test names has a row, and rows without a test say so.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::source::{Kind, files, read, sources};

/// Rows by id, such as `T10` or `I3`; the value is the last cell, which names the tests.
fn rows() -> BTreeMap<String, String> {
    let text = read("tests/THREATS.md");
    let mut rows = BTreeMap::new();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if is_id(cells[0]) {
            assert!(
                rows.insert(cells[0].to_owned(), cells[cells.len() - 1].to_owned()).is_none(),
                "{line} occurs twice"
            );
        }
    }
    rows
}

fn is_id(text: &str) -> bool {
    let number = text.strip_prefix(['T', 'I']).unwrap_or_default();
    (1..=2).contains(&number.len()) && number.bytes().all(|digit| digit.is_ascii_digit())
}

/// Ids at the start of a test's name: `t8_t22_no_token` has two.
fn ids_of_name(name: &str) -> Vec<String> {
    name.split('_').map(str::to_uppercase).take_while(|part| is_id(part)).collect()
}

/// Ids at the start of a text such as `I3: a pass stopped`, or the whole of it.
fn id_of_text(text: &str) -> Option<String> {
    let start = text.split(':').next().unwrap();
    is_id(start).then(|| start.to_owned())
}

/// Ids that tests name, with the first place of each.
fn named() -> BTreeMap<String, String> {
    let mut named = BTreeMap::new();
    for source in [sources("src"), sources("tests")].iter().flatten() {
        let all = crate::support::source::tokens(&source.text);
        let is_test = source.path.starts_with("tests/");
        for pair in all.windows(2) {
            let ids = match pair[1].kind {
                Kind::Word if pair[0].is("fn") => ids_of_name(&pair[1].text),
                Kind::Text if is_test => id_of_text(&pair[1].text).into_iter().collect(),
                _ => Vec::new(),
            };
            for id in ids {
                named.entry(id).or_insert_with(|| source.at(&pair[1]));
            }
        }
    }
    named
}

#[test]
fn every_id_of_a_test_has_a_row() {
    let rows = rows();
    let unknown: Vec<_> = named().into_iter().filter(|(id, _)| !rows.contains_key(id)).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn rows_without_a_test_say_so() {
    let named: BTreeSet<String> = named().into_keys().collect();
    for (id, tests) in rows() {
        let says_none = tests.starts_with("none");
        assert_eq!(says_none, !named.contains(&id), "{id} has the cell `{tests}`");
    }
}

#[test]
fn the_table_is_complete() {
    let rows = rows();
    let expected = (1..=30).map(|number| format!("T{number}")).chain((1..=25).map(|number| format!("I{number}")));
    assert_eq!(rows.keys().cloned().collect::<BTreeSet<_>>(), expected.collect());
}

#[test]
fn comments_name_only_rows_that_exist() {
    let rows = rows();
    for (path, text) in files("tests") {
        for line in text.lines().filter(|line| line.trim_start().starts_with("//")) {
            let ids = line.split(|c: char| !c.is_alphanumeric()).filter(|word| is_id(word));
            for id in ids {
                assert!(rows.contains_key(id), "{path} names {id}: {line}");
            }
        }
    }
}

#[test]
fn the_check_of_ids_reads_names_and_texts() {
    assert_eq!(ids_of_name("t8_t22_no_token_is_shown"), ["T8", "T22"]);
    assert_eq!(ids_of_name("the_t8_test"), Vec::<String>::new());
    assert_eq!(id_of_text("I3: a pass stopped"), Some("I3".to_owned()));
    assert_eq!(id_of_text("I7"), Some("I7".to_owned()));
    assert_eq!(id_of_text("In time"), None);
}
