//! Tests of the query plan.

use super::*;
use crate::git::RootFiles;
use crate::model::lock::Lock;
use crate::model::lock::sample::digest;
use crate::model::state::sample;

const STREAM: &str = r#"
    [tags]
    always = "one.example/a:1"
    same = "one.example/a:1"
    night = { image = "two.example/b:1", schedule = "0 3 * * *" }
    hand = { image = "one.example/c:1", schedule = "never" }
    follower = { follow = "night" }
    last = { follow = "follower" }
"#;

/// A request to resolve tags at a time, and the state: the last pass, and the tags that failed in it for the first time.
#[derive(Clone, Copy)]
struct Asked<'a> {
    resolve: Resolve,
    only: &'a [&'a str],
    last: Option<&'a str>,
    failing: &'a [&'a str],
    now: &'a str,
}

const ALL: Asked<'static> = Asked { resolve: Resolve::All, only: &[], last: None, failing: &[], now: NOON };
const DUE: Asked<'static> = Asked { resolve: Resolve::Due, ..ALL };

/// Compares the planned images, with their tags, and all selected tags.
#[track_caller]
fn check(asked: Asked<'_>, expected: &[&str], selected: &str) {
    check_root(&pinned(STREAM), asked, expected, selected);
}

/// Returns a root with the stream `s` in which each tag of [`STREAM`] is pinned.
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
fn check_root(root: &Root, asked: Asked<'_>, expected: &[&str], selected: &str) {
    let Asked { resolve, only, last, failing, now } = asked;
    let only = (!only.is_empty()).then(|| TagGlobs::new(only.iter().copied()).unwrap());
    let state = last.map(|last| ScheduleState { last: last.parse().unwrap() });
    let failing = failing_since(last.unwrap_or(now), failing);
    let (fingerprint, now) = (sample::failing(Timestamp::UNIX_EPOCH).definitions, now.parse().unwrap());
    let filter = TagFilter {
        resolve,
        only: only.as_ref(),
        shard: None,
        schedule: state.as_ref(),
        failing: &failing,
        deferred: &BTreeSet::new(),
        fingerprint: &fingerprint,
        now,
    };
    let locks = RemoteLocks::default();
    let plan = plan(root, &filter, &TagLists::new(), &locks);
    let line = |query: &ImageQuery| {
        let tags: Vec<&str> = query.tags.iter().map(|tag| tag.id.tag.as_str()).collect();
        format!("{} for {}", query.image, tags.join(" "))
    };
    assert_eq!(plan.images.iter().map(line).collect::<Vec<_>>(), expected);
    assert_eq!(plan.selected.iter().map(|id| id.tag.as_str()).collect::<Vec<_>>().join(" "), selected);
}

/// Returns tags that failed at `time` for the first time.
fn failing_since(time: &str, tags: &[&str]) -> FailingTags {
    tags.iter().map(|tag| (tag.parse().unwrap(), sample::failing(time.parse().unwrap()))).collect()
}

const NOON: &str = "2026-11-24T12:00:00Z";

#[test]
fn each_image_is_resolved_once_and_registries_alternate() {
    let all = ["one.example/a:1 for always same", "two.example/b:1 for night", "one.example/c:1 for hand"];
    check(ALL, &all, "always follower hand last night same");
}

