//! Computes the next pins from definitions, lock, resolutions and the adoption policy. Pure.
//!
//! A tag that failed or was not resolved keeps its pin; a tag without a definition loses it; a follower takes the pin of
//! the tag it follows.

use std::collections::BTreeMap;

use crate::model::adoption::{AdoptionPolicy, Observation};
use crate::model::image::{Digest, TagId};
use crate::model::lock::{Details, Lock, Pin};
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::stream::{Definitions, Tag, TagSource, follow};
use crate::reconcile::decision::Failures;
use crate::reconcile::gather::images::FetchedImage;
use crate::reconcile::gather::resolve::{Candidate, Resolution, Resolutions};
use crate::registry::ResolveError;

/// The next pins, and the tags that do not change.
#[derive(Debug)]
pub struct NextPins<'a> {
    base: &'a Lock,
    /// The next lock; `None` if it equals the old one, so that a pass without changes holds one lock in memory.
    pub lock: Option<Lock>,
    /// Tags that could not be resolved.
    pub failures: Failures,
    /// Updates that a rule holds back.
    pub held: BTreeMap<TagId, HeldUpdate>,
    /// Notes about updates.
    pub notes: Vec<String>,
}

/// Inputs of the decision about pins.
#[derive(Clone, Copy, Debug)]
pub struct PinInputs<'a> {
    /// All tags.
    pub definitions: &'a Definitions,
    /// The present lock.
    pub lock: &'a Lock,
    /// The adoption policy.
    pub policy: &'a AdoptionPolicy<'a>,
    /// Candidates that people reverted, according to the history.
    pub reverted: Option<&'a BTreeMap<TagId, Digest>>,
}

impl<'a> PinInputs<'a> {
    /// Computes the next pins; each rule is evaluated once per tag.
    pub fn decide(self, resolutions: &Resolutions) -> NextPins<'a> {
        let Self { definitions, lock: base, .. } = self;
        let mut next =
            NextPins { base, lock: None, failures: Failures::new(), held: BTreeMap::new(), notes: Vec::new() };
        // Both are sorted, so one walk over them suffices.
        let mut defined = definitions.tags.keys();
        if !base.pins.keys().all(|id| defined.any(|defined| defined == id)) {
            next.lock_mut().pins.retain(|id, _| definitions.tags.contains_key(id));
        }
        for (id, resolution) in resolutions {
            match (definitions.tags.get(id), resolution) {
                // The pins of followers are computed below.
                (Some(Tag { source: TagSource::Follow(_), .. }), _) => {}
                // A followed tag that was not discovered has no row of its own; its followers report the failure.
                (_, Err(error)) => drop(next.failures.insert(id.clone(), error.clone())),
                (Some(tag), Ok(Resolution::Candidate(candidate))) => self.adopt(&mut next, id, tag, candidate),
                (_, Ok(Resolution::Unchanged)) | (None, _) => {}
            }
        }
        for id in follow::followers(definitions) {
            let Some(tag) = definitions.tags.get(id) else { continue };
            if let TagSource::Follow(target) = &tag.source {
                self.follow(&mut next, id, tag, target);
            }
        }
        next
    }

    /// Pins a candidate, unless a rule holds the tag.
    fn adopt(&self, next: &mut NextPins<'_>, id: &TagId, tag: &Tag, candidate: &Candidate) {
        let old = self.lock.pins.get(id);
        let is_reverted = self.reverted.is_some_and(|reverted| reverted.get(id) == Some(&candidate.digest));
        let reason = candidate.hold_reason(self.policy, id, tag, old).or(is_reverted.then_some(HoldReason::Reverted));
        match (reason, &candidate.content) {
            (Some(kept), _) => {
                let digest = if is_reverted { &candidate.digest } else { &candidate.served };
                next.held.insert(id.clone(), HeldUpdate { digest: digest.clone(), reason: kept });
            }
            (None, Some(found)) => {
                if let Some(old) = old.filter(|_| AdoptionPolicy::warns_of_rollback(tag)) {
                    if old.previous.contains(found.digest()) {
                        next.notes.push(format!("`{id}` goes back to the earlier digest {}", found.digest().short()));
                    } else if candidate.is_lower(tag, old) {
                        next.notes
                            .push(format!("`{id}` goes back from `{}` to the lower `{}`", old.image, candidate.image));
                    }
                }
                next.notes.extend(notes(id, candidate, found));
                next.set(id, candidate.to_pin(found, tag, old));
            }
            // Only a rule leaves a candidate without content.
            (None, None) => {}
        }
    }

    /// Pins a follower to the pin of `target`, unless a rule of its own holds it.
    fn follow(&self, next: &mut NextPins<'_>, id: &TagId, tag: &Tag, target: &TagId) {
        let Some(followed) = next.lock().pins.get(target) else {
            if let Some(error) = next.failures.get(target) {
                let error = ResolveError::new(error.kind, format!("`{target}`, which it follows, has no pin"));
                next.failures.insert(id.clone(), error);
            }
            return;
        };
        let old = self.lock.pins.get(id);
        let observed = Observation { digest: &followed.digest, served: &followed.digest, class: None, is_lower: false };
        if let Some(kept) = self.policy.hold_reason(id, tag, old, &observed) {
            let digest = followed.digest.clone();
            next.held.insert(id.clone(), HeldUpdate { digest, reason: kept });
            return;
        }
        let pin = Pin {
            follow: Some(target.clone().into()),
            image: followed.image.clone(),
            digest: followed.digest.clone(),
            index: None,
            details: Details::default(),
            previous: old.map(|old| old.previous_after(&followed.digest)).unwrap_or_default(),
        };
        next.set(id, pin);
    }
}

impl Candidate {
    /// Builds the pin of this candidate.
    fn to_pin(&self, found: &FetchedImage, tag: &Tag, old: Option<&Pin>) -> Pin {
        let digest = found.digest().clone();
        let previous = old.map(|old| old.previous_after(&digest)).unwrap_or_default();
        let (index, details) = (found.index().cloned(), found.details().clone());
        Pin { follow: tag.source.followed(), image: self.image.clone(), digest, index, details, previous }
    }
}

impl NextPins<'_> {
    fn lock(&self) -> &Lock {
        self.lock.as_ref().unwrap_or(self.base)
    }

    fn lock_mut(&mut self) -> &mut Lock {
        self.lock.get_or_insert_with(|| self.base.clone())
    }

    fn set(&mut self, id: &TagId, pin: Pin) {
        if self.base.pins.get(id) != Some(&pin) {
            self.lock_mut().pins.insert(id.clone(), pin);
        }
    }
}

/// Returns notes about an update: missing metadata, and tags that were passed over.
fn notes(id: &TagId, candidate: &Candidate, found: &FetchedImage) -> Vec<String> {
    let missing = found.note().map(|note| format!("`{id}`: {note}"));
    let names: Vec<String> = candidate.passed_over.iter().map(|tag| format!("`{tag}`")).collect();
    let passed_over = (!names.is_empty()).then(|| {
        let (image, names) = (&candidate.image, names.join(", "));
        format!("`{id}` uses `{image}`; passed over without a valid signature: {names}")
    });
    missing.into_iter().chain(passed_over).collect()
}

#[cfg(test)]
mod tests;
