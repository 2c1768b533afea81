//! Which proposals it is the part of one shard to see to, where several share a root: those that one of its tags may be
//! in. Of the tags of others it knows no more than what stands there. Pure.

use std::collections::BTreeMap;

use crate::proposal::Scope;
use crate::reconcile::share;
use crate::root::Root;
use crate::settings::publish::Publish;
use crate::shard::Shard;

/// The branches that one shard sees to.
pub(super) struct Part {
    shard: Shard,
    /// All branches that a tag may be proposed on, and whether it is a tag of the shard.
    branches: BTreeMap<String, bool>,
}

impl Part {
    /// Those of `shard`.
    pub(super) fn of(shard: Shard, root: &Root, publish: &Publish, scope: &Scope<'_>) -> Self {
        let mut branches: BTreeMap<String, bool> = BTreeMap::new();
        for id in root.definitions.tags.keys() {
            let is_ours = branches.entry(scope.branch(&publish.group.name(id))).or_default();
            *is_ours = *is_ours || share::has(root, Some(shard), id);
        }
        Self { shard, branches }
    }

    /// Whether `branch` is one of them. One on which no tag is proposed, or none any more, is for one of all shards.
    pub(super) fn has(&self, branch: &str) -> bool {
        self.branches.get(branch).copied().unwrap_or_else(|| self.shard.has(branch))
    }
}
