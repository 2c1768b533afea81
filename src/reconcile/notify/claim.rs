//! Claims of hooks: one pass at a time runs a hook.

use jiff::{SignedDuration, Timestamp};

use crate::effects::{Clock, Hooks, World};
use crate::model::settings::Hook;
use crate::model::state::{HookClaim, State};
use crate::reconcile::PassError;

use super::Notifier;
use super::pending::{Pending, effectively_seen};

/// Validity of a claim beyond the hook's timeout, for pushes and differing clocks.
const GRACE: SignedDuration = SignedDuration::from_secs(120);
/// Longer than any valid claim: a hook runs for at most one day.
const CLAIM_MAX: SignedDuration = SignedDuration::from_hours(2 * 24);

/// Returns whether no other pass runs the hook. Orphans of a dead pass are ended first; otherwise they could undo the
/// result of our run.
pub(super) async fn is_free<W: Hooks + Clock>(world: &W, state: &State, hook: &Hook) -> bool {
    let Some(claim) = state.claims.get(&hook.name) else { return true };
    if claim.owner == world.owner() {
        return true;
    }
    if world.is_gone(&claim.owner) {
        return world.end_orphans(&claim.owner).await;
    }
    let now = world.now();
    // A claim that is valid for longer than possible was written while a clock was wrong. The hook may have had another
    // timeout then, so the bound is the same for all hooks.
    let limit = now.checked_add(CLAIM_MAX).unwrap_or(Timestamp::MAX);
    claim.until <= now || claim.until > limit
}

/// Builds our claim for one run of the hook.
pub(super) fn claim_for<W: Hooks + Clock>(world: &W, hook: &Hook) -> HookClaim {
    let run = SignedDuration::try_from(hook.timeout).unwrap_or(CLAIM_MAX);
    let until = run.checked_add(GRACE).and_then(|length| world.now().checked_add(length).ok());
    HookClaim { owner: world.owner(), until: until.unwrap_or(Timestamp::MAX) }
}

impl<W: World> Notifier<'_, W> {
    /// Claims a hook and records in the same write which changes it is about to run for; `false` if the state moved.
    pub(super) async fn claim(&mut self, Pending { hook, changes }: &Pending) -> Result<bool, PassError> {
        let tip = &self.at.root.lock;
        let mut state = self.state.state.clone();
        state.claims.insert(hook.name.clone(), claim_for(self.world, hook));
        // The record of an earlier unsuccessful run is kept.
        let tried = state.attempted_locks.entry(hook.name.clone()).or_default();
        let begun = state.run_counts.entry(hook.name.clone()).or_default();
        let seen = state.seen.get(&hook.name).map(|seen| effectively_seen(seen, tried, tip));
        state.seen.extend(seen.map(|seen| (hook.name.clone(), seen)));
        for change in changes {
            let Some(pin) = tip.pins.get(&change.tag) else { continue };
            let before = tried.pins.insert(change.tag.clone(), pin.clone());
            // A repeated run for the same change keeps its count, and thereby its event id.
            if before.is_none_or(|before| before.digest != pin.digest) {
                *begun.entry(change.tag.clone()).or_default() += 1;
            }
        }
        self.state.replace(self.world, state).await
    }
}
