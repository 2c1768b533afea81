//! Referrers of a manifest: an index created for the response, which has no digest and proves nothing.

use super::pages::{Page, PagedList};
use super::{Descriptor, MANIFEST_MAX, ResolveError, manifest};

/// Referrers are few: no more than fifty signatures are checked.
pub(super) const FORMAT: PagedList<Descriptor> =
    PagedList { noun: "list of referrers", page_size: None, page_max: MANIFEST_MAX, parse };

fn parse(body: &[u8], registry: &str, found: &mut Vec<Descriptor>) -> Result<Page, ResolveError> {
    let page = manifest::parse_index(body)
        .ok_or_else(|| ResolveError::integrity(format!("`{registry}` returned an invalid list of referrers")))?;
    let entries = page.len();
    found.extend(page);
    Ok(Page { entries, last: None })
}
