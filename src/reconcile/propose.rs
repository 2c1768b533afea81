//! In place of commit and publish where `[publish]` asks for it: moves are proposed, each group on a branch of its own.
//!
//! The branch comes first and the proposal after it, so that a pass which ends between the two leaves what the next one
//! goes on from. A branch on which anything stands that is not exactly ours is left alone, and the report says so.

mod part;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::rc::Rc;

use crate::effects::{ForgeProposal, NewCommit, Opened, ProposalDraft, ProposalState, World};
use crate::forge::{self, ForgeError};
use crate::git::{ProposalBranch, Push};
use crate::image_diff::{Explanation, Explanations};
use crate::model::image::class::ChangeClass;
use crate::model::image::{Digest, StreamName, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{PinChange, changes};
use crate::model::root::Root;
use crate::model::settings::adoption::{HeldUpdate, HoldReason};
use crate::model::settings::publish::Publish;
use crate::model::state::memory::TagMemory;
use crate::model::stream::discover;
use crate::proposal::carry_over::{ProposedPins, carry_over};
use crate::proposal::fingerprint::ProposalFingerprint;
use crate::proposal::groups::{self, BranchScope};
use crate::proposal::marker::is_same_text;
use crate::proposal::{body, marker};
use crate::report::exit::Exit;
use crate::report::message as messages;
use crate::report::{self, ProposalOutcome, ProposalRow, ReportError, TagRow};
use crate::text::diagnostics::Problems;
use crate::text::template::Template;

use super::load::Snapshot;
use super::pin::Failures;
use super::{PassError, Request};
use part::ShardBranches;
pub use standing::{Drafted, OpenBranch, drafted};

/// The group of files that are put right without a move. No stream and no set is called so.
const FILES: &str = "-targets";

/// What a pass found out, as far as proposals go by it.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The lock as it should be.
    pub next: &'a Lock,
    /// What its moves change.
    pub explained: &'a Explanations,
    /// What stands on branches already.
    pub drafted: &'a Drafted,
    /// What is remembered of tags.
    pub memory: &'a TagMemory,
}

/// What became of the moves of a pass.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The proposals.
    pub rows: Vec<ProposalRow>,
    /// The tags that are in one.
    pub tags: BTreeSet<TagId>,
    /// What is not proposed, and why.
    pub kept: BTreeMap<TagId, HeldUpdate>,
    /// What people closed a proposal of.
    pub declined: BTreeMap<TagId, Digest>,
    /// What the forge did not do along with a proposal.
    pub notes: Vec<String>,
    /// What went wrong.
    pub errors: Vec<ReportError>,
    /// Why the pass is to begin again: another share of the root put a move of its own on a branch of ours.
    pub again: Option<String>,
}

/// What a pass says of tags, so that the moves of all others stay proposed.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The tags that were asked for.
    pub asked: &'a BTreeSet<TagId>,
    /// The streams that discover tags and whose list was not read: which tags they have is not said.
    pub unread: &'a BTreeSet<StreamName>,
    /// What failed.
    pub failures: &'a Failures,
    /// What was found and not moved to.
    pub kept: &'a BTreeMap<TagId, HeldUpdate>,
}

impl Said<'_> {
    /// Whether it says nothing of where a tag should stand.
    fn is_open(&self, id: &TagId) -> bool {
        let soaks = self.kept.get(id).is_some_and(|waiting| matches!(waiting.kept, HoldReason::Soaking { .. }));
        !self.asked.contains(id) || self.failures.contains_key(id) || soaks
    }
}

/// `next` with the moves of open proposals that this pass says nothing of; in a pass over a share of the root, of those
/// proposals alone that have a tag of the share. Tags that were discovered and are no more than proposed become known to
/// the root by that.
pub fn carry(
    request: &Request,
    scene: &mut Snapshot,
    publish: &Publish,
    next: Lock,
    drafted: &Drafted,
    said: Said<'_>,
) -> Lock {
    let offers = || drafted.values().filter_map(OpenBranch::offer);
    let pinned = offers().flat_map(|offer| &offer.pins).filter(|(_, pin)| pin.follow.is_none());
    let pinned = pinned.map(|(id, pin)| (id, &pin.image));
    discover::add(&mut scene.root.definitions, |stream| said.unread.contains(stream), pinned);
    let scene = &*scene;
    let next = offers().fold(next, |next, offer| {
        carry_over(&scene.root, next, offer, |id| said.is_open(id), |stream| said.unread.contains(stream))
    });
    let Some(shard) = request.shard else { return next };
    let scope = scope(request, scene);
    let part = ShardBranches::of(shard, &scene.root, publish, &scope, drafted);
    let Root { definitions, lock: base, .. } = &scene.root;
    groups::own_groups(definitions, base, next, |id| publish.group.name(id), |group| part.has(&scope.branch(group)))
}

