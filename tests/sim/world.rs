//! The simulator's `World`: every call can be interleaved with all others before and after its effect, its answer can
//! be lost, and one fault can be planted in it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use crate::effects::{
    Clock as _, Forge, ForgeProposal, Git, HistoryFacts, HistoryQuery, Hooks, ProposalDraft, ProposeResult, RefUpdate,
    Registries, RemoteTips,
};
use crate::forge::ForgeError;
use crate::formats::path::FilePath;
use crate::git::stalled::StalledPushes;
use crate::git::{CommitId, GitError, ProposalBranch, Push, RepoFile, RootFiles, TipLock};
use crate::hook::{HookExit, HookResult, HookRun};
use crate::model::image::{Digest, ImageRef, Repository, TagName};
use crate::model::settings::publish::Publish;
use crate::model::settings::remote::RemoteSettings;
use crate::model::settings::{Settings, Sign};
use crate::model::state::{Owner, State};
use crate::registry::manifest::{Descriptor, ManifestContent, VerifiedManifest};
use crate::registry::{FailureKind, ResolveError};

use super::invariants;
use super::registry::is_tagged;
use super::review;
use super::universe::{Inner, Orphan, Shared, id, place};

mod clock;
mod push;

/// A bug of a peer, built in on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// A push ignores the tip of the branch.
    ForcedPush,
    /// A rejected push is repeated on the new tip without deciding again.
    BlindRebase,
    /// A push whose outcome is unknown counts as landed.
    UnknownIgnored,
    /// The branch is read before the state, and only once.
    BranchBeforeState,
    /// Marks the input of a hook before it runs.
    MarkBeforeHook,
    /// A digest from a header is pinned without its bytes.
    HeadTrusted,
    /// The state is overwritten without a comparison.
    ForcedState,
    /// A failed import counts as unchanged.
    FailureSwallowed,
    /// The owner of a claim is always assumed to be dead.
    ClaimIgnored,
    /// The clocks differ by almost the length of a lease.
    ClockAhead,
    /// Lets the processes of a dead pass continue.
    OrphanIgnored,
    /// The branch of a proposal is moved without a comparison.
    ForcedDraft,
    /// Pins of the repositories of other shards are dropped.
    OthersDropped,
    /// A push is repeated although the server refused it.
    RefusalRetried,
    /// A state ref that the server hides counts as missing.
    HiddenIgnored,
    /// Changes that a force push removed count as reverted by people.
    LossIgnored,
    /// Pushes are repeated although the branch does not change.
    StallIgnored,
}

impl Fault {
    /// All faults of passes that land, with the invariants that may catch them.
    pub(super) const ALL: [(Self, &'static [&'static str]); 11] = [
        (Self::ForcedPush, &["I7"]),
        (Self::BlindRebase, &["I2", "I5", "I7", "I23"]),
        (Self::UnknownIgnored, &["I7", "I9", "I18"]),
        (Self::BranchBeforeState, &["I9", "I10", "I11"]),
        (Self::MarkBeforeHook, &["I8"]),
        (Self::HeadTrusted, &["I1"]),
        (Self::ForcedState, &["I8", "I10", "I11"]),
        (Self::FailureSwallowed, &["I18"]),
        (Self::ClaimIgnored, &["I8", "I10", "I11"]),
        (Self::ClockAhead, &["I8", "I10", "I11"]),
        (Self::OrphanIgnored, &["I8", "I10", "I11"]),
    ];
}

/// Maximum run time of an orphan: past its claim, others may run the hook.
const ORPHAN_MAX: Duration = Duration::from_secs(60);

/// One process's view of the universe.
pub(super) struct SimWorld {
    universe: Shared,
    process: u32,
    machine: u32,
    fault: Option<Fault>,
    started: Duration,
    /// For [`Fault::BranchBeforeState`]: the tip that was read the last time.
    earlier_tip: Cell<Option<usize>>,
    stalled: RefCell<StalledPushes<usize>>,
}

