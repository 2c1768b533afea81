//! Plans the registry queries of a pass: which tags are resolved, and which images that takes. Pure.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::drift::find_drift;
use crate::model::image::{Digest, ImageRef, Platform, RemoteName, Repository, StreamName, TagId, TagName, priority};
use crate::model::lock::Pin;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::schedule::Schedule;
use crate::model::shard::Shard;
use crate::model::state::{FailingTag, FailingTags, ScheduleState};
use crate::model::stream::select::{Select, Selection};
use crate::model::stream::{Tag, TagSource};
use crate::registry::{FailureKind, ResolveError};

use super::remote_locks::{RemoteLocks, RemotePin};
use super::tag_lists::{TagList, TagLists};
use crate::reconcile::Resolve;
use crate::reconcile::shard_filter::{self, end_of_chain, origin};

/// Maximum number of tags that are tried to find one with a valid signature.
const CANDIDATES: usize = 20;

/// The registry queries of a pass; borrows from the root.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QueryPlan<'a> {
    /// Each distinct image once; registries alternate, and so do the repositories of each, so that a slow one does not
    /// delay the others.
    pub images: Vec<ImageQuery<'a>>,
    /// Every tag that is resolved or follows one that is.
    pub selected: BTreeSet<TagId>,
    /// Tags for which no image can be named.
    pub failed: Vec<(TagId, ResolveError)>,
    /// Tags whose list or lock was not read in time.
    pub unlisted: Vec<&'a TagId>,
    /// Log messages about ambiguous selections.
    pub ties: Vec<String>,
    /// Notes about tags that a selection cannot compare.
    pub notes: Vec<String>,
}

/// An image to resolve, and the tags that need it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageQuery<'a> {
    /// The image.
    pub image: Cow<'a, ImageRef>,
    /// Its digest, if another root's lock determines it.
    pub at: Option<&'a Digest>,
    /// The tags that need it.
    pub tags: Vec<TagQuery<'a>>,
}

/// A tag that needs an image.
#[derive(Clone, Debug, PartialEq)]
pub struct TagQuery<'a> {
    /// The tag.
    pub id: &'a TagId,
    /// Its definition.
    pub tag: &'a Tag,
    /// Its pin, if it has one.
    pub pin: Option<&'a Pin>,
    /// The pin of the tag that it follows in another repository.
    pub remote: Option<RemotePin<'a>>,
    /// The next lower tags of the selection, highest first, in case a signature is required and missing.
    pub lower: Vec<TagName>,
}

impl TagQuery<'_> {
    /// Returns the one platform that the tag is pinned for.
    pub fn platform(&self) -> Option<&Platform> {
        match &self.remote {
            Some(pin) => pin.of.map(|(_, platform)| platform),
            None => self.tag.source.platform(),
        }
    }
}

/// The tags that a pass resolves.
#[derive(Clone, Copy, Debug)]
pub struct TagFilter<'a> {
    /// Selects tags by schedule.
    pub resolve: Resolve,
    /// The tags that a person named; `None` for all.
    pub only: Option<&'a TagGlobs>,
    /// The shard; `None` for the whole root.
    pub shard: Option<Shard>,
    /// Time of the last scheduled pass.
    pub schedule: Option<&'a ScheduleState>,
    /// Tags that failed in earlier passes.
    pub failing: &'a FailingTags,
    /// Tags that the budget of an earlier pass did not suffice for.
    pub deferred: &'a BTreeSet<TagId>,
    /// Fingerprint of the definitions.
    pub fingerprint: &'a str,
    /// The current time.
    pub now: Timestamp,
}

/// The tag lists and remote locks that the query plan depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prerequisites {
    /// The repositories whose tags are listed.
    pub repositories: BTreeSet<Repository>,
    /// The other repositories whose locks are read.
    pub remotes: BTreeSet<RemoteName>,
}

