//! Which proposals it is the part of one shard to see to, where several share a root: those that one of its tags may be
//! in. Of the tags of others it knows no more than what stands there. Pure.

use std::collections::BTreeMap;

use crate::model::image::TagId;
use crate::model::root::Root;
use crate::model::settings::publish::Publish;
use crate::model::shard::Shard;
use crate::proposal::groups::BranchScope;
use crate::reconcile::share;

use super::Drafted;

/// The branches that one shard sees to.
pub(super) struct ShardBranches {
    shard: Shard,
    /// All branches that a tag may be proposed on or is, and whether it is a tag of the shard.
    branches: BTreeMap<String, bool>,
}

impl ShardBranches {
    /// Those of `shard`, by what stands on branches already.
    pub(super) fn of(shard: Shard, root: &Root, publish: &Publish, scope: &BranchScope<'_>, drafted: &Drafted) -> Self {
        let Root { definitions, lock, .. } = root;
        let mut branches: BTreeMap<String, bool> = BTreeMap::new();
        // What a stream discovered may be gone for the shard alone that reads the list, whose proposal that is as well.
        let offered = drafted.values().flat_map(|standing| standing.offer.tags());
        let is_unsure = |id: &&TagId| definitions.discover.contains_key(&id.stream);
        for id in definitions.tags.keys().chain(lock.pins.keys().chain(offered).filter(is_unsure)) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::git::{CommitId, ProposalBranch, RootFiles};
    use crate::model::lock::sample::digest;
    use crate::model::lock::{Lock, Pin, encode};
    use crate::proposal::carry_over::ProposedPins;
    use crate::reconcile::propose::OpenBranch;

    const SETTINGS: &str = "[publish]\ngroup = \"tag\"\n[publish.github]\nrepository = \"acme/deploy\"\n";

    fn lock(tags: &[&str]) -> Lock {
        let pin = |tag: &&str| {
            let (image, digest) = (format!("b.c/found:{tag}").parse().unwrap(), digest(1));
            let pin = Pin { follow: None, image, digest, index: None, details: Default::default(), previous: vec![] };
            (format!("found:{tag}").parse().unwrap(), pin)
        };
        Lock { pins: tags.iter().map(pin).collect() }
    }

    /// The shards of `of` that see to the branch of `found:TAG`, where `pinned` tags are pinned and `drafted` would be by
    /// what stands on that branch.
    fn seeing(stream: &str, tag: &str, (pinned, drafted): (&[&str], &[&str]), of: u32) -> Vec<u32> {
        let files: RootFiles = [
            ("pinstream.toml", SETTINGS),
            ("streams/found.toml", stream),
            ("pinstream.lock", &encode::encode(&lock(pinned))),
        ]
        .map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()))
        .into();
        let mut root = Root::read(&files).unwrap();
        // To whoever read the list, nothing is there.
        root.expand(|_, _| Some(&[]));
        let (publish, scope) = (root.settings.publish.clone().unwrap(), BranchScope { root: "", base: None });
        let branch = scope.branch(&format!("found:{tag}"));
        let found = ProposalBranch {
            tip: CommitId("1".to_owned()),
            parents: Vec::new(),
            author: None,
            committer: None,
            message: String::new(),
            lock: None,
        };
        let standing = OpenBranch { found, is_ours: false, offer: ProposedPins::of(&root.lock, lock(drafted)) };
        let drafted = [(branch.clone(), standing)].into();
        let has = |index: &u32| {
            let shard = format!("{index}/{of}").parse().unwrap();
            ShardBranches::of(shard, &root, &publish, &scope, &drafted).has(&branch)
        };
        (1..=of).filter(has).collect()
    }

    /// The number of the one shard that has what is printed as `text`.
    fn at(text: &str, of: u32) -> Vec<u32> {
        (1..=of).filter(|index| format!("{index}/{of}").parse::<Shard>().unwrap().has(text)).collect()
    }

    #[test]
    fn what_was_discovered_is_for_the_shard_that_reads_the_list() {
        let discovers = "[discover]\nrepository = \"b.c/found\"\n";
        for of in 2..20 {
            let (list, branch) = (at("b.c/found", of), at("pinstream/found+1", of));
            // One that is to come, and one that is to go.
            assert_eq!(seeing(discovers, "1", (&[], &["1"]), of), list);
            assert_eq!(seeing(discovers, "1", (&["1"], &[]), of), list);
            // One that it takes no more.
            assert_eq!(seeing(&format!("{discovers}semver = \">1\"\n"), "1", (&[], &["1"]), of), list);
            // Where nothing is discovered, or nothing is known of the branch, it is for any one.
            assert_eq!(seeing("", "1", (&[], &["1"]), of), branch);
            assert_eq!(seeing(discovers, "1", (&[], &["2"]), of), branch);
        }
    }
}
