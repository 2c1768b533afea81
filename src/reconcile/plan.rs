//! Third step: which tags are asked for, and which images that takes. Pure: it follows from the scene, the request
//! and the time.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::image::{Digest, ImageRef, Platform, RegistryHost, RemoteName, Repository, TagId, TagName, priority};
use crate::model::lock::Pin;
use crate::model::lock::drift::find_drift;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::model::settings::schedule::Schedule;
use crate::model::shard::Shard;
use crate::model::state::ScheduleState;
use crate::model::stream::select::{Select, Selection};
use crate::model::stream::{Tag, TagSource};
use crate::registry::{FailureKind, ResolveError};

use super::Imports;
use super::consult::{RemoteLocks, RemotePin};
use super::list::Lists;
use super::share::{self, end, origin};

/// How many tags are tried at the most until one is signed.
const CANDIDATES: usize = 20;

/// What a pass will ask for: a view of the root, of which nothing large is copied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan<'a> {
    /// Each distinct image once, registries taking turns so that a slow one does not hold up the others.
    pub imports: Vec<ImageQuery<'a>>,
    /// Every tag that is imported or follows one that is.
    pub asked: BTreeSet<TagId>,
    /// Tags of which no image can be named, and why.
    pub failed: Vec<(TagId, ResolveError)>,
    /// How tags were chosen where that is not plain, a sentence each.
    pub choices: Vec<String>,
}

/// One image to ask for, and what its tags need of it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageQuery<'a> {
    /// The image.
    pub image: Cow<'a, ImageRef>,
    /// What it is to be at, where that is known without asking for it.
    pub at: Option<&'a Digest>,
    /// The tags it is for.
    pub wants: Vec<TagQuery<'a>>,
}

/// What one tag needs of its image.
#[derive(Clone, Debug, PartialEq)]
pub struct TagQuery<'a> {
    /// The tag.
    pub id: &'a TagId,
    /// Its definition.
    pub tag: &'a Tag,
    /// Its pin, where it has one.
    pub pin: Option<&'a Pin>,
    /// Where the tag stands that it follows in another repository.
    pub stands: Option<RemotePin<'a>>,
    /// The tags below the one that was chosen, highest first: where its rules ask for a signature, the highest one that
    /// has it is what is wanted.
    pub lower: Vec<TagName>,
}

impl TagQuery<'_> {
    /// The one platform that is wanted of the image.
    pub fn platform(&self) -> Option<&Platform> {
        match &self.stands {
            Some(stands) => stands.of.map(|(_, platform)| platform),
            None => self.tag.source.platform(),
        }
    }
}

/// When and for what a pass asks.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Which tags by their schedule.
    pub imports: Imports,
    /// The tags a person asked for; none for all.
    pub only: Option<&'a TagGlobs>,
    /// Whose share is asked for; none for all.
    pub shard: Option<Shard>,
    /// When schedules were last looked at.
    pub schedule: Option<&'a ScheduleState>,
    /// The time.
    pub now: Timestamp,
}

/// What has to be known before it can be said what to ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ahead {
    /// The repositories whose tags are to be listed.
    pub repositories: BTreeSet<Repository>,
    /// The other repositories whose locks are to be read.
    pub remotes: BTreeSet<RemoteName>,
}

/// What has to be known before it can be said what to ask for.
pub fn ahead(root: &Root, question: &Question<'_>) -> Ahead {
    let mut ahead = Ahead::default();
    let is_far = |tag: &Tag| matches!(tag.source, TagSource::Select { .. } | TagSource::Remote(_));
    let far = if root.definitions.tags.values().any(is_far) { sources(root, question) } else { BTreeMap::new() };
    for tag in far.into_values().flatten() {
        match &tag.source {
            TagSource::Select { repository, .. } => drop(ahead.repositories.insert(repository.clone())),
            TagSource::Remote(far) => drop(ahead.remotes.insert(far.remote.clone())),
            TagSource::Image { .. } | TagSource::Follow(_) => {}
        }
    }
    let discovered = root.definitions.discover.iter().filter(|(stream, discover)| {
        let retries = question.schedule.is_some_and(|state| state.retry.iter().any(|id| id.stream == **stream));
        let is_new = !root.definitions.tags.iter().any(|(id, tag)| id.stream == **stream && tag.discovered);
        let named = question.only.is_none_or(|only| only.matches_stream(stream));
        let is_ours = question.shard.is_none_or(|shard| shard.contains(&discover.repository));
        named && is_ours && question.is_due(discover.import.schedule.as_ref(), retries || is_new)
    });
    ahead.repositories.extend(discovered.map(|(_, discover)| discover.repository.clone()));
    ahead
}

