//! Tag lists: pages, and the links between them.
//!
//! A link is followed within its own origin alone. Sources: OCI Distribution 1.1 ("Listing Tags"), RFC 8288.

use std::borrow::Cow;
use std::fmt;

use reqwest::header::{HeaderMap, LINK};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use url::Url;

use super::origin::UrlOrigin;
use super::text::plain;
use super::{FailureKind, ResolveError};
use crate::model::image::TagName;

/// The most pages that are read.
pub(super) const PAGES: usize = 100;
/// The largest page, in bytes.
pub(super) const PAGE_MAX: usize = 4 << 20;

/// The most tags of one repository: as many as a root may have.
const TAGS_MAX: usize = 100_000;

/// Adds the tags of one page to `found`; names that are none are left out, as no reference could name them.
///
/// # Errors
/// Where the page cannot be read, or there are too many tags in all.
pub(super) fn read(body: &[u8], registry: &str, found: &mut Vec<TagName>) -> Result<(), ResolveError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(TagPage(found)).and_then(|()| json.end());
    let what = match read {
        Ok(()) => return Ok(()),
        Err(_) if found.len() >= TAGS_MAX => format!("a list of more than {TAGS_MAX} tags"),
        Err(_) => "a list of tags that cannot be read".to_owned(),
    };
    Err(ResolveError::new(FailureKind::Integrity, format!("`{registry}` sent {what}")))
}

/// Reads the list under `tags`, each name once it comes: no page is held as anything but its bytes.
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

    /// Null, as some registries write an empty list.
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

/// Where the page after `page` is.
///
/// # Errors
/// Where the link leads to another origin, or cannot be read.
pub(super) fn next(headers: &HeaderMap, page: &Url) -> Result<Option<Url>, ResolveError> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = texts.flat_map(links).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
    else {
        return Ok(None);
    };
    let host = page.host_str().unwrap_or_default();
    // What it is may hold a key.
    let next = page
        .join(target)
        .map_err(|_| ResolveError::new(FailureKind::Integrity, format!("`{host}` names a next page that is no URL")))?;
    let is_ours = UrlOrigin::of(&next).is_some_and(|origin| Some(origin) == UrlOrigin::of(page))
        && next.username().is_empty()
        && next.password().is_none();
    if !is_ours {
        // Its query may be a key, and so may a user in it.
        let to =
            UrlOrigin::of(&next).map_or_else(|| next.scheme().to_owned(), |origin| format!("{origin}{}", next.path()));
        let message = format!("`{host}` names a next page of tags at another place: `{}`", plain(&to));
        return Err(ResolveError::new(FailureKind::Refused, message));
    }
    Ok(Some(next))
}

/// The links of a header: target and parameters.
fn links(mut text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    while let Some((_, rest)) = text.split_once('<') {
        let Some((target, rest)) = rest.split_once('>') else { break };
        let mut is_quoted = false;
        let end = rest.find(|c| {
            is_quoted ^= c == '"';
            c == ',' && !is_quoted
        });
        let (parameters, after) = rest.split_at(end.unwrap_or(rest.len()));
        found.push((target, parameters));
        text = after;
    }
    found
}

fn is_next(parameters: &str) -> bool {
    parameters.split(';').filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("rel")
            && value.trim().trim_matches('"').split_ascii_whitespace().any(|rel| rel.eq_ignore_ascii_case("next"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(link: &str, expected: Result<Option<&str>, FailureKind>) {
        let page = Url::parse("https://r.example:5000/v2/a/b/tags/list?n=2").unwrap();
        let headers = HeaderMap::from_iter([(LINK, link.parse().unwrap())]);
        let found = next(&headers, &page).map(|next| next.map(String::from)).map_err(|error| error.kind);
        assert_eq!(found, expected.map(|next| next.map(str::to_owned)), "{link}");
    }

    #[test]
    fn the_next_page_is_found_relative_and_absolute() {
        let expected = Ok(Some("https://r.example:5000/v2/a/b/tags/list?last=x&n=2"));
        check("</v2/a/b/tags/list?last=x&n=2>; rel=\"next\"", expected);
        check("<?last=x&n=2>; rel=next", expected);
        check("<https://r.example:5000/v2/a/b/tags/list?last=x&n=2>; title=\"a, b\"; rel=\"last next\"", expected);
        check("</first>; rel=\"first\", </v2/a/b/tags/list?last=x&n=2>; rel=\"NEXT\"", expected);
        check("</x>; rel=\"prev\"", Ok(None));
        check("garbage", Ok(None));
        check("<unclosed", Ok(None));
    }

    #[test]
    fn t11_a_next_page_at_another_origin_is_refused() {
        for link in [
            "https://evil.example/",
            "//evil.example/v2/",
            "http://r.example:5000/v2/",
            "https://r.example/v2/",
            "https://u:p@r.example:5000/v2/",
            "https://r.example:5000@evil.example/",
            "ftp://r.example:5000/",
            "file:///etc/passwd",
            "\\\\evil.example/",
        ] {
            check(&format!("<{link}>; rel=\"next\""), Err(FailureKind::Refused));
        }
    }

    #[test]
    fn tags_that_are_none_are_left_out() {
        let read = |text: &str| {
            let mut found = Vec::new();
            read(text.as_bytes(), "r", &mut found).map(|()| found.iter().map(ToString::to_string).collect())
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
    fn t14_a_list_has_an_end_over_all_its_pages() {
        let page = |from: usize, to: usize| {
            let names: Vec<String> = (from..to).map(|number| format!("\"t{number}\"")).collect();
            format!("{{\"tags\": [{}]}}", names.join(","))
        };
        let mut found = Vec::new();
        read(page(0, 60_000).as_bytes(), "r", &mut found).unwrap();
        read(page(60_000, TAGS_MAX).as_bytes(), "r", &mut found).unwrap();
        let error = read(page(0, 1).as_bytes(), "r", &mut found).unwrap_err();
        assert_eq!(error.message, "`r` sent a list of more than 100000 tags");
        assert_eq!(found.len(), TAGS_MAX);
    }
}
