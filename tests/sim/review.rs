//! Proposals under a seed: reconcilers and people share the branches of proposals, and no person's commit is lost.
//!
//! People add commits, amend ours, merge, close and delete branches at any moment. The forge loses answers.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::effects::{ForgeProposal, NewCommit, ProposalDraft, ProposalState, ProposeResult};
use crate::forge::{ForgeAction, ForgeError};
use crate::git::{CommitId, ProposalBranch, Push};
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::lock::diff::{PinChange, changes};
use crate::model::lock::encode::encode;
use crate::model::root::Root;
use crate::model::settings::Author;
use crate::proposal::draft::ProposalOptions;
use crate::proposal::groups::{changed_tags, overlay};

use super::schedules::share;
use super::universe::{Commit, Inner, Shared, Universe, id};
use super::world::Fault;
use super::{Reconciler, crash, finish, registry, step};

/// Schedules of a full run.
const SCHEDULES: u64 = 400;
/// The fast lane runs one schedule in this many.
const SAMPLE: u64 = 8;
/// Steps with faults, before the world comes to rest.
const STEPS: usize = 400;
/// Commits of proposals are numbered separately.
const FIRST: usize = 1_000_000;

const SETTINGS: &str = "[import]\non-rollback = \"allow\"\n[publish.github]\nrepository = \"acme/deploy\"\n";

/// Branches of proposals, and the forge.
#[derive(Default)]
pub(super) struct Review {
    drafts: Vec<ProposalBranch>,
    branches: BTreeMap<String, usize>,
    proposals: Vec<ForgeProposal>,
    /// Changes that people rejected by closing a proposal, with its number and its body at that time.
    declined: Vec<(u64, String, TagId, Digest)>,
    merged: usize,
    added: usize,
}

impl Review {
    pub(super) fn tips(&self) -> BTreeMap<String, CommitId> {
        self.branches.iter().map(|(branch, at)| (branch.clone(), id(FIRST + at))).collect()
    }

    /// Contents of branches by their tips, without those that have moved.
    pub(super) fn proposed(&self, branches: &BTreeMap<String, CommitId>) -> BTreeMap<String, ProposalBranch> {
        let find = |tip: &CommitId| self.drafts.iter().find(|draft| draft.tip == *tip).cloned();
        branches.iter().filter_map(|(branch, tip)| Some((branch.clone(), find(tip)?))).collect()
    }

    pub(super) fn traces(&self) -> (usize, usize) {
        (self.drafts.len(), self.proposals.len())
    }

    fn add(&mut self, branch: &str, draft: ProposalBranch) -> CommitId {
        let tip = id(FIRST + self.drafts.len());
        self.drafts.push(ProposalBranch { tip: tip.clone(), ..draft });
        self.branches.insert(branch.to_owned(), self.drafts.len() - 1);
        tip
    }

    fn tip(&self, branch: &str) -> Option<&ProposalBranch> {
        self.branches.get(branch).map(|at| &self.drafts[*at])
    }

    fn open(&mut self, branch: &str) -> Option<&mut ForgeProposal> {
        self.proposals.iter_mut().find(|known| known.branch == branch && known.state == ProposalState::Open)
    }
}

fn person() -> Option<Author> {
    Some(Author { name: "A Person".to_owned(), email: "person@example.com".to_owned() })
}

fn is_by_person(draft: &ProposalBranch) -> bool {
    draft.committer == person()
}

fn lock(draft: &ProposalBranch) -> Lock {
    crate::model::lock::history::LockVersion::new(draft.lock.as_deref().unwrap()).read().unwrap()
}

