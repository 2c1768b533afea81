//! Finds updates that people reverted, in the history of the branch.

use std::collections::BTreeMap;

use crate::effects::{Git, HistoryQuery};
use crate::git::GitError;
use crate::model::adoption::AdoptionPolicy;
use crate::model::image::{Digest, TagId};
use crate::reconcile::load::Snapshot;

use super::resolve::{Resolution, Resolutions};

/// Returns the candidates whose update was reverted, by tag; `None` if the history is not available.
///
/// # Errors
/// The history cannot be read.
pub async fn find<G: Git>(
    git: &G,
    snapshot: &Snapshot,
    resolutions: &Resolutions,
    policy: &AdoptionPolicy<'_>,
) -> Result<Option<BTreeMap<TagId, Digest>>, GitError> {
    let root = &snapshot.root;
    let adopted = |(id, resolution): (&TagId, &Result<Resolution, _>)| {
        let Ok(Resolution::Candidate(candidate)) = resolution else { return None };
        let (tag, pin) = (root.definitions.tags.get(id)?, root.lock.pins.get(id)?);
        // Another repository is a person's change and was never one of ours.
        let is_same = pin.image.repository() == candidate.image.repository();
        let is_held = candidate.content.is_none() || candidate.hold_reason(policy, id, tag, Some(pin)).is_some();
        (is_same && !is_held).then(|| (id.clone(), candidate.digest.clone()))
    };
    let candidates: BTreeMap<TagId, Digest> = resolutions.iter().filter_map(adopted).collect();
    if candidates.is_empty() {
        return Ok(Some(candidates));
    }
    let query = HistoryQuery { candidates, ..HistoryQuery::default() };
    let Some(reverted) = git.history(&snapshot.tips.tip, &query).await?.reverted else { return Ok(None) };
    let mut candidates = query.candidates;
    candidates.retain(|id, _| reverted.contains(id));
    Ok(Some(candidates))
}
