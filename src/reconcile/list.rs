//! Second step: the tags of the repositories that tags are chosen from. One list a repository and pass, however many
//! tags and streams choose from it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use crate::effects::World;
use crate::model::image::{Repository, StreamName, TagName};
use crate::model::stream::Definitions;
use crate::registry::ResolveError;

/// How many lists are read at once, over all registries.
const IN_FLIGHT: usize = 32;

/// The lists that were read, by repository, or why one could not be.
pub type Lists = BTreeMap<Repository, Result<Vec<TagName>, ResolveError>>;

/// What was read in earlier tries of the same pass.
#[derive(Debug, Default)]
pub struct Listed(RefCell<Lists>);

/// Reads the tags of `repositories`.
pub async fn list<W: World>(world: &W, repositories: BTreeSet<Repository>, listed: &Listed) -> Lists {
    let known = |repository: &Repository| listed.0.borrow().get(repository).is_some_and(Result::is_ok);
    let unknown: Vec<Repository> = repositories.iter().filter(|repository| !known(repository)).cloned().collect();
    world.announce(&unknown);
    let ask = async |repository: Repository| {
        let tags = world.tags(&repository).await;
        (repository, tags)
    };
    let mut answers = stream::iter(unknown).map(ask).buffer_unordered(IN_FLIGHT);
    while let Some((repository, tags)) = answers.next().await {
        listed.0.borrow_mut().insert(repository, tags);
    }
    let listed = listed.0.borrow();
    repositories.into_iter().filter_map(|one| listed.get(&one).map(|tags| (one, tags.clone()))).collect()
}

/// The streams that discover tags and whose list was not read: it was not asked for, or could not be had.
pub fn unread(definitions: &Definitions, lists: &Lists) -> BTreeSet<StreamName> {
    let is_read = |repository: &Repository| lists.get(repository).is_some_and(Result::is_ok);
    let unread = definitions.discover.iter().filter(|(_, discover)| !is_read(&discover.repository));
    unread.map(|(stream, _)| stream.clone()).collect()
}
