//! Random files, read back by independent parsers: only the selected value changes, and writing twice changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};
use proptest::sample::select;
use serde::Deserialize as _;

use super::{applied, targets};

/// The value written over `old`: a repository that means the same one keeps its spelling.
fn new(old: &str) -> String {
    let repository = old.trim_matches(['"', '\'']).strip_suffix(":3").unwrap_or("docker.io/library/python");
    format!("{repository}:3.12@sha256:{}", "ab".repeat(32))
}

/// A file around a value, with the selector of the value.
#[derive(Clone, Debug)]
struct Around {
    before: String,
    behind: String,
    steps: Vec<Step>,
    /// Number of its document.
    document: usize,
}

/// A step of the selector, followed independently.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    /// List item with this name.
    Named(String),
    /// List item with this number.
    Item(usize),
}

impl Around {
    fn at(&self) -> String {
        let mut text = String::new();
        for step in &self.steps {
            let _ = match step {
                Step::Key(key) if key.contains('.') && text.is_empty() => write!(text, "\"{key}\""),
                Step::Key(key) if key.contains('.') => write!(text, ".\"{key}\""),
                Step::Key(key) if text.is_empty() => write!(text, "{key}"),
                Step::Key(key) => write!(text, ".{key}"),
                Step::Named(name) => write!(text, "[name={name}]"),
                Step::Item(number) => write!(text, "[{number}]"),
            };
        }
        text.replace('"', "\\\"")
    }

    /// Returns the file with `value`.
    fn with(&self, value: &str) -> String {
        format!("{}{value}{}", self.before, self.behind)
    }
}

/// Replaces `old` by the pin twice; only the value changes, to `expected`.
#[track_caller]
fn check(kind: &str, path: &str, around: &Around, old: &str, expected: &[String]) -> String {
    let at = around.at();
    let targets =
        targets(&format!("[[target]]\nfrom = \"python:3.12\"\n{kind} = {{ path = \"{path}\", at = \"{at}\" }}\n"));
    let files = BTreeMap::from([(path.to_owned(), around.with(old).into_bytes())]);
    let once = applied(&targets, &files);
    let text = String::from_utf8(once[path].clone()).unwrap();
    assert!(expected.iter().any(|value| text == around.with(value)), "{at}\n{}\n{text}", around.with(old));
    assert_eq!(applied(&targets, &once), once);
    text
}

/// Keys of the selector; no sibling has one of them.
fn any_key() -> impl Strategy<Value = String> {
    select(vec!["spec", "template", "image", "a.b/c", "Ü", "containers", "x-y", "on"]).prop_map(str::to_owned)
}

#[derive(Clone, Debug)]
struct Level {
    key: String,
    /// For a list item: number of items before it, and whether it is named.
    item: Option<(usize, bool)>,
    indent: usize,
    above: Vec<usize>,
    below: Vec<usize>,
}

fn any_levels() -> impl Strategy<Value = Vec<Level>> {
    let others = || vec(0..SIBLINGS.len(), 0..4);
    let item = proptest::option::of((0..3_usize, any::<bool>()));
    let level = (any_key(), item, 1..5_usize, others(), others());
    vec(level.prop_map(|(key, item, indent, above, below)| Level { key, item, indent, above, below }), 1..6)
}

/// Sibling values in YAML; `>` at the start of a line adds a level.
const SIBLINGS: [&str; 14] = [
    "1",
    "\"python:3 # no\"",
    "'it''s: {x}'",
    "plain # comment: image",
    "[a, {b: c}, 'd']",
    "{image: python:3, \"k\": [1,\n> 2]}",
    "|\n>image: python:3\n>  more\n",
    ">-\n>a\n\n>b",
    "~",
    "",
    "!!str 12",
    "\"a \\\n> b\\u0041\"",
    "\n>- image: python:3\n>- b",
    "\n># only a comment\n>image: 'ü'",
];

