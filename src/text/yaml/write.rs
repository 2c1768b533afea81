//! Writes our own YAML: every string is read back as the same string, by any YAML version.
//!
//! One style: block collections, with plain scalars where no parser could take them for anything else. Characters
//! that affect a terminal or a log are escaped.

use std::fmt::Write as _;
use std::sync::LazyLock;

use regex_lite::Regex;

use crate::text::escape::is_deceptive;

/// The longest implicit key, in characters (YAML 1.2.2, 7.4.2).
const KEY_MAX: usize = 1_024;

/// A tree to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum YamlOutput {
    /// A string.
    Text(String),
    /// A boolean.
    Flag(bool),
    /// An integer.
    Number(i64),
    /// `null`
    Nothing,
    /// A sequence of values.
    List(Vec<Self>),
    /// Entries with unique keys, in the order in which they are written.
    Map(Vec<(String, Self)>),
}

impl YamlOutput {
    /// Creates a string from anything printable.
    pub fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }

    /// Creates a map with these keys.
    pub fn map<const N: usize>(entries: [(&str, Self); N]) -> Self {
        Self::Map(entries.map(|(key, value)| (key.to_owned(), value)).into())
    }

    /// Creates a map with those of these keys that have a value.
    pub fn with_optional<const N: usize>(entries: [(&str, Option<Self>); N]) -> Self {
        Self::Map(entries.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
    }

    /// Writes the tree as one document.
    pub fn document(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0, false);
        out
    }

    /// Returns true if it is written on lines of its own.
    fn is_block(&self) -> bool {
        match self {
            Self::Map(entries) => !entries.is_empty(),
            Self::List(items) => !items.is_empty(),
            _ => false,
        }
    }

    /// Writes a value and ends its line; if `is_begun`, the first line of a map is indented already.
    fn write(&self, out: &mut String, depth: usize, is_begun: bool) {
        match self {
            Self::Map(entries) if self.is_block() => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 || !is_begun {
                        indent(out, depth);
                    }
                    let key = scalar(key);
                    if key.chars().count() > KEY_MAX {
                        out.push_str(&format!("? {key}\n"));
                        indent(out, depth);
                    } else {
                        out.push_str(&key);
                    }
                    out.push_str(if value.is_block() { ":\n" } else { ": " });
                    value.write(out, depth + usize::from(matches!(value, Self::Map(_))), false);
                }
            }
            Self::List(items) if self.is_block() => {
                for item in items {
                    indent(out, depth);
                    let is_list = item.is_block() && matches!(item, Self::List(_));
                    out.push_str(if is_list { "-\n" } else { "- " });
                    item.write(out, depth + 1, true);
                }
            }
            Self::Text(text) => out.push_str(&format!("{}\n", scalar(text))),
            Self::Flag(flag) => out.push_str(&format!("{flag}\n")),
            Self::Number(number) => out.push_str(&format!("{number}\n")),
            Self::Nothing => out.push_str("null\n"),
            Self::List(_) => out.push_str("[]\n"),
            Self::Map(_) => out.push_str("{}\n"),
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

/// Formats a string as a plain or double-quoted scalar (escapes: YAML 1.2.2, 5.7).
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut last = '\0';
    for c in text.chars() {
        // CI log readers act on `##`; characters that YAML calls not printable must be escaped (5.1).
        let is_odd = is_deceptive(c) || matches!(c, '\u{fffe}' | '\u{ffff}') || (c == '#' && last == '#');
        last = c;
        // Writing to a `String` does not fail.
        let _ = match (c, u32::from(c)) {
            ('"' | '\\', _) => write!(out, "\\{c}"),
            ('\n', _) => out.write_str("\\n"),
            ('\t', _) => out.write_str("\\t"),
            (_, number @ ..=0xff) if is_odd => write!(out, "\\x{number:02x}"),
            (_, number @ ..=0xffff) if is_odd => write!(out, "\\u{number:04x}"),
            (_, number) if is_odd => write!(out, "\\U{number:08x}"),
            _ => out.write_char(c),
        };
    }
    out.push('"');
    out
}

