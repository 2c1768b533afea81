//! Text that others wrote, made safe for the place it is printed at.
//!
//! Labels, answers of registries and servers, and outputs of hooks may hold escape sequences, characters that
//! reorder a line, and commands for the log readers of CI systems. Nothing is dropped: what is dangerous is shown as
//! `\u{1b}`. Escaping twice is the same as escaping once.

use std::fmt::Write as _;

/// How many characters of a foreign text go into one message.
const LENGTH_MAX: usize = 200;
/// How many characters of a sentence go into Markdown.
const SENTENCE_MAX: usize = 1_000;

/// One line of `text` for a message: no control or reordering character, no log command, at most 200 characters of it.
pub fn terminal(text: &str) -> String {
    within(text, LENGTH_MAX)
}

/// All of `text` as one line, safe in the same way.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    line(&mut out, text);
    out
}

/// The same with at most `max` characters of it.
pub fn within(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max + 8));
    let cut = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    line(&mut out, &text[..cut]);
    if cut < text.len() {
        out.push('…');
    }
    out
}

/// All lines of `text`, each made safe by itself; for the output of a program, which has bounds of its own.
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, part) in text.split('\n').enumerate() {
        if at > 0 {
            out.push('\n');
        }
        line(&mut out, part.strip_suffix('\r').unwrap_or(part));
    }
    out
}

/// `text` with each deceptive character as its number, for what is written to no log.
pub fn control_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| put(&mut out, c, false));
    out
}

/// `text` with each login within an address as `*`, of which there are as many as there were bytes: places stay what
/// they are. A name by itself is kept for SSH, where it opens nothing.
pub fn mask_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(after.len());
        let login = after[..end].rfind('@').map_or("", |at| &after[..at]);
        let is_name = before.ends_with("ssh://") && !login.contains(':');
        // An `@` may also stand in a path; a host is followed by a number at most.
        let (place, path) = login.split_once('/').map_or((login, None), |(place, path)| (place, Some(path)));
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_path = path.is_some() && place.split_once(':').is_none_or(|(_, port)| is_port(port));
        let hidden = if is_name || is_path { "" } else { login };
        out.push_str(&"*".repeat(hidden.len()));
        rest = &after[hidden.len()..];
    }
    out.push_str(rest);
    out
}

/// `text` as code of Markdown, in which nothing acts: neither there nor in the table that it may stand in (CommonMark
/// 0.31, "Code spans": nothing in one is read).
pub fn markdown_code(text: &str) -> String {
    span(&terminal(text))
}

/// Code of what is safe to print already.
fn span(text: &str) -> String {
    format!("`{}`", text.replace('`', "\\u{60}").replace('|', "\\u{7c}"))
}

/// A sentence of ours as Markdown within a line, a table's or another's: what it has in backticks is code, and the rest
/// is words in which nothing acts (CommonMark 0.31, "Backslash escapes").
pub fn markdown(text: &str) -> String {
    let text = within(text, SENTENCE_MAX);
    let parts: Vec<&str> = text.split('`').collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (at, part) in parts.iter().enumerate() {
        let is_open = at % 2 == 1;
        let is_code = is_open && at + 1 < parts.len();
        match is_code && !part.trim().is_empty() {
            true => out.push_str(&span(part)),
            false => {
                out.push_str(if is_open { "\\`" } else { "" });
                put_words(&mut out, part);
                out.push_str(if is_code { "\\`" } else { "" });
            }
        }
    }
    out
}

/// What acts within a line: emphasis, code, links, HTML, characters by name, tables, struck out text, mathematics, and
/// addresses that forges make links of.
fn put_words(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        let is_address = (c == ':' && text[at..].starts_with("://")) || (c == '.' && text[..at].ends_with("www"));
        if is_address || "\\*_[]<>&|~$@#!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// `text` as text of XML 1.0 or as the value of an attribute, with what no XML may hold as its number (XML 1.0,
/// "Characters").
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // Read as written, and not as the line's end or a blank that a reader makes of it.
            '\t' | '\r' => out.push_str(if c == '\t' { "&#9;" } else { "&#13;" }),
            '\u{fffe}' | '\u{ffff}' => put(&mut out, c, true),
            c if c < ' ' && c != '\n' => put(&mut out, c, true),
            c => out.push(c),
        }
    }
    out
}

