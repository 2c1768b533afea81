//! Lines of a body that people are not shown, and that are never cut away. Pure.

/// How such a line begins.
const OPEN: &str = "<!-- pinstream:";
/// How it ends.
const CLOSE: &str = " -->";

/// A hidden line that carries `data`, which is one line without `--`.
pub fn marker(data: &str) -> String {
    format!("{OPEN} {data}{CLOSE}")
}

/// The data of a line, where it is hidden.
pub fn hidden(line: &str) -> Option<&str> {
    line.trim().strip_prefix(OPEN)?.strip_suffix(CLOSE).map(str::trim)
}

/// Whether two texts differ in no more than blank lines and the ends of lines, which forges and their editors change.
pub fn is_same(a: &str, b: &str) -> bool {
    fn lines(text: &str) -> impl Iterator<Item = &str> {
        text.lines().map(str::trim_end).filter(|line| !line.is_empty())
    }
    lines(a).eq(lines(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_forge_does_to_lines_is_no_difference() {
        assert!(is_same("a\r\nb  \r\n", "a\nb"));
        assert!(is_same("a\n\nb", "a\nb") && !is_same("a\nb", "a b"));
    }
}