impl SimWorld {
    pub(super) fn new(universe: Shared, process: u32, machine: u32, fault: Option<Fault>) -> Self {
        let started = universe.with(|inner| inner.elapsed);
        let (earlier_tip, stalled) = (Cell::new(None), RefCell::default());
        Self { universe, process, machine, fault, started, earlier_tip, stalled }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    /// Lets all others run first; may crash here.
    async fn give_way(&self) {
        self.universe.with(|inner| inner.is_driven = true);
        yield_once().await;
    }

    /// Runs an effect; others may run, and a crash may happen, before and after it.
    async fn act<T>(&self, effect: impl FnOnce(&mut Inner) -> T) -> T {
        self.give_way().await;
        let result = self.universe.with(effect);
        self.give_way().await;
        result
    }

    /// Runs an effect at the remote, which is sometimes unreachable.
    async fn ask<T>(&self, effect: impl FnOnce(&mut Inner) -> T) -> Result<T, GitError> {
        let (process, fails) = (self.process, self.universe.with(|inner| inner.mishap(1)));
        if fails {
            self.act(|inner| inner.cut_off.insert(process)).await;
            return Err(GitError::Unreachable { url: "sim".to_owned(), reason: "it is cut off".to_owned() });
        }
        Ok(self.act(effect).await)
    }
}

impl Git for SimWorld {
    async fn tips(&self, _: Option<&str>) -> Result<RemoteTips, GitError> {
        let tip = self.ask(|inner| inner.tip).await?;
        let (state, branches) = self.ask(|inner| (inner.state_tip, inner.review.tips())).await?;
        let state = state.filter(|_| !self.has(Fault::HiddenIgnored));
        let earlier = self.earlier_tip.replace(Some(tip)).unwrap_or(tip);
        let tip = if self.has(Fault::BranchBeforeState) { earlier } else { tip };
        Ok(RemoteTips { branch: "main".to_owned(), tip: id(tip), state: state.map(id), default: None, branches })
    }

    async fn root_files(&self, commit: &CommitId) -> Result<RootFiles, GitError> {
        let at = place(commit);
        self.ask(|inner| (*inner.commits[at].files).clone()).await
    }

    async fn file(&self, commit: &CommitId, path: &str) -> Result<Option<RepoFile>, GitError> {
        let at = place(commit);
        let bytes = self.ask(|inner| inner.commits[at].files.get(path).cloned()).await?;
        Ok(bytes.map(|bytes| RepoFile { bytes, executable: true }))
    }

    async fn paths(&self, commit: &CommitId, patterns: &[FilePath]) -> Result<Vec<String>, GitError> {
        let at = place(commit);
        let is_meant = |path: &&String| patterns.iter().any(|pattern| pattern.matches(path));
        self.ask(|inner| inner.commits[at].files.keys().filter(is_meant).cloned().collect()).await
    }

    async fn history(&self, tip: &CommitId, query: &HistoryQuery) -> Result<HistoryFacts, GitError> {
        // There is no history of locks; the state has to be sufficient.
        let tip = place(tip);
        let is_lost = |inner: &mut Inner| {
            let history = std::iter::successors(Some(tip), |at| inner.commits[*at].parent);
            let history: BTreeSet<usize> = history.collect();
            let contains = |commit: &CommitId| history.contains(&place(commit));
            query.landed.iter().filter(|commit| !contains(commit)).cloned().collect()
        };
        let lost = self.ask(is_lost).await?;
        Ok(HistoryFacts { reverted: None, lost: if self.has(Fault::LossIgnored) { BTreeSet::new() } else { lost } })
    }

    async fn proposal_branches(
        &self,
        branches: &BTreeMap<String, CommitId>,
    ) -> Result<BTreeMap<String, ProposalBranch>, GitError> {
        self.ask(|inner| inner.review.proposed(branches)).await
    }

    async fn read_state(&self, _: &str, commit: Option<&CommitId>) -> Result<State, GitError> {
        let at = commit.map(place);
        self.ask(|inner| at.map(|at| inner.states[at].1.clone()).unwrap_or_default()).await
    }

