//! Paged lists: `Link` headers, followed within their own origin only.
//!
//! Pure. Sources: OCI Distribution 1.1 ("Listing Tags"), RFC 8288.

use reqwest::header::{HeaderMap, LINK};
use url::Url;

use super::ResolveError;
use crate::http::{UrlOrigin, quotable};

/// Parses a page sent by the registry of this name and appends its items.
type ParsePage<T> = fn(&[u8], &str, &mut Vec<T>) -> Result<Page, ResolveError>;

/// Facts about one page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    /// Number of entries, including unusable ones.
    pub(super) entries: usize,
    /// Name of the last entry, by which the next page can be requested.
    pub(super) last: Option<String>,
}

/// Format and limits of a paged list.
pub(super) struct PagedList<T> {
    /// Name of the list in messages.
    pub(super) noun: &'static str,
    /// Number of entries to request per page (`n`).
    pub(super) page_size: Option<usize>,
    /// Largest page, in bytes.
    pub(super) page_max: usize,
    /// Parser of its pages.
    pub(super) parse: ParsePage<T>,
}

/// Adds the number of entries per page to the URL of a list, and the name after which the page starts.
pub(super) fn with_size(list: &Url, size: Option<usize>, last: Option<&str>) -> Url {
    let mut url = list.clone();
    if let Some(size) = size {
        url.query_pairs_mut().append_pair("n", &size.to_string()).extend_pairs(last.map(|last| ("last", last)));
    }
    url
}

/// Returns the URL of the page after `page`.
///
/// # Errors
/// If the link is not a URL or leads to another origin.
pub(super) fn next(headers: &HeaderMap, page: &Url) -> Result<Option<Url>, ResolveError> {
    let texts = headers.get_all(LINK).iter().filter_map(|value| value.to_str().ok());
    let Some(target) = texts.flat_map(links).find(|(_, parameters)| is_next(parameters)).map(|(target, _)| target)
    else {
        return Ok(None);
    };
    let host = page.host_str().unwrap_or_default();
    // Not quoted: it may contain a key.
    let next = page
        .join(target)
        .map_err(|_| ResolveError::integrity(format!("`{host}` returned a next page that is not a valid URL")))?;
    let is_ours = UrlOrigin::of(&next).is_some_and(|origin| Some(origin) == UrlOrigin::of(page))
        && next.username().is_empty()
        && next.password().is_none();
    if !is_ours {
        // Shown without user and query, which may be keys.
        let to =
            UrlOrigin::of(&next).map_or_else(|| next.scheme().to_owned(), |origin| format!("{origin}{}", next.path()));
        let message = format!("`{host}` returned a next page on another server: `{}`", quotable(&to));
        return Err(ResolveError::refused(message));
    }
    Ok(Some(next))
}

/// Parses the links of a header into targets and parameters.
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
    use crate::registry::FailureKind;

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
}
