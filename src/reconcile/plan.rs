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

/// What a pass will ask for: a view of the root, of which nothing large is copied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// Each distinct image once, registries taking turns so that a slow one does not hold up the others.
    pub imports: Vec<Import<'a>>,
    /// Every tag that is imported or follows one that is.
    pub asked: BTreeSet<TagId>,
}

/// One image to ask for, and what its tags need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Import<'a> {
    /// The image.
    pub image: &'a ImageRef,
    /// The tags it is for.
    pub wants: Vec<Want<'a>>,
}

/// What one tag needs of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct Want<'a> {
    /// The tag.
    pub tag: &'a TagId,
    /// The one platform to pin.
    pub platform: Option<&'a Platform>,
    /// Platforms that must be there.
    pub required: &'a [Platform],
    /// Its pin, where it has one for this image.
    pub pin: Option<&'a Pin>,
}

/// Decides what to ask for. `only` names the tags a person asked for.
pub fn plan<'a>(
    root: &'a Root,
    imports: Imports,
    only: Option<&TagGlobs>,
    schedule: Option<&ScheduleState>,
    now: Timestamp,
) -> Plan<'a> {
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
    let asked = tags.keys().filter(|id| sources.contains(origin(root, id))).cloned().collect();
    let mut by_image: BTreeMap<&ImageRef, Vec<Want<'_>>> = BTreeMap::new();
    for id in sources {
        let Some(tag) = tags.get(id) else { continue };
        let Source::Image { image, platform } = &tag.source else { continue };
        let pin = root.lock.pins.get(id).filter(|pin| pin.image == *image && pin.follow.is_none());
        let want = Want { tag: id, platform: platform.as_ref(), required: &tag.platforms, pin };
        by_image.entry(image).or_default().push(want);
    }
    let imports = by_image.into_iter().map(|(image, wants)| Import { image, wants });
    Plan { imports: take_turns(imports), asked }
}

impl Plan<'_> {
    /// The repositories it will ask for, each once.
    pub fn repositories(&self) -> Vec<Repository> {
        let all: BTreeSet<&Repository> = self.imports.iter().map(|import| import.image.repository()).collect();
        all.into_iter().cloned().collect()
    }
}

/// The tag at the end of what `id` follows.
fn origin<'a>(root: &'a Root, id: &'a TagId) -> &'a TagId {
    let mut at = id;
    while let Some(Source::Follow(next)) = root.definitions.tags.get(at).map(|tag| &tag.source) {
        at = next;
    }
    at
}

fn is_due(root: &Root, id: &TagId, state: Option<&ScheduleState>, now: Timestamp) -> bool {
    let Some(schedule) = root.definitions.tags.get(id).and_then(|tag| tag.schedule.as_ref()) else { return true };
    // A moment in the future is a clock that went wrong when it was written; going by it would freeze the tag.
    let last = state.map(|state| state.last).filter(|last| *last <= now);
    let retry = state.is_some_and(|state| state.retry.contains(id));
    retry && *schedule != crate::settings::schedule::Schedule::Never || schedule.is_due(last, now)
}

/// One image of each registry after the other.
fn take_turns<'a>(imports: impl Iterator<Item = Import<'a>>) -> Vec<Import<'a>> {
    let mut queues: BTreeMap<&RegistryHost, Vec<Import<'a>>> = BTreeMap::new();
    for import in imports {
        queues.entry(import.image.repository().registry()).or_default().push(import);
    }
    let mut queues: Vec<_> = queues.into_values().map(Vec::into_iter).collect();
    let mut all = Vec::new();
    while !queues.is_empty() {
        queues.retain_mut(|queue| queue.next().map(|import| all.push(import)).is_some());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::Files;

    const STREAM: &str = r#"
        [tags]
        always = "one.example/a:1"
        same = "one.example/a:1"
        night = { image = "two.example/b:1", schedule = "0 3 * * *" }
        hand = { image = "one.example/c:1", schedule = "never" }
        follower = { follow = "night" }
        last = { follow = "follower" }
    "#;

    /// What is asked for, an image a line with its tags, and all tags that the answer is for.
    #[track_caller]
    fn check(
        imports: Imports,
        only: &[&str],
        state: Option<(&str, &[&str])>,
        now: &str,
        expected: &[&str],
        asked: &str,
    ) {
        let files: Files = [("pinstream.toml", ""), ("streams/s.toml", STREAM)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let root = Root::read(&files).unwrap();
        let only = (!only.is_empty()).then(|| TagGlobs::new(only.iter().copied()).unwrap());
        let state = state.map(|(last, retry)| ScheduleState {
            last: last.parse().unwrap(),
            retry: retry.iter().map(|tag| tag.parse().unwrap()).collect(),
        });
        let plan = plan(&root, imports, only.as_ref(), state.as_ref(), now.parse().unwrap());
        let line = |import: &Import| {
            let tags: Vec<&str> = import.wants.iter().map(|want| want.tag.tag.as_str()).collect();
            format!("{} for {}", import.image, tags.join(" "))
        };
        assert_eq!(plan.imports.iter().map(line).collect::<Vec<_>>(), expected);
        assert_eq!(plan.asked.iter().map(|id| id.tag.as_str()).collect::<Vec<_>>().join(" "), asked);
    }

    const NOON: &str = "2026-11-24T12:00:00Z";

    #[test]
    fn each_image_is_asked_for_once_and_registries_take_turns() {
        let all = ["one.example/a:1 for always same", "two.example/b:1 for night", "one.example/c:1 for hand"];
        check(Imports::All, &[], None, NOON, &all, "always follower hand last night same");
    }

    #[test]
    fn a_follower_that_is_named_asks_for_the_image_at_the_end() {
        check(Imports::All, &["s:last"], None, NOON, &["two.example/b:1 for night"], "follower last night");
    }

    #[test]
    fn nothing_is_asked_for_offline() {
        check(Imports::None, &[], None, NOON, &[], "");
    }

    #[test]
    fn a_schedule_is_due_once_it_fired_since_the_last_pass() {
        let always = "one.example/a:1 for always same";
        let due = [always, "two.example/b:1 for night"];
        check(Imports::Due, &[], None, NOON, &due, "always follower last night same");
        let before = Some(("2026-11-24T02:59:59Z", &[][..]));
        check(Imports::Due, &[], before, "2026-11-24T03:00:00Z", &due, "always follower last night same");
        let after = Some(("2026-11-24T03:00:00Z", &[][..]));
        check(Imports::Due, &[], after, NOON, &[always], "always same");
    }

    #[test]
    fn a_tag_that_failed_stays_due() {
        let failed = Some(("2026-11-24T11:00:00Z", &["s:night", "s:hand"][..]));
        let due = ["one.example/a:1 for always same", "two.example/b:1 for night"];
        check(Imports::Due, &[], failed, NOON, &due, "always follower last night same");
    }

    #[test]
    fn t29_a_time_from_a_clock_that_went_wrong_freezes_nothing() {
        let ahead = Some(("2036-11-24T12:00:00Z", &[][..]));
        let due = ["one.example/a:1 for always same", "two.example/b:1 for night"];
        check(Imports::Due, &[], ahead, NOON, &due, "always follower last night same");
    }
}