/// Compares and swaps a branch; `change` is `None` to delete it.
pub(super) fn swap(
    inner: &mut Inner,
    branch: &str,
    expected: Option<&CommitId>,
    change: Option<&NewCommit>,
    is_forced: bool,
) -> Push<CommitId> {
    let lost = inner.mishap(6);
    if lost && inner.rng.bool() {
        return Push::Unknown("the answer was lost".to_owned());
    }
    let stands = inner.review.tip(branch).cloned();
    if stands.as_ref().map(|draft| &draft.tip) != expected && !is_forced {
        return Push::Moved;
    }
    if stands.as_ref().is_some_and(is_by_person) {
        inner.break_(format!("I7: a person's commit on `{branch}` was lost"));
    }
    let tip = match change {
        Some(change) => {
            let author = Some(change.author.clone());
            let draft = ProposalBranch {
                tip: CommitId(String::new()),
                parents: vec![change.parent.clone()],
                author: author.clone(),
                committer: author,
                message: change.message.clone(),
                lock: Some(change.lock.clone().into_bytes()),
            };
            inner.review.add(branch, draft)
        }
        None => {
            inner.review.branches.remove(branch);
            id(FIRST)
        }
    };
    if lost { Push::Unknown("the answer was lost".to_owned()) } else { Push::Landed(tip) }
}

fn cut_off() -> ForgeError {
    ForgeError::new("the forge did not answer", "")
}

pub(super) fn proposals(inner: &mut Inner, branches: &[String]) -> Result<Vec<ForgeProposal>, ForgeError> {
    if inner.mishap(5) {
        return Err(cut_off());
    }
    Ok(inner.review.proposals.iter().filter(|known| branches.contains(&known.branch)).cloned().collect())
}

pub(super) fn open_proposal(
    inner: &mut Inner,
    draft: &ProposalDraft,
    open: Option<&ForgeProposal>,
) -> Result<ProposeResult, ForgeError> {
    let lost = inner.mishap(8);
    if lost && inner.rng.bool() || !inner.review.branches.contains_key(&draft.branch) {
        return Err(cut_off());
    }
    let number = match (open, inner.review.open(&draft.branch)) {
        (Some(open), _) => open.number,
        (None, Some(there)) => there.number,
        (None, None) => {
            let number = inner.review.proposals.len() as u64 + 1;
            inner.review.proposals.push(ForgeProposal {
                branch: draft.branch.clone(),
                number,
                url: format!("sim/{number}"),
                state: ProposalState::Open,
                head: None,
                title: String::new(),
                body: String::new(),
                is_draft: false,
                options: ProposalOptions::default(),
            });
            number
        }
    };
    let there = inner.review.proposals.iter_mut().find(|known| known.number == number).unwrap();
    let action = match (there.state, open) {
        (ProposalState::Open, None) => ForgeAction::Created,
        (ProposalState::Open, Some(_)) => ForgeAction::Refreshed,
        _ => ForgeAction::ClosedMeanwhile,
    };
    if action != ForgeAction::ClosedMeanwhile {
        (there.title, there.body) = (draft.title.clone(), draft.body.clone());
    }
    let opened = ProposeResult { action, proposal: there.clone(), notes: Vec::new() };
    if lost { Err(cut_off()) } else { Ok(opened) }
}

pub(super) fn close_proposal(inner: &mut Inner, open: &ForgeProposal) -> Result<(), ForgeError> {
    let lost = inner.mishap(8);
    if lost && inner.rng.bool() {
        return Err(cut_off());
    }
    let there = inner.review.proposals.iter_mut().find(|known| known.number == open.number).unwrap();
    if there.state == ProposalState::Open {
        there.state = ProposalState::Withdrawn;
    }
    if lost { Err(cut_off()) } else { Ok(()) }
}

/// Does something with a random proposal, as a person.
fn person_acts(universe: &Shared) {
    universe.with(|inner| {
        let branches: Vec<String> = inner.review.branches.keys().cloned().collect();
        if branches.is_empty() {
            return;
        }
        let branch = branches[inner.rng.usize(..branches.len())].clone();
        let tip = inner.review.tip(&branch).cloned().unwrap();
        match inner.rng.u8(..11) {
            0 => {
                inner.review.added += 1;
                let added = ProposalBranch {
                    parents: vec![tip.tip.clone()],
                    author: person(),
                    committer: person(),
                    message: "mine".to_owned(),
                    ..tip
                };
                inner.review.add(&branch, added);
            }
            1 => {
                inner.review.added += 1;
                inner.review.add(&branch, ProposalBranch { committer: person(), ..tip });
            }
            2..=4 => merge(inner, &branch, &tip),
            5..=7 => close(inner, &branch),
            8 => {
                // Forges close proposals whose branch is gone.
                close(inner, &branch);
                inner.review.branches.remove(&branch);
            }
            9 => {
                // A stale bot rejects nothing.
                inner.review.open(&branch).into_iter().for_each(|open| open.state = ProposalState::Expired);
            }
            _ => {}
        }
    });
}

