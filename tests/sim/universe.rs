//! State of the simulated world: a branch, a state ref, a registry, a clock and the inputs of hooks.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};

use crate::git::{CommitId, RootFiles};
use crate::model::image::{Digest, Repository, TagId};
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::state::{HookClaim, State};

use super::registry::{self, SimRegistry};
use super::review::Review;
use super::servers::{GitServer, Pushes};
use super::{Outcome, people};

/// Steps that a process needs to see that a timer fired, and to write the state.
const URGENT_STEPS: u8 = 12;

/// The universe that all processes share.
pub(super) type Shared = Rc<Universe>;

/// The contents of the universe.
pub(super) struct Universe {
    inner: RefCell<Inner>,
}

/// One commit of the branch.
pub(super) struct Commit {
    pub(super) parent: Option<usize>,
    pub(super) files: Rc<RootFiles>,
    pub(super) root: Rc<Root>,
    /// Set if a person made it.
    pub(super) by_person: bool,
    /// Time at which each pin was seen at its registry, for pins that a pass set.
    pub(super) seen_at: BTreeMap<TagId, u64>,
}

/// One run of a hook that succeeded, for one tag.
pub(super) struct Delivery {
    pub(super) hook: String,
    pub(super) tag: TagId,
    pub(super) digest: Digest,
    pub(super) commit: usize,
    /// Id of the change.
    pub(super) id: String,
    /// The pass that ran it.
    pub(super) process: u32,
    /// Set if the state says so.
    pub(super) marked: bool,
}

/// The change for which a hook was last run.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) id: String,
    pub(super) old: Option<Digest>,
    pub(super) new: Digest,
    pub(super) commit: usize,
}

/// A hook that continues although the process that ran it was killed.
pub(super) struct Orphan {
    pub(super) process: u32,
    pub(super) hook: String,
    pub(super) event: serde_json::Value,
    /// Time at which it ends at the latest.
    pub(super) until: Duration,
}

/// A moment at which a process has something to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) process: u32,
    pub(super) deadline: Duration,
}

/// Requests that fail at every attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stuck {
    /// The branch.
    Branch,
    /// The state, after this number of writes.
    StateAfter(usize),
}

pub(super) struct Inner {
    pub(super) rng: Rng,
    pub(super) now: Timestamp,
    /// Seconds by which the clock of each machine is ahead.
    pub(super) skews: BTreeMap<u32, i64>,
    /// A monotonic clock.
    pub(super) elapsed: Duration,
    /// Set if a part of the process that is being polled did something that the others wait for.
    pub(super) is_driven: bool,
    pub(super) timers: BTreeMap<u64, Timer>,
    pub(super) timers_started: u64,
    /// Processes whose timer fired, with the number of steps until time may pass again.
    pub(super) urgent: BTreeMap<u32, u8>,
    /// Time of the last failed answer for each image.
    pub(super) failed: BTreeMap<String, Duration>,
    pub(super) step: u64,
    pub(super) calm: bool,
    /// Set if every hook takes longer than a lease.
    pub(super) has_slow_hooks: bool,
    /// Set if several processes run, so that each waits while the others continue.
    pub(super) is_crowded: bool,
    /// With shards, the machine that resolves each repository.
    pub(super) asked_by: BTreeMap<Repository, u32>,
    pub(super) registry: SimRegistry,
    pub(super) review: Review,
    pub(super) commits: Vec<Commit>,
    pub(super) tip: usize,
    pub(super) states: Vec<(Option<usize>, State)>,
    pub(super) state_tip: Option<usize>,
    pub(super) alive: BTreeSet<u32>,
    pub(super) processes: u32,
    /// Number of hooks that were started.
    pub(super) runs: usize,
    pub(super) deliveries: Vec<Delivery>,
    /// By hook and tag.
    pub(super) starts: BTreeMap<(String, TagId), Start>,
    /// The change of each id.
    pub(super) ids: BTreeMap<String, (String, TagId, Option<Digest>, Digest)>,
    pub(super) orphans: Vec<Orphan>,
    /// By hook, processes whose claim had expired when another process took it.
    pub(super) overtaken: BTreeSet<(String, u32)>,
    /// Processes whose remote failed.
    pub(super) cut_off: BTreeSet<u32>,
    pub(super) stuck: Option<Stuck>,
    pub(super) server: GitServer,
    /// Set while the server refuses pushes, or lies about them.
    pub(super) is_server_bad: bool,
    /// By process, ref and expected commit.
    pub(super) pushes: BTreeMap<(u32, &'static str, Option<usize>), Pushes>,
    /// Step at which a force push removed a commit from the branch.
    pub(super) dropped: BTreeMap<usize, u64>,
    /// Step at which each process began.
    pub(super) begun: BTreeMap<u32, u64>,
    /// Reports of the passes, if they are recorded.
    pub(super) reports: Option<Vec<String>>,
    /// Digests whose bytes were fetched and hashed.
    pub(super) hashed: BTreeSet<Digest>,
    /// The last answer for each tag that each process received, with its time.
    pub(super) observed: BTreeMap<(u32, String), (u64, Digest)>,
    /// The digest at which each hook was first seen, and the number of deliveries before it.
    pub(super) adopted: BTreeMap<String, (Lock, usize)>,
    pub(super) broken: Option<String>,
    pub(super) crashes: usize,
    pub(super) lost: usize,
    pub(super) rejected: usize,
    pub(super) orphaned: usize,
}

impl Universe {
    /// Creates the initial universe of `seed`.
    pub(super) fn new(seed: u64) -> Shared {
        Self::with_images(seed, registry::few())
    }

