//! Reads the proposal branches of the root: whose commits they are, and which pins they propose.

use std::collections::BTreeMap;

use crate::effects::Git;
use crate::git::ProposalBranch;
use crate::model::image::TagId;
use crate::model::lock::history::LockVersion;
use crate::model::lock::{self, Lock};
use crate::model::root::Root;
use crate::model::settings::publish::BRANCH_PREFIX;
use crate::model::settings::{Settings, Sign};
use crate::proposal::carry_over::ProposedPins;
use crate::proposal::groups::BranchScope;
use crate::reconcile::load::Snapshot;
use crate::reconcile::{PassError, Request, branch_scope};
use crate::report::message as messages;

/// The most proposal branches that are read.
const BRANCHES_MAX: usize = 10_000;

/// The proposal branches of a root, by name.
pub type OpenBranches = BTreeMap<String, OpenBranch>;

/// A proposal branch of this root.
#[derive(Debug)]
pub struct OpenBranch {
    /// The commit at its tip.
    pub found: ProposalBranch,
    /// Set if the branch is a single commit of ours that nobody changed.
    pub is_ours: bool,
    /// The pins in which its lock differs from the root's, by any author.
    pub pins: ProposedPins,
}

impl OpenBranch {
    /// Returns the pins that we proposed there.
    pub fn proposed(&self) -> Option<&ProposedPins> {
        self.is_ours.then_some(&self.pins)
    }
}

/// Reads the proposal branches of the root.
///
/// # Errors
/// A Git failure.
pub async fn read<G: Git>(git: &G, request: &Request, snapshot: &Snapshot) -> Result<OpenBranches, PassError> {
    let scope = branch_scope(request, snapshot);
    // Proposals from before `branch-prefix` was set are closed.
    let former = BranchScope { prefix: BRANCH_PREFIX, ..scope };
    let ours = snapshot.tips.branches.iter().filter(|(branch, _)| scope.contains(branch) || former.contains(branch));
    let branches: BTreeMap<_, _> = ours.take(BRANCHES_MAX).map(|(name, tip)| (name.clone(), tip.clone())).collect();
    let mut open = OpenBranches::new();
    if branches.is_empty() {
        return Ok(open);
    }
    for (branch, found) in git.proposal_branches(&branches).await? {
        let is_ours = is_ours(&found, &snapshot.root.settings);
        let pins = proposed_pins(git, snapshot, &found).await;
        open.insert(branch, OpenBranch { found, is_ours, pins });
    }
    Ok(open)
}

/// Returns the pins in which the lock of `found` differs from the root's.
async fn proposed_pins<G: Git>(git: &G, snapshot: &Snapshot, found: &ProposalBranch) -> ProposedPins {
    let Root { definitions, lock: base, .. } = &snapshot.root;
    let Some(lock) = found.lock.as_deref().and_then(parse) else { return ProposedPins::default() };
    let mut pins = ProposedPins::of(base, lock);
    // Every pass decides anew whether a discovered tag keeps its pin.
    let is_discovered = |id: &TagId| definitions.tags.get(id).is_some_and(|tag| tag.discovered);
    if let [parent] = found.parents.as_slice()
        && *parent != snapshot.tips.tip
        && pins.removed.iter().any(is_discovered)
        // Some servers do not serve a commit that no branch points to. Its lock is then assumed to equal the tip's.
        && let Ok(file) = git.file(parent, lock::FILE_NAME).await
    {
        let start = file.and_then(|file| parse(&file.bytes)).unwrap_or_default();
        pins.started_from(base, &start);
    }
    pins
}

/// Returns whether the branch is a single commit of ours that nobody changed: an amended commit has another committer, and
/// a changed lock or parent does not match the trailer.
fn is_ours(found: &ProposalBranch, settings: &Settings) -> bool {
    let [parent] = found.parents.as_slice() else { return false };
    let author = settings.git.author.clone().unwrap_or_default();
    let is_by_us = found.author.as_ref() == Some(&author) && found.committer.as_ref() == Some(&author);
    let is_by_github = settings.git.sign == Some(Sign::GitHub)
        && found.committer.as_ref().is_some_and(|one| one.email == "noreply@github.com");
    let lock = found.lock.as_deref().unwrap_or_default();
    (is_by_us || is_by_github) && messages::has_plan_trailer(&found.message, parent, lock)
}

fn parse(bytes: &[u8]) -> Option<Lock> {
    LockVersion::new(bytes).read()
}
