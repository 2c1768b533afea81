//! Decides whether a tag adopts a digest: applies the rules of its definition to its pin and to the memory of tags.
//!
//! Pure. One policy serves a whole pass, so that fetching and pinning follow from the same verdicts.

use jiff::Timestamp;

use crate::model::image::class::ChangeClass;
use crate::model::image::{Digest, FollowedTag, TagId};
use crate::model::lock::Pin;
use crate::model::settings::adoption_rules::{AdoptionRules, HoldReason, OnRollback, UpdateCandidate};
use crate::model::state::TagMemory;
use crate::model::stream::{Tag, TagSource};

/// The inputs of verdicts besides definitions and pins.
#[derive(Clone, Copy, Debug)]
pub struct AdoptionPolicy<'a> {
    /// The current time.
    pub now: Timestamp,
    /// The memory of tags.
    pub memory: &'a TagMemory,
}

/// The answer of a registry for a tag.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// The digest to pin.
    pub digest: &'a Digest,
    /// The digest served for the tag: the index, if `digest` is one platform's child of it.
    pub served: &'a Digest,
    /// The class of the change, if known.
    pub class: Option<ChangeClass>,
    /// True if the rule of the tag selects a lower tag of its repository than the pinned one.
    pub is_lower: bool,
}

impl AdoptionPolicy<'_> {
    /// Policy for offline commands: no memory, no clock; soaking updates stay held. Its verdicts are the same at any
    /// time.
    pub const OFFLINE: AdoptionPolicy<'static> = AdoptionPolicy { now: Timestamp::MIN, memory: &TagMemory::EMPTY };

    /// Returns the reason why `id`, defined as `tag` and pinned as `old`, keeps its pin; `None` if it adopts the
    /// observed digest.
    pub fn hold_reason(
        &self,
        id: &TagId,
        tag: &Tag,
        old: Option<&Pin>,
        observation: &Observation<'_>,
    ) -> Option<HoldReason> {
        let default = AdoptionRules::default();
        let rules = match (&tag.adoption, &tag.source) {
            (Some(rules), _) => rules,
            // A follower without rules always has the digest of the followed tag.
            (None, TagSource::Follow(_)) => return None,
            (None, _) => &default,
        };
        let rejected = rules.rejects([observation.digest, observation.served]);
        // The first pin is not delayed, as there is no earlier one to keep.
        let Some(old) = old else { return rejected };
        if old.digest == *observation.digest {
            return None;
        }
        // If the source changed, which was someone's decision, only a hold or `reject` overrides it.
        let unwanted = rules.active_hold(self.now).or(rejected);
        if unwanted.is_some() || !has_source_of(tag, old) {
            return unwanted;
        }
        let candidate = UpdateCandidate {
            digest: observation.digest,
            class: observation.class,
            since: self.memory.seen_since(id, observation.served),
            is_reverted: self.memory.is_reverted(id, observation.digest),
            is_lower: observation.is_lower,
        };
        rules.evaluate(&old.previous, &candidate, self.now)
    }

    /// Returns true if the verdict depends on the class of the change.
    pub fn needs_class(tag: &Tag) -> bool {
        tag.adoption.as_ref().is_some_and(|rules| rules.needs_class())
    }

    /// Returns true if rollbacks of `tag` are adopted with a warning.
    pub fn warns_of_rollback(tag: &Tag) -> bool {
        tag.adoption.as_ref().is_some_and(|rules| rules.on_rollback == OnRollback::Warn)
    }
}

/// Returns true if `pin` has the image or followed tag of the definition `tag`.
pub(crate) fn has_source_of(tag: &Tag, pin: &Pin) -> bool {
    match &tag.source {
        TagSource::Image { image, .. } => pin.follow.is_none() && pin.image == *image,
        TagSource::Select { repository, .. } => pin.follow.is_none() && pin.image.repository() == repository,
        TagSource::Follow(target) => pin.followed() == Some(target),
        TagSource::Remote(far) => pin.follow.as_ref().and_then(FollowedTag::remote) == Some(far),
    }
}
