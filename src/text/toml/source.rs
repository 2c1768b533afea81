//! Decodes a file and checks its limits before anything parses it.
//!
//! A violation names the file and the limit. A byte order mark and CRLF are accepted.

use std::ops::Range;
use std::sync::Arc;

use crate::text::diagnostics::{Problem, SourceFile, is_bidi_control};
use crate::text::lfs;

/// The largest definition file, in bytes.
pub(crate) const FILE_MAX: usize = 256 * 1024;
/// The deepest nesting of tables and arrays.
pub(crate) const DEPTH_MAX: usize = 80;
/// The number of invalid characters of one kind reported per file.
const CHARACTERS_MAX: usize = 10;

/// Decodes a definition file. With problems, its text must not be parsed. `size_help` says how to make it smaller.
pub(crate) fn definition_file(path: &str, bytes: &[u8], size_help: &str) -> (Arc<SourceFile>, Vec<Problem>) {
    if bytes.len() > FILE_MAX {
        let file = Arc::new(SourceFile { path: path.to_owned(), text: String::new() });
        let message = format!("`{path}` is larger than {} KiB", FILE_MAX >> 10);
        let problem = Problem::whole(Some(&file), message).help(size_help);
        return (file, vec![problem]);
    }
    let (file, mut problems) = decode(path, bytes);
    if problems.is_empty() {
        characters(&file, &mut problems);
        conflict_markers(&file, &mut problems);
        if let Some(span) = too_deep(&file.text) {
            let message = format!("`{}` nests tables deeper than {DEPTH_MAX} levels", file.path);
            let problem = Problem::at(&file, span, message);
            problems.push(problem.help("reduce the nesting; no key needs more than four levels"));
        }
    }
    (file, problems)
}

/// Decodes `bytes` as UTF-8; refuses a Git LFS pointer.
pub(crate) fn decode(path: &str, bytes: &[u8]) -> (Arc<SourceFile>, Vec<Problem>) {
    let of = |text: String| Arc::new(SourceFile { path: path.to_owned(), text });
    if lfs::is_pointer(bytes) {
        let file = of(String::new());
        let problem = Problem::whole(Some(&file), format!("cannot use `{path}`: {}", lfs::POINTER));
        return (file, vec![problem.help(lfs::pointer_help(path))]);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => (of(text.strip_prefix('\u{feff}').unwrap_or(text).to_owned()), Vec::new()),
        Err(error) => {
            let file = of(String::from_utf8_lossy(bytes).into_owned());
            let at = error.valid_up_to();
            let span = at..at + '\u{fffd}'.len_utf8();
            let problem = Problem::at(&file, span, format!("byte {at} of `{path}` is not UTF-8"));
            (file, vec![problem.help("save the file as UTF-8")])
        }
    }
}

fn characters(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) {
    for (at, _) in file.text.match_indices('\0').take(CHARACTERS_MAX) {
        let problem = Problem::at(file, at..at + 1, "NUL character");
        problems.push(problem.help("remove it, or check that this is a text file"));
    }
    if file.text.is_ascii() {
        return;
    }
    for (at, c) in file.text.char_indices().filter(|(_, c)| is_bidi_control(*c)).take(CHARACTERS_MAX) {
        let message = format!("the character U+{:04X} changes the direction of the text around it", u32::from(c));
        let problem = Problem::at(file, at..at + c.len_utf8(), message);
        problems.push(problem.help("remove it: the line is not what it looks like"));
    }
}

fn conflict_markers(file: &Arc<SourceFile>, problems: &mut Vec<Problem>) {
    let mut at = 0;
    for (number, line) in file.text.split_inclusive('\n').enumerate() {
        let text = line.trim_end();
        if matches!(conflict_marker(text), Some('<' | '>')) {
            let problem = Problem::at(file, at..at + text.len(), format!("conflict marker on line {}", number + 1));
            problems.push(problem.help("resolve the merge conflict: keep one side and remove the markers"));
            if problems.len() >= CHARACTERS_MAX {
                return;
            }
        }
        at += line.len();
    }
}

/// Returns the character that `line` repeats as a marker of a merge conflict, if it is one.
pub(crate) fn conflict_marker(line: &str) -> Option<char> {
    let first = line.chars().next().filter(|c| "<|=>".contains(*c))?;
    let rest = line.trim_start_matches(first);
    let is_end = rest.trim_end().is_empty() || (first != '=' && rest.starts_with(' '));
    (line.len() - rest.len() == 7 && is_end).then_some(first)
}

/// Returns the position where more than [`DEPTH_MAX`] tables or arrays are open, by brackets or by dotted keys.
///
/// Splits the text like a TOML lexer, including strings and comments, and rather counts too much than too little: a
/// text that passes cannot make the parser recurse deeper.
pub(crate) fn too_deep(text: &str) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // The open brackets, each with its depth.
    let mut open: Vec<(u8, usize)> = Vec::new();
    let (mut header, mut depth, mut at, mut line) = (0, 0, 0, 0);
    let mut is_header = false;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' | b'\'' => at = end_of_string(bytes, start),
            b'#' => at = end_of(bytes, start, b"\r\n"),
            b'[' | b'{' => {
                if open.is_empty() && bytes[line..start].iter().all(|b| matches!(b, b' ' | b'\t')) {
                    is_header = true;
                    depth = 0;
                }
                open.push((byte, depth));
                depth += 1;
            }
            b']' | b'}' => {
                // `]` and `}` stand two after `[` and `{` in ASCII. A header stays open for the keys below it.
                let closed = open.pop_if(|(opened, _)| *opened == byte - 2);
                depth = closed.filter(|_| !is_header).map_or(depth, |(_, outer)| outer);
            }
            b'.' => depth += 1,
            b',' => depth = open.last().map_or(header, |(_, outer)| outer + 1),
            b'\n' => {
                if is_header {
                    header = depth;
                    open.clear();
                }
                depth = open.last().map_or(header, |(_, outer)| outer + 1);
                is_header = false;
                line = at;
            }
            b'=' | b' ' | b'\t' | b'\r' => {}
            _ => at = end_of(bytes, start, b".=,[]{} \t#\r\n"),
        }
        if depth > DEPTH_MAX {
            return Some(start..at.min(bytes.len()));
        }
    }
    None
}

