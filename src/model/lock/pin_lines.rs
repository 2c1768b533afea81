//! Finds the lines of pins in a lock, for diagnostics and annotations. Never interprets them.

use std::collections::BTreeMap;

use crate::model::image::TagId;

/// Line numbers of one pin, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinLines {
    /// The line with `[[pin]]`.
    pub start: usize,
    /// The line with the digest.
    pub digest: usize,
}

/// Finds the lines of each pin in a lock in canonical form.
pub fn pin_lines(text: &str) -> BTreeMap<TagId, PinLines> {
    let mut found = BTreeMap::new();
    let (mut start, mut stream, mut tag) = (1, "", "");
    for (at, line) in text.lines().enumerate() {
        let value = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
        if line == "[[pin]]" {
            (start, stream, tag) = (at + 1, "", "");
        }
        stream = value("stream").unwrap_or(stream);
        tag = value("tag").unwrap_or(tag);
        if value("digest").is_some()
            && let (Ok(stream), Ok(tag)) = (stream.parse(), tag.parse())
        {
            found.insert(TagId { stream, tag }, PinLines { start, digest: at + 1 });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::lock::encode::encode;
    use crate::model::lock::sample;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn each_pin_is_found_at_its_lines(lock in sample::any_lock()) {
            let text = encode(&lock);
            let (lines, places) = (text.lines().collect::<Vec<_>>(), pin_lines(&text));
            assert!(places.keys().eq(lock.pins.keys()), "{text}");
            for (id, at) in places {
                assert_eq!(lines[at.start - 1], "[[pin]]");
                assert_eq!(lines[at.start], format!("stream = \"{}\"", id.stream));
                assert_eq!(lines[at.digest - 1], format!("digest = \"{}\"", lock.pins[&id].digest));
            }
        }
    }
}
