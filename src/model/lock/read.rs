//! Parses a lock: line by line if it is in canonical form, else with the TOML parser.
//!
//! Both readers agree on every text; the first one only gives up sooner, and reports no problems.

mod canonical;
mod table;

use std::sync::Arc;

use super::{Lock, SIZE_MAX};
use crate::text::diagnostics::{Problem, SourceFile};
use crate::text::toml::source::conflict_marker;

/// The largest text given to the TOML parser, which needs many times its size in memory.
const TABLE_MAX: usize = 16 << 20;
/// The remedy for a lock that was edited or damaged.
const RESTORE: &str = "restore it from Git, then run `pinstream update`";

/// Parses a lock in canonical form in place, without copying it for problems it does not have. Returns `None` for any
/// other text, which is for [`read`].
pub fn read_canonical(bytes: &[u8]) -> Option<Lock> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= SIZE_MAX)?;
    canonical::read(text)
}

/// Parses a lock.
///
/// # Errors
/// Returns every problem with its position: conflict markers, a newer version, unknown, missing and invalid values.
pub fn read(file: &Arc<SourceFile>) -> Result<Lock, Vec<Problem>> {
    let too_large = |max: usize, what: &str| {
        let message = format!("{what} larger than {} MiB", max >> 20);
        Err(vec![Problem::at(file, 0..0, message).help(RESTORE)])
    };
    if file.text.len() > SIZE_MAX {
        return too_large(SIZE_MAX, "the lock is");
    }
    if let Some(lock) = canonical::read(&file.text) {
        return Ok(lock);
    }
    let conflicts = conflicts(file);
    if file.text.len() > TABLE_MAX && conflicts.is_empty() {
        return too_large(TABLE_MAX, "the lock is not in canonical form and is");
    }
    // Within a multi-line string a marker is only text: parse what can be parsed.
    if conflicts.is_empty() || file.text.contains("\"\"\"") || file.text.contains("'''") {
        return table::read(file).map_err(|problems| if conflicts.is_empty() { problems } else { conflicts });
    }
    Err(conflicts)
}

