//! Tag lists, parsed page by page (OCI Distribution 1.1, "Listing Tags").

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{PagedList, ResolveError};
use crate::model::image::TagName;

/// Largest number of tags of one repository, which is also that of a root.
const TAGS_MAX: usize = 100_000;

pub(super) const FORMAT: PagedList<TagName> = PagedList { noun: "tag list", pages: 100, page_max: 4 << 20, parse };

/// Appends the tags of one page to `found`; invalid names are skipped, because no reference can contain them.
///
/// # Errors
/// If the page is invalid, or there are too many tags in all.
fn parse(body: &[u8], registry: &str, found: &mut Vec<TagName>) -> Result<(), ResolveError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let message = match json.deserialize_map(TagPage(found)).and_then(|()| json.end()) {
        Ok(()) => return Ok(()),
        Err(_) if found.len() >= TAGS_MAX => format!("`{registry}` returned more than {TAGS_MAX} tags"),
        Err(_) => format!("`{registry}` returned an invalid tag list"),
    };
    Err(ResolveError::integrity(message))
}

/// Visitor of a page: parses the names in `tags` one by one, without an intermediate value.
struct TagPage<'a>(&'a mut Vec<TagName>);

impl<'de> Visitor<'de> for TagPage<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "tags" => map.next_value_seed(TagNamesSeed(self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct TagNamesSeed<'a>(&'a mut Vec<TagName>);

impl<'de> DeserializeSeed<'de> for TagNamesSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TagNamesSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tags")
    }

    /// Some registries write an empty list as null.
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(name) = list.next_element::<Cow<'de, str>>()? {
            let Ok(name) = name.parse() else { continue };
            if self.0.len() >= TAGS_MAX {
                return Err(A::Error::custom("too many"));
            }
            self.0.push(name);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_tag_names_are_skipped() {
        let read = |text: &str| {
            let mut found = Vec::new();
            parse(text.as_bytes(), "r", &mut found).map(|()| found.iter().map(ToString::to_string).collect())
        };
        assert_eq!(read(r#"{"name": "a", "tags": ["2", "-x", "1", "a b", ""]}"#), Ok(vec!["2".into(), "1".to_owned()]));
        assert_eq!(read(r#"{"tags": ["\u0061"], "name": {"tags": ["b"]}}"#), Ok(vec!["a".to_owned()]));
        assert_eq!(read(r#"{"name": "a", "tags": null}"#), Ok(vec![]));
        assert_eq!(read(r#"{"name": "a"}"#), Ok(vec![]));
        for bad in ["[]", "", "null", r#"{"tags": [1]}"#, r#"{"tags": "a"}"#, r#"{"tags": []} x"#] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn t14_the_number_of_tags_is_limited_over_all_pages() {
        let page = |from: usize, to: usize| {
            let names: Vec<String> = (from..to).map(|number| format!("\"t{number}\"")).collect();
            format!("{{\"tags\": [{}]}}", names.join(","))
        };
        let mut found = Vec::new();
        parse(page(0, 60_000).as_bytes(), "r", &mut found).unwrap();
        parse(page(60_000, TAGS_MAX).as_bytes(), "r", &mut found).unwrap();
        let error = parse(page(0, 1).as_bytes(), "r", &mut found).unwrap_err();
        assert_eq!(error.message, "`r` returned more than 100000 tags");
        assert_eq!(found.len(), TAGS_MAX);
    }
}
