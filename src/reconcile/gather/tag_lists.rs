//! Lists the tags of the repositories that tags are selected or discovered from: once per repository and pass.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use super::deadline::Deadline;
use crate::effects::{Clock, Registries};
use crate::model::image::{Repository, TagName};
use crate::registry::ResolveError;

/// Number of lists that are read concurrently, over all registries.
const IN_FLIGHT: usize = 32;

/// The tag lists that were read, or why one could not be, by repository.
pub type TagLists = BTreeMap<Repository, Result<Vec<TagName>, ResolveError>>;

/// Reads the tag lists of `repositories` until `deadline`; complete lists of the previous attempt are `known`.
pub async fn read<W: Registries + Clock>(
    world: &W,
    repositories: &BTreeSet<Repository>,
    mut known: TagLists,
    deadline: Deadline,
) -> TagLists {
    known.retain(|repository, list| list.is_ok() && repositories.contains(repository));
    let missing: Vec<Repository> = repositories.iter().filter(|one| !known.contains_key(one)).cloned().collect();
    world.announce(&missing);
    let read = async |repository: Repository| {
        let tags = world.tags(&repository).await;
        (repository, tags)
    };
    let mut lists = stream::iter(missing).map(read).buffer_unordered(IN_FLIGHT);
    while let Some((repository, tags)) = deadline.next(world, &mut lists).await {
        known.insert(repository, tags);
    }
    drop(lists);
    known
}