/// Reports the conflicts left by a merge, each at its first marker.
fn conflicts(file: &Arc<SourceFile>) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut open = false;
    let mut start = 0;
    for (number, line) in file.text.split_inclusive('\n').enumerate() {
        let text = line.trim_end();
        if let Some(marker) = conflict_marker(text) {
            if marker == '<' || !open {
                let message = format!("conflict marker `{}` on line {}", &text[..7], number + 1);
                let help = "run `pinstream update`: it merges both sides and resolves the tags that both changed";
                found.push(Problem::at(file, start..start + text.len(), message).help(help));
            }
            open = marker != '>';
        }
        start += line.len();
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, Strategy, any, proptest};
    use proptest::sample::{Index, select};

    use super::*;
    use crate::model::lock::encode::encode;
    use crate::model::lock::sample;
    use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "pinstream.lock".to_owned(), text: text.to_owned() })
    }

    /// Renders the problems of a text.
    fn problems(text: &str) -> String {
        let found = Problems::check(read(&file(text)).unwrap_err()).unwrap_err();
        RenderedProblems(&found, RenderStyle::Plain).to_string()
    }

    #[test]
    fn canonical_form_is_read_line_by_line() {
        let lock = sample::python();
        assert_eq!(canonical::read(&encode(&lock)), Some(lock.clone()));
        assert_eq!(canonical::read(&encode(&lock).replace('\n', "\r\n")), Some(lock));
    }

    #[test]
    fn any_other_layout_is_read_as_toml() {
        let text = "pin = [{ tag = '1', stream = 'a', digest = '@', image = 'b.c/d:e' }] # mine\nversion = 0x1";
        let text = text.replace('@', sample::digest(1).as_str());
        assert_eq!(canonical::read(&text), None);
        assert_eq!(read(&file(&text)).unwrap().pins.keys().map(ToString::to_string).collect::<Vec<_>>(), ["a:1"]);
    }

    #[test]
    fn conflict_markers_are_reported_with_their_lines() {
        let text = encode(&sample::python());
        let text = text.replace("[[pin]]\n", "<<<<<<< HEAD\n[[pin]]\n=======\n[[pin]]\n>>>>>>> main\n");
        insta::assert_snapshot!(problems(&text), @"
        error: conflict marker `<<<<<<<` on line 4
         --> pinstream.lock:4:1
          |
        4 | <<<<<<< HEAD
          | ^^^^^^^^^^^^
          |
          = help: run `pinstream update`: it merges both sides and resolves the tags that both changed

        error: conflict marker `<<<<<<<` on line 19
          --> pinstream.lock:19:1
           |
        19 | <<<<<<< HEAD
           | ^^^^^^^^^^^^
           |
           = help: run `pinstream update`: it merges both sides and resolves the tags that both changed

        error: conflict marker `<<<<<<<` on line 30
          --> pinstream.lock:30:1
           |
        30 | <<<<<<< HEAD
           | ^^^^^^^^^^^^
           |
           = help: run `pinstream update`: it merges both sides and resolves the tags that both changed
        ");
    }

    #[test]
    fn a_newer_version_is_refused() {
        insta::assert_snapshot!(problems("version = 2\nfeature = true\n"), @r###"
        error: the lock was written by a newer pinstream: this one supports version 1 and older
         --> pinstream.lock:1:11
          |
        1 | version = 2
          |           ^
          |
          = help: install a newer pinstream
        "###);
    }

    #[test]
    fn all_invalid_values_are_reported_at_once() {
        let text = format!(
            "[[pin]]\nstream = \"A\"\ntag = 3.12\nimage = \"python:3.12\"\ndigset = \"{}\"\n\n[[pin]]\nstream = \"a\"\n\
             tag = \"1\"\nimage = \"b.c/d:e\"\ndigest = \"sha256:12\"\nplatforms = [\"linux\", 3]\nprevious = \"x\"\n\n\
             [metadata]\nx = 1\n",
            sample::digest(1)
        );
        insta::assert_snapshot!(problems(&text), @r#"
        error: missing key `version`
         --> pinstream.lock:1:1
          |
        1 | [[pin]]
          | ^
          |
          = help: restore it from Git, then run `pinstream update`

        error: missing key `digest`
         --> pinstream.lock:1:1
          |
        1 | [[pin]]
          | ^^^^^^^
          |
          = help: restore it from Git, then run `pinstream update`

        error: invalid stream name `A`
         --> pinstream.lock:2:10
          |
        2 | stream = "A"
          |          ^^^
          |
          = help: use lower-case letters and digits, with single `.`, `_` or `-` between them, in parts separated by `/`

        error: expected a string
         --> pinstream.lock:3:7
          |
        3 | tag = 3.12
          |       ^^^^
          |
          = help: restore it from Git, then run `pinstream update`

        error: image `python:3.12` has no registry
         --> pinstream.lock:4:9
          |
        4 | image = "python:3.12"
          |         ^^^^^^^^^^^^^
          |
          = help: write `docker.io/library/python:3.12`

        error: unknown key `digset`
         --> pinstream.lock:5:1
          |
        5 | digset = "sha256:0101010101010101010101010101010101010101010101010101010101010101"
          | ^^^^^^
          |
          = help: did you mean `digest`?

        error: invalid digest `sha256:12`
          --> pinstream.lock:11:10
           |
        11 | digest = "sha256:12"
           |          ^^^^^^^^^^^
           |
           = help: write `sha256:` and 64 lower-case hexadecimal digits

        error: invalid platform `linux`
          --> pinstream.lock:12:14
           |
        12 | platforms = ["linux", 3]
           |              ^^^^^^^
           |
           = help: write `os/architecture` or `os/architecture/variant`, e.g. `linux/amd64`

        error: expected a string
          --> pinstream.lock:12:23
           |
        12 | platforms = ["linux", 3]
           |                       ^
           |
           = help: restore it from Git, then run `pinstream update`

        error: expected a list of strings
          --> pinstream.lock:13:12
           |
        13 | previous = "x"
           |            ^^^
           |
           = help: restore it from Git, then run `pinstream update`

        error: unknown key `metadata`
          --> pinstream.lock:15:2
           |
        15 | [metadata]
           |  ^^^^^^^^
           |
           = help: restore it from Git, then run `pinstream update`
        "#);
    }

    #[test]
    fn duplicate_pins_and_previous_digests_are_reported() {
        let previous = |numbers: &[u8]| {
            let digests: Vec<_> = numbers.iter().map(|n| format!("'{}'", sample::digest(*n))).collect();
            format!(
                "[[pin]]\nstream='a'\ntag='1'\nimage='b.c/d:e'\ndigest='{}'\nprevious=[{}]\n",
                sample::digest(0),
                digests.join(", ")
            )
        };
        let text = format!("version = 1\n{}{}", previous(&[1, 2, 3, 4, 5, 6]), previous(&[1, 2, 1]));
        let found: Vec<_> = read(&file(&text)).unwrap_err().into_iter().map(|problem| problem.message).collect();
        assert_eq!(
            found,
            [
                "`previous` has 6 digests; the limit is 5".to_owned(),
                format!("duplicate digest `{}` in `previous`", sample::digest(1)),
                "duplicate pin `a:1`".to_owned(),
            ]
        );
    }

    #[test]
    fn invalid_toml_is_reported_with_its_position() {
        insta::assert_snapshot!(problems("version = 1\n[[pin]\n"), @r###"
        error: unclosed array table, expected `]`
         --> pinstream.lock:2:7
          |
        2 | [[pin]
          |       ^
          |
          = help: restore it from Git, then run `pinstream update`
        "###);
    }

    #[test]
    fn t9_a_hostile_key_is_shown_escaped() {
        assert!(!problems("version = 1\n\"\\u001b[2J\\u202e\" = 1\n").contains(['\u{1b}', '\u{202e}']));
    }

    /// An edit of a text, as made by hand, by merges and by editors.
    #[derive(Clone, Debug)]
    enum BlockEdit {
        Insert(Index, String),
        Delete(Index, u8),
        Swap(Index, Index),
        Repeat(Index),
        Drop(Index),
        /// Inserts text into the label of an entry.
        Label(Index, String),
        /// Overwrites one entry with another.
        Entry(Index, Index),
    }

    fn any_edit() -> impl Strategy<Value = BlockEdit> {
        let piece = || {
            select(vec![
                "\"",
                "'",
                "\\",
                "\n",
                "\r",
                "\r\n",
                "\t",
                " ",
                "=",
                "#",
                "# x\n",
                "[",
                "]",
                "[[pin]]\n",
                ",",
                "\"\"\"",
                "\0",
                "\u{7f}",
                "\u{feff}",
                "\\u00e9",
                "\\U0001F600",
                "\\uD800",
                "\\n",
                "version = 1\n",
                "follow = \"a:1\"\n",
                "x",
                ".",
                "é",
                "0",
                "index = \"\"\n",
                "tag",
                "\"a\", ",
            ])
        };
        proptest::prop_oneof![
            (any::<Index>(), piece()).prop_map(|(at, text)| BlockEdit::Insert(at, text.to_owned())),
            (any::<Index>(), 1..4_u8).prop_map(|(at, count)| BlockEdit::Delete(at, count)),
            (any::<Index>(), any::<Index>()).prop_map(|(a, b)| BlockEdit::Swap(a, b)),
            any::<Index>().prop_map(BlockEdit::Repeat),
            any::<Index>().prop_map(BlockEdit::Drop),
            (any::<Index>(), piece()).prop_map(|(at, text)| BlockEdit::Label(at, text.to_owned())),
            (any::<Index>(), any::<Index>()).prop_map(|(a, b)| BlockEdit::Entry(a, b)),
        ]
    }

    fn apply(text: &str, edit: &BlockEdit) -> String {
        let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
        let mut chars: Vec<char> = text.chars().collect();
        if lines.is_empty() {
            return text.to_owned();
        }
        let count = lines.len();
        match edit {
            BlockEdit::Insert(at, piece) => {
                let at = at.index(chars.len() + 1);
                chars.splice(at..at, piece.chars());
                return chars.into_iter().collect();
            }
            BlockEdit::Delete(at, count) => {
                let at = at.index(chars.len());
                chars.drain(at..(at + usize::from(*count)).min(chars.len()));
                return chars.into_iter().collect();
            }
            BlockEdit::Swap(a, b) => lines.swap(a.index(count), b.index(count)),
            BlockEdit::Repeat(at) => lines.insert(at.index(count), lines[at.index(count)]),
            BlockEdit::Drop(at) => drop(lines.remove(at.index(count))),
            BlockEdit::Label(at, piece) => {
                let starts: Vec<usize> = text.match_indices("version = \"").map(|(at, key)| at + key.len()).collect();
                let Some(at) = starts.get(at.index(starts.len().max(1))) else { return text.to_owned() };
                return format!("{}{piece}{}", &text[..*at], &text[*at..]);
            }
            BlockEdit::Entry(a, b) => {
                let mut entries: Vec<&str> = text.split("[[pin]]\n").collect();
                let count = entries.len();
                entries[b.index(count)] = entries[a.index(count)];
                return entries.join("[[pin]]\n");
            }
        }
        lines.concat()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn i13_an_encoded_lock_is_read_back(lock in sample::any_lock()) {
            let text = encode(&lock);
            assert_eq!(canonical::read(&text).as_ref(), Some(&lock));
            assert_eq!(table::read(&file(&text)).unwrap(), lock);
            assert_eq!(encode(&read(&file(&text)).unwrap()), text);
        }

        #[test]
        fn the_canonical_reader_agrees_with_the_other_or_gives_up(
            lock in sample::any_lock(),
            edits in proptest::collection::vec(any_edit(), 1..4),
        ) {
            let text = edits.iter().fold(encode(&lock), |text, edit| apply(&text, edit));
            if let Some(fast) = canonical::read(&text) {
                assert_eq!(table::read(&file(&text)).unwrap(), fast, "{text}");
            }
            // Whatever the text, the answer is a lock or problems with places within it.
            for problem in read(&file(&text)).err().into_iter().flatten() {
                assert!(problem.span.is_some_and(|span| span.start <= span.end && span.end <= text.len()));
            }
        }
    }
}
