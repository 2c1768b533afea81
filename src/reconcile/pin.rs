//! Fifth step: the next lock, from the definitions, the lock as it is, what was found and the rules. Pure.
//!
//! A tag that failed, or was not asked for, keeps its pin; a tag taken out of the definitions loses it; a follower
//! stands where what it follows stands.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::model::adoption::{AdoptionPolicy, Observation};
use crate::model::image::TagId;
use crate::model::lock::{Details, Lock, Pin};
use crate::model::settings::adoption_rules::HeldUpdate;
use crate::model::stream::{Definitions, Tag, TagSource, follow};
use crate::registry::{FailureKind, ResolveError};

use super::resolve::{Resolution, Resolutions, Update};

/// The failures of tags, by tag.
pub type Failures = BTreeMap<TagId, ResolveError>;

/// The next lock, and what does not stand in it.
#[derive(Debug)]
pub struct Pinned<'a> {
    /// The lock: the one there was itself where nothing is to be changed, so that a pass which finds nothing new has
    /// no second lock in memory.
    pub lock: Cow<'a, Lock>,
    /// What could not be imported.
    pub failures: Failures,
    /// What was found and not moved to.
    pub kept: BTreeMap<TagId, HeldUpdate>,
    /// What should be said of moves, a sentence each.
    pub notes: Vec<String>,
}

/// Builds the lock that follows `lock`.
pub fn pin<'a>(
    definitions: &Definitions,
    lock: &'a Lock,
    findings: Resolutions,
    judge: &AdoptionPolicy<'_>,
) -> Pinned<'a> {
    let (kept, notes, failures) = (BTreeMap::new(), Vec::new(), Failures::new());
    let mut pinned = Pinned { lock: Cow::Borrowed(lock), failures, kept, notes };
    // Both are in the order of their names, so that one walk along them tells.
    let mut defined = definitions.tags.keys();
    if !lock.pins.keys().all(|id| defined.any(|defined| defined == id)) {
        pinned.lock.to_mut().pins.retain(|id, _| definitions.tags.contains_key(id));
    }
    for (id, finding) in findings {
        let Some(tag) = definitions.tags.get(&id) else {
            // A tag that is followed and was not discovered has no row of its own; those that follow it tell.
            pinned.failures.extend(finding.err().map(|error| (id, error)));
            continue;
        };
        let old = lock.pins.get(&id);
        let next = match &tag.source {
            TagSource::Image { .. } | TagSource::Select { .. } | TagSource::Remote(_) => {
                pinned.imported(&id, tag, old, finding)
            }
            TagSource::Follow(_) => None,
        };
        pinned.take(id, old, next);
    }
    for id in follow::followers(definitions) {
        let Some(tag) = definitions.tags.get(id) else { continue };
        let TagSource::Follow(target) = &tag.source else { continue };
        let old = lock.pins.get(id);
        let next = pinned.followed(id, tag, old, target, judge);
        pinned.take(id.clone(), old, next);
    }
    pinned
}

impl Pinned<'_> {
    /// Puts in the pin of a tag, where it has one that is not what it was.
    fn take(&mut self, id: TagId, old: Option<&Pin>, next: Option<Pin>) {
        if let Some(next) = next.filter(|next| old != Some(next)) {
            self.lock.to_mut().pins.insert(id, next);
        }
    }

    /// The pin of a tag that is imported; none for the one it has.
    fn imported(
        &mut self,
        id: &TagId,
        tag: &Tag,
        old: Option<&Pin>,
        finding: Result<Resolution, ResolveError>,
    ) -> Option<Pin> {
        match finding {
            Ok(Resolution::Unchanged) => None,
            Ok(Resolution::Kept { served, kept }) => {
                self.kept.insert(id.clone(), HeldUpdate { digest: served, reason: kept });
                None
            }
            Ok(Resolution::Found(Update { image, found, .. })) => {
                let digest = found.digest().clone();
                if old.is_some_and(|old| AdoptionPolicy::warns_of_rollback(tag, old, &digest)) {
                    self.notes.push(format!("`{id}` goes back to {}, where it was before", digest.short()));
                }
                let previous = old.map(|old| old.previous_after(&digest)).unwrap_or_default();
                let (index, details) = (found.index().cloned(), found.details().clone());
                Some(Pin { follow: tag.source.followed(), image, digest, index, details, previous })
            }
            Err(error) => {
                self.failures.insert(id.clone(), error);
                None
            }
        }
    }

    /// The pin of a tag that stands where `target` stands; none for the one it has.
    fn followed(
        &mut self,
        id: &TagId,
        tag: &Tag,
        old: Option<&Pin>,
        target: &TagId,
        judge: &AdoptionPolicy<'_>,
    ) -> Option<Pin> {
        let Some(followed) = self.lock.pins.get(target) else {
            if let Some(error) = self.failures.get(target) {
                let error = follower_failure(target, error.kind);
                self.failures.insert(id.clone(), error);
            }
            return None;
        };
        let sight = Observation { digest: &followed.digest, served: &followed.digest, class: None };
        if let Some(kept) = judge.hold_reason(id, tag, old, &sight) {
            let digest = followed.digest.clone();
            self.kept.insert(id.clone(), HeldUpdate { digest, reason: kept });
            return None;
        }
        Some(Pin {
            follow: Some(target.clone().into()),
            image: followed.image.clone(),
            digest: followed.digest.clone(),
            index: None,
            details: Details::default(),
            previous: old.map(|old| old.previous_after(&followed.digest)).unwrap_or_default(),
        })
    }
}

