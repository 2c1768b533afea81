//! Claims of hooks: one pass at a time runs a hook. A claim is a short lease, which its pass renews while the hook runs,
//! so that the hook of a pass that died is soon run by another one.

use std::time::Duration;

use futures_util::future::{Either, select};
use jiff::{SignedDuration, Timestamp};

use crate::effects::{Clock, Hooks, World};
use crate::model::settings::Hook;
use crate::model::state::{HookClaim, State};
use crate::reconcile::PassError;

use super::Notifier;
use super::pending::{Pending, effectively_seen};

/// Validity of a claim from its last renewal.
const LEASE: SignedDuration = SignedDuration::from_secs(120);
/// Age at which a claim is renewed. What is left then covers the write, and clocks that differ by less than a minute.
const RENEWAL: Duration = Duration::from_secs(60);
/// Pause before a failed renewal is repeated.
const RENEWAL_RETRY: Duration = Duration::from_secs(10);
/// Longer than any valid claim: one that ends later was written while a clock was wrong.
const LEASE_MAX: SignedDuration = SignedDuration::from_secs(240);

/// Returns the valid claim of another pass, which may be running the hook. Orphans of a dead pass are ended first;
/// otherwise they could undo the result of our run.
pub(super) async fn of_another<'s, W: Hooks + Clock>(
    world: &W,
    state: &'s State,
    hook: &Hook,
) -> Option<&'s HookClaim> {
    let claim = state.claims.get(&hook.name).filter(|claim| claim.owner != world.owner())?;
    if world.is_gone(&claim.owner) {
        return if world.end_orphans(&claim.owner).await { None } else { Some(claim) };
    }
    let now = world.now();
    let limit = now.checked_add(LEASE_MAX).unwrap_or(Timestamp::MAX);
    (now < claim.until && claim.until <= limit).then_some(claim)
}

/// Builds our claim, valid from now.
fn own<W: Hooks + Clock>(world: &W) -> HookClaim {
    HookClaim { owner: world.owner(), until: world.now().checked_add(LEASE).unwrap_or(Timestamp::MAX) }
}

impl<W: World> Notifier<'_, W> {
    /// Claims a hook and records in the same write which changes it is about to run for; `false` if the state moved.
    pub(super) async fn claim(&mut self, Pending { hook, changes }: &Pending) -> Result<bool, PassError> {
        let tip = &self.at.root.lock;
        let mut state = self.state.state.clone();
        state.claims.insert(hook.name.clone(), own(self.world));
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
        self.claimed_at = self.world.elapsed();
        self.state.replace(self.world, state).await
    }

    /// Does `work` for a claimed hook; meanwhile, renews the claim whenever half of it is over.
    pub(super) async fn renewing<T>(&mut self, hook: &Hook, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut pause = RENEWAL.saturating_sub(self.world.elapsed().saturating_sub(self.claimed_at));
        loop {
            if let Either::Left((result, _)) = select(work.as_mut(), std::pin::pin!(self.world.sleep(pause))).await {
                return result;
            }
            // A write that has begun is completed: its result is needed for the next one.
            let renewed = match select(work.as_mut(), std::pin::pin!(self.renew(hook))).await {
                Either::Left((result, renewal)) => {
                    let _ = renewal.await;
                    return result;
                }
                Either::Right((renewed, _)) => renewed,
            };
            pause = match renewed {
                Ok(_) => RENEWAL,
                Err(error) => {
                    tracing::debug!("the claim of hook `{}` could not be renewed: {error}", hook.name);
                    RENEWAL_RETRY
                }
            };
        }
    }

    /// Extends our claim and writes it. Returns `false` if another pass took it over; then it stays with that pass.
    pub(super) async fn renew(&mut self, hook: &Hook) -> Result<bool, PassError> {
        let (claim, claimed_at) = (own(self.world), self.world.elapsed());
        let owner = claim.owner.clone();
        self.state.edit(|state| {
            if let Some(ours) = state.claims.get_mut(&hook.name).filter(|known| known.owner == claim.owner) {
                *ours = claim;
            }
        });
        self.state.save(self.world).await?;
        self.claimed_at = claimed_at;
        Ok(self.state.state.claims.get(&hook.name).is_some_and(|known| known.owner == owner))
    }

    /// Gives up our claim, with the next write.
    pub(super) fn release(&mut self, hook: &Hook) {
        let owner = self.world.owner();
        self.state.edit(|state| {
            if state.claims.get(&hook.name).is_some_and(|claim| claim.owner == owner) {
                state.claims.remove(&hook.name);
            }
        });
    }
}
