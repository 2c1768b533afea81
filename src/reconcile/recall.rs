//! Between resolve and pin: moves that people took back are not made again, where the history at hand tells of them.

use std::collections::BTreeMap;

use crate::effects::World;
use crate::git::GitError;
use crate::model::image::{Digest, TagId};
use crate::model::settings::adoption_rules::HoldReason;

use super::load::Snapshot;
use super::resolve::{Resolution, Resolutions, Update};

/// Keeps tags from moves that people took back. The second answer is these moves; none where the history is not at hand.
///
/// # Errors
/// Where it cannot be read.
pub async fn recall<W: World>(
    world: &W,
    scene: &Snapshot,
    mut findings: Resolutions,
) -> Result<(Resolutions, Option<BTreeMap<TagId, Digest>>), GitError> {
    let candidate = |(id, finding): (&TagId, &Result<Resolution, _>)| {
        let Ok(Resolution::Found(found)) = finding else { return None };
        // Another image is a person's move, and never was one of ours before.
        let same = scene.root.lock.pins.get(id).is_some_and(|pin| pin.image.repository() == found.image.repository());
        same.then(|| (id.clone(), found.found.digest().clone()))
    };
    let mut candidates: BTreeMap<TagId, Digest> = findings.iter().filter_map(candidate).collect();
    if candidates.is_empty() {
        return Ok((findings, Some(candidates)));
    }
    let Some(taken) = world.taken_back(&scene.sight.tip, &candidates).await? else { return Ok((findings, None)) };
    candidates.retain(|id, _| taken.contains(id));
    for id in candidates.keys() {
        if let Some(Ok(finding)) = findings.get_mut(id)
            && let Resolution::Found(Update { found, .. }) = finding
        {
            *finding = Resolution::Kept { served: found.digest().clone(), kept: HoldReason::Reverted };
        }
    }
    Ok((findings, Some(candidates)))
}
