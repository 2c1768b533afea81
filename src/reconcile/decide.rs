//! Third step: decides from snapshot and facts what changes. Pure.

pub mod open_proposals;
pub mod pins;

use crate::model::adoption::AdoptionPolicy;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff;
use crate::model::root::Root;

use super::decision::Decision;
use super::facts::Facts;
use super::gather::resolve::Resolutions;
use super::load::Snapshot;
use super::{PassError, Request, target_edits};
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
    let mut decision = Decision { lock, failures, held, notes, ..Decision::default() };
    match request.proposes_to(root) {
        // Every proposal edits the files of its own targets.
        Some(publish) => decision.lock = Some(open_proposals::carry(request, snapshot, publish, facts, &decision)),
        None => {
            let is_selected = |id: &TagId| request.selects(root, id);
            let next = decision.lock(&root.lock);
            decision.edits = target_edits::edit(root, next, &facts.target_files, &is_selected)?;
        }
    }
    decision.changes = diff::changes(&root.lock, decision.lock(&root.lock));
    Ok(decision)
}

/// Returns the lock that follows from definitions and lock alone, without registries, time or state; `None` if it equals
/// the present one.
pub fn decide_offline(root: &Root) -> Option<Lock> {
    let Root { definitions, lock, .. } = root;
    let inputs = PinInputs { definitions, lock, policy: &AdoptionPolicy::OFFLINE, reverted: None };
    inputs.decide(&Resolutions::new()).lock
}