/// Proposes the moves from the root's lock to `basis.next`, and files that are not what their targets make of it;
/// `commit` makes the commit of a lock and its moves, with the targets of these tags and of those that are meant besides.
///
/// # Errors
/// What stopped the remote. What the forge says is in the outcome.
pub async fn propose<W: World>(
    world: &W,
    request: &Request,
    scene: &Snapshot,
    publish: &Publish,
    basis: Basis<'_>,
    commit: impl AsyncFn(&Lock, &[PinChange], &dyn Fn(&TagId) -> bool) -> Result<Option<NewCommit>, PassError>,
) -> Result<Outcome, PassError> {
    let mut outcome = Outcome::default();
    let base = &scene.root.lock;
    let scope = scope(request, scene);
    let all = changes(base, basis.next);
    let mut next = basis.next.clone();
    outcome.drop(&mut next, base, &all, |one| {
        let class = basis.explained.get(&one.tag).and_then(|explanation: &Rc<Explanation>| explanation.class);
        let is_noise = class == Some(ChangeClass::Attestation) && !publish.attestation;
        let taken = one.after().is_some_and(|side| basis.memory.is_taken_back(&one.tag, &side.digest));
        match () {
            () if taken => Some(HoldReason::Reverted),
            () if is_noise => Some(HoldReason::Ignored(ChangeClass::Attestation)),
            () => None,
        }
    });
    let names = |next: &Lock| groups::groups(&scene.root.definitions, base, next, |id| publish.group.name(id));
    // What people wrote over is put right along with moves of the same tag, else by itself.
    let mut moving: BTreeSet<TagId> = names(&next).into_values().flatten().collect();
    if request.shard.is_some() {
        let offers = basis.drafted.values().filter_map(OpenBranch::offer);
        moving.extend(offers.flat_map(ProposedPins::tags).cloned());
    }
    let part = request.shard.map(|shard| ShardBranches::of(shard, &scene.root, publish, &scope, basis.drafted));
    let is_ours = |branch: &str| part.as_ref().is_none_or(|part| part.has(branch));
    // All of them stand on one branch, so that one shard sees to them.
    let files = if is_ours(&scope.branch(FILES)) { commit(base, &[], &|id| !moving.contains(id)).await? } else { None };
    let of_files = files.as_ref().map(|_| scope.branch(FILES));
    let wanted = names(&next).into_keys().map(|group| scope.branch(&group)).chain(of_files.clone());
    let branches: BTreeSet<String> = wanted.chain(basis.drafted.keys().cloned()).collect();
    let branches: Vec<String> = branches.into_iter().collect();
    if branches.is_empty() {
        return Ok(outcome);
    }
    let known = match world.proposals(publish, &scene.sight.branch, &branches).await {
        Ok(known) => known,
        Err(error) => {
            outcome.fail(&error);
            return Ok(outcome);
        }
    };
    for closed in known.iter().filter(|known| known.state == ProposalState::Closed) {
        let tags = names(&next).into_iter().find(|(group, _)| scope.branch(group) == closed.branch);
        let tags = tags.map(|(_, tags)| tags).unwrap_or_default();
        let moves: Vec<PinChange> = all.iter().filter(|one| tags.contains(&one.tag)).cloned().collect();
        outcome.decline(closed, &mut next, base, &moves);
    }
    let open_of =
        |branch: &str| known.iter().find(|known| known.branch == branch && known.state == ProposalState::Open);
    let groups = names(&next);
    for (group, tags) in &groups {
        let branch = scope.branch(group);
        let (lock, moves) = groups::group_changes(base, &next, tags);
        let Some(change) = commit(&lock, &moves, &|_| false).await? else { continue };
        let pass = Pass { world, request, publish, scene, outcome: &mut outcome };
        let row = pass.group(&branch, basis.drafted.get(&branch), open_of(&branch), change, (&moves, basis)).await?;
        // What stands there beside a person's commit is still proposed, by them.
        let is_there = !matches!(row.outcome, ProposalOutcome::Failed(_));
        outcome.tags.extend(tags.iter().filter(|_| is_there).cloned());
        outcome.rows.push(row);
    }
    let mut used: BTreeSet<String> = groups.keys().map(|group| scope.branch(group)).collect();
    if let (Some(branch), Some(change)) = (of_files, files) {
        let (_, body) = words(publish, &change.message, &[], basis.explained)?;
        let is_declined = |one: &ForgeProposal| {
            one.branch == branch && one.state == ProposalState::Closed && is_same_text(&one.body, &body)
        };
        // Closed by a person, it is not proposed again until it would be something else.
        if !known.iter().any(is_declined) {
            let pass = Pass { world, request, publish, scene, outcome: &mut outcome };
            let row = pass.group(&branch, basis.drafted.get(&branch), open_of(&branch), change, (&[], basis)).await?;
            outcome.rows.push(row);
            used.insert(branch);
        }
    }
    let left = basis.drafted.iter().filter(|(branch, _)| !used.contains(*branch) && is_ours(branch));
    for (branch, standing) in left {
        if part.is_some() {
            let now = world.look(Some(&scene.sight.branch)).await?.proposals;
            if now.get(branch) != Some(&standing.found.tip) {
                // Another shard has something to propose there.
                continue;
            }
        }
        let pass = Pass { world, request, publish, scene, outcome: &mut outcome };
        let row = pass.nothing_left(branch, standing, open_of(branch)).await?;
        outcome.rows.extend(row);
    }
    outcome.rows.sort_by(|a, b| a.branch.cmp(&b.branch));
    Ok(outcome)
}

