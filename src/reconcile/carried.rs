//! What an earlier try of the same pass found out, whose commit did not land. Pure.
//!
//! It keeps what needs not be asked again at the new tip, so that a refused push is cheap however many tags there are.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::root::{CachedDefinitions, Fingerprint, Root};
use crate::model::settings::adoption::HeldUpdate;
use crate::model::stream::TagSource;
use crate::proposal::groups::{changed_tags, overlay};

use super::pin::Failures;
use super::plan::Plan;
use super::resolve::{Resolution, Resolutions};

/// What an earlier try of the same pass found out.
pub struct Carried {
    /// The lock it started from.
    base: Lock,
    /// Whether it may have landed after all.
    pub doubt: bool,
    /// The files it read.
    seal: Fingerprint,
    /// The definitions and settings that it went by; none once the next try has taken them, for they are the same.
    pub known: Option<CachedDefinitions>,
    /// The tags whose pins are as they should be, or could not be imported.
    settled: BTreeSet<TagId>,
    /// What was found of tags that had no pin.
    without_pin: BTreeMap<TagId, Resolution>,
    /// What failed.
    failures: Failures,
    /// What was found and not moved to.
    kept: BTreeMap<TagId, HeldUpdate>,
}

/// What an earlier try says of tags that are not asked for again.
#[derive(Default)]
pub struct Told {
    /// What can be pinned.
    pub findings: Resolutions,
    /// What failed.
    pub failures: Failures,
    /// What was found and not moved to.
    pub kept: BTreeMap<TagId, HeldUpdate>,
}

/// What can be pinned of `findings` at any later tip: of tags that have no pin in `root`. A pin that moves may have been
/// somewhere else and back until then, and then what was seen is the older; one that there never was cannot.
///
/// Of a tag that has to be signed nothing is kept: whom its rule trusts stands in files of the tip.
pub fn without_pin(root: &Root, findings: &Resolutions) -> BTreeMap<TagId, Resolution> {
    let keep = |(id, finding): (&TagId, &Result<Resolution, _>)| {
        let tag = root.definitions.tags.get(id).filter(|_| !root.lock.pins.contains_key(id))?;
        let is_signed = tag.adoption.as_ref().is_some_and(|rules| rules.verify.is_some());
        // What is followed in another repository goes by settings that are not in the definition.
        let is_elsewhere = matches!(tag.source, TagSource::Remote(_));
        match finding {
            Ok(found @ Resolution::Found(_)) if !is_signed && !is_elsewhere => Some((id.clone(), found.clone())),
            _ => None,
        }
    };
    findings.iter().filter_map(keep).collect()
}

impl Carried {
    /// Keeps of a try what needs not be asked again: `without_pin`, and all of `asked` that stays as it was. What it was
    /// about to move is asked again, whoever else moved it or not: a pin that is what it was may have been somewhere else
    /// and back, and then what we saw is the older.
    pub fn of(
        (root, seal): (Root, Fingerprint),
        next: &Lock,
        asked: &BTreeSet<TagId>,
        without_pin: BTreeMap<TagId, Resolution>,
        (failures, kept): (Failures, BTreeMap<TagId, HeldUpdate>),
        doubt: bool,
    ) -> Self {
        let Root { lock: base, settings, definitions } = root;
        let settled = asked.iter().filter(|id| next.pins.get(*id) == base.pins.get(*id)).cloned().collect();
        let known = Some(CachedDefinitions { seal, settings, definitions });
        Self { base, doubt, seal, known, settled, without_pin, failures, kept }
    }

    /// The same without anything that others said, so that all of it is asked again.
    #[must_use]
    pub fn without_answers(self) -> Self {
        let (settled, without_pin, failures, kept) = Default::default();
        Self { settled, without_pin, failures, kept, ..self }
    }

    /// Takes out of `plan` what needs not be asked again at the tip that the root is of, and says what was found of that.
    pub fn spare<'a>(&self, (root, seal): (&Root, Fingerprint), plan: Plan<'a>) -> (Plan<'a>, Told) {
        let is_defined_as_before = |id: &TagId| match &self.known {
            Some(known) => known.definitions.tags.get(id) == root.definitions.tags.get(id),
            None => self.seal == seal,
        };
        let is_known = |id: &TagId| (self.settles(root, id) || self.has_found(root, id)) && is_defined_as_before(id);
        let plan = plan.without(is_known);
        let again = plan.asked_for();
        let is_carried = |id: &TagId| !again.contains(id) && is_known(id);
        let found = self.without_pin.iter().filter(|(id, _)| is_carried(id));
        let mut told = Told {
            findings: found.map(|(id, finding)| (id.clone(), Ok(finding.clone()))).collect(),
            failures: self.failures.clone(),
            kept: self.kept.clone(),
        };
        told.failures.retain(|id, _| is_carried(id));
        told.kept.retain(|id, _| is_carried(id));
        (plan, told)
    }

    /// The lock before the push of which it was not known whether it landed: where there is nothing left to be done of
    /// what `is_ours`, it did. What others changed up to `next` is as it is there; none where that is all.
    pub fn before(self, next: &Lock, is_ours: impl Fn(&TagId) -> bool) -> Option<Lock> {
        let mut ours = changed_tags(&self.base, next);
        ours.retain(is_ours);
        (!ours.is_empty()).then(|| overlay(next, &self.base, &ours))
    }

    /// Whether `id` was as it should be. A pin that somebody changed meanwhile is not the one that was seen to be right.
    fn settles(&self, root: &Root, id: &TagId) -> bool {
        self.settled.contains(id) && self.base.pins.get(id) == root.lock.pins.get(id)
    }

    /// Whether it is known what `id` is to be pinned to, and nobody pinned it meanwhile.
    fn has_found(&self, root: &Root, id: &TagId) -> bool {
        self.without_pin.contains_key(id) && !root.lock.pins.contains_key(id)
    }
}

