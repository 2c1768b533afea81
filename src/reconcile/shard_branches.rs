//! The proposal branches that one shard is responsible for, when several processes share a root. Pure.

use std::collections::BTreeMap;

use crate::model::image::TagId;
use crate::model::root::Root;
use crate::model::settings::publish::Publish;
use crate::model::shard::Shard;
use crate::proposal::groups::BranchScope;

use super::gather::open_branches::OpenBranches;
use super::shard_filter;

/// The proposal branches of one shard.
pub struct ShardBranches {
    shard: Shard,
    /// All branches on which a tag is or may be proposed, and whether one of those tags belongs to the shard.
    branches: BTreeMap<String, bool>,
}

impl ShardBranches {
    /// Finds the branches of `shard`, given the open ones.
    pub fn of(shard: Shard, root: &Root, publish: &Publish, scope: &BranchScope<'_>, open: &OpenBranches) -> Self {
        let Root { definitions, lock, .. } = root;
        let mut branches: BTreeMap<String, bool> = BTreeMap::new();
        // Only the shard that reads a tag list knows that a discovered tag is gone, so its proposal belongs to that shard.
        let proposed = open.values().flat_map(|branch| branch.pins.tags());
        let is_discovered = |id: &&TagId| definitions.discover.contains_key(&id.stream);
        for id in definitions.tags.keys().chain(lock.pins.keys().chain(proposed).filter(is_discovered)) {
            let is_ours = branches.entry(scope.branch(&publish.group.name(id))).or_default();
            *is_ours = *is_ours || shard_filter::contains(root, Some(shard), id);
        }
        Self { shard, branches }
    }

    /// Returns whether `branch` belongs to the shard. A branch without a tag belongs to one shard, chosen by its name.
    pub fn contains(&self, branch: &str) -> bool {
        self.branches.get(branch).copied().unwrap_or_else(|| self.shard.contains(branch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{CommitId, ProposalBranch, RootFiles};
    use crate::model::lock::sample::digest;
    use crate::model::lock::{Lock, Pin, encode};
    use crate::proposal::carry_over::ProposedPins;
    use crate::reconcile::gather::open_branches::OpenBranch;

    const SETTINGS: &str = "[publish]\ngroup = \"tag\"\n[publish.github]\nrepository = \"acme/deploy\"\n";

    fn lock(tags: &[&str]) -> Lock {
        let pin = |tag: &&str| {
            let (image, digest) = (format!("b.c/found:{tag}").parse().unwrap(), digest(1));
            let pin = Pin { follow: None, image, digest, index: None, details: Default::default(), previous: vec![] };
            (format!("found:{tag}").parse().unwrap(), pin)
        };
        Lock { pins: tags.iter().map(pin).collect() }
    }

    /// Returns the shards of `of` that are responsible for the branch of `found:TAG`, if `pinned` tags are pinned and
    /// `drafted` tags are pinned on that branch.
    fn responsible(stream: &str, tag: &str, (pinned, drafted): (&[&str], &[&str]), of: u32) -> Vec<u32> {
        let files: RootFiles = [
            ("pinstream.toml", SETTINGS),
            ("streams/found.toml", stream),
            ("pinstream.lock", &encode::encode(&lock(pinned))),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
        let mut root = Root::read(&files).unwrap();
        // The list that was read is empty.
        root.expand(|_, _| Some(&[]));
        let (publish, scope) =
            (root.settings.publish.clone().unwrap(), BranchScope { prefix: "pinstream/", root: "", base: None });
        let branch = scope.branch(&format!("found:{tag}"));
        let found = ProposalBranch {
            tip: CommitId("1".to_owned()),
            parents: Vec::new(),
            author: None,
            committer: None,
            message: String::new(),
            lock: None,
        };
        let open = OpenBranch { found, is_ours: false, pins: ProposedPins::of(&root.lock, lock(drafted)) };
        let drafted = [(branch.clone(), open)].into();
        let has = |index: &u32| {
            let shard = format!("{index}/{of}").parse().unwrap();
            ShardBranches::of(shard, &root, &publish, &scope, &drafted).contains(&branch)
        };
        (1..=of).filter(has).collect()
    }

    /// Returns the number of the only shard that has `text`.
    fn at(text: &str, of: u32) -> Vec<u32> {
        (1..=of).filter(|index| format!("{index}/{of}").parse::<Shard>().unwrap().contains(text)).collect()
    }

    #[test]
    fn a_discovered_tag_belongs_to_the_shard_that_reads_the_list() {
        let discovers = "[discover]\nrepository = \"b.c/found\"\n";
        for of in 2..20 {
            let (list, branch) = (at("b.c/found", of), at("pinstream/found+1", of));
            // A tag that is added, and one that is removed.
            assert_eq!(responsible(discovers, "1", (&[], &["1"]), of), list);
            assert_eq!(responsible(discovers, "1", (&["1"], &[]), of), list);
            // A tag that no longer matches.
            assert_eq!(responsible(&format!("{discovers}semver = \">1\"\n"), "1", (&[], &["1"]), of), list);
            // Without discovery, or without a known tag, any shard is responsible.
            assert_eq!(responsible("", "1", (&[], &["1"]), of), branch);
            assert_eq!(responsible(discovers, "1", (&[], &["2"]), of), branch);
        }
    }
}
