//! Where the pins of a lock are written, for whoever shows a person the line. Says nothing of what they mean.

use std::collections::BTreeMap;

use crate::model::image::TagId;

/// Lines of one pin, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinLines {
    /// Where it begins, `[[pin]]`.
    pub start: usize,
    /// Where its digest stands.
    pub digest: usize,
}

/// Each pin of a lock that is written as pinstream writes it, and its lines.
pub fn pin_lines(text: &str) -> BTreeMap<TagId, PinLines> {
    let mut found = BTreeMap::new();
    let (mut begin, mut stream, mut tag) = (1, "", "");
    for (at, line) in text.lines().enumerate() {
        let value = |key: &str| line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"');
        if line == "[[pin]]" {
            (begin, stream, tag) = (at + 1, "", "");
        }
        stream = value("stream").unwrap_or(stream);
        tag = value("tag").unwrap_or(tag);
        if value("digest").is_some()
            && let (Ok(stream), Ok(tag)) = (stream.parse(), tag.parse())
        {
            found.insert(TagId { stream, tag }, PinLines { start: begin, digest: at + 1 });
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
        fn each_pin_is_found_where_it_is_written(lock in sample::any_lock()) {
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
