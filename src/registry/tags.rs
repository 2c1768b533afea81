//! Tag lists: pages, and the links between them.
//!
//! A link is followed within its own origin alone. Sources: OCI Distribution 1.1 ("Listing Tags"), RFC 8288.

use reqwest::header::{HeaderMap, LINK};
use serde::Deserialize;
use url::Url;

use super::origin::Origin;
use super::text::plain;
use super::{FailureKind, ImportError};
use crate::image::TagName;

/// The most pages that are read.
pub(super) const PAGES: usize = 100;
/// The largest page, in bytes.
pub(super) const PAGE_MAX: usize = 4 << 20;

#[derive(Deserialize)]
struct Page {
    /// Null, as some registries write an empty list.
    tags: Option<Vec<String>>,
}

/// The tags of one page; names that are none are left out, as no reference could name them.
///
/// # Errors
/// Where the page cannot be read.
pub(super) fn read(body: &[u8], registry: &str) -> Result<Vec<TagName>, ImportError> {
    let page: Page = serde_json::from_slice(body).map_err(|_| {
        ImportError::new(FailureKind::Integrity, format!("`{registry}` sent a list of tags that cannot be read"))
    })?;
    Ok(page.tags.unwrap_or_default().iter().filter_map(|tag| tag.parse().ok()).collect())
}

/// Where the page after `page` is.
///
/// # Errors
/// Where the link leads to another origin, or cannot be read.
pub(super) fn next(headers: &HeaderMap, page: &Url) -> Result<Option<Url>, ImportError> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = texts.flat_map(links).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
    else {
        return Ok(None);
    };
    let host = page.host_str().unwrap_or_default();
    let next = page.join(target).map_err(|_| {
        ImportError::new(
            FailureKind::Integrity,
            format!("`{host}` names a next page that is no URL: `{}`", plain(target)),
        )
    })?;
    let is_ours = Origin::of(&next).is_some_and(|origin| Some(origin) == Origin::of(page))
        && next.username().is_empty()
        && next.password().is_none();
    if !is_ours {
        let message = format!("`{host}` names a next page of tags at another place: `{}`", plain(next.as_str()));
        return Err(ImportError::new(FailureKind::Refused, message));
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
        let read = |text: &str| read(text.as_bytes(), "r").map(|tags| tags.iter().map(ToString::to_string).collect());
        assert_eq!(read(r#"{"name": "a", "tags": ["2", "-x", "1", "a b", ""]}"#), Ok(vec!["2".into(), "1".to_owned()]));
        assert_eq!(read(r#"{"name": "a", "tags": null}"#), Ok(vec![]));
        assert_eq!(read(r#"{"name": "a"}"#), Ok(vec![]));
        assert!(read("[]").is_err());
        assert!(read(r#"{"tags": [1]}"#).is_err());
    }
}