/// Returns the tag lists and remote locks that the query plan depends on.
pub fn prerequisites(root: &Root, filter: &TagFilter<'_>) -> Prerequisites {
    let mut needed = Prerequisites::default();
    let needs_more = |tag: &Tag| matches!(tag.source, TagSource::Select { .. } | TagSource::Remote(_));
    let is_simple = !root.definitions.tags.values().any(needs_more);
    let sources = if is_simple { BTreeMap::new() } else { sources(root, filter) };
    for tag in sources.into_values().flatten() {
        match &tag.source {
            TagSource::Select { repository, .. } => drop(needed.repositories.insert(repository.clone())),
            TagSource::Remote(remote) => drop(needed.remotes.insert(remote.remote.clone())),
            TagSource::Image { .. } | TagSource::Follow(_) => {}
        }
    }
    let discovered = root.definitions.discover.iter().filter(|(stream, discover)| {
        let is_new = !root.definitions.tags.iter().any(|(id, tag)| id.stream == **stream && tag.discovered);
        let is_discovered = |id: &TagId| root.definitions.tags.get(id).is_some_and(|tag| tag.discovered);
        let is_deferred = filter.deferred.iter().any(|id| id.stream == **stream && is_discovered(id));
        let is_named = filter.only.is_none_or(|only| only.matches_stream(stream));
        let is_ours = filter.shard.is_none_or(|shard| shard.contains(&discover.repository));
        let retry = filter.retry_of_discovery(root, stream);
        is_named && is_ours && filter.is_due(discover.import.schedule.as_ref(), retry, is_new || is_deferred)
    });
    needed.repositories.extend(discovered.map(|(_, discover)| discover.repository.clone()));
    needed
}

/// Returns the selected tags that follow no other.
fn sources<'a>(root: &'a Root, filter: &TagFilter<'_>) -> BTreeMap<&'a TagId, Option<&'a Tag>> {
    let named = root.definitions.tags.iter().filter(|(id, _)| filter.only.is_none_or(|only| only.matches(id)));
    let mut sources: BTreeMap<_, _> = named.map(|(id, tag)| end_of_chain(root, (id, Some(tag)))).collect();
    let drifted = drifted(root, filter);
    sources.retain(|id, tag| {
        let retry = filter.failing.get(*id).map(|failing| filter.retry(failing));
        filter.shard.is_none_or(|shard| shard_filter::contains_end(root, shard, (id, *tag)))
            && filter.is_due(
                tag.and_then(|tag| tag.schedule.as_ref()),
                retry,
                drifted.contains(id) || filter.deferred.contains(id),
            )
    });
    sources
}

/// Returns the sources of tags that are not pinned as they are defined; these do not wait for their schedule.
fn drifted<'a>(root: &'a Root, filter: &TagFilter<'_>) -> BTreeSet<&'a TagId> {
    if filter.resolve != Resolve::Due {
        return BTreeSet::new();
    }
    let drift = find_drift(&root.definitions, &root.lock).into_iter();
    drift.filter_map(|drift| Some(origin(root, root.definitions.tags.get_key_value(&drift.tag)?.0).0)).collect()
}