#[test]
fn a_named_follower_resolves_the_image_at_the_end_of_its_chain() {
    check(Asked { only: &["s:last"], ..ALL }, &["two.example/b:1 for night"], "follower last night");
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
fn a_tag_is_selected_from_the_list_of_its_repository() {
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", CHOOSING)]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let mut root = Root::read(&files).unwrap();
    root.lock.pins.insert("s:next".parse().unwrap(), pin("two.example/b:1"));
    let schedule = ScheduleState { last: NOON.parse().unwrap() };
    let now = NOON.parse().unwrap();
    let due = TagFilter { resolve: Resolve::Due, schedule: Some(&schedule), ..TagFilter::at(now) };
    let asked = |filter| prerequisites(&root, &filter).repositories.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(asked(due), ["one.example/a", "three.example/c"]);
    assert_eq!(asked(TagFilter { resolve: Resolve::Nothing, ..due }), Vec::<String>::new());
    let all = TagFilter { resolve: Resolve::All, ..due };
    assert_eq!(asked(all), ["one.example/a", "three.example/c", "two.example/b"]);

    let list = |names: &str| {
        let tags = names.split(' ').map(|name| name.parse().unwrap()).collect();
        Ok(TagList { tags, ..TagList::default() })
    };
    let down = ResolveError::new(FailureKind::Network, "down");
    let lists: TagLists = [
        ("one.example/a".parse().unwrap(), list("1.1 latest 1.2 v1.2.0")),
        ("two.example/b".parse().unwrap(), Err(down)),
    ]
    .into();
    let locks = RemoteLocks::default();
    let plan = plan(&root, &all, &lists, &locks);
    let images = plan.images.iter().map(|query| {
        let tags: Vec<&str> = query.tags.iter().map(|tag| tag.id.tag.as_str()).collect();
        format!("{} for {}", query.image, tags.join(" "))
    });
    assert_eq!(images.collect::<Vec<_>>(), ["one.example/a:1.2 for same", "one.example/a:v1.2.0 for edge"]);
    let failed =
        plan.failed.iter().map(|(id, error)| format!("{id}: {error}; {}", error.help.clone().unwrap_or_default()));
    assert_eq!(
        failed.collect::<Vec<_>>(),
        [
            "s:beta: `one.example/a` has no matching tag: in >=3; the repository has 4 tags, e.g. `latest`, `1.2`, `1.1`, `v1.2.0`",
            "s:next: down; ",
        ]
    );
    assert_eq!(plan.ties.len(), 1, "{:?}", plan.ties);
    assert!(plan.ties[0].starts_with("`s:edge` selects `v1.2.0`, which ranks equal to `1.2`: "), "{:?}", plan.ties);
}

#[test]
fn s04_repositories_alternate_and_deferred_tags_come_first_from_anywhere() {
    let images = ["a:1", "a:2", "a:3", "b:1", "c:1"].map(|image| format!("one.example/{image}"));
    let tags = images.iter().enumerate().map(|(number, image)| format!("t{number} = \"{image}\"\n"));
    let stream = format!("[tags]\n{}", tags.collect::<String>());
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", stream.as_str())]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let (root, locks, now) = (Root::read(&files).unwrap(), RemoteLocks::default(), NOON.parse().unwrap());
    let filter = TagFilter { resolve: Resolve::All, ..TagFilter::at(now) };
    let order = |deferred: &[&str], random| {
        let deferred: BTreeSet<TagId> = deferred.iter().map(|id| id.parse().unwrap()).collect();
        let plan = plan(&root, &filter, &TagLists::new(), &locks).with_first(&deferred, random);
        plan.images.iter().map(|query| query.tags[0].id.tag.as_str()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order(&[], 0.5), "t0 t3 t4 t1 t2");
    assert_eq!(order(&["s:t1", "s:t2", "s:t3", "s:gone"], 0.0), "t3 t1 t2 t0 t4");
    assert_eq!(order(&["s:t1", "s:t2", "s:t3"], 0.4), "t1 t2 t3 t0 t4");
    assert_eq!(order(&["s:t1", "s:t2", "s:t3"], 0.99), "t2 t3 t1 t0 t4");
}

#[test]
fn s04_a_deferred_tag_is_due_whatever_its_schedule_says() {
    let (root, locks, now) = (pinned(STREAM), RemoteLocks::default(), NOON.parse().unwrap());
    let state = ScheduleState { last: now };
    let all: BTreeSet<TagId> = root.definitions.tags.keys().cloned().collect();
    let selected = |deferred: &BTreeSet<TagId>| {
        let at = TagFilter::at(now);
        let filter = TagFilter { resolve: Resolve::Due, schedule: Some(&state), deferred, ..at };
        plan(&root, &filter, &TagLists::new(), &locks).selected
    };
    let by_hand = "s:hand".parse().unwrap();
    let without = selected(&BTreeSet::new());
    assert!(without.len() + 1 < all.len(), "{without:?}");
    assert_eq!(selected(&all), all.into_iter().filter(|id| *id != by_hand).collect());
}

#[test]
fn s04_a_tag_of_a_list_that_was_not_read_in_time_has_no_image_and_no_failure() {
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", CHOOSING)]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let (root, locks, now) = (Root::read(&files).unwrap(), RemoteLocks::default(), NOON.parse().unwrap());
    let filter = TagFilter { resolve: Resolve::All, ..TagFilter::at(now) };
    let plan = plan(&root, &filter, &TagLists::new(), &locks);
    assert!(plan.failed.is_empty() && !plan.unlisted.is_empty(), "{plan:?}");
}

#[test]
fn shards_together_resolve_every_tag_once() {
    let (root, locks) = (pinned(STREAM), RemoteLocks::default());
    let mut asked: Vec<TagId> = Vec::new();
    for index in 1..=5 {
        let (shard, now) = (format!("{index}/5").parse().ok(), NOON.parse().unwrap());
        let filter = TagFilter { resolve: Resolve::All, shard, ..TagFilter::at(now) };
        let plan = plan(&root, &filter, &TagLists::new(), &locks);
        assert!(plan.selected.len() < root.definitions.tags.len(), "{index}");
        asked.extend(plan.selected);
    }
    asked.sort();
    assert_eq!(asked.iter().collect::<Vec<_>>(), root.definitions.tags.keys().collect::<Vec<_>>());
}

#[test]
fn nothing_is_resolved_offline() {
    check(Asked { resolve: Resolve::Nothing, ..ALL }, &[], "");
}

#[test]
fn a_tag_is_due_if_its_schedule_fired_since_the_last_pass() {
    let always = "one.example/a:1 for always same";
    let due = [always, "two.example/b:1 for night"];
    check(DUE, &due, "always follower last night same");
    let before = Some("2026-11-24T02:59:59Z");
    check(Asked { last: before, now: "2026-11-24T03:00:00Z", ..DUE }, &due, "always follower last night same");
    let after = Some("2026-11-24T03:00:00Z");
    check(Asked { last: after, ..DUE }, &[always], "always same");
}

#[test]
fn a_drifted_tag_is_due_before_its_schedule() {
    let after = Some("2026-11-24T03:00:00Z");
    let always = "one.example/a:1 for always same";
    for (stream, due) in [
        ("new = { image = \"two.example/n:1\", schedule = \"0 3 * * *\" }\n", "two.example/n:1 for new"),
        ("new = { follow = \"night\" }\n", "two.example/b:1 for night"),
    ] {
        let root = pinned(&format!("{STREAM}{stream}"));
        let asked = if due.ends_with("new") { "always new same" } else { "always follower last new night same" };
        check_root(&root, Asked { last: after, ..DUE }, &[always, due], asked);
    }
    let root = pinned(&STREAM.replace("b:1", "b:2"));
    let due = [always, "two.example/b:2 for night"];
    check_root(&root, Asked { last: after, ..DUE }, &due, "always follower last night same");
    // A tag with `schedule = "never"` is not due.
    let root = pinned(&STREAM.replace("c:1", "c:2"));
    check_root(&root, Asked { last: after, ..DUE }, &[always], "always same");
}

#[test]
fn a_failing_tag_is_due_after_a_pause_regardless_of_its_schedule() {
    let failed = Asked { last: Some("2026-11-24T11:59:01Z"), failing: &["s:night", "s:hand", "s:always"], ..DUE };
    check(failed, &["one.example/a:1 for same"], "same");
    let due = ["one.example/a:1 for always same", "two.example/b:1 for night"];
    check(Asked { now: "2026-11-24T12:00:01Z", ..failed }, &due, "always follower last night same");
    // A clock that was ahead freezes no tag, and one that a person names is tried at once.
    check(Asked { now: "2026-11-24T11:00:00Z", ..failed }, &due, "always follower last night same");
    check(Asked { only: &["s:last"], ..failed }, &due[1..], "follower last night");
    // Without `--due`, all tags are tried.
    let all = [due[0], due[1], "one.example/c:1 for hand"];
    check(Asked { resolve: Resolve::All, ..failed }, &all, "always follower hand last night same");
}

#[test]
fn a_list_is_not_read_while_all_tags_that_it_discovers_back_off() {
    let stream = "[tags]\nfixed = \"one.example/f:1\"\n[discover]\nrepository = \"one.example/c\"\nsemver = \"*\"\n";
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", stream)]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    let mut root = Root::read(&files).unwrap();
    for tag in ["1.0", "2.0"] {
        let mut found = root.definitions.tags[&"s:fixed".parse().unwrap()].clone();
        found.discovered = true;
        root.definitions.tags.insert(format!("s:{tag}").parse().unwrap(), found);
    }
    let fingerprint = sample::failing(Timestamp::UNIX_EPOCH).definitions;
    let is_read = |failing: &[&str], seconds| {
        let failing = failing_since(NOON, failing);
        let now: Timestamp = NOON.parse().unwrap();
        let now = now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        let filter =
            TagFilter { resolve: Resolve::Due, failing: &failing, fingerprint: &fingerprint, ..TagFilter::at(now) };
        !prerequisites(&root, &filter).repositories.is_empty()
    };
    assert!(is_read(&["s:1.0", "s:fixed"], 1));
    assert!(!is_read(&["s:1.0", "s:2.0"], 1));
    assert!(is_read(&["s:1.0", "s:2.0"], 60));
}

#[test]
fn t29_a_time_in_the_future_freezes_no_tag() {
    let ahead = Some("2036-11-24T12:00:00Z");
    let due = ["one.example/a:1 for always same", "two.example/b:1 for night"];
    check(Asked { last: ahead, ..DUE }, &due, "always follower last night same");
}