    /// Creates a universe with many images, for many shards.
    pub(super) fn crowded(seed: u64) -> Shared {
        let universe = Self::with_images(seed, registry::many());
        universe.with(|inner| inner.is_crowded = true);
        universe
    }

    fn with_images(seed: u64, images: Vec<String>) -> Shared {
        let mut rng = Rng::with_seed(seed);
        let registry = SimRegistry::new(&mut rng, images);
        let files = people::first_files(&mut rng, registry.images());
        let root = Root::read(&files).unwrap();
        let first = Commit {
            parent: None,
            files: Rc::new(files),
            root: Rc::new(root),
            by_person: true,
            seen_at: BTreeMap::new(),
        };
        Rc::new(Self {
            inner: RefCell::new(Inner {
                rng,
                now: "2026-01-01T00:00:00Z".parse().unwrap(),
                skews: BTreeMap::new(),
                elapsed: Duration::ZERO,
                is_driven: false,
                timers: BTreeMap::new(),
                timers_started: 0,
                urgent: BTreeMap::new(),
                failed: BTreeMap::new(),
                step: 0,
                calm: false,
                has_slow_hooks: false,
                is_crowded: false,
                asked_by: BTreeMap::new(),
                registry,
                review: Review::default(),
                commits: vec![first],
                tip: 0,
                states: Vec::new(),
                state_tip: None,
                alive: BTreeSet::new(),
                processes: 0,
                runs: 0,
                deliveries: Vec::new(),
                starts: BTreeMap::new(),
                ids: BTreeMap::new(),
                orphans: Vec::new(),
                overtaken: BTreeSet::new(),
                cut_off: BTreeSet::new(),
                stuck: None,
                server: GitServer::Honest,
                is_server_bad: false,
                pushes: BTreeMap::new(),
                dropped: BTreeMap::new(),
                begun: BTreeMap::new(),
                reports: None,
                hashed: BTreeSet::new(),
                observed: BTreeMap::new(),
                adopted: BTreeMap::new(),
                broken: None,
                crashes: 0,
                lost: 0,
                rejected: 0,
                orphaned: 0,
            }),
        })
    }

    /// Runs a function on the contents atomically.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.borrow_mut())
    }

    pub(super) fn rng<T>(&self, draw: impl FnOnce(&mut Rng) -> T) -> T {
        self.with(|inner| draw(&mut inner.rng))
    }

    /// Starts a step of a process.
    pub(super) fn tick(&self, process: u32) {
        let pace = self.with(|inner| {
            inner.step += 1;
            inner.is_driven = false;
            inner.urgent.retain(|known, steps| {
                *steps -= u8::from(*known == process);
                *steps > 0
            });
            if inner.is_crowded { Duration::from_micros(100) } else { Duration::from_millis(5) }
        });
        self.advance(pace);
    }

    /// Advances both clocks.
    pub(super) fn advance(&self, by: Duration) {
        self.with(|inner| {
            inner.elapsed += by;
            inner.jump(SignedDuration::try_from(by).unwrap());
        });
    }

