//! Lists the tags of the repositories that tags are selected or discovered from: once per repository and pass.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use crate::effects::Registries;
use crate::model::image::{Repository, TagName};
use crate::registry::ResolveError;

/// Number of lists that are read concurrently, over all registries.
const IN_FLIGHT: usize = 32;

/// The tag lists that were read, or why one could not be, by repository.
pub type TagLists = BTreeMap<Repository, Result<Vec<TagName>, ResolveError>>;

/// Reads the tag lists of `repositories`; complete lists of the previous attempt are `known`.
pub async fn read<R: Registries>(registries: &R, repositories: BTreeSet<Repository>, mut known: TagLists) -> TagLists {
    known.retain(|repository, list| list.is_ok() && repositories.contains(repository));
    let missing: Vec<Repository> = repositories.into_iter().filter(|one| !known.contains_key(one)).collect();
    registries.announce(&missing);
    let read = async |repository: Repository| {
        let tags = registries.tags(&repository).await;
        (repository, tags)
    };
    let mut lists = stream::iter(missing).map(read).buffer_unordered(IN_FLIGHT);
    while let Some((repository, tags)) = lists.next().await {
        known.insert(repository, tags);
    }
    drop(lists);
    known
}