/// Numbers and dates in lower case: those of YAML 1.2.2, 10.3.2, those of YAML 1.1, "Language-Independent Types", and what
/// common parsers read besides, such as `e8` and `2026-1-2`.
static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let integer = r"0b[01_]+|0o[0-7_]+|0x[0-9a-f_]+";
    let decimal = r"[0-9][0-9_]*(:[0-5]?[0-9])*(\.[0-9_]*)?|\.[0-9_]+|([0-9][0-9_]*)?(\.[0-9_]*)?e[-+]?[0-9]+";
    let date = r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t \t].*)?";
    Regex::new(&format!(r"^([-+]?({integer}|{decimal}|\.inf)|\.nan|{date})$")).ok()
});

/// Returns true if `text`, unquoted, is a string in all YAML versions: not a number, date, boolean or null, and without
/// characters that have a meaning within a line.
pub(crate) fn is_plain(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let is_word = ["y", "n", "yes", "no", "true", "false", "on", "off", "null"].contains(&lower.as_str());
    let is_number = NUMBER.as_ref().is_none_or(|number| number.is_match(&lower));
    let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let is_safe = begins && !text.ends_with(':');
    is_safe && !is_word && !is_number && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_./@:+-".contains(&b))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::collection::{btree_map, vec};
    use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof, proptest};
    use serde_yaml_ng::Value;

    use super::*;
    use crate::text::diagnostics::SourceFile;
    use crate::text::yaml;

    fn value(tree: &YamlOutput) -> Value {
        match tree {
            YamlOutput::Text(text) => Value::from(text.as_str()),
            YamlOutput::Flag(flag) => Value::from(*flag),
            YamlOutput::Number(number) => Value::from(*number),
            YamlOutput::Nothing => Value::Null,
            YamlOutput::List(items) => Value::Sequence(items.iter().map(value).collect()),
            YamlOutput::Map(entries) => {
                Value::Mapping(entries.iter().map(|(key, tree)| (Value::from(key.as_str()), value(tree))).collect())
            }
        }
    }

    /// Checks that two parsers read the tree back, and that the text is safe to print.
    #[track_caller]
    fn round_trip(tree: &YamlOutput) -> String {
        let text = tree.document();
        let read: Value = serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(read, value(tree), "\n{text}");
        let file = Arc::new(SourceFile { path: "a.yaml".to_owned(), text: text.clone() });
        let documents = yaml::parse(&file).unwrap_or_else(|problem| panic!("{}\n{text}", problem.message));
        let json = yaml::to_json(&file, &documents[0]).unwrap();
        assert_eq!((json, documents.len()), (serde_json::to_value(value(tree)).unwrap(), 1), "\n{text}");
        assert!(!text.contains(|c: char| c != '\n' && is_deceptive(c)) && !text.contains("##"), "{text:?}");
        text
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(round_trip(&YamlOutput::map([("a", YamlOutput::text(text))])), format!("a: {expected}\n"));
    }

    #[test]
    fn an_unambiguous_string_is_not_quoted() {
        for text in ["latest", "3.12-slim", "v3.12", "docker.io/library/python@sha256:00", "a:b", "_", "www", "0xyz"] {
            check(text, text);
        }
        for text in ["1.2.3", "1.10.0", "1-2", "10.0.0.5:5000", "2026-10", "3.12.0_1", "e", "0x", "1e"] {
            check(text, text);
        }
    }

    #[test]
    fn an_ambiguous_string_is_quoted() {
        for text in [
            "",
            " ",
            "yes",
            "No",
            "ON",
            "off",
            "y",
            "N",
            "true",
            "False",
            "null",
            "~",
            "1",
            "1.0",
            "3.12",
            "-1",
            "+1",
            "0x1f",
            "0x1F",
            "Null",
            "[::1]/a",
            "0o17",
            "017",
            "0b1",
            "1e3",
            "e8",
            ".5",
            ".inf",
            ".nan",
            "1_000",
            "190:20:30",
            "2026-10-01",
            "2026-10-01T08:12:44Z",
            "=",
            "<<",
            "- a",
            "-",
            "---",
            "...",
            "? a",
            "a: b",
            "a:",
            ": a",
            "a #b",
            "#a",
            "&a",
            "*a",
            "!a",
            "%a",
            "@a",
            "`a",
            "[a]",
            "{a}",
            "a, b",
            "'a'",
            "|",
            ">",
            " a",
            "a ",
            "grüße",
            "日本",
            "$A",
        ] {
            check(text, &format!("\"{text}\""));
        }
    }

    #[test]
    fn dangerous_and_unprintable_characters_are_escaped() {
        check("say \"hi\" \\o/", r#""say \"hi\" \\o/""#);
        check("one\ntwo\r\n\tthree", r#""one\ntwo\x0d\n\tthree""#);
        check("\u{0}\u{1b}[31m\u{7f}\u{85}", r#""\x00\x1b[31m\x7f\x85""#);
        check("\u{202e}\u{feff}\u{2028}\u{fffe}\u{ffff}", r#""\u202e\ufeff\u2028\ufffe\uffff""#);
        check("\u{e0041}", r#""\U000e0041""#);
        check("##vso[x]", r##""#\x23vso[x]""##);
    }

    #[test]
    fn maps_and_lists_are_written_as_blocks() {
        let tree = YamlOutput::map([
            ("yes", YamlOutput::Flag(true)),
            ("none", YamlOutput::Nothing),
            ("zero", YamlOutput::Number(0)),
            ("empty", YamlOutput::map([("list", YamlOutput::List(Vec::new())), ("map", YamlOutput::Map(Vec::new()))])),
            (
                "list",
                YamlOutput::List(vec![
                    YamlOutput::map([
                        ("a", YamlOutput::text("b")),
                        ("c", YamlOutput::List(vec![YamlOutput::text("1")])),
                    ]),
                    YamlOutput::text("x"),
                    YamlOutput::List(vec![YamlOutput::text("y"), YamlOutput::Map(Vec::new())]),
                ]),
            ),
        ]);
        insta::assert_snapshot!(round_trip(&tree), @r#"
        "yes": true
        none: null
        zero: 0
        empty:
          list: []
          map: {}
        list:
        - a: b
          c:
          - "1"
        - x
        -
          - "y"
          - {}
        "#);
        for tree in [
            YamlOutput::text("a"),
            YamlOutput::List(Vec::new()),
            YamlOutput::Map(Vec::new()),
            YamlOutput::List(vec![YamlOutput::Nothing]),
        ] {
            round_trip(&tree);
        }
    }

    #[test]
    fn a_long_key_is_written_explicitly() {
        let long = "k".repeat(KEY_MAX + 1);
        let values = [
            YamlOutput::text("b"),
            YamlOutput::map([("c", YamlOutput::Nothing)]),
            YamlOutput::List(vec![YamlOutput::text("d")]),
        ];
        for value in values {
            let text =
                round_trip(&YamlOutput::Map(vec![(long.clone(), value), ("z".to_owned(), YamlOutput::Flag(false))]));
            assert!(text.starts_with(&format!("? {long}\n:")), "{text}");
        }
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "(true|False|null|~|yes|-?1[.0]*|0x1f|e8)",
            "[-?:,\\[\\]{}#&*!|>'\"%@`~=<. \t\n\r\u{85}\u{a0}\u{2028}\u{feff}\u{fffe}0-9a-fxony_+]{0,8}",
        ]
    }

    fn any_tree() -> impl Strategy<Value = YamlOutput> {
        let leaf = prop_oneof![
            6 => any_text().prop_map(YamlOutput::Text),
            1 => any::<bool>().prop_map(YamlOutput::Flag),
            1 => any::<i64>().prop_map(YamlOutput::Number),
            1 => Just(YamlOutput::Nothing),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4).prop_map(YamlOutput::List),
                btree_map(any_text(), inner, 0..4).prop_map(|map| YamlOutput::Map(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_tree_is_read_back_unchanged(tree in any_tree()) {
            round_trip(&tree);
        }
    }
}
