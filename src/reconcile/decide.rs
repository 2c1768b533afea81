//! Third step: decides from snapshot and facts what changes. Pure.

pub mod pins;

use crate::model::adoption::AdoptionPolicy;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff;
use crate::model::root::Root;
use crate::model::settings::adoption_rules::HoldReason;
use crate::model::settings::publish::Publish;
use crate::model::state::failing::{FailedAttempt, FailingTag, FailingTags};
use crate::proposal::{carry_over, groups};

use super::decision::{Decision, Failures};
use super::facts::Facts;
use super::gather::open_branches::OpenBranch;
use super::gather::resolve::Resolutions;
use super::load::Snapshot;
use super::shard_branches::ShardBranches;
use super::{Effect, PassError, Request, branch_scope, target_edits};
use pins::{NextPins, PinInputs};

/// Decides what a pass changes.
///
/// # Errors
/// A target has no place in its file, or one that cannot be edited.
pub fn decide(request: &Request, snapshot: &Snapshot, facts: &Facts) -> Result<Decision, PassError> {
    let root = &snapshot.root;
    let policy = AdoptionPolicy { now: facts.now, memory: &facts.memory };
    let reverted = facts.reverted.as_ref();
    let inputs = PinInputs { definitions: &root.definitions, lock: &root.lock, policy: &policy, reverted };
    let NextPins { lock, failures, mut held, notes, .. } = inputs.decide(&facts.resolutions);
    held.extend(facts.known_held.clone());
    let failing = failing_tags(request, snapshot, facts, &failures);
    let mut decision = Decision { lock, failures, failing, held, notes, ..Decision::default() };
    match request.proposes_to(root) {
        // Every proposal edits the files of its own targets.
        Some(publish) => decision.lock = Some(carry_open_proposals(request, snapshot, publish, facts, &decision)),
        None => {
            let is_selected = |id: &TagId| request.selects(root, id);
            let next = decision.lock(&root.lock);
            decision.edits = target_edits::edit(root, next, &facts.target_files, &is_selected)?;
        }
    }
    decision.changes = diff::changes(&root.lock, decision.lock(&root.lock));
    Ok(decision)
}

/// Returns the tags that fail after this pass: those that failed in it, and those that failed earlier and were not tried.
/// Only passes that write a state keep account of them.
fn failing_tags(request: &Request, snapshot: &Snapshot, facts: &Facts, failures: &Failures) -> FailingTags {
    if request.effect != Effect::Land {
        return FailingTags::new();
    }
    let definitions = &snapshot.root.definitions;
    // A tag that is still to be discovered has no definition, and its failure is that of its followers.
    let is_source = |id: &TagId| match definitions.tags.get(id) {
        Some(tag) => tag.source.target().is_none(),
        None => definitions.tags.keys().any(|follower| definitions.end_of(follower).0 == id),
    };
    let mut failing = facts.failing.clone();
    let is_unresolved = |id: &TagId| !facts.selected.contains(id) || facts.deferred.contains(id);
    failing.retain(|id, _| is_unresolved(id) && is_source(id));
    let fingerprint = snapshot.fingerprint.short();
    for (id, error) in failures.iter().filter(|(id, _)| is_source(id)) {
        let (kind, retry_after) = (error.kind, error.retry_after);
        let attempt = FailedAttempt { now: facts.now, kind, retry_after, definitions: &fingerprint };
        failing.insert(id.clone(), FailingTag::after(facts.failing.get(id), &attempt));
    }
    failing
}

/// Adds the changes of open proposals to the next lock, for tags that were not resolved, failed or are soaking. A pass over
/// a shard adds only those of proposals that contain one of its tags.
fn carry_open_proposals(
    request: &Request,
    snapshot: &Snapshot,
    publish: &Publish,
    facts: &Facts,
    decision: &Decision,
) -> Lock {
    let root = &snapshot.root;
    let unread = facts.unread_streams(&root.definitions);
    let is_undecided = |id: &TagId| {
        let held = decision.held.get(id);
        let is_soaking = held.is_some_and(|held| matches!(held.reason, HoldReason::Soaking { .. }));
        let is_unresolved = decision.failures.contains_key(id) || facts.deferred.contains(id);
        !facts.selected.contains(id) || is_unresolved || is_soaking
    };
    let next = decision.lock(&root.lock).clone();
    let proposed = facts.open_branches.values().filter_map(OpenBranch::proposed);
    let next = proposed.fold(next, |next, pins| {
        carry_over::carry_over(root, next, pins, is_undecided, |stream| unread.contains(stream))
    });
    let Some(shard) = request.shard else { return next };
    let scope = branch_scope(request, snapshot);
    let branches = ShardBranches::of(shard, root, publish, &scope, &facts.open_branches);
    let is_ours = |group: &str| branches.contains(&scope.branch(group));
    groups::own_groups(&root.definitions, &root.lock, next, |id| publish.group.name(id), is_ours)
}

/// Returns the lock that follows from definitions and lock alone, without registries, time or state; `None` if it equals
/// the present one.
pub fn decide_offline(root: &Root) -> Option<Lock> {
    let Root { definitions, lock, .. } = root;
    let inputs = PinInputs { definitions, lock, policy: &AdoptionPolicy::OFFLINE, reverted: None };
    inputs.decide(&Resolutions::new()).lock
}
