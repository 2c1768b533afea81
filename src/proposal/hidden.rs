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
