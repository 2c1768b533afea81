//! Tests of the decision about pins.

use std::sync::Arc;

use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, any, proptest};

use super::*;
use crate::git::RootFiles;
use crate::model::lock::sample::digest;
use crate::model::root::Root;
use crate::model::state::memory::{SoakingDigest, TagMemory};
use crate::reconcile::gather::images::FetchedImage;
use crate::registry::FailureKind;
use crate::registry::manifest::{ManifestContent, VerifiedManifest};
use crate::report::v1::words::{KindV1, word};

fn definitions(tags: &str) -> Definitions {
    let stream = format!("[tags]\n{tags}");
    let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", &stream)]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
    Root::read(&files).unwrap().definitions
}

fn found(number: u8) -> Result<Resolution, ResolveError> {
    let manifest =
        VerifiedManifest::unhashed(digest(number), ManifestContent::Index { children: Vec::new() }, BTreeMap::new());
    let content = Some(Arc::new(FetchedImage::of(&manifest, None, Details::default(), None)));
    candidate(digest(number), content)
}

fn candidate(digest: Digest, content: Option<Arc<FetchedImage>>) -> Result<Resolution, ResolveError> {
    let (image, served) = ("x.example/a:1".parse().unwrap(), digest.clone());
    Ok(Resolution::Candidate(Candidate { image, served, digest, content, class: None, passed_over: Vec::new() }))
}

fn failed() -> Result<Resolution, ResolveError> {
    Err(ResolveError::new(FailureKind::Network, "down"))
}

fn resolutions(all: Vec<(&str, Result<Resolution, ResolveError>)>) -> Resolutions {
    all.into_iter().map(|(tag, one)| (format!("s:{tag}").parse().unwrap(), one)).collect()
}

/// The lock after a decision, and the tags that failed.
struct Pinned {
    lock: Lock,
    failures: Failures,
}

fn pin(definitions: &Definitions, lock: &Lock, all: Resolutions) -> Pinned {
    let next = decide(definitions, lock, &all, &AdoptionPolicy::OFFLINE);
    Pinned { lock: next.lock.unwrap_or_else(|| lock.clone()), failures: next.failures }
}

fn decide<'a>(
    definitions: &'a Definitions,
    lock: &'a Lock,
    resolutions: &Resolutions,
    policy: &'a AdoptionPolicy<'a>,
) -> NextPins<'a> {
    PinInputs { definitions, lock, policy, reverted: None }.decide(resolutions)
}

/// Renders the lock as `tag=start of its digest`, with previous digests in brackets, then the failures.
fn shown(Pinned { lock, failures }: &Pinned) -> String {
    let digit = |digest: &crate::model::image::Digest| digest.short()[..2].to_owned();
    let pin = |(id, pin): (&TagId, &Pin)| {
        let previous: Vec<String> = pin.previous.iter().map(digit).collect();
        format!("{}={}{previous:?}", id.tag, digit(&pin.digest)).replace('"', "")
    };
    let mut all: Vec<String> = lock.pins.iter().map(pin).collect();
    all.extend(failures.iter().map(|(id, error)| format!("{}!{}", id.tag, word(KindV1::from(error.kind)))));
    all.join(" ")
}

const CHAIN: &str = "a = \"x.example/a:1\"\nz = { follow = \"y\" }\ny = { follow = \"a\" }\n";

#[test]
fn followers_over_several_hops_are_pinned_in_one_pass() {
    let definitions = definitions(CHAIN);
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))]));
    assert_eq!(shown(&first), "a=01[] y=01[] z=01[]");
    let second = pin(&definitions, &first.lock, resolutions(vec![("a", found(2))]));
    assert_eq!(shown(&second), "a=02[01] y=02[01] z=02[01]");
}

#[test]
fn an_unchanged_lock_is_not_copied() {
    let definitions = definitions(CHAIN);
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))])).lock;
    for one in [Ok(Resolution::Unchanged), failed(), found(1)] {
        let next = decide(&definitions, &first, &resolutions(vec![("a", one)]), &AdoptionPolicy::OFFLINE);
        assert_eq!(next.lock, None);
    }
}

#[test]
fn a_tag_that_failed_keeps_its_pin_and_so_do_its_followers() {
    let definitions = definitions(CHAIN);
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))]));
    let second = pin(&definitions, &first.lock, resolutions(vec![("a", failed())]));
    assert_eq!(shown(&second), "a=01[] y=01[] z=01[] a!network");
    assert_eq!(second.lock, first.lock);
}

#[test]
fn a_follower_of_a_failed_tag_without_a_pin_fails_too() {
    let none = pin(&definitions(CHAIN), &Lock::default(), resolutions(vec![("a", failed())]));
    assert_eq!(shown(&none), "a!network y!network z!network");
}

#[test]
fn a_held_update_is_reported_and_followers_keep_their_pins() {
    let rule = format!("a = {{ image = \"x.example/a:1\", reject = [\"{}\"] }}\n", digest(2));
    let definitions = definitions(&CHAIN.replace("a = \"x.example/a:1\"\n", &rule));
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))])).lock;
    for resolution in [found(2), candidate(digest(2), None)] {
        let next = decide(&definitions, &first, &resolutions(vec![("a", resolution)]), &AdoptionPolicy::OFFLINE);
        assert_eq!((next.lock, next.held.len()), (None, 1));
    }
    // A candidate that people reverted, according to the history.
    let reverted = [("s:a".parse().unwrap(), digest(3))].into();
    let inputs = PinInputs {
        definitions: &definitions,
        lock: &first,
        policy: &AdoptionPolicy::OFFLINE,
        reverted: Some(&reverted),
    };
    let next = inputs.decide(&resolutions(vec![("a", found(3))]));
    assert_eq!(next.held.values().map(|held| held.reason.clone()).collect::<Vec<_>>(), [HoldReason::Reverted]);
}

