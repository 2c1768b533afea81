//! Finds the proposal that a commit came from, in its message. Pure.

use super::error::shown;

/// Trailers that name a proposal, in lower case.
const TRAILERS: [&str; 7] =
    ["proposal", "pull-request", "merge-request", "reviewed-on", "pr-url", "see merge request", "pull request"];

/// Returns the proposal that `message` names: in a trailer, as `(#123)` at the end of the subject, or in the subject of a
/// forge's merge commit.
pub(super) fn proposal(message: &str) -> Option<String> {
    let mut lines = message.lines();
    let subject = lines.next().unwrap_or_default().trim();
    let last = message.trim_end().rsplit("\n\n").next().filter(|last| !last.starts_with(subject));
    let trailer = last.into_iter().flat_map(str::lines).find_map(|line| {
        let (key, value) = line.split_once(": ").or_else(|| Some(line.split_at(line.find("request ")? + 7)))?;
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        (TRAILERS.contains(&key.as_str()) && !value.is_empty()).then(|| shown(value))
    });
    trailer.or_else(|| number(subject))
}

fn number(subject: &str) -> Option<String> {
    let merged = ["Merge pull request #", "Merge pull request !", "Merged PR "];
    let merged = merged.into_iter().find_map(|prefix| Some((prefix, subject.strip_prefix(prefix)?)));
    let (sign, text) = match (merged, subject.strip_suffix(')').and_then(|rest| rest.rsplit_once('('))) {
        (_, Some((_, text))) if text.starts_with(['#', '!']) => text.split_at(1),
        (Some((prefix, rest)), _) => {
            let sign = if prefix.ends_with('!') { "!" } else { "#" };
            (sign, rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default())
        }
        _ => return None,
    };
    let is_number = !text.is_empty() && text.len() <= 10 && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| format!("{sign}{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_proposal() {
        for (message, expected) in [
            ("Pin python:3.12 (#123)", Some("#123")),
            ("Pin python:3.12 (!7)\n\nbody", Some("!7")),
            ("Merge pull request #12 from a/b\n\nPin", Some("#12")),
            ("Merged PR 42: Pin", Some("#42")),
            ("Merge branch 'x' into 'main'\n\nPin\n\nSee merge request acme/deploy!9", Some("acme/deploy!9")),
            ("Pin\n\nProposal: https://example.com/pulls/3\nReviewed-by: A", Some("https://example.com/pulls/3")),
            ("Pin (#1)\n\nReviewed-on: https://example.com/a/b/pulls/4\n", Some("https://example.com/a/b/pulls/4")),
            ("Pin (see the manual)", None),
            ("Pin (#)", None),
            ("Pin (#12a)", None),
            ("Proposal: x", None),
            ("Pin\n\nProposal: \n", None),
            ("Pin\n\nProposal: a\u{1b}b", Some("a\\u{1b}b")),
            ("", None),
        ] {
            assert_eq!(proposal(message).as_deref(), expected, "{message:?}");
        }
    }
}
