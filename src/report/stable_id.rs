//! Ids derived from their parts, for events, changes and findings.

use crate::model::image::Digest;

/// Derives 32 hexadecimal digits from `parts`.
pub(super) fn stable_id<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    // Lengths prevent a line break within a part from being read as its end.
    let lines: String = parts.map(|part| format!("{} {part}\n", part.len())).collect();
    Digest::sha256(lines.as_bytes()).hex()[..32].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_with_line_breaks_cannot_imitate_other_parts() {
        let id = |parts: &[&str]| stable_id(parts.iter().copied());
        assert_eq!(id(&["a", "b"]), id(&["a", "b"]));
        assert_eq!(id(&["a", "b"]).len(), 32);
        assert_ne!(id(&["a", "b"]), id(&["a\n1 b"]));
        assert_ne!(id(&["a", "b"]), id(&["ab"]));
    }
}
