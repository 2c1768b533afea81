//! Finds the positions of tags in a stream file, for diagnostics and annotations. Never interprets them.

use std::collections::BTreeMap;

use toml::de::{DeTable, DeValue};

use crate::text::diagnostics::lines::{LineIndex, SourceSpan};

/// Finds the position of each tag's name; empty for invalid TOML.
pub fn tag_spans(text: &str) -> BTreeMap<String, SourceSpan> {
    let Ok(document) = DeTable::parse(text) else { return BTreeMap::new() };
    let tags = document.get_ref().iter().find(|(key, _)| key.get_ref() == "tags");
    let Some(DeValue::Table(tags)) = tags.map(|(_, value)| value.get_ref()) else { return BTreeMap::new() };
    let lines = LineIndex::new(text);
    let places = tags.keys().filter_map(|key| Some((key.get_ref().to_string(), lines.span(text, &key.span())?)));
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_where_its_name_is() {
        let text = "tags.a = \"x\"\n[tags]\n\"3.12\" = \"y\"\n";
        assert!(tag_spans(text).is_empty(), "invalid TOML has no positions");
        let text =
            "description = \"x\"\n\n[tags]\n\"3.12\" = \"y\"\n  b.image = \"z\"\n\n[tags.\"3.10\"]\nimage = \"z\"\n";
        let found = tag_spans(text);
        let shown: Vec<_> = found.iter().map(|(tag, span)| (tag.as_str(), span.line, span.column)).collect();
        assert_eq!(shown, [("3.10", 7, 7), ("3.12", 4, 1), ("b", 5, 3)]);
        let braces = tag_spans("tags = { c = \"z\" }");
        assert_eq!(braces["c"], SourceSpan { line: 1, column: 10, end_line: 1, end_column: 11 });
        assert!(tag_spans("tags = 1\n").is_empty() && tag_spans("").is_empty());
    }
}
