//! Escapes untrusted text, with one function per sink: terminal, message, program output, Markdown, XML and HTML,
//! TOML.
//!
//! Labels of images, replies of servers and output of hooks may contain terminal escape sequences, characters that
//! reorder a line, and commands for the log readers of CI systems. Nothing is dropped: a dangerous character is shown
//! as `\u{1b}`. For terminals, escaping twice gives the same text as escaping once.

use std::fmt::Write as _;

/// The number of characters of a foreign text that a message shows.
const LENGTH_MAX: usize = 200;
/// The number of characters of a sentence that Markdown shows.
const SENTENCE_MAX: usize = 1_000;
/// The number of characters of a user's own text that a message repeats.
const EXCERPT_MAX: usize = 80;

/// Escapes text for a message: one line without control characters, bidirectional characters and log commands, cut at
/// 200 characters.
pub fn terminal(text: &str) -> String {
    truncate(text, LENGTH_MAX)
}

/// Escapes text for use between backticks in a message: like [`terminal`], and without backticks.
pub fn for_backticks(text: &str) -> String {
    terminal(text).replace('`', "\\u{60}")
}

/// Escapes text like [`terminal`] without cutting it.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    push_line(&mut out, text);
    out
}

/// Escapes text like [`terminal`], cut at `max` characters.
pub fn truncate(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max + 8));
    let cut = text.char_indices().nth(max).map_or(text.len(), |(at, _)| at);
    push_line(&mut out, &text[..cut]);
    if cut < text.len() {
        out.push('…');
    }
    out
}

/// Escapes each line of the output of a program, whose size is limited elsewhere.
pub fn lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| one_line(line.strip_suffix('\r').unwrap_or(line)));
    lines.collect::<Vec<_>>().join("\n")
}

/// Escapes dangerous characters, but not log commands, for text that no log reader sees.
pub fn control_characters(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push(&mut out, c, false));
    out
}

/// Returns the first 80 characters of a text that a user wrote, for a message. Does not escape.
pub fn excerpt(text: &str) -> &str {
    text.char_indices().nth(EXCERPT_MAX).map_or(text, |(at, _)| &text[..at])
}

/// Replaces each credential in a URL by one `*` per byte, so that positions stay the same. A user name alone is kept
/// for SSH, where it is no secret.
pub fn mask_credentials(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`')).unwrap_or(after.len());
        let credentials = after[..end].rfind('@').map_or("", |at| &after[..at]);
        let is_name = before.ends_with("ssh://") && !credentials.contains(':');
        // A path may contain an `@`, too; at most a port follows a host.
        let (authority, path) =
            credentials.split_once('/').map_or((credentials, None), |(host, path)| (host, Some(path)));
        let is_port = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let is_path = path.is_some() && authority.split_once(':').is_none_or(|(_, port)| is_port(port));
        let masked = if is_name || is_path { "" } else { credentials };
        out.push_str(&"*".repeat(masked.len()));
        rest = &after[masked.len()..];
    }
    out.push_str(rest);
    out
}

/// Escapes text as a code span of Markdown, also within a table (CommonMark 0.31, "Code spans").
pub fn markdown_code(text: &str) -> String {
    code_span(&terminal(text))
}

fn code_span(escaped: &str) -> String {
    format!("`{}`", escaped.replace('`', "\\u{60}").replace('|', "\\u{7c}"))
}

/// Escapes a sentence of ours as Markdown within a line or a table cell: text in backticks becomes code, and the rest
/// is plain words (CommonMark 0.31, "Backslash escapes").
pub fn markdown(text: &str) -> String {
    let text = truncate(text, SENTENCE_MAX);
    let parts: Vec<&str> = text.split('`').collect();
    let mut out = String::with_capacity(text.len() + 16);
    for (at, part) in parts.iter().enumerate() {
        let is_open = at % 2 == 1;
        let is_code = is_open && at + 1 < parts.len();
        match is_code && !part.trim().is_empty() {
            true => out.push_str(&code_span(part)),
            false => {
                out.push_str(if is_open { "\\`" } else { "" });
                push_markdown(&mut out, part);
                out.push_str(if is_code { "\\`" } else { "" });
            }
        }
    }
    out
}