/// Returns the position of the first of `stops` at or after `start`, or the end.
fn end_of(bytes: &[u8], start: usize, stops: &[u8]) -> usize {
    bytes[start..].iter().position(|b| stops.contains(b)).map_or(bytes.len(), |length| start + length)
}

/// Returns the end of the string that starts at `start`: an unterminated one ends with its line, or the file.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let long = bytes[start..].starts_with(&[quote; 3]);
    let mut at = start + if long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += if matches!(bytes.get(at + 1), Some(b'\\' | b'"')) { 2 } else { 1 },
            b'\n' if !long => return at,
            _ if long && bytes[at..].starts_with(&[quote; 3]) => {
                // Up to two further quotes belong to the text before the closing three.
                let more = bytes[at + 3..].iter().take(2).take_while(|b| **b == quote).count();
                return at + 3 + more;
            }
            _ if !long && byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::diagnostics::{Problems, RenderStyle, RenderedProblems};

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let (_, problems) = definition_file("streams/a.toml", bytes, "remove half of it");
        let text = match Problems::check(problems) {
            Ok(()) => String::new(),
            Err(problems) => RenderedProblems(&problems, RenderStyle::Plain).to_string(),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn t6_a_byte_order_mark_and_crlf_are_taken() {
        let (file, problems) = definition_file("a.toml", "\u{feff}a = 1\r\n".as_bytes(), "");
        assert_eq!((file.text.as_str(), problems.len()), ("a = 1\r\n", 0));
    }

    #[test]
    fn t6_a_file_over_the_cap_is_named_with_the_cap() {
        check(&vec![b'#'; FILE_MAX], "");
        check(
            &vec![b'#'; FILE_MAX + 1],
            "error: `streams/a.toml` is larger than 256 KiB\n--> streams/a.toml\n \
             = help: remove half of it\n",
        );
    }

    #[test]
    fn t6_bytes_that_are_no_text_are_named_by_their_place() {
        check(
            b"a = 1\nb = \"\xff\"\n",
            "error: byte 11 of `streams/a.toml` is not UTF-8\n --> streams/a.toml:2:6\n  |\n2 | b = \"\u{fffd}\"\n  \
             |      ^\n  |\n  = help: save the file as UTF-8\n",
        );
        check(
            b"a\0 = 1\n",
            "error: NUL character\n --> streams/a.toml:1:2\n  |\n1 | a\u{fffd} = 1\n  |  ^\n  |\n  = help: remove it, \
             or check that this is a text file\n",
        );
    }

    #[test]
    fn t6_characters_that_turn_text_round_are_refused() {
        let (_, problems) = definition_file("a.toml", "a = \"x\u{202e}y\u{2066}\" # \u{200f}".as_bytes(), "");
        let places: Vec<_> = problems.iter().filter_map(Problem::position).collect();
        assert_eq!(places, [(1, 7), (1, 9), (1, 14)]);
        assert!(problems[0].message.contains("U+202E"));
    }

    #[test]
    fn a_conflict_marker_is_named_with_its_line() {
        check(
            b"a = 1\n<<<<<<< ours\nb = 1\n=======\n",
            "error: conflict marker on line 2\n --> streams/a.toml:2:1\n  |\n2 | <<<<<<< ours\n  | ^^^^^^^^^^^^\n  |\n  \
             = help: resolve the merge conflict: keep one side and remove the markers\n",
        );
    }

    #[test]
    fn t6_depth_is_counted_over_brackets_and_dotted_keys() {
        let deep = |n: usize| {
            let dots = vec!["a"; n].join(".");
            let half = vec!["a"; n / 2].join(".");
            [
                format!("x = {}{}", "[".repeat(n), "]".repeat(n)),
                format!("x = {}", "[".repeat(n)),
                format!("x = {}1{}", "{a=".repeat(n), "}".repeat(n)),
                format!("{dots} = 1"),
                format!("[{dots}]\nb = 1"),
                format!("[[{dots}]]\n"),
                format!("x\"y.{dots} = 1"),
                format!("x = \"\\\n{dots} = 1"),
                format!("x = \"\"\"\"\"\"\"\"\n{dots} = 1"),
                format!("[{half}]\n{half} = {{ {half} = 1 }}"),
            ]
        };
        for text in deep(40) {
            assert_eq!(too_deep(&text), None, "{text}");
        }
        for text in deep(82) {
            assert!(too_deep(&text).is_some(), "{text}");
        }
    }

    #[test]
    fn dots_in_strings_comments_and_lists_nest_nothing() {
        let dots = ".".repeat(200);
        for text in [
            format!("a = \"{dots}\" # {dots}\nb = '''\n{dots}'''\nc = \"\"\"\\\"{dots}\"\"\""),
            format!("a = [{}]", "1.5, ".repeat(200)),
            "a.b = 1\n".repeat(200),
            "[a.b]\nc.d = 1\n".repeat(200),
        ] {
            assert_eq!(too_deep(&text), None, "{text}");
        }
    }
}
