//! The facts of a pass: everything that was gathered, and what of it remains valid after a rejected push.
//!
//! A rejected push is cheap however many tags there are: only tags that the rejected commit would have updated, or that
//! somebody else changed, are resolved again.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::image::{Digest, Repository, StreamName, TagId};
use crate::model::lock::Lock;
use crate::model::root::{CachedDefinitions, Fingerprint, Root};
use crate::model::settings::adoption_rules::HeldUpdate;
use crate::model::state::{FailingTags, TagMemory};
use crate::model::stream::discover::TruncatedDiscovery;
use crate::model::stream::{Definitions, TagSource};
use crate::proposal::groups::{changed_tags, overlay};
use crate::report::ProposalRow;

use super::decision::{Decision, Failures};
use super::gather::deadline::Deadline;
use super::gather::images::ImageCache;
use super::gather::open_branches::OpenBranches;
use super::gather::queries::QueryPlan;
use super::gather::remote_locks::RemoteLocks;
use super::gather::resolve::{Candidate, Resolution, Resolutions};
use super::gather::tag_lists::TagLists;
use super::load::{Routes, Snapshot};
use super::target_files::TargetFiles;

/// Everything that was gathered in a pass.
#[derive(Default)]
pub struct Facts {
    /// Definitions of the previous attempt.
    pub definitions: Option<CachedDefinitions>,
    /// The previous attempt, if its push was rejected.
    pub previous: Option<PreviousAttempt>,
    /// The source of the answers below.
    routes: Routes,
    /// Images that were fetched.
    pub images: ImageCache,
    /// Tag lists that were read.
    pub tag_lists: TagLists,
    /// Locks of other repositories.
    pub remote_locks: RemoteLocks,
    /// End of the pass's budget.
    pub deadline: Deadline,

    /// Time of the attempt.
    pub now: Timestamp,
    /// Tag memory of the state at the start of the attempt.
    pub memory: TagMemory,
    /// Failing tags of the state at the start of the attempt.
    pub failing: FailingTags,
    /// Every tag that is resolved, or follows one that is.
    pub selected: BTreeSet<TagId>,
    /// Notes about the selection of tags.
    pub notes: Vec<String>,
    /// Discoveries that `limit` truncated.
    pub truncated: Vec<TruncatedDiscovery>,
    /// Results of resolving, including those that are still valid from the previous attempt.
    pub resolutions: Resolutions,
    /// Selected tags that the budget did not suffice for, and those that follow one.
    pub deferred: BTreeSet<TagId>,
    /// Repositories whose tag lists the budget did not suffice for.
    pub unlisted: BTreeSet<Repository>,
    /// Held updates that are still valid from the previous attempt.
    pub known_held: BTreeMap<TagId, HeldUpdate>,
    /// Candidates that people reverted, according to the history; `None` if there is no history.
    pub reverted: Option<BTreeMap<TagId, Digest>>,
    /// The proposal branches of this root.
    pub open_branches: OpenBranches,
    /// The files that targets may edit.
    pub target_files: TargetFiles,
}

/// An attempt of this pass whose push was rejected.
pub struct PreviousAttempt {
    /// The lock it started from.
    base: Lock,
    /// Set if the push may have landed after all.
    pub in_doubt: bool,
    /// Fingerprint of the files it read.
    fingerprint: Fingerprint,
    /// Selected tags whose pins it would not have changed.
    settled: BTreeSet<TagId>,
    /// Candidates of tags without a pin.
    without_pin: BTreeMap<TagId, Candidate>,
    failures: Failures,
    deferred: BTreeSet<TagId>,
    held: BTreeMap<TagId, HeldUpdate>,
    /// Proposals that it created or updated.
    pub proposals: Vec<ProposalRow>,
}

/// Facts of the previous attempt about tags that are not resolved again.
#[derive(Default)]
pub struct KnownFacts {
    /// Candidates and failures.
    pub resolutions: Resolutions,
    /// Tags that the budget did not suffice for.
    pub deferred: BTreeSet<TagId>,
    /// Held updates.
    pub held: BTreeMap<TagId, HeldUpdate>,
}

/// A push that the remote rejected.
#[derive(Debug)]
pub struct RejectedPush {
    /// The cause.
    pub reason: String,
    /// Set if the push may have landed after all.
    pub in_doubt: bool,
    /// Proposals that the attempt created or updated.
    pub proposals: Vec<ProposalRow>,
}

impl Facts {
    /// Drops all answers that were obtained through other routes, e.g. another mirror.
    #[must_use]
    pub fn for_routes(self, routes: &Routes) -> Self {
        if self.routes == *routes {
            return self;
        }
        let (definitions, deadline) = (self.definitions, self.deadline);
        let previous = self.previous.map(PreviousAttempt::without_answers);
        Self { routes: routes.clone(), definitions, previous, deadline, ..Self::default() }
    }