/// The tags at the ends of what was asked for.
fn sources<'a>(root: &'a Root, question: &Question<'_>) -> BTreeMap<&'a TagId, Option<&'a Tag>> {
    let named = root.definitions.tags.iter().filter(|(id, _)| question.only.is_none_or(|only| only.matches(id)));
    let mut sources: BTreeMap<_, _> = named.map(|(id, tag)| end(root, (id, Some(tag)))).collect();
    let unmet = unmet(root, question);
    sources.retain(|id, tag| {
        let retries = question.schedule.is_some_and(|state| state.retry.contains(id));
        question.shard.is_none_or(|shard| share::has_end(root, shard, (id, *tag)))
            && question.is_due(tag.and_then(|tag| tag.schedule.as_ref()), retries || unmet.contains(id))
    });
    sources
}

/// The tags at the ends of those that are not pinned as their definitions ask for. A schedule says when to look again,
/// and is no reason to wait with the first look.
fn unmet<'a>(root: &'a Root, question: &Question<'_>) -> BTreeSet<&'a TagId> {
    if question.imports != Imports::Due {
        return BTreeSet::new();
    }
    let wrong = find_drift(&root.definitions, &root.lock).into_iter();
    wrong.filter_map(|wrong| Some(origin(root, root.definitions.tags.get_key_value(&wrong.tag)?.0).0)).collect()
}

/// Decides what to ask for; `lists` are the tags of repositories and `abroad` the locks of other remotes, as far as they
/// were read.
pub fn plan<'a>(root: &'a Root, question: &Question<'_>, lists: &Lists, abroad: &'a RemoteLocks) -> Plan<'a> {
    let sources = sources(root, question);
    let is_asked = |(id, tag): &(&'a TagId, &'a Tag)| sources.contains_key(end(root, (id, Some(tag))).0);
    let asked = root.definitions.tags.iter().filter(is_asked).map(|(id, _)| id.clone()).collect();
    let mut plan = Plan { asked, ..Plan::default() };
    let mut by_image: BTreeMap<(Cow<'a, ImageRef>, Option<&'a Digest>), Vec<TagQuery<'a>>> = BTreeMap::new();
    for (id, tag) in sources {
        let Some(tag) = tag else {
            plan.failed.extend(undiscovered(root, id, lists).map(|error| (id.clone(), error)));
            continue;
        };
        let asks_signature = tag.adoption.as_ref().is_some_and(|rules| rules.verify.is_some());
        let (mut stands, mut lower) = (None, Vec::new());
        let image = match &tag.source {
            TagSource::Image { image, .. } => {
                if let Some(error) = undiscovered(root, id, lists).filter(|_| tag.discovered) {
                    plan.failed.push((id.clone(), error));
                    continue;
                }
                Cow::Borrowed(image)
            }
            TagSource::Select { repository, select, .. } => match choose(repository, select, lists) {
                Ok(Selection { tag, ties }) => {
                    plan.choices.extend(ties.first().map(|_| tied(id, &tag, &ties)));
                    if asks_signature {
                        lower = below(repository, select, lists);
                    }
                    Cow::Owned(ImageRef::tagged(repository.clone(), tag))
                }
                Err(error) => {
                    plan.failed.push((id.clone(), error));
                    continue;
                }
            },
            TagSource::Remote(far) => match abroad.stands(far) {
                Ok(found) => Cow::Borrowed(stands.insert(found).image),
                Err(error) => {
                    plan.failed.push((id.clone(), error));
                    continue;
                }
            },
            TagSource::Follow(_) => continue,
        };
        let at = stands.map(|stands| stands.of.map_or(stands.digest, |(index, _)| index));
        by_image.entry((image, at)).or_default().push(TagQuery { id, tag, pin: root.lock.pins.get(id), stands, lower });
    }
    plan.imports = take_turns(by_image.into_iter().map(|((image, at), wants)| ImageQuery { image, at, wants }));
    plan
}

/// Why `id`, which its stream discovers or should, could not be told from the list of its repository; none where that
/// was not asked for, or has it.
fn undiscovered(root: &Root, id: &TagId, lists: &Lists) -> Option<ResolveError> {
    let discover = root.definitions.discover.get(&id.stream)?;
    match lists.get(&discover.repository)? {
        Err(error) => Some(error.clone()),
        Ok(_) if root.definitions.tags.contains_key(id) => None,
        Ok(_) => {
            let message = format!("`{}` has no tag `{}` that `{}` takes", discover.repository, id.tag, id.stream);
            Some(ResolveError::new(FailureKind::NotFound, message))
        }
    }
}