impl Plan<'_> {
    /// The same without images whose tags are all known already. One that is asked for anyway is so for all of its tags,
    /// or two tags of one image would come out apart.
    fn without(mut self, is_known: impl Fn(&TagId) -> bool) -> Self {
        self.imports.retain(|import| !import.wants.iter().all(|want| is_known(want.id)));
        self.failed.retain(|(id, _)| !is_known(id));
        self
    }

    /// The tags that it asks for.
    fn asked_for(&self) -> BTreeSet<TagId> {
        self.imports.iter().flat_map(|import| import.wants.iter().map(|want| want.id.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::git::RootFiles;
    use crate::model::lock::sample::digest;
    use crate::model::lock::{Details, Pin};
    use crate::reconcile::consult::RemoteLocks;
    use crate::reconcile::fetch::FetchedImage;
    use crate::reconcile::list::Lists;
    use crate::reconcile::plan::{Question, plan};
    use crate::reconcile::resolve::Update;
    use crate::reconcile::{Imports, pin};
    use crate::registry::manifest::{ManifestContent, VerifiedManifest};
    use crate::registry::{FailureKind, ResolveError};

    const STREAM: &str = "[tags]\na = \"x.example/a:1\"\nb = \"x.example/b:1\"\nalso-b = \"x.example/b:1\"\n\
                          signed = { image = \"x.example/c:1\", verify = { key = \"cosign.pub\" } }\n";

    const ONE: &str = "[tags]\na = \"x.example/a:1\"\n";

    fn root(stream: &str) -> Root {
        let files: RootFiles = [("pinstream.toml", ""), ("streams/s.toml", stream)]
            .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
            .into();
        Root::read(&files).unwrap()
    }

    fn found(image: &str) -> Result<Resolution, ResolveError> {
        let manifest =
            VerifiedManifest::unhashed(digest(1), ManifestContent::Index { children: Vec::new() }, BTreeMap::new());
        let found = Rc::new(FetchedImage::of(&manifest, None, Details::default(), None));
        Ok(Resolution::Found(Update { image: image.parse().unwrap(), found, class: None, passed_over: Vec::new() }))
    }

    /// A try that was refused, of a root with one tag of `x.example/a:1`, which was asked for: what was `found` of it and what
    /// failed.
    fn refused(seal: Fingerprint, found: BTreeMap<TagId, Resolution>, failures: Failures, doubt: bool) -> Carried {
        let asked = ["s:a".parse().unwrap()].into();
        Carried::of((root(ONE), seal), &Lock::default(), &asked, found, (failures, BTreeMap::new()), doubt)
    }

    fn down() -> Failures {
        [("s:a".parse().unwrap(), ResolveError::new(FailureKind::Network, "down"))].into()
    }

    fn found_one() -> BTreeMap<TagId, Resolution> {
        [("s:a".parse().unwrap(), found("x.example/a:1").unwrap())].into()
    }

    /// The images that are asked for again at `tip`, and what is told of the others.
    fn spared(carried: &Carried, tip: &Root, seal: Fingerprint) -> (Vec<String>, Told) {
        let (now, abroad) = (jiff::Timestamp::UNIX_EPOCH, RemoteLocks::default());
        let question = Question { imports: Imports::All, only: None, shard: None, schedule: None, now };
        let (plan, told) = carried.spare((tip, seal), plan(tip, &question, &Lists::new(), &abroad));
        (plan.imports.iter().map(|import| import.image.to_string()).collect(), told)
    }

    /// What a try that found all tags, and whose push was refused, has carried to a root with `stream`: what is asked for
    /// again, and what is known. `pinned` are the tags that have the pin there that the try found, and at its base.
    #[track_caller]
    fn check(stream: &str, (at_base, at_tip): (&[&str], &[&str]), asked: &[&str], known: &[&str]) {
        let mut base = root(STREAM);
        let all = ["a", "b", "also-b", "signed"].map(|tag| format!("s:{tag}").parse::<TagId>().unwrap());
        let image = |id: &TagId| match &base.definitions.tags[id].source {
            TagSource::Image { image, .. } => image.to_string(),
            _ => panic!("{id}"),
        };
        let findings: Resolutions = all.iter().map(|id| (id.clone(), found(&image(id)))).collect();
        let judge = &crate::model::adoption::AdoptionPolicy::OFFLINE;
        let next = pin::pin(&base.definitions, &base.lock, findings.clone(), judge).lock.into_owned();
        let lock = |tags: &[&str]| Lock {
            pins: next
                .pins
                .iter()
                .filter(|(id, _)| tags.contains(&id.tag.as_str()))
                .map(|(id, pin)| (id.clone(), pin.clone()))
                .collect(),
        };
        base.lock = lock(at_base);
        let without_pin = without_pin(&base, &findings);
        // Those that have a pin at the base were about to be moved.
        let mut moved = next.clone();
        moved.pins.values_mut().for_each(|pin| pin.digest = digest(2));
        let none = (Failures::new(), BTreeMap::new());
        let carried = Carried::of((base, Fingerprint::default()), &moved, &all.into(), without_pin, none, false);

        let mut tip = root(stream);
        tip.lock = lock(at_tip);
        let (again, told) = spared(&carried, &tip, Fingerprint::default());
        assert_eq!(again, asked);
        assert_eq!(told.findings.keys().map(|id| id.tag.as_str()).collect::<Vec<_>>(), known);
    }

    const ALL: [&str; 3] = ["x.example/a:1", "x.example/b:1", "x.example/c:1"];

    #[test]
    fn what_had_no_pin_and_has_none_is_not_asked_again_but_what_has_to_be_signed_is() {
        check(STREAM, (&[], &[]), &ALL[2..], &["a", "also-b", "b"]);
    }

    #[test]
    fn what_somebody_pinned_meanwhile_or_defined_otherwise_is_asked_again() {
        check(STREAM, (&[], &["a"]), &[ALL[0], ALL[2]], &["also-b", "b"]);
        check(&STREAM.replace("a:1", "a:2"), (&[], &[]), &["x.example/a:2", ALL[2]], &["also-b", "b"]);
    }

    #[test]
    fn an_image_that_one_of_its_tags_asks_for_is_asked_for_by_all_of_them() {
        check(STREAM, (&[], &["also-b"]), &ALL[1..], &["a"]);
    }

    #[test]
    fn what_was_about_to_move_is_asked_again_though_it_is_what_it_was() {
        check(STREAM, (&["a"], &["a"]), &[ALL[0], ALL[2]], &["also-b", "b"]);
        check(STREAM, (&["a"], &[]), &[ALL[0], ALL[2]], &["also-b", "b"]);
    }

    #[test]
    fn a_push_that_may_have_landed_is_of_what_is_ours() {
        let lock = |numbers: [u8; 2]| {
            let pin = |(tag, number): (&str, u8)| {
                let (image, digest) = ("x.example/a:1".parse().unwrap(), digest(number));
                let details = Details::default();
                let pin = Pin { follow: None, image, digest, index: None, details, previous: Vec::new() };
                (format!("s:{tag}").parse::<TagId>().unwrap(), pin)
            };
            Lock { pins: ["ours", "others"].into_iter().zip(numbers).map(pin).collect() }
        };
        let before = |base: [u8; 2], next: [u8; 2]| {
            let base = Root { lock: lock(base), ..Root::default() };
            let none = (Failures::new(), BTreeMap::new());
            let carried = Carried::of(
                (base, Fingerprint::default()),
                &Lock::default(),
                &BTreeSet::new(),
                BTreeMap::new(),
                none,
                true,
            );
            carried.before(&lock(next), |id| id.tag.as_str() == "ours")
        };
        assert_eq!(before([1, 1], [2, 2]), Some(lock([1, 2])));
        assert_eq!(before([1, 1], [1, 2]), None);
        assert_eq!(before([1, 1], [1, 1]), None);
    }

    #[test]
    fn where_its_definitions_were_taken_the_files_are_the_same_or_nothing_is_known() {
        let (sealed, other) = (Fingerprint::of(&[("a".to_owned(), Vec::new())].into()), Fingerprint::default());
        let mut carried = refused(sealed, found_one(), Failures::new(), false);
        let asks = |carried: &Carried, seal: Fingerprint| spared(carried, &root(ONE), seal).0.len();
        // As long as it has them, they are compared tag by tag.
        assert_eq!((asks(&carried, sealed), asks(&carried, other)), (0, 0));
        carried.known = None;
        assert_eq!((asks(&carried, sealed), asks(&carried, other)), (0, 1));
    }

    #[test]
    fn without_answers_all_is_asked_again_and_a_push_still_may_have_landed() {
        let carried = refused(Fingerprint::default(), found_one(), down(), true).without_answers();
        assert!(carried.doubt);
        let (asked, told) = spared(&carried, &root(ONE), Fingerprint::default());
        assert_eq!((asked.len(), told.findings.len(), told.failures.len()), (1, 0, 0));
    }

    #[test]
    fn what_failed_is_told_again_where_it_is_not_asked_again() {
        let carried = refused(Fingerprint::default(), BTreeMap::new(), down(), false);
        let (plan, told) = carried.spare((&root(ONE), Fingerprint::default()), Plan::default());
        assert_eq!((plan.imports.len(), told.failures.len()), (0, 1));
    }
}