/// A TOML basic string (TOML 1.0, "String"). What could deceive a reader is escaped as well.
pub fn toml_string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !is_deceptive(c) => out.push(c),
            // Writing to a `String` does not fail.
            c if c <= '\u{ffff}' => drop(write!(out, "\\u{:04X}", u32::from(c))),
            c => drop(write!(out, "\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

/// Whether a character acts on a terminal, a log or the order of a line in place of being shown: C0, C1, line and
/// paragraph separators, bidirectional controls (Unicode TR 36 and TR 9), zero-width characters and tag characters.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// GitHub, Forgejo and Gitea read `::command::` at the start of a line, after blanks; Azure, TeamCity and older
/// GitHub runners `##[`, `##vso[` and `##teamcity[` anywhere in it.
fn line(out: &mut String, text: &str) {
    let blanks = text.len() - text.trim_start().len();
    let command = text[blanks..].starts_with("::").then_some(blanks);
    let mut last = '\0';
    for (at, c) in text.char_indices() {
        put(out, c, command == Some(at) || (c == '#' && last == '#'));
        last = c;
    }
}

/// `c`, or its number where it is deceptive or `acts`.
fn put(out: &mut String, c: char, acts: bool) {
    if acts || is_deceptive(c) {
        // Writing to a `String` does not fail.
        let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(terminal(text), expected, "{text:?}");
    }

    #[test]
    fn t9_foreign_text_is_shown_and_does_nothing() {
        check("3.12.4", "3.12.4");
        check("grüße, 日本", "grüße, 日本");
        check("a\x1b[31mred\x07", "a\\u{1b}[31mred\\u{7}");
        check("a\nb\r\n", "a\\u{a}b\\u{d}\\u{a}");
        check("\u{9b}31m", "\\u{9b}31m");
        check("a\u{202e}b\u{2066}c\u{200f}", "a\\u{202e}b\\u{2066}c\\u{200f}");
        check("::set-env name=PATH::/x", "\\u{3a}:set-env name=PATH::/x");
        check("  ::add-mask::x", "  \\u{3a}:add-mask::x");
        check("x ##vso[task.setvariable]y", "x #\\u{23}vso[task.setvariable]y");
        check(&"x".repeat(201), &format!("{}…", "x".repeat(200)));
    }

    #[test]
    fn t9_every_line_of_an_output_is_made_safe() {
        assert_eq!(lines("one\r\n::error::two\n\tthree\n"), "one\n\\u{3a}:error::two\n\\u{9}three\n");
    }

    #[test]
    fn t22_a_login_within_an_address_is_not_shown() {
        for (text, expected) in [
            ("https://git.example/a", "https://git.example/a"),
            ("url = \"https://me:pw@git.example/a\" # x@y", "url = \"https://*****@git.example/a\" # x@y"),
            ("https://token@git.example", "https://*****@git.example"),
            ("https://u:a/b@c@git.example/x", "https://*******@git.example/x"),
            ("https://u:é@git.example/x", "https://****@git.example/x"),
            ("a http://u:p@x b ssh://git:p@y", "a http://***@x b ssh://*****@y"),
            ("ssh://git@git.example/a, git@git.example:a", "ssh://git@git.example/a, git@git.example:a"),
            ("docker://r.example:5000/a@sha256:00", "docker://r.example:5000/a@sha256:00"),
            ("://@", "://@"),
        ] {
            assert_eq!(mask_credentials(text), expected);
            assert_eq!(mask_credentials(expected), expected);
        }
    }

    #[test]
    fn a_sentence_is_markdown_with_its_code() {
        for (text, expected) in [
            ("`a.b/c:1` is not there", "`a.b/c:1` is not there"),
            ("`a|b` *c* <d> `", "`a\\u{7c}b` \\*c\\* \\<d\\> \\`"),
            ("`` and ` `", "\\`\\` and \\` \\`"),
            ("see https://a.b, www.c.d", "see https\\://a.b, www\\.c.d"),
            ("as `::x` and `##[y`", "as `::x` and `#\\u{23}[y`"),
            ("a_b\n![x](y)&amp;", "a\\_b\\\\u{a}\\!\\[x\\](y)\\&amp;"),
        ] {
            assert_eq!(markdown(text), expected);
        }
    }

    #[test]
    fn what_xml_may_not_hold_is_its_number() {
        assert_eq!(xml("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;'");
        assert_eq!(xml("a\0\u{1b}\u{fffe}\u{ffff}\u{85}\n\t\r"), "a\\u{0}\\u{1b}\\u{fffe}\\u{ffff}\u{85}\n&#9;&#13;");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_sentence_is_more_than_words_and_code(text in any::<String>(), more in "[`|*_\\\\<>&!:/@#a-c\\[\\]() ~]{0,24}") {
            use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
            for text in [format!("{more}{text}"), format!("{text}{more}")] {
                let table = format!("| a |\n| --- |\n| x {} x |\n", markdown(&text));
                let mut shown = String::new();
                let mut cells = 0;
                for event in Parser::new_ext(&table, Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_MATH) {
                    match event {
                        Event::Text(text) | Event::Code(text) => shown.push_str(&text),
                        Event::Start(Tag::TableCell) => cells += 1,
                        Event::Start(Tag::Table(_) | Tag::TableHead | Tag::TableRow) => {}
                        Event::End(TagEnd::Table | TagEnd::TableHead | TagEnd::TableRow | TagEnd::TableCell) => {}
                        other => panic!("{other:?} in {table}"),
                    }
                }
                assert_eq!(cells, 2, "{table}");
                // Every word is there, but for the blanks and backticks around code.
                let plain = |text: &str| text.replace(['`', ' '], "").replace("\\u{60}", "").replace("\\u{7c}", "|");
                assert_eq!(plain(&shown), plain(&format!("ax {} x", within(&text, SENTENCE_MAX))), "{table}");
            }
        }

        #[test]
        fn t9_no_text_gets_through(text in any::<String>(), start in "[ \t:#\u{1b}\u{202e}\u{9b}\n\ra\\[]{0,12}") {
            for text in [format!("{start}{text}"), format!("{text}{start}")] {
                let one = terminal(&text);
                assert!(!one.chars().any(is_deceptive), "{one:?}");
                assert!(!one.trim_start().starts_with("::"), "{one:?}");
                assert!(!one.contains("##"), "{one:?}");
                let all = lines(&text);
                assert!(!all.chars().any(|c| c != '\n' && is_deceptive(c)), "{all:?}");
                assert!(!all.lines().any(|line| line.trim_start().starts_with("::") || line.contains("##")), "{all:?}");
                assert_eq!(lines(&all), all);
            }
        }
    }
}
