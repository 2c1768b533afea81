//! Turns a text into a commit message: a short first line, nothing dangerous, and no trailer in our name.

use crate::text::escape;

/// The longest first line, in characters.
pub const TITLE_MAX: usize = 120;
/// The longest message, in bytes.
const MESSAGE_MAX: usize = 64 << 10;
/// The prefix of our own trailers.
const OURS: &str = "pinstream-";

/// Formats `text` as a commit message: the first line is not empty and at most [`TITLE_MAX`] characters, the second is
/// blank, and the message ends with one line break. An empty text becomes `title`.
///
/// Control and bidirectional characters are escaped. Lines that Git takes for the end of a message, and lines that
/// look like one of our trailers, are indented by a space.
pub fn message(text: &str, title: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    let text = if text.trim().is_empty() { title } else { text.trim() };
    let mut out = String::with_capacity(text.len() + 2);
    for (at, line) in text.lines().enumerate() {
        let line = escape::control_characters(line.trim_end());
        if at == 0 {
            out.push_str(&title_line(line.trim_start_matches(|c: char| c.is_whitespace() || c == '-'), title));
        } else {
            if at == 1 && !line.is_empty() {
                out.push('\n');
            }
            if out.len() + line.len() > MESSAGE_MAX {
                out.push_str("…\n");
                break;
            }
            if acts(&line) {
                out.push(' ');
            }
            out.push_str(&line);
        }
        out.push('\n');
    }
    out
}

/// Escapes control and bidirectional characters of `text`, and ends it with one line break.
pub fn plain_text(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\t', "    ");
    text.trim().lines().map(|line| format!("{}\n", escape::control_characters(line.trim_end()))).collect()
}

/// Appends `trailers` to the last paragraph of `message` if it consists of trailers, or as a new one
/// (git-interpret-trailers(1)).
pub fn with_trailers(message: &str, trailers: &[String]) -> String {
    let message = message.trim_end();
    let mut paragraphs = message.rsplit("\n\n");
    let last = paragraphs.next().unwrap_or_default();
    let ends_with_some = paragraphs.next().is_some() && last.lines().all(is_trailer);
    let between = if ends_with_some { "\n" } else { "\n\n" };
    format!("{message}{between}{}\n", trailers.join("\n"))
}

/// Returns true if `line` is `Token: value`.
fn is_trailer(line: &str) -> bool {
    let split = line.split_once(": ");
    split.is_some_and(|(token, value)| {
        let is_token = !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        is_token && !value.trim().is_empty()
    })
}

/// Returns true if Git or pinstream would give `line` a meaning: git-am(1) ends a message at `---`.
fn acts(line: &str) -> bool {
    let is_ours = line.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS)) && line.contains(':');
    is_ours || line.starts_with("---")
}

/// Cuts the first line at [`TITLE_MAX`] characters; returns `title` if it is empty.
fn title_line(line: &str, title: &str) -> String {
    if line.is_empty() {
        return title.to_owned();
    }
    match line.char_indices().nth(TITLE_MAX) {
        Some(_) => line.chars().take(TITLE_MAX - 1).chain(['…']).collect(),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(message(text, "title"), expected, "{text:?}");
    }

    #[test]
    fn text_is_formatted_as_a_message() {
        check("one", "one\n");
        check("\n\n  one  \n\n\ntwo \r\n\n", "one\n\n\ntwo\n");
        check("one\ntwo\nthree", "one\n\ntwo\nthree\n");
        check(" \n\t\n", "title\n");
        check("---\nx", "title\n\nx\n");
        check(&"x".repeat(121), &format!("{}…\n", "x".repeat(119)));
        check("one\n\n\tx\u{1b}[2J\u{202e}y\u{0}", "one\n\n    x\\u{1b}[2J\\u{202e}y\\u{0}\n");
    }

    #[test]
    fn lines_with_a_meaning_to_git_are_indented() {
        check("a\n\n--- a/file\n----\n-- x", "a\n\n --- a/file\n ----\n-- x\n");
        check(
            "a\n\nPinstream-Plan: sha256:00\npinstream-ROOT:x\nPinstream-Plan",
            "a\n\n Pinstream-Plan: sha256:00\n pinstream-ROOT:x\nPinstream-Plan\n",
        );
        // An umlaut straddles the length of the prefix.
        check("a\n\npinstreamü: x", "a\n\npinstreamü: x\n");
    }

    #[test]
    fn a_message_is_cut_at_its_size_limit() {
        let lines = "a line of a text\n".repeat(10_000);
        let made = message(&lines, "title");
        assert!(made.len() < MESSAGE_MAX + 10 && made.ends_with("text\n…\n"), "{}", made.len());
    }

    #[test]
    fn trailers_join_existing_trailers() {
        let ours = ["Pinstream-Plan: x".to_owned()];
        let check = |message: &str, expected: &str| assert_eq!(with_trailers(message, &ours), expected, "{message:?}");
        check("a\n", "a\n\nPinstream-Plan: x\n");
        check("a: b\n", "a: b\n\nPinstream-Plan: x\n");
        check("a\n\n- b: c\n", "a\n\n- b: c\n\nPinstream-Plan: x\n");
        check("a\n\nhttps://b.c/d\n", "a\n\nhttps://b.c/d\n\nPinstream-Plan: x\n");
        check(
            "a\n\nb\n\nChange-Id: 1\nSigned-off-by: B <b@c.d>\n",
            "a\n\nb\n\nChange-Id: 1\nSigned-off-by: B <b@c.d>\nPinstream-Plan: x\n",
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_any_text_becomes_a_valid_message(text in any::<String>(), start in "([ \n\r\t\u{1b}\u{202e}:-]|Pinstream-|---){0,9}") {
            for text in [format!("{start}{text}"), format!("{text}{start}"), format!("x\n\n{start}{text}: y")] {
                let made = message(&text, "title");
                let first = made.lines().next().unwrap();
                assert!(!first.trim().is_empty() && first.chars().count() <= TITLE_MAX, "{made:?}");
                assert!(!made.chars().any(|c| c != '\n' && escape::is_deceptive(c)), "{made:?}");
                assert!(made.ends_with('\n') && !made.ends_with("\n\n"), "{made:?}");
                assert!(!made.lines().skip(1).any(acts), "{made:?}");
                assert_eq!(message(&made, "title"), made);
            }
        }
    }
}
