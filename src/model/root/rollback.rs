//! Rolls a tag back to an earlier pin, and its followers with it. Pure.
//!
//! Only changes the lock: the definition keeps the bad digest from returning, by `reject`.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::Root;
use crate::model::image::{Digest, TagId};
use crate::model::lock::{Details, Lock, Pin};
use crate::model::stream::{TagSource, follow};

/// Returns the lock of `root` with `id` at `to`, and with it the followers that had the same digest. A follower that is
/// held, or that rejects the digest, keeps its pin.
///
/// `committed` is the lock on the branch. A digest that was never committed is not recorded in `previous`.
pub fn roll_back(root: &Root, committed: &Lock, id: &TagId, to: Pin, now: Timestamp) -> Lock {
    let mut lock = root.lock.clone();
    let Some(bad) = lock.pins.get(id).map(|pin| pin.digest.clone()) else { return lock };
    let previous = |id: &TagId, to: &Digest| {
        let before = committed.pins.get(id).or_else(|| root.lock.pins.get(id));
        before.map(|pin| pin.previous_after(to)).unwrap_or_default()
    };
    let digest = to.digest.clone();
    let image = to.image.clone();
    lock.pins.insert(id.clone(), Pin { previous: previous(id, &digest), ..to });
    let mut moved = BTreeSet::from([id.clone()]);
    for other in follow::followers(&root.definitions) {
        let Some(tag) = root.definitions.tags.get(other) else { continue };
        let TagSource::Follow(target) = &tag.source else { continue };
        let rules = tag.adoption.as_ref();
        let stays = rules.is_some_and(|rules| rules.active_hold(now).is_some() || rules.reject.contains(&digest));
        let Some(pin) = lock.pins.get_mut(other) else { continue };
        if other == id || stays || !moved.contains(target) || pin.digest != bad {
            continue;
        }
        *pin = Pin {
            follow: tag.source.followed(),
            image: image.clone(),
            digest: digest.clone(),
            index: None,
            details: Details::default(),
            previous: previous(other, &digest),
        };
        moved.insert(other.clone());
    }
    lock
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, Strategy, any, prop_oneof, proptest};

    use super::*;
    use crate::git::RootFiles;
    use crate::model::adoption::{AdoptionPolicy, Observation};
    use crate::model::lock::encode::encode;
    use crate::model::lock::sample::digest;
    use crate::model::state::memory::TagMemory;
    use crate::model::stream::edit;

    const STREAM: &str = "[tags]\none = \"b.c/d:1\"\ntwo = { follow = \"one\" }\nthree = { follow = \"two\" }\n\
        held = { follow = \"one\", hold = \"mine\" }\n";

    fn root(stream: &str, lock: &Lock) -> Root {
        let lock = encode(lock);
        let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", stream), ("pinstream.lock", &lock)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        Root::read(&files).unwrap()
    }

    fn pin(number: u8) -> Pin {
        let (index, details, previous) = (None, Details::default(), Vec::new());
        Pin { follow: None, image: "b.c/d:1".parse().unwrap(), digest: digest(number), index, details, previous }
    }

    fn id(tag: &str) -> TagId {
        format!("s:{tag}").parse().unwrap()
    }

    /// All four tags at one digest.
    fn lock(number: u8) -> Lock {
        let follower = |target: &str| Pin { follow: Some(id(target).into()), ..pin(number) };
        let pins = [("one", pin(number)), ("two", follower("one")), ("three", follower("two"))];
        let pins = pins.into_iter().chain([("held", follower("one"))]);
        Lock { pins: pins.map(|(tag, pin)| (id(tag), pin)).collect() }
    }

    #[track_caller]
    fn check(lock: &Lock, expected: &str) {
        let pins = lock.pins.iter().map(|(id, pin)| {
            let previous: Vec<&str> = pin.previous.iter().map(|digest| &digest.short()[..2]).collect();
            format!("{} {} after {previous:?}", id.tag, &pin.digest.short()[..2])
        });
        assert_eq!(pins.collect::<Vec<_>>().join("\n"), expected);
    }

    #[test]
    fn followers_roll_back_unless_they_are_held() {
        let now = Timestamp::UNIX_EPOCH;
        let rolled = roll_back(&root(STREAM, &lock(2)), &lock(2), &id("one"), pin(1), now);
        check(&rolled, "held 02 after []\none 01 after [\"02\"]\nthree 01 after [\"02\"]\ntwo 01 after [\"02\"]");
        let back = Pin { follow: Some(id("one").into()), ..pin(1) };
        let rolled = roll_back(&root(STREAM, &lock(2)), &lock(2), &id("two"), back, now);
        check(&rolled, "held 02 after []\none 02 after []\nthree 01 after [\"02\"]\ntwo 01 after [\"02\"]");
    }

    #[test]
    fn a_digest_that_was_never_committed_is_not_in_previous() {
        let rolled = roll_back(&root(STREAM, &lock(3)), &lock(2), &id("one"), pin(2), Timestamp::UNIX_EPOCH);
        check(&rolled, "held 03 after []\none 02 after []\nthree 02 after []\ntwo 02 after []");
    }

    #[derive(Clone, Debug)]
    enum RollbackStep {
        /// The registry serves a digest, and a pass runs.
        Pass(u8),
        /// A person puts a tag back to an earlier digest.
        RollBack(&'static str, usize),
    }

    fn any_act() -> impl Strategy<Value = RollbackStep> {
        let tag = proptest::sample::select(vec!["one", "two", "three"]);
        prop_oneof![3 => (1..6_u8).prop_map(RollbackStep::Pass), 1 => (tag, any::<usize>()).prop_map(|(t, n)| RollbackStep::RollBack(t, n))]
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_rolled_back_digest_is_not_adopted_again(acts in vec(any_act(), 0..40), allow in any::<bool>()) {
            let mut stream = STREAM.to_owned();
            if allow {
                stream = format!("[import]\non-rollback = \"allow\"\n{stream}");
            }
            let mut at = lock(0);
            let judge = AdoptionPolicy { now: Timestamp::UNIX_EPOCH, memory: &TagMemory::EMPTY };
            for act in acts {
                let now = root(&stream, &at);
                match act {
                    RollbackStep::Pass(number) => {
                        for id in follow::order(&now.definitions) {
                            let tag = &now.definitions.tags[&id];
                            let found = match &tag.source {
                                TagSource::Follow(target) => at.pins[target].digest.clone(),
                                _ => digest(number),
                            };
                            let old = at.pins[&id].clone();
                            let sight = Observation { digest: &found, served: &found, class: None, is_lower: false };
                            if judge.hold_reason(&id, tag, Some(&old), &sight).is_none() {
                                let next = Pin { previous: old.previous_after(&found), digest: found, follow: tag.source.followed(), ..old };
                                at.pins.insert(id, next);
                            }
                        }
                    }
                    RollbackStep::RollBack(name, nth) => {
                        let (id, old) = (id(name), at.pins[&id(name)].clone());
                        let rejected = |d: &Digest| {
                            let rules = now.definitions.tags[&id].adoption.as_ref();
                            rules.is_some_and(|rules| rules.reject.contains(d))
                        };
                        let earlier: Vec<&Digest> = old.previous.iter().filter(|d| !rejected(d)).collect();
                        if earlier.is_empty() {
                            continue;
                        }
                        let to = Pin { digest: earlier[nth % earlier.len()].clone(), ..old.clone() };
                        stream = edit::reject(&stream, &id.tag, &old.digest, "bad").unwrap();
                        at = roll_back(&root(&stream, &at), &at, &id, to, Timestamp::UNIX_EPOCH);
                    }
                }
                let after = root(&stream, &at);
                for (id, tag) in &after.definitions.tags {
                    let rejects = tag.adoption.iter().flat_map(|rules| &rules.reject);
                    assert!(rejects.clone().all(|bad| *bad != at.pins[id].digest), "{id}: {stream}\n{}", encode(&at));
                }
                let broken = crate::model::drift::find_drift(&after.definitions, &after.lock);
                assert!(broken.is_empty(), "{broken:?}\n{stream}\n{}", encode(&at));
            }
        }
    }
}