#[test]
fn a_follower_has_rules_of_its_own() {
    let rules =
        format!("{CHAIN}held = {{ follow = \"a\", hold = \"freeze\" }}\nslow = {{ follow = \"z\", soak = \"1d\" }}\n");
    let definitions = definitions(&rules);
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))]));
    assert_eq!(shown(&first), "a=01[] held=01[] slow=01[] y=01[] z=01[]");
    let second = decide(&definitions, &first.lock, &resolutions(vec![("a", found(2))]), &AdoptionPolicy::OFFLINE);
    assert_eq!(second.held.keys().map(|id| id.tag.as_str()).collect::<Vec<_>>(), ["held", "slow"]);
    let second = Pinned { lock: second.lock.unwrap(), failures: second.failures };
    assert_eq!(shown(&second), "a=02[01] held=01[] slow=01[] y=02[01] z=02[01]");
    // A day later, the soaking follower is updated.
    let memory = TagMemory {
        seen: [("s:slow".parse().unwrap(), SoakingDigest { digest: digest(2), since: Timestamp::UNIX_EPOCH })].into(),
        ..TagMemory::EMPTY
    };
    let policy = AdoptionPolicy { now: "1970-01-02T00:00:00Z".parse().unwrap(), memory: &memory };
    let third = decide(&definitions, &second.lock, &Resolutions::new(), &policy);
    assert_eq!(
        shown(&Pinned { lock: third.lock.unwrap(), failures: third.failures }),
        "a=02[01] held=01[] slow=02[01] y=02[01] z=02[01]"
    );
}

#[test]
fn an_unresolved_tag_keeps_its_pin_and_an_undefined_one_loses_it() {
    let two = definitions("a = \"x.example/a:1\"\nb = \"x.example/b:1\"\n");
    let first = pin(&two, &Lock::default(), resolutions(vec![("a", found(1)), ("b", found(2))]));
    assert_eq!(shown(&pin(&two, &first.lock, Resolutions::new())), "a=01[] b=02[]");
    assert_eq!(shown(&pin(&definitions("b = \"x.example/b:1\"\n"), &first.lock, Resolutions::new())), "b=02[]");
}

#[test]
fn previous_has_five_distinct_digests() {
    let one = definitions("a = { image = \"x.example/a:1\", on-rollback = \"allow\" }\n");
    let mut lock = Lock::default();
    for number in [1, 2, 3, 2, 4, 5, 6, 7, 8] {
        lock = pin(&one, &lock, resolutions(vec![("a", found(number))])).lock;
    }
    assert_eq!(shown(&Pinned { lock, failures: Failures::new() }), "a=08[07, 06, 05, 04, 02]");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pins_of_followers_do_not_depend_on_any_order(
        hops in vec(any::<Option<u8>>(), 1..12), names in any::<u64>(), moved in vec(any::<bool>(), 12),
    ) {
        // Each tag follows an earlier one, or has an image; names are unrelated to that order.
        let name = |at: usize| format!("t{:02}", (at as u64 * 7 + names % 13) * 5 % 13);
        let target = |at: usize| hops[at].filter(|_| at > 0).map(|hop| usize::from(hop) % at);
        let end = |at: usize| std::iter::successors(Some(at), |at| target(*at)).last().unwrap();
        let line = |at: usize| match target(at) {
            Some(target) => format!("{} = {{ follow = \"{}\" }}\n", name(at), name(target)),
            None => format!("{} = \"x.example/a:1\"\n", name(at)),
        };
        let all = 0..hops.len();
        let [forth, back] = [all.clone().map(line).collect::<String>(), all.clone().rev().map(line).collect()]
            .map(|text| definitions(&text));
        let answers = |numbers: &dyn Fn(usize) -> u8| -> Resolutions {
            let images = all.clone().filter(|at| target(*at).is_none());
            images.map(|at| (format!("s:{}", name(at)).parse().unwrap(), found(numbers(at)))).collect()
        };
        let first = |at: usize| at as u8;
        let second = |at: usize| at as u8 + 100 * u8::from(moved[at]);
        let before = pin(&forth, &Lock::default(), answers(&first)).lock;
        let after = pin(&forth, &before, answers(&second)).lock;
        for at in all.clone() {
            let id: TagId = format!("s:{}", name(at)).parse().unwrap();
            assert_eq!(after.pins[&id].digest, digest(second(end(at))));
        }
        let other = pin(&back, &Lock::default(), answers(&first)).lock;
        assert_eq!(pin(&back, &other, answers(&second)).lock, after);
    }
}

#[test]
fn pinning_again_changes_nothing() {
    let definitions = definitions(CHAIN);
    let first = pin(&definitions, &Lock::default(), resolutions(vec![("a", found(1))])).lock;
    assert_eq!(pin(&definitions, &first, Resolutions::new()).lock, first);
}