/// A YAML file around a value.
fn yaml(levels: &[Level], is_crlf: bool, has_mark: bool, documents: [usize; 2], ends: bool) -> Around {
    let mut before = if has_mark { "\u{feff}".to_owned() } else { String::new() };
    let mut behind: Vec<String> = Vec::new();
    for number in 0..documents[0] {
        let _ = write!(before, "# one\nother{number}: [1]\n---\n");
    }
    let (mut column, mut steps) = (0, Vec::new());
    let siblings = |names: &str, which: &[usize], column: usize| {
        let mut text = String::new();
        for (number, which) in which.iter().enumerate() {
            let value = SIBLINGS[*which].replace('>', "\u{1}").replacen("\u{1}-\n", ">-\n", 1);
            let value = value.replace('\u{1}', &" ".repeat(column + 2));
            let _ = writeln!(text, "{}{names}{number}: {value}", " ".repeat(column));
        }
        text
    };
    for (depth, level) in levels.iter().enumerate() {
        before += &siblings("before", &level.above, column);
        behind.push(siblings("behind", &level.below, column));
        let _ = write!(before, "{}{}:", " ".repeat(column), level.key);
        steps.push(Step::Key(level.key.clone()));
        let is_last = depth + 1 == levels.len();
        if let Some((number, is_named)) = level.item {
            before.push('\n');
            column += level.indent;
            for other in 0..number {
                let _ = writeln!(before, "{}- name: other{other}", " ".repeat(column));
            }
            behind.push(format!("{}- name: last\n", " ".repeat(column)));
            let _ = write!(before, "{}-", " ".repeat(column));
            if is_last {
                steps.push(Step::Item(number));
            } else {
                steps.push(if is_named { Step::Named("web".to_owned()) } else { Step::Item(number) });
                before += " name: web\n";
                column += 2;
            }
        } else if !is_last {
            before.push('\n');
            column += level.indent;
        }
    }
    before.push(' ');
    let mut tail = "\n".to_owned();
    tail.extend(behind.into_iter().rev());
    for _ in 0..documents[1] {
        tail += "--- # more\nimages: {a: python:3}\n";
    }
    if !ends {
        tail.truncate(tail.trim_end().len());
    }
    let lines = |text: String| if is_crlf { text.replace('\n', "\r\n") } else { text };
    Around { before: lines(before), behind: lines(tail), steps, document: documents[0] }
}

/// Returns the selected value as another parser finds it.
fn in_yaml(text: &str, around: &Around) -> Option<String> {
    let text = text.trim_start_matches('\u{feff}');
    let document = serde_yaml_ng::Deserializer::from_str(text).nth(around.document)?;
    let mut at = serde_yaml_ng::Value::deserialize(document).unwrap();
    for step in &around.steps {
        at = match step {
            Step::Key(key) => at.get(key.as_str())?.clone(),
            Step::Item(number) => at.get(number)?.clone(),
            Step::Named(name) => at
                .as_sequence()?
                .iter()
                .find(|item| item.get("name").is_some_and(|found| found == name.as_str()))?
                .clone(),
        };
    }
    at.as_str().map(str::to_owned)
}

/// A JSON file around a value, with blanks from `seed`.
fn json(levels: &[Level], seed: &[u8], has_mark: bool) -> Around {
    const BLANKS: [&str; 6] = ["", " ", "\n", "\r\n\t", "  ", "\t"];
    const VALUES: [&str; 7] = [
        "1",
        "\"python:3\"",
        "[{\"image\": \"a\\\"b\\\\\"}, []]",
        "null",
        "{\"x\":-1.5e3}",
        "\"\\ud83d\\ude00\"",
        "true",
    ];
    let mut turn = 0;
    let mut blank = || {
        turn += 1;
        BLANKS[usize::from(seed[turn % seed.len()]) % BLANKS.len()]
    };
    let mut before = if has_mark { "\u{feff}".to_owned() } else { String::new() };
    let (mut behind, mut steps) = (Vec::new(), Vec::new());
    for level in levels {
        let _ = write!(before, "{}{{{}", blank(), blank());
        for (number, which) in level.above.iter().enumerate() {
            let _ =
                write!(before, "\"before{number}\"{}:{}{}{},", blank(), blank(), VALUES[which % VALUES.len()], blank());
        }
        let _ = write!(before, "{}\"{}\"{}:{}", blank(), level.key, blank(), blank());
        steps.push(Step::Key(level.key.clone()));
        let mut tail = String::new();
        for (number, which) in level.below.iter().enumerate() {
            let _ = write!(tail, "{},\"behind{number}\":{}{}", blank(), blank(), VALUES[which % VALUES.len()]);
        }
        let _ = write!(tail, "{}}}{}", blank(), blank());
        behind.push(tail);
        if let Some((number, _)) = level.item {
            let _ = write!(before, "[{}", "0, ".repeat(number));
            steps.push(Step::Item(number));
            behind.push(format!("{}]", blank()));
        }
    }
    Around { before, behind: behind.into_iter().rev().collect(), steps, document: 0 }
}

