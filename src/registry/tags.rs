//! Tag lists, parsed page by page (OCI Distribution 1.1, "Listing Tags").

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::ResolveError;
use super::list::unsupported;
use super::pages::{Page, PagedList};
use crate::model::image::TagName;

/// Largest number of tags of one repository, which is also that of a root.
const TAGS_MAX: usize = 100_000;

/// Number of tags to request per page; some registries refuse more.
const PAGE_SIZE: usize = 1000;
/// Largest page, in bytes: registries without pages send all tags in one.
const PAGE_MAX: usize = 16 << 20;

pub(super) const FORMAT: PagedList<TagName> =
    PagedList { noun: "tag list", page_size: Some(PAGE_SIZE), page_max: PAGE_MAX, parse };

/// Appends the tags of one page to `found`; invalid names are skipped, because no reference can contain them.
///
/// # Errors
/// If the page is invalid, or there are too many tags in all.
fn parse(body: &[u8], registry: &str, found: &mut Vec<TagName>) -> Result<Page, ResolveError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let mut page = Page::default();
    match json.deserialize_map(TagPage { found, page: &mut page }).and_then(|()| json.end()) {
        Ok(()) => Ok(page),
        Err(_) if found.len() >= TAGS_MAX => {
            Err(unsupported(format!("`{registry}` returned more than {TAGS_MAX} tags")))
        }
        Err(_) => Err(ResolveError::integrity(format!("`{registry}` returned an invalid tag list"))),
    }
}

/// Visitor of a page: parses the names in `tags` one by one, without an intermediate value.
struct TagPage<'a> {
    found: &'a mut Vec<TagName>,
    page: &'a mut Page,
}

impl<'de> Visitor<'de> for TagPage<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of tags")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            match key.as_ref() {
                "tags" => {
                    map.next_value_seed(TagNamesSeed(TagPage { found: &mut *self.found, page: &mut *self.page }))?;
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

struct TagNamesSeed<'a>(TagPage<'a>);

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
        let TagPage { found, page } = self.0;
        while let Some(name) = list.next_element::<Cow<'de, str>>()? {
            page.entries += 1;
            let parsed = name.parse();
            page.last = Some(name.into_owned());
            let Ok(name) = parsed else { continue };
            if found.len() >= TAGS_MAX {
                return Err(A::Error::custom("too many"));
            }
            found.push(name);
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
            parse(text.as_bytes(), "r", &mut found).map(|_| found.iter().map(ToString::to_string).collect())
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
