//! Carries the changes of open proposals over into a pass that makes no statement about their tags. Pure.

use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::settings::adoption_rules::HoldReason;
use crate::model::settings::publish::Publish;
use crate::proposal::{carry_over, groups};
use crate::reconcile::facts::Facts;
use crate::reconcile::gather::open_branches::OpenBranch;
use crate::reconcile::load::Snapshot;
use crate::reconcile::shard_branches::ShardBranches;
use crate::reconcile::{Request, branch_scope};

use crate::reconcile::decision::Decision;

/// Adds the changes of open proposals to the next lock, for tags that were not resolved, failed or are soaking. A pass over
/// a shard adds only those of proposals that contain one of its tags.
pub fn carry(request: &Request, snapshot: &Snapshot, publish: &Publish, facts: &Facts, decision: &Decision) -> Lock {
    let root = &snapshot.root;
    let unread = facts.unread_streams(&root.definitions);
    let is_undecided = |id: &TagId| {
        let held = decision.held.get(id);
        let is_soaking = held.is_some_and(|held| matches!(held.reason, HoldReason::Soaking { .. }));
        !facts.selected.contains(id) || decision.failures.contains_key(id) || is_soaking
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