/// Escapes everything that has a meaning within a line: emphasis, code, links, HTML, entities, tables, strikethrough,
/// mathematics, mentions, and URLs that forges turn into links.
fn push_markdown(out: &mut String, text: &str) {
    for (at, c) in text.char_indices() {
        let is_url = (c == ':' && text[at..].starts_with("://")) || (c == '.' && text[..at].ends_with("www"));
        if is_url || "\\*_[]<>&|~$@#!".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// Escapes text as content or attribute value of XML 1.0 and HTML; characters that XML does not allow are shown by
/// number (XML 1.0, "Characters").
pub fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // As a reference, so that a parser does not normalize it to a line feed or a space.
            '\t' | '\r' => out.push_str(if c == '\t' { "&#9;" } else { "&#13;" }),
            '\u{fffe}' | '\u{ffff}' => push(&mut out, c, true),
            c if c < ' ' && c != '\n' => push(&mut out, c, true),
            c => out.push(c),
        }
    }
    out
}

/// Formats a TOML basic string (TOML 1.0, "String"), with dangerous characters escaped as well.
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

/// Returns true if a character affects a terminal, a log or the order of a line instead of being shown: C0, C1, line
/// and paragraph separators, bidirectional controls (Unicode TR 36 and TR 9), zero-width and tag characters.
pub fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes a line. GitHub, Forgejo and Gitea act on `::command::` at the start of a line, after blanks; Azure, TeamCity
/// and older GitHub runners on `##[`, `##vso[` and `##teamcity[` anywhere in it.
fn push_line(out: &mut String, text: &str) {
    let blanks = text.len() - text.trim_start().len();
    let command = text[blanks..].starts_with("::").then_some(blanks);
    let mut last = '\0';
    for (at, c) in text.char_indices() {
        push(out, c, command == Some(at) || (c == '#' && last == '#'));
        last = c;
    }
}

/// Appends `c`, or its number if it is dangerous or `is_command`.
fn push(out: &mut String, c: char, is_command: bool) {
    if is_command || is_deceptive(c) {
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
    fn t9_foreign_text_is_shown_without_effects() {
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
    fn t9_every_line_of_an_output_is_escaped() {
        assert_eq!(lines("one\r\n::error::two\n\tthree\n"), "one\n\\u{3a}:error::two\n\\u{9}three\n");
    }

    #[test]
    fn t22_credentials_in_a_url_are_masked() {
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
    fn a_sentence_becomes_markdown_with_code_spans() {
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
    fn characters_not_allowed_in_xml_are_shown_by_number() {
        assert_eq!(xml("<a b=\"c\">&'"), "&lt;a b=&quot;c&quot;&gt;&amp;'");
        assert_eq!(xml("a\0\u{1b}\u{fffe}\u{ffff}\u{85}\n\t\r"), "a\\u{0}\\u{1b}\\u{fffe}\\u{ffff}\u{85}\n&#9;&#13;");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_a_sentence_contains_only_words_and_code(text in any::<String>(), more in "[`|*_\\\\<>&!:/@#a-c\\[\\]() ~]{0,24}") {
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
                // All words are present, except for blanks and backticks around code.
                let plain = |text: &str| text.replace(['`', ' '], "").replace("\\u{60}", "").replace("\\u{7c}", "|");
                assert_eq!(plain(&shown), plain(&format!("ax {} x", truncate(&text, SENTENCE_MAX))), "{table}");
            }
        }

        #[test]
        fn t9_no_text_has_an_effect(text in any::<String>(), start in "[ \t:#\u{1b}\u{202e}\u{9b}\n\ra\\[]{0,12}") {
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
