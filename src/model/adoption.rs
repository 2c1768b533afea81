//! Whether a tag moves to what was found: the rules of its definition over its pin, and over what is remembered of it.
//!
//! Pure. One judge serves a whole pass, so that what is fetched and what is pinned follow from the same verdicts.

use jiff::Timestamp;

use crate::model::image::class::ChangeClass;
use crate::model::image::{Digest, FollowedTag, TagId};
use crate::model::lock::Pin;
use crate::model::settings::adoption_rules::{AdoptionRules, HoldReason, UpdateCandidate, Verdict};
use crate::model::state::TagMemory;
use crate::model::stream::{Tag, TagSource};

/// What verdicts follow from beside definitions and pins.
#[derive(Clone, Copy, Debug)]
pub struct AdoptionPolicy<'a> {
    /// The time.
    pub now: Timestamp,
    /// What is remembered of tags.
    pub memory: &'a TagMemory,
}

/// What was found of a tag.
#[derive(Clone, Copy, Debug)]
pub struct Observation<'a> {
    /// What would be pinned.
    pub digest: &'a Digest,
    /// What is served under the tag: the index, where `digest` is one platform's child of it.
    pub served: &'a Digest,
    /// What the move changes, where that was found out.
    pub class: Option<ChangeClass>,
}

impl AdoptionPolicy<'_> {
    /// A judge who remembers nothing and for whom no time passes: what may wait, waits. So what is said of a lock
    /// offline is the same at any time.
    pub const OFFLINE: AdoptionPolicy<'static> = AdoptionPolicy { now: Timestamp::MIN, memory: &TagMemory::EMPTY };

    /// Why `id`, defined as `tag` and pinned as `old`, does not move to `sight`; none where it does.
    pub fn hold_reason(&self, id: &TagId, tag: &Tag, old: Option<&Pin>, sight: &Observation<'_>) -> Option<HoldReason> {
        let default = AdoptionRules::default();
        let rules = match (&tag.adoption, &tag.source) {
            (Some(rules), _) => rules,
            // A follower without rules stands where the followed tag stands.
            (None, TagSource::Follow(_)) => return None,
            (None, _) => &default,
        };
        let is_rejected = [sight.digest, sight.served].into_iter().any(|digest| rules.reject.contains(digest));
        let Some(old) = old.filter(|old| old.digest != *sight.digest) else {
            // The first pin waits for nothing: there is no earlier one to stand on meanwhile.
            return (old.is_none() && is_rejected).then_some(HoldReason::Rejected);
        };
        if !has_source_of(tag, old) {
            // Another image was asked for. That is a person's move; only a hold stands before it.
            return rules
                .active_hold(self.now)
                .cloned()
                .map(HoldReason::Held)
                .or(is_rejected.then_some(HoldReason::Rejected));
        }
        if is_rejected {
            return Some(rules.active_hold(self.now).cloned().map_or(HoldReason::Rejected, HoldReason::Held));
        }
        let candidate = UpdateCandidate {
            digest: sight.digest,
            class: sight.class,
            since: self.memory.seen_since(id, sight.served),
            is_reverted: self.memory.is_reverted(id, sight.digest),
        };
        match rules.judge(&old.digest, &old.previous, &candidate, self.now) {
            Verdict::Hold(kept) => Some(kept),
            Verdict::Adopt | Verdict::AdoptRollback => None,
        }
    }

    /// Whether the class of a move has to be known to judge it.
    pub fn needs_class(tag: &Tag) -> bool {
        tag.adoption.as_ref().is_some_and(|rules| rules.needs_class())
    }

    /// Whether a move of `tag` from `old` to `digest` goes back to what was pinned before, and that is to be said.
    pub fn warns_of_rollback(tag: &Tag, old: &Pin, digest: &Digest) -> bool {
        use crate::model::settings::adoption_rules::OnRollback;
        let warns = tag.adoption.as_ref().is_some_and(|rules| rules.on_rollback == OnRollback::Warn);
        warns && old.previous.contains(digest)
    }
}

/// Whether `pin` was made for what `tag` asks for, as far as its image and what it follows say.
pub(crate) fn has_source_of(tag: &Tag, pin: &Pin) -> bool {
    match &tag.source {
        TagSource::Image { image, .. } => pin.follow.is_none() && pin.image == *image,
        TagSource::Select { repository, .. } => pin.follow.is_none() && pin.image.repository() == repository,
        TagSource::Follow(target) => pin.followed() == Some(target),
        TagSource::Remote(far) => pin.follow.as_ref().and_then(FollowedTag::elsewhere) == Some(far),
    }
}
