//! CONTRIBUTING.md names files that exist.

use crate::support::source::{exists, read};

use super::none;

/// Paths in backticks that start with a directory of this repository.
fn paths(text: &str) -> Vec<&str> {
    let code = text.split('`').skip(1).step_by(2);
    let is_path = |code: &&str| {
        ["src/", "tests/", "examples/", "schema/", ".ci/"].iter().any(|start| code.starts_with(start))
            && !code.contains(['<', ' ', '*'])
    };
    code.filter(is_path).collect()
}

#[test]
fn contributing_names_files_that_exist() {
    let text = read("CONTRIBUTING.md");
    let paths = paths(&text);
    assert!(paths.len() > 20, "{paths:?}");
    let missing: Vec<String> =
        paths.iter().filter(|path| !exists(path)).map(|path| format!("{path} does not exist")).collect();
    none("correct the path in CONTRIBUTING.md", &missing);
}

#[test]
fn the_reader_table_has_an_answer_for_each_question() {
    let text = read("CONTRIBUTING.md");
    let table = text.split("| question | file |").nth(1).unwrap().split("\n\n").next().unwrap();
    let answers: Vec<Vec<&str>> = table.lines().skip(2).map(paths).collect();
    assert_eq!(answers.len(), 7, "{table}");
    assert!(answers.iter().all(|paths| paths.len() == 1), "{table}");
}

#[test]
fn contributing_is_one_page() {
    let lines = read("CONTRIBUTING.md").lines().count();
    assert!(lines <= 100, "{lines} lines");
}