    /// Keeps what remains valid after a rejected push.
    #[must_use]
    pub fn after_rejection(self, snapshot: Snapshot, decision: Decision, rejection: RejectedPush) -> Self {
        let Self { routes, images, tag_lists, remote_locks, deadline, selected, resolutions, deferred, .. } = self;
        let Snapshot { root, fingerprint, .. } = snapshot;
        let without_pin = without_pin(&root, &resolutions);
        let next = decision.lock(&root.lock);
        let settled = selected.into_iter().filter(|id| next.pins.get(id) == root.lock.pins.get(id)).collect();
        let Decision { failures, held, .. } = decision;
        let Root { lock: base, settings, definitions } = root;
        let RejectedPush { in_doubt, proposals, .. } = rejection;
        let previous =
            PreviousAttempt { base, in_doubt, fingerprint, settled, without_pin, failures, deferred, held, proposals };
        Self {
            definitions: Some(CachedDefinitions { fingerprint, settings, definitions }),
            previous: Some(previous),
            routes,
            images,
            tag_lists,
            remote_locks,
            deadline,
            ..Self::default()
        }
    }

    /// Returns the streams with `[discover]` whose list is not available.
    pub fn unread_streams(&self, definitions: &Definitions) -> BTreeSet<StreamName> {
        let is_read = |repository: &Repository| self.tag_lists.get(repository).is_some_and(Result::is_ok);
        let unread = definitions.discover.iter().filter(|(_, discover)| !is_read(&discover.repository));
        unread.map(|(stream, _)| stream.clone()).collect()
    }

    /// Removes the tags from `plan` about which the previous attempt still gives valid facts, and returns those.
    pub fn skip_known<'a>(&self, snapshot: &Snapshot, plan: QueryPlan<'a>) -> (QueryPlan<'a>, KnownFacts) {
        let Some(previous) = &self.previous else { return (plan, KnownFacts::default()) };
        let root = &snapshot.root;
        let is_same_definition = |id: &TagId| match &self.definitions {
            Some(cached) => cached.definitions.tags.get(id) == root.definitions.tags.get(id),
            None => previous.fingerprint == snapshot.fingerprint,
        };
        let is_known = |id: &TagId| previous.knows(root, id) && is_same_definition(id);
        let plan = plan.without(is_known);
        let queried: BTreeSet<&TagId> = plan.tags().collect();
        let is_valid = |id: &TagId| !queried.contains(id) && is_known(id);
        let candidates = previous.without_pin.iter().filter(|(id, _)| is_valid(id));
        let candidates = candidates.map(|(id, found)| (id.clone(), Ok(Resolution::Candidate(found.clone()))));
        let failures = previous.failures.iter().filter(|(id, _)| is_valid(id));
        let failures = failures.map(|(id, error)| (id.clone(), Err(error.clone())));
        let held = previous.held.iter().filter(|(id, _)| is_valid(id));
        let known = KnownFacts {
            resolutions: candidates.chain(failures).collect(),
            deferred: previous.deferred.iter().filter(|id| is_valid(id)).cloned().collect(),
            held: held.map(|(id, held)| (id.clone(), held.clone())).collect(),
        };
        (plan, known)
    }
}

/// Returns the candidates that are valid at any later tip: of tags that have no pin in `root`. A pinned tag may have been
/// updated and reset meanwhile, and then the candidate is the older one.
///
/// Signed tags are excluded, because the trusted keys are files of the tip; so are remote tags, whose settings are not
/// part of the definition.
fn without_pin(root: &Root, resolutions: &Resolutions) -> BTreeMap<TagId, Candidate> {
    let keep = |(id, resolution): (&TagId, &Result<Resolution, _>)| {
        let tag = root.definitions.tags.get(id).filter(|_| !root.lock.pins.contains_key(id))?;
        let is_signed = tag.adoption.as_ref().is_some_and(|rules| rules.verify.is_some());
        match resolution {
            Ok(Resolution::Candidate(found))
                if found.content.is_some() && !is_signed && !matches!(tag.source, TagSource::Remote(_)) =>
            {
                Some((id.clone(), found.clone()))
            }
            _ => None,
        }
    };
    resolutions.iter().filter_map(keep).collect()
}

impl PreviousAttempt {
    /// Drops everything that depends on answers of registries and remotes.
    fn without_answers(self) -> Self {
        let (settled, without_pin, failures, deferred, held) = Default::default();
        Self { settled, without_pin, failures, deferred, held, ..self }
    }

    /// Returns the lock before the push whose outcome was unknown, if `next` shows that it landed: nothing of `is_ours` is
    /// left to change. Changes of others are taken from `next`. `None` if nothing of ours had changed.
    pub fn base_of_unknown_push(&self, next: &Lock, is_ours: impl Fn(&TagId) -> bool) -> Option<Lock> {
        let mut ours = changed_tags(&self.base, next);
        ours.retain(is_ours);
        (!ours.is_empty()).then(|| overlay(next, &self.base, &ours))
    }

    /// Returns whether a fact about `id` is still valid: its pin was up to date and has not changed since, or it had no pin
    /// and still has none.
    fn knows(&self, root: &Root, id: &TagId) -> bool {
        let is_settled = self.settled.contains(id) && self.base.pins.get(id) == root.lock.pins.get(id);
        is_settled || self.without_pin.contains_key(id) && !root.lock.pins.contains_key(id)
    }
}

#[cfg(test)]
mod tests;