/// Plans the queries, with the tag lists and remote locks that were read.
pub fn plan<'a>(root: &'a Root, filter: &TagFilter<'_>, lists: &TagLists, locks: &'a RemoteLocks) -> QueryPlan<'a> {
    let sources = sources(root, filter);
    let is_selected = |(id, tag): &(&'a TagId, &'a Tag)| sources.contains_key(end_of_chain(root, (id, Some(tag))).0);
    let selected = root.definitions.tags.iter().filter(is_selected).map(|(id, _)| id.clone()).collect();
    let mut plan = QueryPlan { selected, ..QueryPlan::default() };
    let mut by_image: BTreeMap<(Cow<'a, ImageRef>, Option<&'a Digest>), Vec<TagQuery<'a>>> = BTreeMap::new();
    for (id, tag) in sources {
        match image_of(root, (id, tag), lists, locks) {
            Ok(Some(found)) => {
                plan.ties.extend(found.tie);
                plan.notes.extend(found.note);
                let Some(tag) = tag else { continue };
                let at = found.remote.map(|pin| pin.of.map_or(pin.digest, |(index, _)| index));
                let (remote, lower, pin) = (found.remote, found.lower, root.lock.pins.get(id));
                by_image.entry((found.image, at)).or_default().push(TagQuery { id, tag, pin, remote, lower });
            }
            Ok(None) => {}
            Err(NoImage::Unlisted) => plan.unlisted.push(id),
            Err(NoImage::Failed(error)) => plan.failed.push((id.clone(), error)),
        }
    }
    let images = by_image.into_iter().map(|((image, at), tags)| ImageQuery { image, at, tags });
    let images = alternate(images, |query| query.image.repository().clone());
    plan.images = alternate(images, |query| query.image.repository().registry().clone());
    plan
}

/// The image that a tag resolves to.
struct SourceImage<'a> {
    image: Cow<'a, ImageRef>,
    remote: Option<RemotePin<'a>>,
    lower: Vec<TagName>,
    tie: Option<String>,
    note: Option<String>,
}

/// Reason why a tag has no image.
enum NoImage {
    Failed(ResolveError),
    /// Its list or lock was not read in time.
    Unlisted,
}

impl From<ResolveError> for NoImage {
    fn from(error: ResolveError) -> Self {
        Self::Failed(error)
    }
}

impl<'a> From<Cow<'a, ImageRef>> for SourceImage<'a> {
    fn from(image: Cow<'a, ImageRef>) -> Self {
        Self { image, remote: None, lower: Vec::new(), tie: None, note: None }
    }
}

/// Returns the image of a tag; `None` if it has none of its own.
fn image_of<'a>(
    root: &'a Root,
    (id, tag): shard_filter::DefinedTag<'a>,
    lists: &TagLists,
    locks: &'a RemoteLocks,
) -> Result<Option<SourceImage<'a>>, NoImage> {
    let Some(tag) = tag else { return undiscovered(root, id, lists).map_or(Ok(None), |error| Err(error.into())) };
    match &tag.source {
        TagSource::Image { image, .. } => match undiscovered(root, id, lists).filter(|_| tag.discovered) {
            Some(error) => Err(error.into()),
            None => Ok(Some(Cow::Borrowed(image).into())),
        },
        TagSource::Select { repository, select, .. } => {
            let Selection { tag: selected, ties } = choose(repository, select, lists)?;
            let needs_signature = tag.adoption.as_ref().is_some_and(|rules| rules.verify.is_some());
            let lower = if needs_signature { lower_candidates(repository, select, lists) } else { Vec::new() };
            let tie = ties.first().map(|_| tie_message(id, &selected, &ties));
            let note = longer(repository, select, Some(&selected), lists).map(|note| format!("`{id}` {note}"));
            let image = Cow::Owned(ImageRef::tagged(repository.clone(), selected));
            Ok(Some(SourceImage { image, remote: None, lower, tie, note }))
        }
        TagSource::Remote(remote) if !locks.is_read(&remote.remote) => Err(NoImage::Unlisted),
        TagSource::Remote(remote) => {
            let pin = locks.pin(remote)?;
            Ok(Some(SourceImage { remote: Some(pin), ..Cow::Borrowed(pin.image).into() }))
        }
        TagSource::Follow(_) => Ok(None),
    }
}

/// Returns why `id`, a tag that its stream discovers, could not be found in the list of its repository, or may be missing
/// from it; `None` if the list was not read, or has the tag.
fn undiscovered(root: &Root, id: &TagId, lists: &TagLists) -> Option<ResolveError> {
    let discover = root.definitions.discover.get(&id.stream)?;
    match lists.get(&discover.repository)? {
        Err(error) => Some(error.clone()),
        Ok(list) if root.definitions.tags.contains_key(id) => list.unconfirmed.get(&id.tag).cloned(),
        Ok(_) => {
            let message = format!(
                "`[discover]` of stream `{}` finds no tag `{}` in `{}`",
                id.stream, id.tag, discover.repository
            );
            Some(ResolveError::new(FailureKind::NotFound, message))
        }
    }
}

