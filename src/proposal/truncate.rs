//! Truncates titles and bodies to the lengths that a forge accepts, and marks titles of drafts.

use super::marker;

/// Maximum lengths of titles and bodies, in UTF-16 code units: no forge counts fewer.
#[derive(Clone, Copy)]
pub struct TextLimits {
    /// Maximum length of a title.
    pub title: usize,
    /// Maximum length of a body.
    pub body: usize,
}

/// Returns `text` as one line of at most `max`.
pub fn title(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if length(&line) <= max {
        return line;
    }
    // The ellipsis counts, too.
    let mut used = 1;
    let fits = |c: &char| {
        used += c.len_utf16();
        used <= max
    };
    format!("{}…", line.chars().take_while(fits).collect::<String>().trim_end())
}

/// Adds the prefix by which some forges recognize drafts.
pub fn draft_title(prefix: &str, title: &str, is_draft: bool) -> String {
    if is_draft { format!("{prefix}{title}") } else { title.to_owned() }
}

/// Returns `body` within `max`: removes whole lines at the end and says so, but keeps hidden lines.
pub fn body(body: &str, max: usize) -> String {
    if length(body) <= max {
        return body.to_owned();
    }
    let (hidden, shown): (Vec<&str>, Vec<&str>) = body.lines().partition(|line| marker::read(line).is_some());
    let cost = |lines: &[&str]| lines.iter().map(|line| length(line) + 1).sum::<usize>();
    // Leave room for the note below, and for closing code blocks and HTML elements that are open at the cut.
    let room = max.saturating_sub(cost(&hidden) + 300);
    let mut used = 0;
    let fits = |line: &&&str| {
        used += length(line) + 1;
        used <= room
    };
    let (kept, cut) = shown.split_at(shown.iter().take_while(fits).count());
    let mut out = kept.join("\n");
    let is_fence = |line: &&&str| line.trim_start().starts_with("```");
    if kept.iter().filter(is_fence).count() % 2 == 1 {
        out.push_str("\n```");
    }
    let count = |word: &str| kept.iter().map(|line| line.matches(word).count()).sum::<usize>();
    for _ in 0..count("<details>").saturating_sub(count("</details>")).min(8) {
        out.push_str("\n</details>");
    }
    let lines = if cut.len() == 1 { "line" } else { "lines" };
    out.push_str(&format!(
        "\n\n_Truncated by {} {lines}: this forge accepts at most {max} characters. The commit message lists all changes._\n",
        cut.len()
    ));
    if !hidden.is_empty() {
        out.push_str(&format!("\n{}\n", hidden.join("\n")));
    }
    out
}

fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, proptest};

    use super::*;

    #[test]
    fn a_long_body_is_truncated_at_a_line_and_says_so() {
        let rows: Vec<String> = (0..100).map(|n| format!("| python:{n} | 1 | 2 |")).collect();
        let body = format!("<details>\n```\n{}\n```\n</details>\n{}\n", rows.join("\n"), marker::write("a=1"));
        assert_eq!(super::body(&body, 10_000), body);
        let cut = super::body(&body, 500);
        assert!(cut.encode_utf16().count() <= 500);
        insta::assert_snapshot!(cut, @r"
    <details>
    ```
    | python:0 | 1 | 2 |
    | python:1 | 1 | 2 |
    | python:2 | 1 | 2 |
    | python:3 | 1 | 2 |
    | python:4 | 1 | 2 |
    | python:5 | 1 | 2 |
    | python:6 | 1 | 2 |
    ```
    </details>

    _Truncated by 95 lines: this forge accepts at most 500 characters. The commit message lists all changes._

    <!-- pinstream: a=1 -->
    ");
    }

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(title(" Pin\npython:3.12 ", 256), "Pin python:3.12");
        assert_eq!(title("Bump a lot", 7), "Bump a…");
        assert_eq!(title("😀😀😀", 5), "😀😀…");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_body_exceeds_the_limit(lines in proptest::collection::vec(".{0,80}", 0..60), max in 400usize..4_000) {
            let body = format!("{}\n{}", lines.join("\n"), marker::write("kept"));
            let cut = super::body(&body, max);
            prop_assert!(cut.encode_utf16().count() <= max);
            prop_assert!(cut.lines().any(|line| marker::read(line) == Some("kept")));
        }
    }
}
