//! Titles and bodies within what a forge takes, and the word that a proposal was closed by us. Pure.

use crate::proposal::hidden::{hidden, marker};

/// How long titles and bodies may be, in UTF-16 code units: no forge counts fewer.
#[derive(Clone, Copy)]
pub(super) struct BodyLimits {
    pub(super) title: usize,
    pub(super) body: usize,
}

/// What [`withdrawn`] adds.
const WITHDRAWN: &str = "closed, as nothing is left to propose";

/// `body` with the word that pinstream closed its proposal.
pub(super) fn withdrawn(body: &str) -> String {
    if is_withdrawn(body) {
        return body.to_owned();
    }
    format!("{}\n\n{}\n", body.trim_end(), marker(WITHDRAWN))
}

/// Whether it has that word.
pub(super) fn is_withdrawn(body: &str) -> bool {
    body.lines().any(|line| hidden(line) == Some(WITHDRAWN))
}

/// One line of at most `max`.
pub(super) fn title(text: &str, max: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if length(&line) <= max {
        return line;
    }
    let mut out = String::new();
    let mut left = max - 1;
    for c in line.chars() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => break,
        }
        out.push(c);
    }
    format!("{}…", out.trim_end())
}

/// `body` within `max`. Whole lines are cut away at the end, which a sentence says; hidden ones stay.
pub(super) fn fit(body: &str, max: usize) -> String {
    if length(body) <= max {
        return body.to_owned();
    }
    let (hidden, shown): (Vec<&str>, Vec<&str>) = body.lines().partition(|line| hidden(line).is_some());
    let cost = |lines: &[&str]| lines.iter().map(|line| length(line) + 1).sum::<usize>();
    // Room for the sentence, and for closing what is open at the cut.
    let room = max.saturating_sub(cost(&hidden) + 300);
    let mut kept = 0;
    let mut used = 0;
    for line in &shown {
        used += length(line) + 1;
        if used > room {
            break;
        }
        kept += 1;
    }
    let (kept, cut) = shown.split_at(kept);
    let mut out = kept.join("\n");
    let is_fence = |line: &&&str| line.trim_start().starts_with("```");
    if kept.iter().filter(is_fence).count() % 2 == 1 {
        out.push_str("\n```");
    }
    let count = |word: &str| kept.iter().map(|line| line.matches(word).count()).sum::<usize>();
    for _ in 0..count("<details>").saturating_sub(count("</details>")).min(8) {
        out.push_str("\n</details>");
    }
    let lines = if cut.len() == 1 { "line was" } else { "lines were" };
    out.push_str(&format!(
        "\n\n_The last {} {lines} cut away: this forge takes at most {max} characters. All of it is in the message of \
         the commit._\n",
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
    fn a_long_body_is_cut_at_a_line_and_says_so() {
        let rows: Vec<String> = (0..100).map(|n| format!("| python:{n} | 1 | 2 |")).collect();
        let body = format!("<details>\n```\n{}\n```\n</details>\n{}\n", rows.join("\n"), marker("a=1"));
        assert_eq!(fit(&body, 10_000), body);
        let cut = fit(&body, 500);
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

    _The last 95 lines were cut away: this forge takes at most 500 characters. All of it is in the message of the commit._

    <!-- pinstream: a=1 -->
    ");
    }

    #[test]
    fn a_title_is_one_line_and_short() {
        assert_eq!(title(" Move\npython:3.12 ", 256), "Move python:3.12");
        assert_eq!(title("Move a lot", 7), "Move a…");
        assert_eq!(title("😀😀😀", 5), "😀😀…");
    }

    #[test]
    fn who_withdrew_a_proposal_is_told_by_its_body() {
        let body = withdrawn("| a |\n");
        assert_eq!(body, "| a |\n\n<!-- pinstream: closed, as nothing is left to propose -->\n");
        assert!(is_withdrawn(&body) && is_withdrawn(&body.replace('\n', "\r\n")) && !is_withdrawn("| a |"));
        assert_eq!(withdrawn(&body), body);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_body_is_longer_than_it_may_be(lines in proptest::collection::vec(".{0,80}", 0..60), max in 400usize..4_000) {
            let body = format!("{}\n{}", lines.join("\n"), marker("kept"));
            let cut = fit(&body, max);
            prop_assert!(cut.encode_utf16().count() <= max);
            prop_assert!(cut.lines().any(|line| hidden(line) == Some("kept")));
        }
    }
}