/// Selects a tag of `repository`.
fn choose(repository: &Repository, select: &Select, lists: &TagLists) -> Result<Selection, NoImage> {
    let TagList { tags, unconfirmed } =
        lists.get(repository).ok_or(NoImage::Unlisted)?.as_ref().map_err(Clone::clone)?;
    let selection = select.choose(tags).ok_or_else(|| {
        let error = format!("`{repository}` has no matching tag: {select}");
        let mut some: Vec<&str> = tags.iter().map(TagName::as_str).collect();
        some.sort_by_cached_key(|name| priority::key(name));
        let some: Vec<String> = some.into_iter().take(5).map(|tag| format!("`{tag}`")).collect();
        let error = ResolveError::new(FailureKind::NotFound, error);
        match (some.is_empty(), longer(repository, select, None, lists)) {
            (true, _) => error.help("the repository has no tags"),
            (false, Some(note)) => error.help(format!("the selection {note}")),
            (false, None) => error.help(format!("the repository has {} tags, e.g. {}", tags.len(), some.join(", "))),
        }
    })?;
    match unconfirmed.get(&selection.tag) {
        Some(error) => Err(error.clone().into()),
        None => Ok(selection),
    }
}

/// Describes the tags that the selection cannot compare, and how to compare them; `None` if there are none above
/// `selected`.
fn longer(repository: &Repository, select: &Select, selected: Option<&TagName>, lists: &TagLists) -> Option<String> {
    let list = lists.get(repository)?.as_ref().ok()?;
    let longer = select.longer(&list.tags, selected);
    let (first, count) = (longer.first()?, longer.len());
    let tags = if count == 1 { "tag" } else { "tags" };
    Some(format!(
        "does not compare {count} {tags} with more than three numbers, e.g. `{first}`; to compare them, use \
         `pattern = '^v?(\\d+)\\.(\\d+)\\.(\\d+)(?:\\.(\\d+))?$'` with `order = \"number\"`"
    ))
}

/// Returns the tags that rank next below the selected one.
fn lower_candidates(repository: &Repository, select: &Select, lists: &TagLists) -> Vec<TagName> {
    let Some(Ok(list)) = lists.get(repository) else { return Vec::new() };
    select.ranked(&list.tags).into_iter().take(CANDIDATES).skip(1).cloned().collect()
}

fn tie_message(id: &TagId, tag: &TagName, ties: &[TagName]) -> String {
    let ties: Vec<String> = ties.iter().map(|tie| format!("`{tie}`")).collect();
    let others = ties.join(", ");
    format!("`{id}` selects `{tag}`, which ranks equal to {others}: the most specific tag wins, then the shortest")
}

/// Time of the next attempt at a failing tag, relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum RetryTime {
    /// It is still to come.
    Later,
    /// It has come.
    Now,
}

impl TagFilter<'static> {
    /// Selects no tag at `now`.
    pub fn at(now: Timestamp) -> Self {
        const NO_FAILING: &FailingTags = &FailingTags::new();
        const NO_DEFERRED: &BTreeSet<TagId> = &BTreeSet::new();
        Self {
            resolve: Resolve::Nothing,
            only: None,
            shard: None,
            schedule: None,
            failing: NO_FAILING,
            deferred: NO_DEFERRED,
            fingerprint: "",
            now,
        }
    }
}