    /// Advances both clocks to `deadline` or the first timer before that, unless a process has yet to see that its timer
    /// fired.
    pub(super) fn advance_to(&self, deadline: Duration) {
        let by = self.with(|inner| {
            if !inner.urgent.is_empty() {
                return Duration::ZERO;
            }
            let until = inner.timers.values().map(|timer| timer.deadline).chain([deadline]).min().unwrap_or(deadline);
            let fired = inner.timers.values().filter(|timer| timer.deadline <= until);
            inner.urgent = fired.map(|timer| (timer.process, URGENT_STEPS)).collect();
            until.saturating_sub(inner.elapsed)
        });
        self.advance(by);
    }

    /// Starts a process.
    pub(super) fn begin(&self) -> u32 {
        self.with(|inner| {
            inner.processes += 1;
            inner.alive.insert(inner.processes);
            inner.begun.insert(inner.processes, inner.step);
            inner.processes
        })
    }

    pub(super) fn end(&self, process: u32) {
        self.with(|inner| {
            inner.urgent.remove(&process);
            inner.alive.remove(&process);
        });
    }

    pub(super) fn crash(&self, process: u32) {
        self.end(process);
        self.with(|inner| inner.crashes += 1);
    }

    /// Stops all faults and changes.
    pub(super) fn calm(&self) {
        self.with(|inner| {
            inner.calm = true;
            inner.is_server_bad = false;
            inner.registry.calm();
        });
    }

    /// Amount that all processes have left behind so far.
    pub(super) fn traces(&self) -> (usize, usize, usize) {
        self.with(|inner| (inner.commits.len(), inner.deliveries.len(), inner.states.len()))
    }

    /// The first invariant that broke.
    pub(super) fn broken(&self) -> Result<(), String> {
        self.with(|inner| inner.broken.clone().map_or(Ok(()), Err))
    }

    pub(super) fn outcome(&self) -> Outcome {
        self.with(|inner| Outcome {
            lock: crate::model::lock::encode::encode(&inner.at_tip().lock),
            commits: inner.commits.iter().filter(|commit| !commit.by_person).count(),
            deliveries: inner.deliveries.len(),
            crashes: inner.crashes,
            lost: inner.lost,
            rejected: inner.rejected,
            orphans: inner.orphaned,
            reports: inner.reports.take(),
        })
    }
}

impl Inner {
    /// Reads the wall clock of a machine.
    pub(super) fn now_at(&self, machine: u32) -> Timestamp {
        let skew = self.skews.get(&machine).copied().unwrap_or_default();
        self.now.checked_add(SignedDuration::from_secs(skew)).unwrap()
    }

    /// Sets the wall clock to another time.
    pub(super) fn jump(&mut self, by: SignedDuration) {
        self.now = self.now.checked_add(by).unwrap();
    }

    /// Reports whether a process that is alive, or whose hook is, has claimed a hook.
    pub(super) fn has_live_claim(&self) -> bool {
        let claims = self.state_tip.map(|at| &self.states[at].1.claims);
        let alive = |claim: &HookClaim| {
            let process = claim.owner.process.parse().unwrap();
            self.alive.contains(&process) || self.orphans.iter().any(|orphan| orphan.process == process)
        };
        claims.is_some_and(|claims| claims.values().any(alive))
    }

    pub(super) fn at_tip(&self) -> &Root {
        &self.commits[self.tip].root
    }

    /// Adds a commit to the branch.
    pub(super) fn push(&mut self, commit: Commit) -> usize {
        self.commits.push(commit);
        self.tip = self.commits.len() - 1;
        self.tip
    }

    /// Returns all commits, newest first.
    pub(super) fn history(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(self.tip), |at| self.commits[*at].parent)
    }

    /// Notes that an invariant broke; the first one counts.
    pub(super) fn break_(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Reports a fault in `percent` of the calls while faults are on.
    pub(super) fn mishap(&mut self, percent: u8) -> bool {
        !self.calm && self.rng.u8(..100) < percent
    }
}

/// Converts the index of a commit or state to the id that the program sees.
pub(super) fn id(at: usize) -> CommitId {
    CommitId(format!("{at:040}"))
}

/// Returns the index of an id.
pub(super) fn place(id: &CommitId) -> usize {
    id.0.parse().unwrap()
}