/// The tag of `repository` that `select` chooses.
fn choose(repository: &Repository, select: &Select, lists: &Lists) -> Result<Selection, ResolveError> {
    let unread = || ResolveError::new(FailureKind::Network, format!("the tags of `{repository}` were not read"));
    let tags = lists.get(repository).ok_or_else(unread)?.as_ref().map_err(Clone::clone)?;
    select.choose(tags).ok_or_else(|| {
        let error = format!("`{repository}` has no tag that fits: {select}");
        let mut some: Vec<&str> = tags.iter().map(TagName::as_str).collect();
        some.sort_by(|a, b| priority::compare(a, b));
        let some: Vec<String> = some.into_iter().take(5).map(|tag| format!("`{tag}`")).collect();
        let error = ResolveError::new(FailureKind::NotFound, error);
        match some.is_empty() {
            true => error.help("it has no tags at all"),
            false => error.help(format!("it has {} tags, as {}", tags.len(), some.join(", "))),
        }
    })
}

/// The tags that `select` ranks below the one it chooses, as many of them as are tried.
fn below(repository: &Repository, select: &Select, lists: &Lists) -> Vec<TagName> {
    let Some(Ok(tags)) = lists.get(repository) else { return Vec::new() };
    select.ranked(tags).into_iter().take(CANDIDATES).skip(1).cloned().collect()
}

/// Says why one of several tags that are as high was chosen.
fn tied(id: &TagId, tag: &TagName, ties: &[TagName]) -> String {
    let ties: Vec<String> = ties.iter().map(|tie| format!("`{tie}`")).collect();
    let others = ties.join(", ");
    format!("`{id}` is `{tag}`, as high as {others}: the one that says most is taken, of those the shortest")
}

impl Question<'_> {
    /// Whether what has `schedule` is asked for; `presses` says that it failed since the schedules were last looked at,
    /// or is not pinned as it is defined.
    fn is_due(&self, schedule: Option<&Schedule>, presses: bool) -> bool {
        match self.imports {
            Imports::All => return true,
            Imports::None => return false,
            Imports::Due => {}
        }
        let Some(schedule) = schedule else { return true };
        // A moment in the future is a clock that went wrong when it was written; going by it would freeze the tag.
        let last = self.schedule.map(|state| state.last).filter(|last| *last <= self.now);
        presses && *schedule != Schedule::Never || schedule.is_due(last, self.now)
    }
}

impl Plan<'_> {
    /// The repositories it will ask for, each once.
    pub fn repositories(&self) -> Vec<Repository> {
        let all: BTreeSet<&Repository> = self.imports.iter().map(|import| import.image.repository()).collect();
        all.into_iter().cloned().collect()
    }
}