/// Title and body of a proposal of `moves`, whose commit has `message`.
fn words(
    publish: &Publish,
    message: &str,
    moves: &[PinChange],
    explained: &Explanations,
) -> Result<(String, String), Problems> {
    let mut title = message.lines().next().unwrap_or_default().to_owned();
    if moves.is_empty() {
        return Ok((title, body::with_fingerprint(&body::write_without_changes(message), moves)));
    }
    let mut text = body::write(moves, explained);
    let of = |template: &Template, title: &str, text: &str| {
        messages::for_proposal(template, moves, explained, (title, text)).map_err(|problem| Problems(vec![problem]))
    };
    let titled = publish.title.as_ref().map(|template| of(template, &title, &text)).transpose()?;
    text = publish.body.as_ref().map(|template| of(template, &title, &text)).transpose()?.unwrap_or(text);
    title = titled.and_then(|title| title.lines().next().map(str::to_owned)).unwrap_or(title);
    Ok((title, body::with_fingerprint(&text, moves)))
}

/// What would be proposed, in words: each branch with its title and body. `message` makes the message of a commit.
///
/// # Errors
/// What is wrong with a template.
pub fn show(
    request: &Request,
    scene: &Snapshot,
    publish: &Publish,
    (next, explained): (&Lock, &Explanations),
    message: impl Fn(&[PinChange]) -> Result<String, Problems>,
) -> Result<String, Problems> {
    let (base, scope) = (&scene.root.lock, scope(request, scene));
    let mut out = String::new();
    for (group, tags) in groups::groups(&scene.root.definitions, base, next, |id| publish.group.name(id)) {
        let (_, moves) = groups::group_changes(base, next, &tags);
        let (title, body) = words(publish, &message(&moves)?, &moves, explained)?;
        let body = body.lines().filter(|line| marker::read(line).is_none()).collect::<Vec<_>>().join("\n");
        // Writing to a `String` does not fail.
        let _ = writeln!(out, "{}\n{title}\n\n{}\n", scope.branch(&group), body.trim());
    }
    Ok(out.trim_end().to_owned())
}

/// What a pass works with, for one proposal.
struct Pass<'a, W> {
    world: &'a W,
    request: &'a Request,
    publish: &'a Publish,
    scene: &'a Snapshot,
    outcome: &'a mut Outcome,
}

