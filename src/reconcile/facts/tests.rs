//! Tests of what remains valid after a rejected push.

use std::sync::Arc;

use super::*;
use crate::effects::RemoteTips;
use crate::git::{CommitId, RootFiles};
use crate::model::adoption::AdoptionPolicy;
use crate::model::lock::sample::digest;
use crate::model::lock::{Details, Pin};
use crate::reconcile::Resolve;
use crate::reconcile::decide::pins::PinInputs;
use crate::reconcile::gather::images::FetchedImage;
use crate::reconcile::gather::queries::{TagFilter, plan};
use crate::registry::manifest::{ManifestContent, VerifiedManifest};
use crate::registry::{FailureKind, ResolveError};
use crate::signature::Trust;

const STREAM: &str = "[tags]\na = \"x.example/a:1\"\nb = \"x.example/b:1\"\nalso-b = \"x.example/b:1\"\n\
                      signed = { image = \"x.example/c:1\", verify = { key = \"cosign.pub\" } }\n";

const ONE: &str = "[tags]\na = \"x.example/a:1\"\n";

fn root(stream: &str) -> Root {
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", stream)]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    Root::read(&files).unwrap()
}

fn snapshot(root: Root, fingerprint: Fingerprint) -> Snapshot {
    let tips = RemoteTips {
        branch: "main".to_owned(),
        tip: CommitId("1".to_owned()),
        state: None,
        default: None,
        branches: BTreeMap::new(),
    };
    Snapshot { tips, root, trust: Trust::default(), routes: Routes::default(), fingerprint }
}

fn found(image: &str) -> Result<Resolution, ResolveError> {
    let manifest =
        VerifiedManifest::unhashed(digest(1), ManifestContent::Index { children: Vec::new() }, BTreeMap::new());
    let content = Some(Arc::new(FetchedImage::of(&manifest, None, Details::default(), None)));
    let (image, passed_over) = (image.parse().unwrap(), Vec::new());
    let candidate = Candidate { image, served: digest(1), digest: digest(1), content, class: None, passed_over };
    Ok(Resolution::Candidate(candidate))
}

fn failed() -> Result<Resolution, ResolveError> {
    Err(ResolveError::new(FailureKind::Network, "down"))
}

fn rejection(in_doubt: bool) -> RejectedPush {
    RejectedPush { reason: "moved".to_owned(), in_doubt, proposals: Vec::new() }
}

/// Returns the facts after a rejected attempt on a root with one tag, whose resolution was `one`.
fn rejected(fingerprint: Fingerprint, one: Result<Resolution, ResolveError>, in_doubt: bool) -> Facts {
    let id: TagId = "s:a".parse().unwrap();
    let failures = one.clone().err().map(|error| (id.clone(), error)).into_iter().collect();
    let facts = Facts { selected: [id.clone()].into(), resolutions: [(id, one)].into(), ..Facts::default() };
    let decision = Decision { failures, ..Decision::default() };
    facts.after_rejection(snapshot(root(ONE), fingerprint), decision, rejection(in_doubt))
}

/// Returns the images that are resolved again at `tip`, and what is known of the others.
fn skip_known(facts: &Facts, tip: &Snapshot) -> (Vec<String>, KnownFacts) {
    let (now, locks) = (Timestamp::UNIX_EPOCH, RemoteLocks::default());
    let filter = TagFilter { resolve: Resolve::All, ..TagFilter::at(now) };
    let (plan, known) = facts.skip_known(tip, plan(&tip.root, &filter, &TagLists::new(), &locks));
    (plan.images.iter().map(|query| query.image.to_string()).collect(), known)
}

/// Rejects an attempt that found candidates for all tags of [`STREAM`]; `at_base` had pins before it. Compares the images
/// that are resolved again, and the tags that are known, at a tip with `stream` where `at_tip` have pins.
#[track_caller]
fn check(stream: &str, at_base: &[&str], at_tip: &[&str], queried: &[&str], known: &[&str]) {
    let mut base = root(STREAM);
    let all = ["a", "b", "also-b", "signed"].map(|tag| format!("s:{tag}").parse::<TagId>().unwrap());
    let image = |id: &TagId| match &base.definitions.tags[id].source {
        TagSource::Image { image, .. } => image.to_string(),
        _ => panic!("{id}"),
    };
    let resolutions: Resolutions = all.iter().map(|id| (id.clone(), found(&image(id)))).collect();
    let policy = &AdoptionPolicy::OFFLINE;
    let inputs = PinInputs { definitions: &base.definitions, lock: &base.lock, policy, reverted: None };
    let next = inputs.decide(&resolutions).lock.unwrap();
    let lock = |tags: &[&str]| {
        let pins = next.pins.iter().filter(|(id, _)| tags.contains(&id.tag.as_str()));
        Lock { pins: pins.map(|(id, pin)| (id.clone(), pin.clone())).collect() }
    };
    base.lock = lock(at_base);
    // Tags with a pin at the base were about to be updated.
    let mut updated = next.clone();
    updated.pins.values_mut().for_each(|pin| pin.digest = digest(2));
    let facts = Facts { selected: all.into(), resolutions, ..Facts::default() };
    let decision = Decision { lock: Some(updated), ..Decision::default() };
    let facts = facts.after_rejection(snapshot(base, Fingerprint::default()), decision, rejection(false));

    let mut tip = root(stream);
    tip.lock = lock(at_tip);
    let (again, facts) = skip_known(&facts, &snapshot(tip, Fingerprint::default()));
    assert_eq!(again, queried);
    assert_eq!(facts.resolutions.keys().map(|id| id.tag.as_str()).collect::<Vec<_>>(), known);
}