fn close(inner: &mut Inner, branch: &str) {
    let Some(open) = inner.review.open(branch) else { return };
    open.state = ProposalState::Closed;
    let (number, body) = (open.number, open.body.clone());
    // The person rejected what the body lists.
    let (Some(tip), Some(seen)) =
        (inner.review.tip(branch).cloned(), crate::proposal::fingerprint::ProposalFingerprint::read(&body))
    else {
        return;
    };
    let all = changes(&inner.at_tip().lock, &lock(&tip));
    let whole = crate::proposal::fingerprint::ProposalFingerprint::of(&all);
    let seen = all.iter().filter(|one| seen.covers(one, &whole));
    let declined = |one: &PinChange| Some((number, body.clone(), one.tag.clone(), one.after()?.digest.clone()));
    let declined: Vec<_> = seen.filter_map(declined).collect();
    inner.review.declined.extend(declined);
}

/// Merges a proposal on the forge: puts the changes of its branch onto the main one.
fn merge(inner: &mut Inner, branch: &str, tip: &ProposalBranch) {
    let Some(open) = inner.review.open(branch) else { return };
    open.state = ProposalState::Merged;
    inner.review.merged += 1;
    let mut files = (*inner.commits[inner.tip].files).clone();
    let root = inner.at_tip();
    let theirs = lock(tip);
    // Changes that others merged in between stay.
    let mut ids = changed_tags(&root.lock, &theirs);
    ids.retain(|id| {
        let (now, then) = (root.lock.pins.get(id), theirs.pins.get(id));
        root.definitions.tags.contains_key(id)
            && then.is_some_and(|then| now.is_none_or(|now| then.previous.first() == Some(&now.digest)))
    });
    let merged = overlay(&root.lock, &theirs, &ids);
    files.insert(crate::model::lock::FILE_NAME.to_owned(), encode(&merged).into_bytes());
    let Ok(root) = Root::read(&files) else { return };
    let commit = Commit {
        parent: Some(inner.tip),
        files: Rc::new(files),
        root: Rc::new(root),
        by_person: true,
        seen_at: BTreeMap::new(),
    };
    inner.push(commit);
    if inner.rng.bool() {
        inner.review.branches.remove(branch);
    }
}

fn universe(seed: u64) -> Shared {
    let universe = Universe::new(seed);
    universe.with(|inner| {
        let mut files = (*inner.commits[0].files).clone();
        files.insert("pinstream.toml".to_owned(), SETTINGS.as_bytes().to_vec());
        let root = Rc::new(Root::read(&files).unwrap());
        inner.push(Commit { parent: None, files: Rc::new(files), root, by_person: true, seen_at: BTreeMap::new() });
    });
    universe
}

