//! Pending changes of hooks, and what they have seen. Pure.

use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff::{self, ChangeKind, PinChange};
use crate::model::root::Root;
use crate::model::settings::Hook;
use crate::model::state::State;

/// A hook and the changes that it has not seen.
pub(super) struct Pending {
    pub(super) hook: Hook,
    pub(super) changes: Vec<PinChange>,
}

/// Returns the hooks with pending changes, in the order of the settings.
pub(super) fn pending(root: &Root, state: &State) -> Vec<Pending> {
    let unseen = |hook: &Hook| {
        let seen = state.seen.get(&hook.name)?;
        let mut changes = match state.attempted_locks.get(&hook.name) {
            None => diff::changes(seen, &root.lock),
            Some(tried) => diff::changes(&effectively_seen(seen, tried, &root.lock), &root.lock),
        };
        changes.retain(|change| !matches!(change.kind, ChangeKind::Removed { .. }) && hook.on.matches(&change.tag));
        (!changes.is_empty()).then(|| Pending { hook: hook.clone(), changes })
    };
    root.settings.hooks.iter().filter_map(unseen).collect()
}

/// Returns the pins that a hook may have acted on: those that it has seen, or, for a tag whose tip is one of these again,
/// the pin of its last failed run. So a hook that failed or was killed also receives the revert of that change.
pub(super) fn effectively_seen(seen: &Lock, tried: &Lock, tip: &Lock) -> Lock {
    let mut effective = seen.clone();
    for (id, pin) in &tried.pins {
        if tip.pins.contains_key(id) && have_same_digest(seen, tip, id) {
            effective.pins.insert(id.clone(), pin.clone());
        }
    }
    effective
}

/// Records that a hook ran successfully for `changes`: each one only if no other run for that tag started meanwhile.
pub(super) fn mark_seen(state: &mut State, tip: &Lock, changes: &[PinChange], hook: &Hook) {
    let Some(seen) = state.seen.get_mut(&hook.name) else { return };
    let tried = state.attempted_locks.entry(hook.name.clone()).or_default();
    for change in changes {
        let Some(pin) = tip.pins.get(&change.tag) else { continue };
        if tried.pins.get(&change.tag).is_some_and(|tried| tried.digest == pin.digest) {
            tried.pins.remove(&change.tag);
            seen.pins.insert(change.tag.clone(), pin.clone());
        }
    }
    tried.pins.retain(|id, _| tip.pins.contains_key(id));
    if tried.pins.is_empty() {
        state.attempted_locks.remove(&hook.name);
    }
    // Tags that the hook never sees are kept current, so that a wider `on` starts from here.
    seen.pins.retain(|id, _| tip.pins.contains_key(id));
    for (id, pin) in &tip.pins {
        if !hook.on.matches(id) || have_same_digest(seen, tip, id) {
            seen.pins.insert(id.clone(), pin.clone());
        }
    }
}

/// Returns true if two locks have the same digest for a tag.
fn have_same_digest(lock: &Lock, other: &Lock, id: &TagId) -> bool {
    lock.pins.get(id).map(|pin| &pin.digest) == other.pins.get(id).map(|pin| &pin.digest)
}