fn follower_failure(target: &TagId, kind: FailureKind) -> ResolveError {
    ResolveError::new(kind, format!("`{target}`, which it follows, has no pin"))
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use jiff::Timestamp;
    use proptest::collection::vec;
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::git::RootFiles;
    use crate::model::lock::sample::digest;
    use crate::model::root::Root;
    use crate::model::state::memory::{SoakingDigest, TagMemory};
    use crate::reconcile::fetch::FetchedImage;
    use crate::registry::manifest::{ManifestContent, VerifiedManifest};

    fn definitions(tags: &str) -> Definitions {
        let stream = format!("[tags]\n{tags}");
        let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", &stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        Root::read(&files).unwrap().definitions
    }

    fn found(number: u8) -> Result<Resolution, ResolveError> {
        let manifest = VerifiedManifest::unhashed(
            digest(number),
            ManifestContent::Index { children: Vec::new() },
            BTreeMap::new(),
        );
        let found = Rc::new(FetchedImage::of(&manifest, None, Details::default(), None));
        Ok(Resolution::Found(Update {
            image: "x.example/a:1".parse().unwrap(),
            found,
            class: None,
            passed_over: Vec::new(),
        }))
    }

    fn failed() -> Result<Resolution, ResolveError> {
        Err(ResolveError::new(FailureKind::Network, "down"))
    }

    fn findings(all: Vec<(&str, Result<Resolution, ResolveError>)>) -> Resolutions {
        all.into_iter().map(|(tag, finding)| (format!("s:{tag}").parse().unwrap(), finding)).collect()
    }

    fn pin(definitions: &Definitions, lock: &Lock, findings: Resolutions) -> (Lock, Failures) {
        let next = super::pin(definitions, lock, findings, &AdoptionPolicy::OFFLINE);
        (next.lock.into_owned(), next.failures)
    }

    /// The lock as `tag=first digit of its digest`, with earlier digests in brackets and failures after it.
    fn shown((lock, failures): &(Lock, Failures)) -> String {
        let digit = |digest: &crate::model::image::Digest| digest.short()[..2].to_owned();
        let pin = |(id, pin): (&TagId, &Pin)| {
            let previous: Vec<String> = pin.previous.iter().map(digit).collect();
            format!("{}={}{previous:?}", id.tag, digit(&pin.digest)).replace('"', "")
        };
        let mut all: Vec<String> = lock.pins.iter().map(pin).collect();
        all.extend(failures.iter().map(|(id, error)| format!("{}!{}", id.tag, error.kind.word())));
        all.join(" ")
    }

    const CHAIN: &str = "a = \"x.example/a:1\"\nz = { follow = \"y\" }\ny = { follow = \"a\" }\n";

    #[test]
    fn followers_of_followers_stand_where_the_first_stands_in_one_go() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))]));
        assert_eq!(shown(&first), "a=01[] y=01[] z=01[]");
        let second = pin(&definitions, &first.0, findings(vec![("a", found(2))]));
        assert_eq!(shown(&second), "a=02[01] y=02[01] z=02[01]");
    }

    #[test]
    fn a_lock_that_stays_as_it_is_is_not_copied() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))])).0;
        for finding in [Ok(Resolution::Unchanged), failed(), found(1)] {
            let next = super::pin(&definitions, &first, findings(vec![("a", finding)]), &AdoptionPolicy::OFFLINE);
            assert!(matches!(next.lock, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn a_tag_that_failed_keeps_its_pin_and_so_do_its_followers() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))]));
        let second = pin(&definitions, &first.0, findings(vec![("a", failed())]));
        assert_eq!(shown(&second), "a=01[] y=01[] z=01[] a!network");
        assert_eq!(second.0, first.0);
    }

    #[test]
    fn a_follower_of_what_never_was_pinned_fails_with_it() {
        let none = pin(&definitions(CHAIN), &Lock::default(), findings(vec![("a", failed())]));
        assert_eq!(shown(&none), "a!network y!network z!network");
    }

    #[test]
    fn what_is_kept_is_told_and_followers_stay_where_it_stands() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))])).0;
        let kept =
            Resolution::Kept { served: digest(2), kept: crate::model::settings::adoption_rules::HoldReason::Rejected };
        let next = super::pin(&definitions, &first, findings(vec![("a", Ok(kept))]), &AdoptionPolicy::OFFLINE);
        assert_eq!((&*next.lock, next.kept.len()), (&first, 1));
    }

    #[test]
    fn a_follower_has_rules_of_its_own() {
        let rules = format!(
            "{CHAIN}held = {{ follow = \"a\", hold = \"freeze\" }}\nslow = {{ follow = \"z\", soak = \"1d\" }}\n"
        );
        let definitions = definitions(&rules);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))]));
        assert_eq!(shown(&first), "a=01[] held=01[] slow=01[] y=01[] z=01[]");
        let second = super::pin(&definitions, &first.0, findings(vec![("a", found(2))]), &AdoptionPolicy::OFFLINE);
        assert_eq!(second.kept.keys().map(|id| id.tag.as_str()).collect::<Vec<_>>(), ["held", "slow"]);
        let second = (second.lock.into_owned(), second.failures);
        assert_eq!(shown(&second), "a=02[01] held=01[] slow=01[] y=02[01] z=02[01]");
        // A day later, the one that waited for it goes along; and back with it at once, for it did not wait for that.
        let memory = TagMemory {
            seen: [("s:slow".parse().unwrap(), SoakingDigest { digest: digest(2), since: Timestamp::UNIX_EPOCH })]
                .into(),
            ..TagMemory::EMPTY
        };
        let judge = AdoptionPolicy { now: "1970-01-02T00:00:00Z".parse().unwrap(), memory: &memory };
        let third = super::pin(&definitions, &second.0, Resolutions::new(), &judge);
        assert_eq!(
            shown(&(third.lock.into_owned(), third.failures)),
            "a=02[01] held=01[] slow=02[01] y=02[01] z=02[01]"
        );
    }

    #[test]
    fn a_tag_that_is_not_asked_for_keeps_its_pin_and_one_taken_out_loses_it() {
        let two = definitions("a = \"x.example/a:1\"\nb = \"x.example/b:1\"\n");
        let first = pin(&two, &Lock::default(), findings(vec![("a", found(1)), ("b", found(2))]));
        assert_eq!(shown(&pin(&two, &first.0, Resolutions::new())), "a=01[] b=02[]");
        assert_eq!(shown(&pin(&definitions("b = \"x.example/b:1\"\n"), &first.0, Resolutions::new())), "b=02[]");
    }

    #[test]
    fn five_earlier_digests_are_remembered_and_none_of_them_twice() {
        let one = definitions("a = \"x.example/a:1\"\n");
        let mut lock = Lock::default();
        for number in [1, 2, 3, 2, 4, 5, 6, 7, 8] {
            lock = pin(&one, &lock, findings(vec![("a", found(number))])).0;
        }
        assert_eq!(shown(&(lock, Failures::new())), "a=08[07, 06, 05, 04, 02]");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn where_followers_stand_does_not_depend_on_any_order(
            hops in vec(any::<Option<u8>>(), 1..12), names in any::<u64>(), moved in vec(any::<bool>(), 12),
        ) {
            // Each follows one before it, or has an image; what it is called says nothing of that.
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
            let before = pin(&forth, &Lock::default(), answers(&first)).0;
            let after = pin(&forth, &before, answers(&second)).0;
            for at in all.clone() {
                let id: TagId = format!("s:{}", name(at)).parse().unwrap();
                assert_eq!(after.pins[&id].digest, digest(second(end(at))));
            }
            let other = pin(&back, &Lock::default(), answers(&first)).0;
            assert_eq!(pin(&back, &other, answers(&second)).0, after);
        }
    }

    #[test]
    fn pinning_again_changes_nothing() {
        let definitions = definitions(CHAIN);
        let first = pin(&definitions, &Lock::default(), findings(vec![("a", found(1))])).0;
        assert_eq!(pin(&definitions, &first, Resolutions::new()).0, first);
    }
}
