//! Proposes changes instead of pushing them: each group on a branch of its own.
//!
//! The branch is pushed before the proposal is opened, so that the next pass can continue after a crash in between. A branch
//! with a commit that is not ours is left alone and reported. A proposal that fails is a row; the others proceed.

mod branch;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::effects::{ForgeProposal, NewCommit, ProposalState, World};
use crate::model::image::class::ChangeClass;
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{PinChange, changes};
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::settings::publish::Publish;
use crate::proposal::body;
use crate::proposal::carry_over::ProposedPins;
use crate::proposal::groups::{self, BranchScope};
use crate::proposal::marker;
use crate::reconcile::gather::open_branches::OpenBranch;
use crate::reconcile::shard_branches::ShardBranches;
use crate::reconcile::{Attempt, PassError, branch_scope, target_edits};
use crate::report::message as messages;
use crate::report::{ProposalRow, ReportError};
use crate::text::diagnostics::Problems;
use crate::text::template::Template;

use super::{commit_message, new_commit};
use branch::Proposer;

/// Group of target files that are corrected without a change of a pin. No stream and no set has this name.
const TARGETS_GROUP: &str = "-targets";

/// Proposals of one attempt, and what they leave out.
#[derive(Debug, Default)]
pub struct Proposals {
    /// The proposals.
    pub rows: Vec<ProposalRow>,
    /// The tags that are in one.
    pub tags: BTreeSet<TagId>,
    /// Changes that are not proposed.
    pub held: BTreeMap<TagId, HeldUpdate>,
    /// Digests whose proposal people closed.
    pub declined: BTreeMap<TagId, Digest>,
    /// Notes, e.g. on labels that the forge refused.
    pub notes: Vec<String>,
    /// Failures.
    pub errors: Vec<ReportError>,
    /// Reason to start over: another shard pushed to one of our branches.
    pub restart: Option<String>,
}

/// Everything that stays the same while proposals are made.
struct Context<'a> {
    attempt: Attempt<'a>,
    publish: &'a Publish,
    scope: BranchScope<'a>,
    shard: Option<ShardBranches>,
}

impl Context<'_> {
    fn base(&self) -> &Lock {
        &self.attempt.snapshot.root.lock
    }

    /// Returns the tags with changes by group.
    fn groups(&self, next: &Lock) -> BTreeMap<String, BTreeSet<TagId>> {
        let definitions = &self.attempt.snapshot.root.definitions;
        groups::groups(definitions, self.base(), next, |id| self.publish.group.name(id))
    }

    fn is_ours(&self, branch: &str) -> bool {
        self.shard.as_ref().is_none_or(|shard| shard.contains(branch))
    }

    fn open_branch(&self, branch: &str) -> Option<&OpenBranch> {
        self.attempt.facts.open_branches.get(branch)
    }

    /// Builds the commit of `lock`, with the targets of changed tags and of those that are `selected`.
    fn commit(
        &self,
        lock: &Lock,
        changes: &[PinChange],
        is_selected: &dyn Fn(&TagId) -> bool,
    ) -> Result<Option<NewCommit>, PassError> {
        let Attempt { snapshot, facts, .. } = self.attempt;
        let edits = target_edits::edit(&snapshot.root, lock, &facts.target_files, is_selected)?;
        Ok(new_commit(self.attempt, lock, changes, &edits)?)
    }

    /// Builds the commit that corrects target files without a change of a pin. All of them share a branch, so one shard is
    /// responsible.
    fn targets_commit(&self, next: &Lock) -> Result<Option<NewCommit>, PassError> {
        if !self.is_ours(&self.scope.branch(TARGETS_GROUP)) {
            return Ok(None);
        }
        // A file of a tag that changes is corrected along with it.
        let mut changing: BTreeSet<TagId> = self.groups(next).into_values().flatten().collect();
        if self.attempt.request.shard.is_some() {
            let proposed = self.attempt.facts.open_branches.values().filter_map(OpenBranch::proposed);
            changing.extend(proposed.flat_map(ProposedPins::tags).cloned());
        }
        self.commit(self.base(), &[], &|id| !changing.contains(id))
    }
}