    async fn push(&self, update: RefUpdate<'_>) -> Result<Push<CommitId>, GitError> {
        match update {
            RefUpdate::Branch { commit, .. } => self.land(commit).await,
            RefUpdate::Proposal { branch, expected, commit } => {
                let is_forced = commit.is_some() && self.has(Fault::ForcedDraft);
                self.ask(|inner| review::swap(inner, branch, expected, commit, is_forced)).await
            }
            RefUpdate::State { expected, state, .. } => self.write_state(expected, state).await,
        }
    }
}

impl Registries for SimWorld {
    fn prepare(&self, _: &Settings, _: &RootFiles) -> Result<(), String> {
        Ok(())
    }

    fn announce(&self, _: &[Repository]) {}

    async fn tags(&self, repository: &Repository) -> Result<Vec<TagName>, ResolveError> {
        Err(ResolveError::new(FailureKind::NotFound, format!("`{repository}` has no list in this world")))
    }

    async fn digest(&self, image: &ImageRef) -> Result<Digest, ResolveError> {
        let (process, swallow) = (self.process, self.has(Fault::FailureSwallowed));
        let machine = self.machine;
        let answer = |inner: &mut Inner| {
            invariants::at_question(inner, image.repository(), machine);
            let (stale, lie, fails) = (inner.mishap(10), inner.mishap(3), inner.mishap(4));
            let mut answer = inner.registry.digest(image, stale, lie);
            if fails {
                answer = Err(ResolveError::new(FailureKind::Network, "the connection broke"));
            }
            // The bytes of an invented digest do not match it.
            if answer.is_err() || lie {
                inner.failed.insert(image.to_string(), inner.elapsed);
            }
            if let Ok(digest) = &answer
                && is_tagged(image)
            {
                inner.observed.insert((process, image.to_string()), (inner.step, digest.clone()));
            }
            let pinned =
                || inner.at_tip().lock.pins.values().find(|pin| pin.image == *image).map(|pin| pin.digest.clone());
            if swallow
                && answer.is_err()
                && let Some(pinned) = pinned()
            {
                answer = Ok(pinned);
            }
            answer
        };
        self.act(answer).await
    }

    async fn manifest(&self, _: &Repository, digest: &Digest) -> Result<VerifiedManifest, ResolveError> {
        let trusting = self.has(Fault::HeadTrusted);
        let fetch = |inner: &mut Inner| {
            let verified = inner.registry.manifest(digest);
            if verified.is_ok() {
                inner.hashed.insert(digest.clone());
            } else if trusting {
                return Ok(VerifiedManifest::unhashed(digest.clone(), nothing(digest), BTreeMap::new()));
            }
            verified
        };
        self.act(fetch).await
    }

    async fn referrers(&self, repository: &Repository, _: &Digest) -> Result<Vec<Descriptor>, ResolveError> {
        Err(ResolveError::new(FailureKind::NotFound, format!("nothing is signed in `{repository}`")))
    }

    async fn blob(&self, _: &Repository, descriptor: &Descriptor) -> Result<Vec<u8>, ResolveError> {
        self.act(|inner| inner.registry.blob(descriptor)).await
    }

    async fn remote_lock(&self, remote: &RemoteSettings) -> Result<TipLock, ResolveError> {
        Err(ResolveError::new(FailureKind::NotFound, format!("`{}` does not exist in the simulator", remote.url)))
    }
}

impl Forge for SimWorld {
    async fn can_sign(&self, _: Sign) -> Result<(), GitError> {
        Ok(())
    }

    async fn proposals(&self, _: &Publish, _: &str, branches: &[String]) -> Result<Vec<ForgeProposal>, ForgeError> {
        self.act(|inner| review::proposals(inner, branches)).await
    }

    async fn open_proposal(
        &self,
        _: &Publish,
        draft: &ProposalDraft,
        open: Option<&ForgeProposal>,
    ) -> Result<ProposeResult, ForgeError> {
        self.act(|inner| review::open_proposal(inner, draft, open)).await
    }

