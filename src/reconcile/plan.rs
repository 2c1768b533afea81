//! Second step: which tags are asked for, and which images that takes. Pure: it follows from the scene, the request
//! and the time.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::image::{ImageRef, Platform, RegistryHost, Repository, TagId};
use crate::lock::Pin;
use crate::root::Root;
use crate::settings::globs::TagGlobs;
use crate::state::ScheduleState;
use crate::stream::Source;

use super::Imports;

/// What a pass will ask for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Each distinct image once, registries taking turns so that a slow one does not hold up the others.
    pub imports: Vec<Import>,
    /// Every tag that is imported or follows one that is.
    pub asked: BTreeSet<TagId>,
}

/// One image to ask for, and what its tags need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Import {
    /// The image.
    pub image: ImageRef,
    /// The tags it is for.
    pub wants: Vec<Want>,
}

/// What one tag needs of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Want {
    /// The tag.
    pub tag: TagId,
    /// The one platform to pin.
    pub platform: Option<Platform>,
    /// Platforms that must be there.
    pub required: Vec<Platform>,
    /// Its pin, where it has one for this image.
    pub pin: Option<Pin>,
}

/// Decides what to ask for. `only` names the tags a person asked for.
pub fn plan(
    root: &Root,
    imports: Imports,
    only: Option<&TagGlobs>,
    schedule: Option<&ScheduleState>,
    now: Timestamp,
) -> Plan {
    let tags = &root.definitions.tags;
    let mut sources = BTreeSet::new();
    for id in tags.keys().filter(|id| only.is_none_or(|only| only.matches(id))) {
        sources.insert(origin(root, id));
    }
    sources.retain(|id| match imports {
        Imports::All => true,
        Imports::None => false,
        Imports::Due => is_due(root, id, schedule, now),
    });
    let asked = tags.keys().filter(|id| sources.contains(&origin(root, id))).cloned().collect();
    let mut by_image: BTreeMap<&ImageRef, Vec<Want>> = BTreeMap::new();
    for id in &sources {
        let Some(tag) = tags.get(id) else { continue };
        let Source::Image { image, platform } = &tag.source else { continue };
        let pin = root.lock.pins.get(id).filter(|pin| pin.image == *image && pin.follow.is_none()).cloned();
        let want = Want { tag: id.clone(), platform: platform.clone(), required: tag.platforms.clone(), pin };
        by_image.entry(image).or_default().push(want);
    }
    let imports = by_image.into_iter().map(|(image, wants)| Import { image: image.clone(), wants });
    Plan { imports: take_turns(imports), asked }
}

impl Plan {
    /// The repositories it will ask for, each once.
    pub fn repositories(&self) -> Vec<Repository> {
        let all: BTreeSet<&Repository> = self.imports.iter().map(|import| import.image.repository()).collect();
        all.into_iter().cloned().collect()
    }
}

/// The tag at the end of what `id` follows.
fn origin(root: &Root, id: &TagId) -> TagId {
    let mut at = id;
    while let Some(Source::Follow(next)) = root.definitions.tags.get(at).map(|tag| &tag.source) {
        at = next;
    }
    at.clone()
}

fn is_due(root: &Root, id: &TagId, state: Option<&ScheduleState>, now: Timestamp) -> bool {
    let Some(schedule) = root.definitions.tags.get(id).and_then(|tag| tag.schedule.as_ref()) else { return true };
    // A moment in the future is a clock that went wrong when it was written; going by it would freeze the tag.
    let last = state.map(|state| state.last).filter(|last| *last <= now);
    let retry = state.is_some_and(|state| state.retry.contains(id));
    retry && *schedule != crate::settings::schedule::Schedule::Never || schedule.is_due(last, now)
}

/// One image of each registry after the other.
fn take_turns(imports: impl Iterator<Item = Import>) -> Vec<Import> {
    let mut queues: BTreeMap<RegistryHost, Vec<Import>> = BTreeMap::new();
    for import in imports {
        queues.entry(import.image.repository().registry().clone()).or_default().push(import);
    }
    let mut queues: Vec<_> = queues.into_values().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    while !queues.is_empty() {
        queues.retain_mut(|queue| queue.next().map(|import| all.push(import)).is_some());
    }
    all
}