/// Proposes the changes of the attempt, and corrections of target files.
///
/// Every failure is a row: of a template or a target, of the forge, of a single branch.
pub async fn propose<W: World>(world: &W, attempt: Attempt<'_>, publish: &Publish) -> Proposals {
    let Attempt { request, snapshot, facts, decision, .. } = attempt;
    let (root, scope) = (&snapshot.root, branch_scope(request, snapshot));
    let shard = request.shard.map(|shard| ShardBranches::of(shard, root, publish, &scope, &facts.open_branches));
    let context = Context { attempt, publish, scope, shard };
    let mut proposals = Proposals::default();
    let all = changes(&root.lock, decision.lock(&root.lock));
    let mut next = decision.lock(&root.lock).clone();
    proposals.hold(&mut next, &root.lock, &all, |change| reason_to_hold(&context, change));

    let targets = context.targets_commit(&next);
    // A failure has a row, with its proposal if that is open.
    let targets_branch = (!matches!(targets, Ok(None))).then(|| context.scope.branch(TARGETS_GROUP));
    let wanted = context.groups(&next).into_keys().map(|group| context.scope.branch(&group)).chain(targets_branch);
    let branches: BTreeSet<String> = wanted.chain(facts.open_branches.keys().cloned()).collect();
    let branches: Vec<String> = branches.into_iter().collect();
    if branches.is_empty() {
        return proposals;
    }
    let known = match world.proposals(publish, &snapshot.tips.branch, &branches).await {
        Ok(known) => known,
        Err(error) => {
            proposals.fail_forge(&error);
            return proposals;
        }
    };
    decline_closed(&context, &known, &all, &mut next, &mut proposals);
    let mut proposer = Proposer { world, context: &context, known: &known, proposals: &mut proposals };
    let mut used = propose_groups(&mut proposer, &next).await;
    used.extend(propose_targets(&mut proposer, targets).await);
    proposer.close_unused(&used).await;
    proposals.rows.sort_by(|a, b| a.branch.cmp(&b.branch));
    proposals
}

/// Returns why a change is not proposed at all.
fn reason_to_hold(context: &Context<'_>, change: &PinChange) -> Option<HoldReason> {
    let Attempt { facts, diffs, .. } = context.attempt;
    let class = diffs.get(&change.tag).and_then(|diff| diff.class);
    if change.after().is_some_and(|side| facts.memory.is_reverted(&change.tag, &side.digest)) {
        return Some(HoldReason::Reverted);
    }
    let is_noise = class == Some(ChangeClass::Attestation) && !context.publish.attestation;
    is_noise.then_some(HoldReason::Ignored(ChangeClass::Attestation))
}

/// Holds the changes whose proposal was closed; newer digests are proposed again.
fn decline_closed(
    context: &Context<'_>,
    known: &[ForgeProposal],
    all: &[PinChange],
    next: &mut Lock,
    proposals: &mut Proposals,
) {
    for closed in known.iter().filter(|known| known.state == ProposalState::Closed) {
        let group = context.groups(next).into_iter().find(|(group, _)| context.scope.branch(group) == closed.branch);
        let tags = group.map(|(_, tags)| tags).unwrap_or_default();
        let changes: Vec<PinChange> = all.iter().filter(|change| tags.contains(&change.tag)).cloned().collect();
        proposals.decline(closed, next, context.base(), &changes);
    }
}

