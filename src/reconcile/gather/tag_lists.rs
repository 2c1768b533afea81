//! Lists the tags of the repositories that tags are selected or discovered from: once per repository and pass.
//!
//! A list may be incomplete, e.g. that of a pull-through cache whose upstream is down, so a pinned tag that is not listed
//! is resolved by itself. Only tags that certainly do not exist count as gone.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt as _};

use super::deadline::Deadline;
use crate::effects::{Clock, Registries};
use crate::model::image::{Digest, ImageRef, Repository, TagName};
use crate::model::root::Root;
use crate::model::stream::TagSource;
use crate::registry::manifest::Descriptor;
use crate::registry::{FailureKind, ResolveError};

/// Number of lists that are read concurrently, over all registries.
const IN_FLIGHT: usize = 32;
/// Text that no registry stores.
const NO_BLOB: &[u8] = b"pinstream: no blob has this digest";

/// The tags of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagList {
    /// The listed tags, and pinned ones that are not known to be gone.
    pub tags: Vec<TagName>,
    /// The reasons why it is unknown whether pinned tags that are not listed still exist.
    pub unconfirmed: BTreeMap<TagName, ResolveError>,
}

/// The tag lists that were read, or why one could not be, by repository.
pub type TagLists = BTreeMap<Repository, Result<TagList, ResolveError>>;

/// The repositories to list, with the tags of each that were selected or discovered earlier.
pub type PinnedTags = BTreeMap<Repository, BTreeSet<TagName>>;

/// Adds the tags that `root` pins to the repositories that they were selected or discovered from.
pub fn with_pinned(root: &Root, repositories: BTreeSet<Repository>) -> PinnedTags {
    let mut pinned: PinnedTags = repositories.into_iter().map(|one| (one, BTreeSet::new())).collect();
    if pinned.is_empty() {
        return pinned;
    }
    for (id, pin) in &root.lock.pins {
        let Some(tag) = root.definitions.tags.get(id).filter(|_| pin.follow.is_none()) else { continue };
        let is_listed = |name: &TagName| match &tag.source {
            TagSource::Select { select, .. } => select.admits(name),
            TagSource::Image { .. } => tag.discovered,
            TagSource::Follow(_) | TagSource::Remote(_) => false,
        };
        if let Some(name) = pin.image.tag().filter(|name| is_listed(name))
            && let Some(tags) = pinned.get_mut(pin.image.repository())
        {
            tags.insert(name.clone());
        }
    }
    pinned
}

/// Reads the tag lists of `repositories` until `deadline`; complete lists of the previous attempt are `known`.
pub async fn read<W: Registries + Clock>(
    world: &W,
    repositories: PinnedTags,
    mut known: TagLists,
    deadline: Deadline,
) -> TagLists {
    known.retain(|repository, list| list.is_ok() && repositories.contains_key(repository));
    let missing: Vec<(Repository, BTreeSet<TagName>)> =
        repositories.into_iter().filter(|(one, _)| !known.contains_key(one)).collect();
    world.announce(&missing.iter().map(|(repository, _)| repository.clone()).collect::<Vec<_>>());
    let read = async |(repository, pinned): (Repository, BTreeSet<TagName>)| {
        let list = list(world, &repository, pinned).await;
        (repository, list)
    };
    let mut lists = stream::iter(missing).map(read).buffer_unordered(IN_FLIGHT);
    while let Some((repository, list)) = deadline.next(world, &mut lists).await {
        known.insert(repository, list);
    }
    drop(lists);
    known
}

/// Lists the tags of `repository`. A list without more than half of the `pinned` tags is read twice.
///
/// # Errors
/// The list cannot be read, or is empty although tags are pinned.
async fn list<W: Registries>(
    world: &W,
    repository: &Repository,
    pinned: BTreeSet<TagName>,
) -> Result<TagList, ResolveError> {
    let without = |tags: &[TagName]| {
        let mut missing = pinned.clone();
        for tag in tags {
            missing.remove(tag);
        }
        missing
    };
    let mut tags = world.tags(repository).await?;
    let mut missing = without(&tags);
    // A single tag is resolved by itself.
    if tags.is_empty() || (pinned.len() > 2 && missing.len() * 2 > pinned.len()) {
        tags = world.tags(repository).await?;
        missing = without(&tags);
    }
    if tags.is_empty() && !pinned.is_empty() {
        let count = pinned.len();
        let message = format!("`{repository}` lists no tags, but {count} of its tags are pinned");
        return Err(ResolveError::new(FailureKind::NotFound, message).help(
            "list its tags with another tool; if they were deleted on purpose, remove the tag or `[discover]` from the \
             stream file",
        ));
    }
    let unconfirmed = unconfirmed(world, repository, missing, &mut tags).await;
    tags.extend(unconfirmed.keys().cloned());
    Ok(TagList { tags, unconfirmed })
}

/// Resolves tags that are `missing` from a list, and adds those that exist to `tags`. Returns the tags of which that is
/// unknown, with the reason.
async fn unconfirmed<W: Registries>(
    world: &W,
    repository: &Repository,
    missing: BTreeSet<TagName>,
    tags: &mut Vec<TagName>,
) -> BTreeMap<TagName, ResolveError> {
    let resolve = async |tag: TagName| {
        let digest = world.digest(&ImageRef::tagged(repository.clone(), tag.clone())).await;
        (tag, digest)
    };
    let resolved: Vec<_> = stream::iter(missing).map(resolve).buffer_unordered(IN_FLIGHT).collect().await;
    let mut unconfirmed = BTreeMap::new();
    let mut absent = Vec::new();
    for (tag, digest) in resolved {
        match digest {
            Ok(_) => tags.push(tag),
            Err(error) if error.kind == FailureKind::NotFound => absent.push(tag),
            Err(error) => drop(unconfirmed.insert(tag, error)),
        }
    }
    if absent.is_empty() {
        return unconfirmed;
    }
    // A cache whose upstream is down returns 404 for a tag that it does not have, but not for a blob. (Its answer for the
    // digest of a manifest is 500 in any case.)
    let nothing = Descriptor::of(String::new(), Digest::sha256(NO_BLOB), NO_BLOB.len() as u64);
    if let Err(error) = world.blob(repository, &nothing).await
        && error.kind != FailureKind::NotFound
    {
        let because = |tag: &TagName| ResolveError {
            message: format!("`{repository}` does not list the pinned tag `{tag}`, which may still exist: {error}"),
            help: Some("if it was deleted on purpose, remove the tag from the stream file".to_owned()),
            ..error.clone()
        };
        unconfirmed.extend(absent.into_iter().map(|tag| (tag.clone(), because(&tag))));
    }
    unconfirmed
}