impl<W: World> Pass<'_, W> {
    /// Puts a group on its branch, and sees to it that there is a proposal of it.
    async fn group(
        self,
        branch: &str,
        there: Option<&OpenBranch>,
        open: Option<&ForgeProposal>,
        change: NewCommit,
        (moves, basis): (&[PinChange], Basis<'_>),
    ) -> Result<ProposalRow, PassError> {
        let row = |outcome, known: Option<&ForgeProposal>| ProposalRow {
            branch: branch.to_owned(),
            number: known.map(|known| known.number),
            url: known.map(|known| known.url.clone()),
            moves: moves.len(),
            outcome,
        };
        let mut is_new = false;
        match there {
            Some(standing) if !standing.is_ours => {
                let tip = standing.found.tip.short();
                let left = format!("a commit that is not pinstream's stands there, {tip}");
                return Ok(row(ProposalOutcome::Left(left), open));
            }
            // The same lock on an older tip says the same: building it anew would only start checks again.
            Some(standing) if self.holds(&standing.found, &change).await? => {}
            there => {
                is_new = true;
                match self.world.propose(branch, there.map(|standing| &standing.found.tip), &change).await? {
                    Push::Landed(_) => {}
                    Push::Moved => {
                        let left = "somebody moved it meanwhile".to_owned();
                        let again = self.request.shard.map(|_| format!("the branch `{branch}` moved"));
                        self.outcome.again = self.outcome.again.take().or(again);
                        return Ok(row(ProposalOutcome::Left(left), open));
                    }
                    Push::Unknown(reason) => {
                        let message = format!("the branch `{branch}` may not be in place: {reason}");
                        self.outcome.errors.push(ReportError { exit: Exit::Error, message, help: None });
                        return Ok(row(ProposalOutcome::Failed(reason), open));
                    }
                }
            }
        }
        let (title, body) = words(self.publish, &change.message, moves, basis.explained)?;
        let draft = ProposalDraft { branch: branch.to_owned(), base: self.scene.sight.branch.clone(), title, body };
        match self.world.open_proposal(self.publish, &draft, open).await {
            Ok(Opened { action, proposal, notes }) => {
                self.outcome.notes.extend(notes);
                let outcome = match action {
                    forge::ForgeAction::Created => ProposalOutcome::Created,
                    forge::ForgeAction::Unchanged if !is_new => ProposalOutcome::Unchanged,
                    forge::ForgeAction::Refreshed | forge::ForgeAction::Unchanged => ProposalOutcome::Refreshed,
                    forge::ForgeAction::ClosedMeanwhile => {
                        ProposalOutcome::Left("somebody closed it meanwhile".to_owned())
                    }
                };
                Ok(row(outcome, Some(&proposal)))
            }
            Err(error) => Ok(row(self.outcome.fail(&error), open)),
        }
    }

    /// Whether all that `change` writes stands there already.
    async fn holds(&self, found: &ProposalBranch, change: &NewCommit) -> Result<bool, PassError> {
        if found.lock.as_deref() != Some(change.lock.as_bytes()) {
            return Ok(false);
        }
        for (path, bytes) in &change.files {
            let there = self.world.file(&found.tip, path).await?;
            if there.is_none_or(|file| file.bytes != *bytes) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Closes the proposal of a branch that has nothing left to propose, and takes the branch away. One that a person
    /// closed, or that was merged, needs no more than that.
    async fn nothing_left(
        self,
        branch: &str,
        standing: &OpenBranch,
        open: Option<&ForgeProposal>,
    ) -> Result<Option<ProposalRow>, PassError> {
        let row = |outcome| ProposalRow {
            branch: branch.to_owned(),
            number: open.map(|open| open.number),
            url: open.map(|open| open.url.clone()),
            moves: 0,
            outcome,
        };
        if !standing.is_ours {
            let left = "nothing is left to propose, and a commit that is not pinstream's stands there".to_owned();
            return Ok(open.map(|_| row(ProposalOutcome::Left(left))));
        }
        if let Some(open) = open
            && let Err(error) = self.world.close_proposal(self.publish, open).await
        {
            return Ok(Some(row(self.outcome.fail(&error))));
        }
        // Somebody else's commit that came meanwhile keeps the branch.
        let gone = self.world.withdraw(branch, &standing.found.tip).await?;
        if gone == Push::Moved && open.is_none() {
            return Ok(None);
        }
        Ok(open.map(|_| row(ProposalOutcome::Closed)))
    }
}

impl Outcome {
    /// Takes those of `moves` out of `next` that are not to be proposed.
    fn drop(
        &mut self,
        next: &mut Lock,
        base: &Lock,
        moves: &[PinChange],
        why: impl Fn(&PinChange) -> Option<HoldReason>,
    ) {
        for one in moves {
            let (Some(kept), Some(side)) = (why(one), one.after()) else { continue };
            match base.pins.get(&one.tag) {
                Some(pin) => drop(next.pins.insert(one.tag.clone(), pin.clone())),
                None => drop(next.pins.remove(&one.tag)),
            }
            self.kept.insert(one.tag.clone(), HeldUpdate { digest: side.digest.clone(), kept });
        }
    }

    /// Takes those of `moves`, a group's, out of `next` that people closed a proposal of: they are not proposed again, and
    /// a newer digest is.
    fn decline(&mut self, closed: &ForgeProposal, next: &mut Lock, base: &Lock, moves: &[PinChange]) {
        let Some(remembered) = ProposalFingerprint::read(&closed.body) else { return };
        let whole = ProposalFingerprint::of(moves);
        let declined: Vec<&PinChange> = moves.iter().filter(|one| remembered.covers(one, &whole)).collect();
        let digests = declined.iter().filter_map(|one| Some((one.tag.clone(), one.after()?.digest.clone())));
        self.declined.extend(digests);
        let ids: BTreeSet<&TagId> = declined.iter().map(|one| &one.tag).collect();
        self.drop(next, base, moves, |one| ids.contains(&one.tag).then_some(HoldReason::Reverted));
    }

    /// Whether anything waits for a decision, be it of files alone.
    pub fn waits(&self) -> bool {
        use ProposalOutcome::{Closed, Created, Failed, Left, Refreshed, Unchanged};
        let is_there = |row: &ProposalRow| match row.outcome {
            Created | Refreshed | Unchanged => true,
            Closed | Left(_) | Failed(_) => false,
        };
        !self.tags.is_empty() || self.rows.iter().any(is_there)
    }

    /// The same in a pass that began again after `earlier`.
    pub fn after(mut self, earlier: Vec<ProposalRow>) -> Self {
        for row in earlier.into_iter().filter(|row| !matches!(row.outcome, ProposalOutcome::Left(_))) {
            match self.rows.iter_mut().find(|later| later.branch == row.branch) {
                None => self.rows.push(row),
                Some(later) if later.outcome == ProposalOutcome::Unchanged => later.outcome = row.outcome,
                Some(_) => {}
            }
        }
        self.rows.sort_by(|a, b| a.branch.cmp(&b.branch));
        self
    }

    /// What it means for the row of a tag.
    pub fn mark(&self, row: &mut TagRow) {
        if let Some(waiting) = self.kept.get(&row.tag) {
            row.outcome = report::TagOutcome::Kept(waiting.clone());
            row.new.clone_from(&row.old);
        } else if row.outcome.is_change() {
            let is_there = self.tags.contains(&row.tag);
            row.outcome = if is_there { report::TagOutcome::Proposed } else { report::TagOutcome::Deferred };
        }
    }

    /// Keeps what the forge did not do, once; what that is for a proposal.
    fn fail(&mut self, error: &ForgeError) -> ProposalOutcome {
        let wrong = ReportError { exit: Exit::Error, message: error.to_string(), help: error.help() };
        if !self.errors.contains(&wrong) {
            self.errors.push(wrong);
        }
        ProposalOutcome::Failed(error.to_string())
    }
}

fn scope<'a>(request: &'a Request, scene: &'a Snapshot) -> BranchScope<'a> {
    let base = Some(scene.sight.branch.as_str());
    let is_default = scene.sight.default.is_none() || scene.sight.default.as_deref() == base;
    BranchScope { root: &request.root, base: base.filter(|_| !is_default) }
}
