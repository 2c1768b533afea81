//! Hidden lines in bodies: HTML comments that renderers do not show and truncation never removes.

const OPEN: &str = "<!-- pinstream:";
const CLOSE: &str = " -->";
/// Data of the line in the body of a proposal that pinstream closed.
const WITHDRAWN: &str = "withdrawn";

/// Encodes `data` as a hidden line. It may consist of letters, digits, spaces, `=`, `,` and `-`.
pub fn write(data: &str) -> String {
    format!("{OPEN} {data}{CLOSE}")
}

/// Returns the data of a hidden line; none for any other line.
pub fn read(line: &str) -> Option<&str> {
    line.trim().strip_prefix(OPEN)?.strip_suffix(CLOSE).map(str::trim)
}

/// Marks a body as that of a proposal which pinstream itself closed, so that it does not count as rejected.
pub fn withdraw(body: &str) -> String {
    if is_withdrawn(body) {
        return body.to_owned();
    }
    format!("{}\n\n{}\n", body.trim_end(), write(WITHDRAWN))
}

/// Reports whether a body is marked by [`withdraw`].
pub fn is_withdrawn(body: &str) -> bool {
    body.lines().any(|line| read(line) == Some(WITHDRAWN))
}

/// Compares texts, ignoring blank lines, trailing spaces and line endings, which forges change.
pub fn is_same_text(a: &str, b: &str) -> bool {
    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.lines().map(str::trim_end).filter(|line| !line.is_empty())
    }
    lines(a).eq(lines(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_differ_in_line_endings_are_the_same() {
        assert!(is_same_text("a\r\nb  \r\n", "a\nb"));
        assert!(is_same_text("a\n\nb", "a\nb") && !is_same_text("a\nb", "a b"));
    }

    #[test]
    fn a_withdrawn_proposal_is_recognized_by_its_body() {
        let body = withdraw("| a |\n");
        assert_eq!(body, "| a |\n\n<!-- pinstream: withdrawn -->\n");
        assert!(is_withdrawn(&body) && is_withdrawn(&body.replace('\n', "\r\n")) && !is_withdrawn("| a |"));
        assert_eq!(withdraw(&body), body);
    }
}
