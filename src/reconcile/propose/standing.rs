//! What stands on the branches of proposals already: whose it is, and what it would change.

use std::collections::BTreeMap;

use crate::effects::World;
use crate::git::ProposalBranch;
use crate::model::image::TagId;
use crate::model::lock::history::LockVersion;
use crate::model::lock::{self, Lock};
use crate::model::root::Root;
use crate::model::settings::{Author, Settings, Sign};
use crate::proposal::carry_over::ProposedPins;
use crate::report::message as messages;

use super::scope;
use crate::reconcile::load::Snapshot;
use crate::reconcile::{PassError, Request};

/// What stands on the branches of proposals of this root.
pub type Drafted = BTreeMap<String, OpenBranch>;

/// What stands on the branch of a proposal.
#[derive(Debug)]
pub struct OpenBranch {
    pub(super) found: ProposalBranch,
    /// Whether it is one commit that we made there and nobody changed.
    pub(super) is_ours: bool,
    /// What its lock says otherwise than the root's, whoever made it.
    pub(super) offer: ProposedPins,
}

impl OpenBranch {
    /// What we proposed there.
    pub(super) fn offer(&self) -> Option<&ProposedPins> {
        self.is_ours.then_some(&self.offer)
    }
}

/// Reads what stands on the branches of proposals of the root.
///
/// # Errors
/// What stopped the remote.
pub async fn drafted<W: World>(world: &W, request: &Request, scene: &Snapshot) -> Result<Drafted, PassError> {
    let scope = scope(request, scene);
    let mut branches = scene.sight.proposals.clone();
    branches.retain(|branch, _| scope.contains(branch));
    if branches.is_empty() {
        return Ok(Drafted::new());
    }
    let mut drafted = Drafted::new();
    for (branch, found) in world.proposed(&branches).await? {
        let (is_ours, offer) = (is_ours(&found, &scene.root.settings), offer(world, scene, &found).await);
        drafted.insert(branch, OpenBranch { found, is_ours, offer });
    }
    Ok(drafted)
}

/// What the lock of `found` says otherwise than the one of the root.
async fn offer<W: World>(world: &W, scene: &Snapshot, found: &ProposalBranch) -> ProposedPins {
    let Root { definitions, lock: base, .. } = &scene.root;
    let Some(there) = found.lock.as_deref().and_then(lock_of) else { return ProposedPins::default() };
    let mut offer = ProposedPins::of(base, there);
    // Of other tags it is said in each pass anew whether they are to have a pin.
    let is_discovered = |id: &TagId| definitions.tags.get(id).is_some_and(|tag| tag.discovered);
    if let [parent] = found.parents.as_slice()
        && *parent != scene.sight.tip
        && offer.removed.iter().any(is_discovered)
        // Not every server gives a commit that no branch stands at. Then it is taken for one with the lock of the tip.
        && let Ok(file) = world.file(parent, lock::FILE_NAME).await
    {
        let start = file.and_then(|file| lock_of(&file.bytes)).unwrap_or_default();
        offer.started_from(base, &start);
    }
    offer
}

fn author(settings: &Settings) -> Author {
    settings.git.author.clone().unwrap_or_default()
}

/// Whether what stands on a branch is one commit that we made there and nobody changed: whoever amends it becomes its
/// committer, and whoever changes the lock or what it stands on breaks its trailer.
fn is_ours(found: &ProposalBranch, settings: &Settings) -> bool {
    let [parent] = found.parents.as_slice() else { return false };
    let author = author(settings);
    let is_by_us = found.author.as_ref() == Some(&author) && found.committer.as_ref() == Some(&author);
    // Whoever changes a commit on their own machine becomes its committer.
    let is_by_github = settings.git.sign == Some(Sign::GitHub)
        && found.committer.as_ref().is_some_and(|one| one.email == "noreply@github.com");
    let lock = found.lock.as_deref().unwrap_or_default();
    (is_by_us || is_by_github) && messages::is_ours(&found.message, parent, lock)
}

fn lock_of(bytes: &[u8]) -> Option<Lock> {
    LockVersion::new(bytes).read()
}