impl TagFilter<'_> {
    /// Returns when a failing tag is due. One that a person names is due at once.
    fn retry(&self, failing: &FailingTag) -> RetryTime {
        let is_later = self.only.is_none() && failing.is_backing_off(self.now, self.fingerprint);
        if is_later { RetryTime::Later } else { RetryTime::Now }
    }

    /// Returns when the list of a stream is read again because its discovered tags fail: with the first of them; `None` if
    /// others do not fail, so that its schedule decides.
    fn retry_of_discovery(&self, root: &Root, stream: &StreamName) -> Option<RetryTime> {
        let tags = &root.definitions.tags;
        let is_discovered = |id: &TagId| id.stream == *stream && tags.get(id).is_none_or(|tag| tag.discovered);
        let failing = self.failing.iter().filter(|(id, _)| is_discovered(id));
        let first = failing.map(|(_, failing)| self.retry(failing)).max()?;
        let mut others = tags.keys().filter(|id| is_discovered(id) && !self.failing.contains_key(*id));
        (first == RetryTime::Now || others.next().is_none()).then_some(first)
    }

    /// Returns whether a tag with `schedule` is due; `retry` if it fails, `is_urgent` if it has drifted.
    fn is_due(&self, schedule: Option<&Schedule>, retry: Option<RetryTime>, is_urgent: bool) -> bool {
        match self.resolve {
            Resolve::All => return true,
            Resolve::Nothing => return false,
            Resolve::Due => {}
        }
        if schedule.is_some_and(Schedule::is_never) {
            return false;
        }
        if let Some(retry) = retry {
            return retry == RetryTime::Now;
        }
        let Some(schedule) = schedule else { return true };
        // A time in the future was written while a clock was wrong; relying on it would freeze the tag.
        let last = self.schedule.map(|state| state.last).filter(|last| *last <= self.now);
        is_urgent || schedule.is_due(last, self.now)
    }
}

impl<'a> QueryPlan<'a> {
    /// Returns the distinct repositories.
    pub fn repositories(&self) -> Vec<Repository> {
        let all: BTreeSet<&Repository> = self.images.iter().map(|query| query.image.repository()).collect();
        all.into_iter().cloned().collect()
    }

    /// Drops images whose tags are all `known`. An image that one tag needs stays for all of its tags, or two tags of one
    /// image could get different digests.
    #[must_use]
    pub fn without(mut self, is_known: impl Fn(&TagId) -> bool) -> Self {
        self.images.retain(|query| !query.tags.iter().all(|tag| is_known(tag.id)));
        self.failed.retain(|(id, _)| !is_known(id));
        self.unlisted.retain(|id| !is_known(id));
        self
    }

    /// Puts the images of `deferred` tags first. They start anywhere, at `random` in `0.0..1.0`, so that tags that hang do
    /// not come first in every pass.
    #[must_use]
    pub fn with_first(mut self, deferred: &BTreeSet<TagId>, random: f64) -> Self {
        let is_deferred = |query: &ImageQuery<'_>| query.tags.iter().any(|tag| deferred.contains(tag.id));
        let (mut first, rest): (Vec<_>, Vec<_>) = self.images.into_iter().partition(is_deferred);
        let count = first.len();
        first.rotate_left(((random * count as f64) as usize).min(count));
        first.extend(rest);
        self.images = first;
        self
    }

    /// Returns the tags of all images.
    pub fn tags(&self) -> impl Iterator<Item = &'a TagId> {
        self.images.iter().flat_map(|query| query.tags.iter().map(|tag| tag.id))
    }
}

/// Interleaves images with different keys.
fn alternate<'a, K: Ord>(
    images: impl IntoIterator<Item = ImageQuery<'a>>,
    key: impl Fn(&ImageQuery<'a>) -> K,
) -> Vec<ImageQuery<'a>> {
    let mut queues: BTreeMap<K, Vec<ImageQuery<'a>>> = BTreeMap::new();
    for query in images {
        queues.entry(key(&query)).or_default().push(query);
    }
    let mut queues: Vec<_> = queues.into_values().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    while !queues.is_empty() {
        queues.retain_mut(|queue| queue.next().map(|query| all.push(query)).is_some());
    }
    all
}

#[cfg(test)]
mod tests;