fn in_json(text: &str, around: &Around) -> Option<String> {
    let mut at: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap();
    for step in &around.steps {
        at = match step {
            Step::Key(key) => at.get(key)?.clone(),
            Step::Item(number) => at.get(number)?.clone(),
            Step::Named(_) => None?,
        };
    }
    at.as_str().map(str::to_owned)
}

/// A part of a Dockerfile; `VALUE` is an image from the pin's repository.
fn any_instruction() -> impl Strategy<Value = &'static str> {
    select(vec![
        "FROM VALUE\n",
        "FROM VALUE AS build\n",
        "from --platform=linux/amd64 VALUE\n",
        "FROM \\\n# comment FROM python:3\n\n  VALUE \\\n AS x\n",
        "FROM \"VALUE\"\n",
        "COPY --chown=1 --from=VALUE /a /b\n",
        "COPY --from=build python:3 /b\n",
        "FROM golang:1\n",
        "FROM scratch\n",
        "FROM build\n",
        "RUN echo FROM python:3\n",
        "RUN <<EOF\nFROM python:3\nEOF\n",
        "# FROM python:3\n",
        "\n",
        "ARG X=python:3\n",
        "FROM a/$X\n",
        "\tENV IMAGE=python:3 \\\n  B=ü\n",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn only_the_selected_value_of_yaml_changes(
        levels in any_levels(),
        old in select(vec!["python:3", "\"python:3\"", "'python:3'", "\"a\\x41\"", "3.12", "~", "'it''s'", "!!str x", "\"\""]),
        (is_crlf, has_mark, ends) in any::<(bool, bool, bool)>(),
        documents in (0..2_usize, 0..2_usize),
    ) {
        let around = yaml(&levels, is_crlf, has_mark, documents.into(), ends);
        assert!(in_yaml(&around.with("\"before\""), &around).as_deref() == Some("before"), "{}", around.with(old));
        let new = new(old);
        let expected = [new.clone(), format!("\"{new}\""), format!("'{new}'"), format!("!!str {new}")];
        let text = check("yaml", "a.yaml", &around, old, &expected);
        assert_eq!(in_yaml(&text, &around), Some(new));
    }

    #[test]
    fn only_the_selected_value_of_json_changes(
        levels in any_levels(),
        seed in vec(any::<u8>(), 8..40),
        old in select(vec!["\"python:3\"", "\"\"", "\"a\\\"\\u00fc\\\\\"", "null", "3.12", "true"]),
        has_mark in any::<bool>(),
    ) {
        let around = json(&levels, &seed, has_mark);
        let new = new(old);
        let text = check("json", "a.json", &around, old, &[format!("\"{new}\"")]);
        assert_eq!(in_json(&text, &around), Some(new));
    }

    #[test]
    fn only_the_images_of_a_dockerfile_change(
        parts in vec(any_instruction(), 0..12),
        old in prop_oneof![select(vec!["python:3", "docker.io/library/python:3", "index.docker.io/python:3"])],
        (is_crlf, has_mark, ends) in any::<(bool, bool, bool)>(),
    ) {
        let mut file = format!("{}FROM VALUE\n{}", if has_mark { "\u{feff}" } else { "" }, parts.concat());
        if is_crlf {
            file = file.replace('\n', "\r\n");
        }
        if !ends {
            file.truncate(file.trim_end().len());
        }
        let targets = targets("[[target]]\nfrom = \"python:3.12\"\ndockerfile = { path = \"Dockerfile\" }\n");
        let files = BTreeMap::from([("Dockerfile".to_owned(), file.replace("VALUE", old).into_bytes())]);
        let once = applied(&targets, &files);
        let text = String::from_utf8(once["Dockerfile"].clone()).unwrap();
        assert_eq!(text, file.replace("VALUE", &new(old)));
        assert_eq!(applied(&targets, &once), once);
    }
}