const ALL: [&str; 3] = ["x.example/a:1", "x.example/b:1", "x.example/c:1"];

#[test]
fn a_tag_that_still_has_no_pin_is_not_resolved_again_unless_it_must_be_signed() {
    check(STREAM, &[], &[], &ALL[2..], &["a", "also-b", "b"]);
}

#[test]
fn a_tag_that_was_pinned_or_redefined_meanwhile_is_resolved_again() {
    check(STREAM, &[], &["a"], &[ALL[0], ALL[2]], &["also-b", "b"]);
    check(&STREAM.replace("a:1", "a:2"), &[], &[], &["x.example/a:2", ALL[2]], &["also-b", "b"]);
}

#[test]
fn an_image_that_one_of_its_tags_needs_is_resolved_for_all_of_them() {
    check(STREAM, &[], &["also-b"], &ALL[1..], &["a"]);
}

#[test]
fn a_tag_that_was_about_to_be_updated_is_resolved_again_even_if_its_pin_is_the_same() {
    check(STREAM, &["a"], &["a"], &[ALL[0], ALL[2]], &["also-b", "b"]);
    check(STREAM, &["a"], &[], &[ALL[0], ALL[2]], &["also-b", "b"]);
}

#[test]
fn a_push_of_unknown_outcome_is_reconstructed_from_our_tags_only() {
    let lock = |numbers: [u8; 2]| {
        let pin = |(tag, number): (&str, u8)| {
            let (image, digest) = ("x.example/a:1".parse().unwrap(), digest(number));
            let details = Details::default();
            let pin = Pin { follow: None, image, digest, index: None, details, previous: Vec::new() };
            (format!("s:{tag}").parse::<TagId>().unwrap(), pin)
        };
        Lock { pins: ["ours", "others"].into_iter().zip(numbers).map(pin).collect() }
    };
    let base_of = |base: [u8; 2], next: [u8; 2]| {
        let base = snapshot(Root { lock: lock(base), ..Root::default() }, Fingerprint::default());
        let facts = Facts::default().after_rejection(base, Decision::default(), rejection(true));
        facts.previous.unwrap().base_of_unknown_push(&lock(next), |id| id.tag.as_str() == "ours")
    };
    assert_eq!(base_of([1, 1], [2, 2]), Some(lock([1, 2])));
    assert_eq!(base_of([1, 1], [1, 2]), None);
    assert_eq!(base_of([1, 1], [1, 1]), None);
}

#[test]
fn without_cached_definitions_facts_are_valid_only_for_the_same_files() {
    let (same, other) = (Fingerprint::of(&[("a".to_owned(), Vec::new())].into()), Fingerprint::default());
    let mut facts = rejected(same, found("x.example/a:1"), false);
    let queries = |facts: &Facts, tip: Fingerprint| skip_known(facts, &snapshot(root(ONE), tip)).0.len();
    // Cached definitions are compared tag by tag.
    assert_eq!((queries(&facts, same), queries(&facts, other)), (0, 0));
    facts.definitions = None;
    assert_eq!((queries(&facts, same), queries(&facts, other)), (0, 1));
}

#[test]
fn other_routes_drop_all_answers_but_not_the_doubt_about_a_push() {
    let mut facts = rejected(Fingerprint::default(), failed(), true);
    facts.tag_lists.insert("x.example/a".parse().unwrap(), Ok(Default::default()));
    let facts = facts.for_routes(&Routes::default());
    assert_eq!(facts.tag_lists.len(), 1);
    let facts = facts.for_routes(&Routes::with_certificate("ca.pem"));
    assert!(facts.tag_lists.is_empty() && facts.previous.as_ref().is_some_and(|previous| previous.in_doubt));
    let (queried, known) = skip_known(&facts, &snapshot(root(ONE), Fingerprint::default()));
    assert_eq!((queried.len(), known.resolutions.len()), (1, 0));
}

#[test]
fn a_failure_is_reported_again_if_the_tag_is_not_resolved_again() {
    let facts = rejected(Fingerprint::default(), failed(), false);
    let tip = snapshot(root(ONE), Fingerprint::default());
    let (plan, known) = facts.skip_known(&tip, QueryPlan::default());
    assert_eq!((plan.images.len(), known.resolutions.len()), (0, 1));
    assert!(known.resolutions.values().all(Result::is_err));
}

#[test]
fn s04_a_deferred_tag_is_not_resolved_by_a_later_attempt() {
    let id: TagId = "s:a".parse().unwrap();
    let facts = Facts { selected: [id.clone()].into(), deferred: [id.clone()].into(), ..Facts::default() };
    let tip = || snapshot(root(ONE), Fingerprint::default());
    let facts = facts.after_rejection(tip(), Decision::default(), rejection(false));
    let (queried, known) = skip_known(&facts, &tip());
    assert_eq!((queried, known.deferred), (Vec::new(), [id].into()));
}