/// One image of each registry after the other.
fn take_turns<'a>(imports: impl Iterator<Item = ImageQuery<'a>>) -> Vec<ImageQuery<'a>> {
    let mut queues: BTreeMap<RegistryHost, Vec<ImageQuery<'a>>> = BTreeMap::new();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::RootFiles;
    use crate::model::lock::Lock;
    use crate::model::lock::sample::digest;

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
        check_root(&pinned(STREAM), imports, only, state, now, (expected, asked));
    }

    /// A root with the stream `s`, in which each tag of [`STREAM`] is pinned.
    fn pinned(stream: &str) -> Root {
        let files = |stream: &str| -> RootFiles {
            [("pinstream.toml", ""), ("streams/s.toml", stream)]
                .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
                .into()
        };
        let before = Root::read(&files(STREAM)).unwrap();
        let pins = before.definitions.tags.iter().map(|(id, tag)| {
            let TagSource::Image { image, .. } = &before.definitions.tags[origin(&before, id).0].source else {
                panic!("{id} ends at no image");
            };
            (id.clone(), Pin { follow: tag.source.followed(), ..pin(&image.to_string()) })
        });
        Root { lock: Lock { pins: pins.collect() }, ..Root::read(&files(stream)).unwrap() }
    }

    fn pin(image: &str) -> Pin {
        let (image, digest) = (image.parse().unwrap(), digest(1));
        Pin { follow: None, image, digest, index: None, details: Default::default(), previous: Vec::new() }
    }

    #[track_caller]
    fn check_root(
        root: &Root,
        imports: Imports,
        only: &[&str],
        state: Option<(&str, &[&str])>,
        now: &str,
        (expected, asked): (&[&str], &str),
    ) {
        let only = (!only.is_empty()).then(|| TagGlobs::new(only.iter().copied()).unwrap());
        let state = state.map(|(last, retry)| ScheduleState {
            last: last.parse().unwrap(),
            retry: retry.iter().map(|tag| tag.parse().unwrap()).collect(),
        });
        let question =
            Question { imports, only: only.as_ref(), shard: None, schedule: state.as_ref(), now: now.parse().unwrap() };
        let abroad = RemoteLocks::default();
        let plan = plan(root, &question, &Lists::new(), &abroad);
        let line = |import: &ImageQuery| {
            let tags: Vec<&str> = import.wants.iter().map(|want| want.id.tag.as_str()).collect();
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

    const CHOOSING: &str = r#"
        [tags]
        edge = { repository = "one.example/a", semver = ">=1, <2" }
        beta = { repository = "one.example/a", semver = ">=3" }
        same = "one.example/a:1.2"
        next = { repository = "two.example/b", semver = "*", schedule = "0 3 * * *" }
        [discover]
        repository = "three.example/c"
    "#;

    #[test]
    fn a_tag_is_chosen_from_the_list_of_its_repository() {
        let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", CHOOSING)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        let mut root = Root::read(&files).unwrap();
        root.lock.pins.insert("s:next".parse().unwrap(), pin("two.example/b:1"));
        let schedule = ScheduleState { last: NOON.parse().unwrap(), retry: Vec::new() };
        let now = NOON.parse().unwrap();
        let due = Question { imports: Imports::Due, only: None, shard: None, schedule: Some(&schedule), now };
        let asked = |question| ahead(&root, &question).repositories.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(asked(due), ["one.example/a", "three.example/c"]);
        assert_eq!(asked(Question { imports: Imports::None, ..due }), Vec::<String>::new());
        let all = Question { imports: Imports::All, ..due };
        assert_eq!(asked(all), ["one.example/a", "three.example/c", "two.example/b"]);

        let list = |names: &str| Ok(names.split(' ').map(|name| name.parse().unwrap()).collect());
        let down = ResolveError::new(FailureKind::Network, "down");
        let lists: Lists = [
            ("one.example/a".parse().unwrap(), list("1.1 latest 1.2 v1.2.0")),
            ("two.example/b".parse().unwrap(), Err(down)),
        ]
        .into();
        let abroad = RemoteLocks::default();
        let plan = plan(&root, &all, &lists, &abroad);
        let imports = plan.imports.iter().map(|import| {
            let tags: Vec<&str> = import.wants.iter().map(|want| want.id.tag.as_str()).collect();
            format!("{} for {}", import.image, tags.join(" "))
        });
        assert_eq!(imports.collect::<Vec<_>>(), ["one.example/a:1.2 for same", "one.example/a:v1.2.0 for edge"]);
        let failed =
            plan.failed.iter().map(|(id, error)| format!("{id}: {error}; {}", error.help.clone().unwrap_or_default()));
        assert_eq!(
            failed.collect::<Vec<_>>(),
            [
                "s:beta: `one.example/a` has no tag that fits: in >=3; it has 4 tags, as `latest`, `1.2`, `1.1`, `v1.2.0`",
                "s:next: down; ",
            ]
        );
        assert_eq!(plan.choices.len(), 1, "{:?}", plan.choices);
        assert!(plan.choices[0].starts_with("`s:edge` is `v1.2.0`, as high as `1.2`: "), "{:?}", plan.choices);
    }

    #[test]
    fn shards_ask_for_all_together_and_for_nothing_twice() {
        let (root, abroad) = (pinned(STREAM), RemoteLocks::default());
        let mut asked: Vec<TagId> = Vec::new();
        for index in 1..=5 {
            let (shard, now) = (format!("{index}/5").parse().ok(), NOON.parse().unwrap());
            let question = Question { imports: Imports::All, only: None, shard, schedule: None, now };
            let plan = plan(&root, &question, &Lists::new(), &abroad);
            assert!(plan.asked.len() < root.definitions.tags.len(), "{index}");
            asked.extend(plan.asked);
        }
        asked.sort();
        assert_eq!(asked.iter().collect::<Vec<_>>(), root.definitions.tags.keys().collect::<Vec<_>>());
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
    fn what_is_not_pinned_as_it_is_defined_is_due_before_its_time() {
        let after = Some(("2026-11-24T03:00:00Z", &[][..]));
        let always = "one.example/a:1 for always same";
        for (stream, due) in [
            ("new = { image = \"two.example/n:1\", schedule = \"0 3 * * *\" }\n", "two.example/n:1 for new"),
            ("new = { follow = \"night\" }\n", "two.example/b:1 for night"),
        ] {
            let root = pinned(&format!("{STREAM}{stream}"));
            let asked = if due.ends_with("new") { "always new same" } else { "always follower last new night same" };
            check_root(&root, Imports::Due, &[], after, NOON, (&[always, due], asked));
        }
        let root = pinned(&STREAM.replace("b:1", "b:2"));
        let due = [always, "two.example/b:2 for night"];
        check_root(&root, Imports::Due, &[], after, NOON, (&due, "always follower last night same"));
        // What is imported by hand alone waits for that.
        let root = pinned(&STREAM.replace("c:1", "c:2"));
        check_root(&root, Imports::Due, &[], after, NOON, (&[always], "always same"));
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