    async fn close_proposal(&self, _: &Publish, open: &ForgeProposal) -> Result<(), ForgeError> {
        self.act(|inner| review::close_proposal(inner, open)).await
    }
}

impl Hooks for SimWorld {
    async fn run_hook(&self, run: &HookRun) -> HookResult {
        let event: serde_json::Value = serde_json::from_str(&run.stdin).unwrap();
        if self.has(Fault::MarkBeforeHook) {
            let mark = |inner: &mut Inner| {
                let Some(at) = inner.state_tip else { return };
                let commit = place(&CommitId(event["commit"].as_str().unwrap().to_owned()));
                let mut state = inner.states[at].1.clone();
                state.seen.insert(run.name.clone(), inner.commits[commit].root.lock.clone());
                inner.states.push((Some(at), state));
                inner.state_tip = Some(inner.states.len() - 1);
            };
            self.act(mark).await;
        }
        self.give_way().await;
        self.universe.with(|inner| invariants::at_hook_start(inner, self.process, &run.name, &event));
        let mut running = Running {
            universe: &self.universe,
            left: self.universe.with(|inner| {
                let until = inner.elapsed + run.timeout.min(ORPHAN_MAX);
                Some(Orphan { process: self.process, hook: run.name.clone(), event: event.clone(), until })
            }),
        };
        self.give_way().await;
        // Others run meanwhile, and the hook is killed at its time limit.
        let started = self.elapsed();
        let (nap, naps) = self.universe.with(|inner| match (inner.is_crowded, inner.mishap(10)) {
            (true, _) => (Duration::from_millis(50), inner.rng.u8(0..8)),
            (false, true) => (Duration::from_secs(20), inner.rng.u8(0..8)),
            (false, false) if inner.has_slow_hooks => (Duration::from_secs(20), 8),
            (false, false) => (Duration::from_secs(5), inner.rng.u8(0..8)),
        });
        for _ in 0..naps {
            self.sleep(nap).await;
        }
        let (fails, late) = (self.act(|inner| inner.mishap(15)).await, self.elapsed() - started > run.timeout);
        let exit = self.universe.with(|inner| {
            if late {
                return HookExit::TimedOut;
            }
            if fails {
                return HookExit::Code(1);
            }
            invariants::at_delivery(inner, &run.name, &event, self.process);
            HookExit::Success
        });
        running.left = None;
        // There is a result to write, whatever became of the renewals.
        self.universe.with(|inner| inner.pushes.retain(|(process, ..), _| *process != self.process));
        self.give_way().await;
        HookResult { exit, output: String::new() }
    }

    fn owner(&self) -> Owner {
        Owner { machine: self.machine.to_string(), process: self.process.to_string() }
    }

    fn is_gone(&self, owner: &Owner) -> bool {
        let alive = || self.universe.with(|inner| inner.alive.contains(&owner.process.parse().unwrap()));
        self.has(Fault::ClaimIgnored) || owner.machine == self.machine.to_string() && !alive()
    }

    async fn end_orphans(&self, owner: &Owner) -> bool {
        let (process, ignored): (u32, _) = (owner.process.parse().unwrap(), self.has(Fault::OrphanIgnored));
        self.act(|inner| inner.orphans.retain(|orphan| ignored || orphan.process != process)).await;
        true
    }

    fn notes(&self) -> Vec<String> {
        Vec::new()
    }

    fn state_fault(&self) -> Option<GitError> {
        None
    }
}

/// Lets all others run once.
async fn yield_once() {
    let mut waited = false;
    poll_fn(|context| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A running hook. It continues as an orphan if it is dropped early, as if its process was killed.
struct Running<'u> {
    universe: &'u Shared,
    left: Option<Orphan>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.universe.with(|inner| {
            inner.orphaned += usize::from(self.left.is_some());
            inner.orphans.extend(self.left.take());
        });
    }
}

/// An invented value, of somebody who pins a digest without its bytes.
fn nothing(digest: &Digest) -> ManifestContent {
    ManifestContent::Image { config: Descriptor::of(String::new(), digest.clone(), 0), layers: Vec::new() }
}