fn run(seed: u64, fault: Option<Fault>) -> Result<(usize, usize, usize), String> {
    let universe = universe(seed);
    let mut reconcilers: Vec<Reconciler> = (0..universe.rng(|rng| rng.u32(1..=3))).map(Reconciler::new).collect();
    for _ in 0..STEPS {
        let which = universe.rng(|rng| rng.usize(..reconcilers.len()));
        match universe.rng(|rng| rng.u8(..100)) {
            0 => crash(&universe, &mut reconcilers[which]),
            1..=3 => registry::move_one(&universe),
            4..=9 => person_acts(&universe),
            _ => step(&universe, &mut reconcilers[which], fault),
        }
        universe.broken()?;
    }
    universe.calm();
    // Running passes end; one complete pass sees everything; another one has nothing to do.
    finish(&universe, &mut reconcilers, fault)?;
    universe.advance(std::time::Duration::from_secs(86_400));
    step(&universe, &mut reconcilers[0], fault);
    finish(&universe, &mut reconcilers, fault)?;
    at_rest(&universe)?;
    let before = universe.with(|inner| inner.review.traces());
    step(&universe, &mut reconcilers[0], fault);
    finish(&universe, &mut reconcilers, fault)?;
    if universe.with(|inner| inner.review.traces()) != before {
        return Err("I3: another pass changed something".to_owned());
    }
    Ok(universe.with(|inner| (inner.review.proposals.len(), inner.review.merged, inner.review.added)))
}

/// Checks that every change is proposed at rest, except rejected ones and those on branches that people work on.
fn at_rest(universe: &Shared) -> Result<(), String> {
    universe.with(|inner| {
        let root = inner.at_tip();
        let state = inner.state_tip.map(|at| inner.states[at].1.clone()).unwrap_or_default();
        for (number, body, tag, digest) in inner.review.declined.clone() {
            // The forge accepts a new body for a proposal closed at the same moment. If the pass is killed before it
            // restores the old body, the person has to close the proposal again.
            if inner.review.proposals.iter().any(|known| known.number == number && known.body != body) {
                continue;
            }
            let is_open = |branch: &String| {
                inner.review.proposals.iter().any(|known| known.branch == *branch && known.state == ProposalState::Open)
            };
            for (branch, at) in &inner.review.branches {
                let draft = &inner.review.drafts[*at];
                let proposes = lock(draft).pins.get(&tag).is_some_and(|pin| pin.digest == digest);
                let stands = root.lock.pins.get(&tag).is_some_and(|pin| pin.digest == digest);
                if !is_by_person(draft) && is_open(branch) && proposes && !stands {
                    return Err(format!("I21: {tag} at {} is proposed again", digest.short()));
                }
            }
        }
        for (id, tag) in &root.definitions.tags {
            let Some(image) = (match &tag.source {
                crate::model::stream::TagSource::Image { image, .. } => Some(image),
                _ => None,
            }) else {
                continue;
            };
            let Some(now) = inner.registry.now(image) else { continue };
            let is_there = |lock: &Lock| lock.pins.get(id).is_some_and(|pin| pin.digest == *now);
            let is_proposed = inner.review.branches.iter().any(|(branch, at)| {
                let draft = &inner.review.drafts[*at];
                let has_proposal = inner
                    .review
                    .proposals
                    .iter()
                    .any(|known| known.branch == *branch && known.state == ProposalState::Open);
                is_by_person(draft) || has_proposal && is_there(&lock(draft))
            });
            let is_declined = state.memory.is_reverted(id, now);
            if !is_there(&root.lock) && !is_proposed && !is_declined {
                return Err(format!("I3: {id} at {} is not proposed", now.short()));
            }
        }
        Ok(())
    })
}

#[test]
fn t25_no_commit_of_a_person_on_a_proposal_is_lost() {
    let (mut proposals, mut merged, mut added) = (0, 0, 0);
    for seed in 0..share(SCHEDULES, SAMPLE) {
        let (one, two, three) = run(seed, None).unwrap_or_else(|broken| panic!("seed {seed}: {broken}"));
        (proposals, merged, added) = (proposals + one, merged + two, added + three);
    }
    // A run without events would prove nothing.
    let least = [400, 200, 200].map(|least| share(least, SAMPLE) as usize);
    assert!(
        [proposals, merged, added].iter().zip(least).all(|(sum, least)| *sum > least),
        "{proposals} {merged} {added}"
    );
}

#[test]
fn t25_a_forced_proposal_branch_breaks_an_invariant() {
    let broken = (0..SCHEDULES).find_map(|seed| run(seed, Some(Fault::ForcedDraft)).err());
    assert!(broken.as_ref().is_some_and(|broken| broken.starts_with("I7:")), "{broken:?}");
}
