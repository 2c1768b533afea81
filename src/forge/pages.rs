//! Long lists of proposals: read page by page, the newest first, and by branch where that is not enough.

use super::error::ForgeError;
use crate::proposal::draft::ForgeProposal;

/// The most pages of a list that are read.
pub(super) const PAGES: usize = 5;

/// What of a list is asked for.
pub(super) enum PagePart<'a> {
    /// A page, counted from 0.
    Page(usize),
    /// What there is of a branch.
    Branch(&'a str),
}

/// The proposals of `branches`: pages of `size` are read until all were seen or there is no more, and what was not seen
/// is asked for by its branch. One branch alone is found sooner that way. `read` puts what a part has into the list, and
/// says how many items it had.
///
/// # Errors
/// What stopped `read`.
pub(super) async fn find(
    branches: &[String],
    size: usize,
    mut read: impl AsyncFnMut(PagePart<'_>, &mut Vec<ForgeProposal>) -> Result<usize, ForgeError>,
) -> Result<Vec<ForgeProposal>, ForgeError> {
    let mut all = Vec::new();
    let mut missing: Vec<&String> = branches.iter().collect();
    let pages = if branches.len() == 1 { 0 } else { PAGES };
    for page in 0..pages {
        let count = read(PagePart::Page(page), &mut all).await?;
        missing.retain(|branch| !all.iter().any(|found| found.branch == **branch));
        if count < size {
            return Ok(all);
        }
        if missing.is_empty() {
            break;
        }
    }
    for branch in missing {
        read(PagePart::Branch(branch), &mut all).await?;
    }
    Ok(all)
}
