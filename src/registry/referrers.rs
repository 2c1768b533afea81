//! Referrers of a manifest: an index created for the response, which has no digest and proves nothing.

use super::{Descriptor, MANIFEST_MAX, PagedList, ResolveError, manifest};

/// Referrers are few: no more than fifty signatures are checked.
pub(super) const FORMAT: PagedList<Descriptor> =
    PagedList { noun: "list of referrers", pages: 10, page_max: MANIFEST_MAX, parse };

fn parse(body: &[u8], registry: &str, found: &mut Vec<Descriptor>) -> Result<(), ResolveError> {
    let page = manifest::parse_index(body)
        .ok_or_else(|| ResolveError::integrity(format!("`{registry}` returned an invalid list of referrers")))?;
    found.extend(page);
    Ok(())
}
