//! Paged lists: fetches page after page until a list is complete.
//!
//! Source: OCI Distribution 1.1 ("Listing Tags"). Registries differ: some refuse `n`, some send no `Link`.

use std::collections::HashSet;

use reqwest::StatusCode;
use url::Url;

use super::pages::{self, Page, PagedList};
use super::{FailureKind, Registry, RegistryReply, Repository, RepositoryAt, ResolveError};

/// Number of pages that are read however short they are.
const SHORT_PAGES: usize = 100;
/// Entries per page that a longer list has at least, on average.
const ENTRIES_MIN: usize = 10;

impl Registry {
    /// Fetches all pages of a list.
    ///
    /// # Errors
    /// If one cannot be read, or the list does not end.
    pub(super) async fn list<T>(
        &self,
        repository: &Repository,
        path: &str,
        format: &PagedList<T>,
    ) -> Result<Vec<T>, ResolveError> {
        self.first(repository, |place| async move {
            match self.list_at(&place, repository, path, format).await? {
                Some(found) => Ok(found),
                None => {
                    let format = PagedList { page_size: None, ..*format };
                    Ok(self.list_at(&place, repository, path, &format).await?.unwrap_or_default())
                }
            }
        })
        .await
    }

    /// Fetches all pages. Returns none if the registry does not support the size of pages that `format` requests.
    async fn list_at<T>(
        &self,
        place: &RepositoryAt,
        repository: &Repository,
        path: &str,
        format: &PagedList<T>,
    ) -> Result<Option<Vec<T>>, ResolveError> {
        let name = place.host().name.as_str();
        let error = |event: &str| {
            let message = format!("the {} of `{repository}` at `{name}` {event}", format.noun);
            Err(ResolveError::integrity(message))
        };
        let (first, size) = (place.url(path), format.page_size);
        let mut url = pages::with_size(&first, size, None);
        let (mut found, mut seen, mut last) = (Vec::new(), HashSet::new(), None);
        loop {
            let reply = self.get(place, url.clone(), None, format.page_max).await.map_err(too_large)?;
            if size.is_some() && seen.is_empty() && refuses_size(&reply) {
                return Ok(None);
            }
            if last.is_some() && refuses_page(&reply) {
                // The list had ended with a full page.
                return Ok(None);
            }
            place.expect_ok(&reply, &repository.to_string())?;
            let page = (format.parse)(&reply.body, name, &mut found)?;
            if last.is_some() && page.last == last {
                // It ignores `last`, and possibly sent only a part.
                return Ok(None);
            }
            seen.insert(url.clone());
            (url, last) = match (pages::next(&reply.headers, &url)?, next_by_name(&first, size, page)) {
                (Some(next), _) => (next, None),
                (None, Some((next, last))) => (next, Some(last)),
                (None, None) => return Ok(Some(found)),
            };
            if seen.contains(&url) {
                return error("repeats a page");
            }
            if seen.len() >= SHORT_PAGES + found.len() / ENTRIES_MIN {
                return error(&format!("has more than {} pages for {} entries", seen.len(), found.len()));
            }
        }
    }
}

/// Returns the URL of the page after one without a link, if that has exactly the requested size, and the name it starts
/// after.
fn next_by_name(first: &Url, size: Option<usize>, page: Page) -> Option<(Url, String)> {
    let last = page.last.filter(|_| Some(page.entries) == size)?;
    Some((pages::with_size(first, size, Some(&last)), last))
}

/// Returns true if a status may mean that the registry does not accept the requested size of pages.
fn refuses_size(reply: &RegistryReply) -> bool {
    matches!(reply.status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY)
}

/// Returns true if a status may mean that the registry knows no page after a name.
fn refuses_page(reply: &RegistryReply) -> bool {
    refuses_size(reply) || reply.status == StatusCode::NOT_FOUND
}

/// A page that is too large is not a mistake of the registry; other failures of this kind have a remedy of their own.
fn too_large(error: ResolveError) -> ResolveError {
    match error.kind {
        FailureKind::Integrity if error.help.is_none() => unsupported(error.message),
        _ => error,
    }
}

/// Creates the error of a list that is too long.
pub(super) fn unsupported(message: String) -> ResolveError {
    ResolveError::new(FailureKind::Unsupported, message)
        .help("name the tags of this repository one by one, with `image = \"registry/repository:tag\"`")
}