/// Proposes every group; returns the branches in use.
async fn propose_groups<W: World>(proposer: &mut Proposer<'_, W>, next: &Lock) -> BTreeSet<String> {
    let context = proposer.context;
    let mut used = BTreeSet::new();
    for (group, tags) in context.groups(next) {
        let branch = context.scope.branch(&group);
        used.insert(branch.clone());
        let (lock, changes) = groups::group_changes(context.base(), next, &tags);
        let drafted = context.commit(&lock, &changes, &|_| false).and_then(|commit| draft(context, commit, &changes));
        proposer.group(branch, drafted, &changes, &tags).await;
    }
    used
}

/// Proposes the corrections of target files, unless a person closed the same proposal; returns the branch in use.
async fn propose_targets<W: World>(
    proposer: &mut Proposer<'_, W>,
    commit: Result<Option<NewCommit>, PassError>,
) -> Option<String> {
    let branch = proposer.context.scope.branch(TARGETS_GROUP);
    let drafted = commit.and_then(|commit| draft(proposer.context, commit, &[]));
    if let Ok(None) = drafted {
        return None;
    }
    let is_declined = |known: &ForgeProposal| {
        let is_same = |drafted: &GroupDraft| marker::is_same_text(&known.body, &drafted.body);
        let is_closed = known.branch == branch && known.state == ProposalState::Closed;
        is_closed && drafted.as_ref().ok().and_then(Option::as_ref).is_some_and(is_same)
    };
    if proposer.known.iter().any(is_declined) {
        return None;
    }
    proposer.group(branch.clone(), drafted, &[], &BTreeSet::new()).await;
    Some(branch)
}

/// The commit of one group, and the texts of its proposal.
struct GroupDraft {
    commit: NewCommit,
    title: String,
    body: String,
}

/// Adds title and body to a commit.
fn draft(
    context: &Context<'_>,
    commit: Option<NewCommit>,
    changes: &[PinChange],
) -> Result<Option<GroupDraft>, PassError> {
    let Some(commit) = commit else { return Ok(None) };
    let (title, body) = texts(context, &commit.message, changes)?;
    Ok(Some(GroupDraft { commit, title, body }))
}

/// Renders title and body of a proposal whose commit has `message`.
fn texts(context: &Context<'_>, message: &str, changes: &[PinChange]) -> Result<(String, String), Problems> {
    let (publish, diffs) = (context.publish, context.attempt.diffs);
    let first_line = |text: &str| text.lines().next().map(str::to_owned);
    let title = first_line(message).unwrap_or_default();
    if changes.is_empty() {
        return Ok((title, body::with_fingerprint(&body::write_without_changes(message), changes)));
    }
    let body = body::write(changes, diffs);
    let render = |template: &Template| {
        messages::proposal_text(template, changes, diffs, &title, &body).map_err(|problem| Problems(vec![problem]))
    };
    let rendered_title = publish.title.as_ref().map(render).transpose()?;
    let rendered_body = publish.body.as_ref().map(render).transpose()?;
    let title = rendered_title.and_then(|title| first_line(&title)).unwrap_or(title);
    Ok((title, body::with_fingerprint(&rendered_body.unwrap_or(body), changes)))
}

/// Renders branch, title and body of everything that would be proposed.
///
/// # Errors
/// A template fails.
pub(super) fn show(attempt: Attempt<'_>, publish: &Publish) -> Result<String, Problems> {
    let Attempt { request, snapshot, decision, .. } = attempt;
    let context = Context { attempt, publish, scope: branch_scope(request, snapshot), shard: None };
    let next = decision.lock(context.base());
    let mut out = String::new();
    for (group, tags) in context.groups(next) {
        let (_, changes) = groups::group_changes(context.base(), next, &tags);
        let (title, body) = texts(&context, &commit_message(attempt, &changes)?, &changes)?;
        let body = body.lines().filter(|line| marker::read(line).is_none()).collect::<Vec<_>>().join("\n");
        // Writing to a `String` never fails.
        let _ = writeln!(out, "{}\n{title}\n\n{}\n", context.scope.branch(&group), body.trim());
    }
    Ok(out.trim_end().to_owned())
}
