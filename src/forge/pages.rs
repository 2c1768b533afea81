//! Long lists of proposals: a few pages, newest first, then one request per missing branch.

use super::error::ForgeResult;
use crate::proposal::draft::ForgeProposal;

/// Number of pages that are read.
pub(super) const PAGES: usize = 5;

/// Part of a list.
pub(super) enum PagePart<'a> {
    /// A page, counted from 0.
    Page(usize),
    /// The proposals of one branch.
    Branch(&'a str),
}

/// Lists the proposals of `branches`: reads pages of `size` until all branches are found or the list ends, then requests
/// missing branches one by one. A single branch is requested directly. `read` appends a part and returns its length.
///
/// # Errors
/// The error of `read`.
pub(super) async fn find(
    branches: &[String],
    size: usize,
    mut read: impl AsyncFnMut(PagePart<'_>, &mut Vec<ForgeProposal>) -> ForgeResult<usize>,
) -> ForgeResult<Vec<ForgeProposal>> {
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
