//! The state of the branch during one pass: read once, changed in memory, and written by compare-and-swap.
//!
//! The changes of a pass are collected and written together: with the claim of a hook, or at the end. A rejected write is
//! merged with what others wrote and repeated; the pass does not start over.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::effects::{HistoryQuery, RefUpdate, RemoteTips, World};
use crate::git::{CommitId, Push};
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::shard::Shard;
use crate::model::state::memory::HistoryAccess;
use crate::model::state::{FailingTags, ScheduleState, State};

use super::PassError;
use super::retry::Retry;

/// The state, and the commit of the state ref it was read from.
#[derive(Clone, Debug)]
pub struct StateStore {
    /// The branch that the state belongs to.
    pub branch: String,
    /// The commit it was read from; `None` if there is no state yet.
    pub commit: Option<CommitId>,
    /// The state as last read or written, with the changes since then.
    pub state: State,
    /// The state as last read or written, if it has been changed since then.
    base: Option<Box<State>>,
    /// Set if the state may be newer than the branch tip in use.
    pub is_newer: bool,
    /// Notes for the report.
    pub notes: Vec<String>,
}

/// Results of a pass that the next one needs.
pub struct PassRecord<'a> {
    /// Times of the schedules, if this was a scheduled pass over the whole root or shard.
    pub due: Option<DueRecord>,
    /// The lock before and after the commit of this pass, and that commit.
    pub landed: Option<(&'a Lock, &'a Lock, CommitId)>,
    /// Set if the history of the branch was available.
    pub history: HistoryAccess,
    /// Digests that people reverted or declined.
    pub reverted: BTreeMap<TagId, Digest>,
    /// Tells the tags that were resolved, or follow one that was.
    pub is_resolved: &'a dyn Fn(&TagId) -> bool,
    /// The digests that are soaking.
    pub soaking: BTreeMap<TagId, Digest>,
    /// The tags that the budget did not suffice for.
    pub deferred: &'a BTreeSet<TagId>,
    /// Tells the deferred tags of earlier passes that are still waiting.
    pub is_waiting: &'a dyn Fn(&TagId) -> bool,
    /// The tags that failed at the start of the pass.
    pub failing_before: &'a FailingTags,
    /// The tags that fail.
    pub failing: &'a FailingTags,
    /// Time of the pass.
    pub now: Timestamp,
}

/// Results of a scheduled pass that the next one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueRecord {
    /// The shard of the pass; `None` for the whole root.
    pub shard: Option<Shard>,
    /// Time at which the schedules were evaluated.
    pub now: Timestamp,
}

impl DueRecord {
    fn next(&self, before: Option<&ScheduleState>) -> ScheduleState {
        // A time in the future was written while a clock was wrong.
        let last = before.map(|schedule| schedule.last).filter(|last| *last <= self.now);
        ScheduleState { last: last.map_or(self.now, |last| last.max(self.now)) }
    }
}

impl StateStore {
    /// Returns the empty state of a pass that lands nothing on a remote.
    pub fn none(tips: &RemoteTips) -> Self {
        Self {
            branch: tips.branch.clone(),
            commit: None,
            state: State::default(),
            base: None,
            is_newer: false,
            notes: Vec::new(),
        }
    }

    /// Reads the state at `tips`.
    ///
    /// # Errors
    /// A Git failure.
    pub async fn read<W: World>(world: &W, tips: &RemoteTips) -> Result<Self, PassError> {
        let state = world.read_state(&tips.branch, tips.state.as_ref()).await?;
        // Remotes list branches before the state ref, so the state can be newer.
        let (branch, commit) = (tips.branch.clone(), tips.state.clone());
        Ok(Self { branch, commit, state, base: None, is_newer: true, notes: Vec::new() })
    }

    /// Initialises new hooks with the lock at the tip: they run for what lands from now on. Removed hooks are forgotten at
    /// once, because somebody may add them again later; returns `false` if the state moved then and the pass must start
    /// over.
    ///
    /// # Errors
    /// A Git failure.
    pub async fn adopt_hooks<W: World>(&mut self, world: &W, root: &Root) -> Result<bool, PassError> {
        let hooks = &root.settings.hooks;
        if hooks.iter().all(|hook| self.state.seen.contains_key(&hook.name)) {
            return Ok(true);
        }
        let is_defined = |name: &String| hooks.iter().any(|hook| hook.name == *name);
        if !self.state.seen.keys().all(is_defined) {
            let mut state = self.state.clone();
            state.seen.retain(|name, _| is_defined(name));
            state.attempted_locks.retain(|name, _| is_defined(name));
            // Run counts of removed hooks stay: if a hook comes back, its new events must not reuse old ids.
            if !self.replace(world, state).await? {
                return Ok(false);
            }
        }
        self.edit(|state| {
            for hook in hooks {
                state.seen.entry(hook.name.clone()).or_insert_with(|| root.lock.clone());
            }
        });
        Ok(true)
    }

    /// Notes which of our changes people reverted, according to the lock at `tips`, before anything is decided. Returns
    /// `false` if the branch moved and the pass must start over.
    ///
    /// # Errors
    /// A Git failure.
    pub async fn note_reverts<W: World>(
        &mut self,
        world: &W,
        tips: &RemoteTips,
        lock: &Lock,
    ) -> Result<bool, PassError> {
        let landed = self.state.memory.commits_of_missing(lock);
        let lost = match landed.is_empty() {
            true => landed,
            false => world.history(&tips.tip, &HistoryQuery { landed, ..HistoryQuery::default() }).await?.lost,
        };
        let memory = self.state.memory.after_reading(lock, &lost);
        if memory == self.state.memory {
            return Ok(true);
        }
        // The writer of the state may have landed after the branch was read: then nothing was reverted.
        if world.tips(Some(&self.branch)).await?.tip != tips.tip {
            return Ok(false);
        }
        let branch = &self.branch;
        let note = |commit: &CommitId| {
            format!(
                "`{branch}` no longer contains {}, which pinstream landed: the branch was reset, so its changes may land again",
                commit.short()
            )
        };
        self.notes.extend(lost.iter().map(note));
        self.edit(|state| state.memory = memory);
        Ok(true)
    }

    /// Notes the results of a pass: schedule times, failing and deferred tags, soaking digests, landed and reverted changes.
    pub fn record(&mut self, record: &PassRecord<'_>) {
        let PassRecord { due, landed, history, reverted, is_resolved, soaking, deferred, is_waiting, now, .. } = record;
        let (failing_before, failing) = (record.failing_before, record.failing);
        let has_news = due.is_some() || landed.is_some() || !reverted.is_empty() || !soaking.is_empty();
        let is_deferring = !deferred.is_empty() || !self.state.deferred.is_empty();
        if !has_news && !is_deferring && self.state.memory.seen.is_empty() && failing == failing_before {
            return;
        }
        self.edit(|state| {
            let mut memory = state.memory.after_pass(is_resolved, soaking, *now).after_reverts(reverted);
            if let Some((old, new, commit)) = landed {
                memory = memory.after_landing(old, new, commit, *history);
            }
            let waiting = state.deferred.iter().filter(|id| is_waiting(id));
            state.deferred = waiting.chain(*deferred).cloned().collect();
            state.memory = memory;
            // Others may have recorded theirs since the pass started.
            state.merge_failing(failing_before, failing);
            if let Some(due) = due {
                let next = due.next(state.schedule_of(due.shard));
                *state = std::mem::take(state).with_schedule(due.shard, next);
            }
        });
    }

    /// Changes the state in memory.
    pub fn edit(&mut self, edit: impl FnOnce(&mut State)) {
        let base = self.base.take().unwrap_or_else(|| Box::new(self.state.clone()));
        edit(&mut self.state);
        self.base = (*base != self.state).then_some(base);
    }

    /// Writes the changes, if there are any, merged with those of others.
    ///
    /// # Errors
    /// A Git failure, or [`PassError::Contention`].
    pub async fn save<W: World>(&mut self, world: &W) -> Result<(), PassError> {
        let mut retry = Retry::default();
        while self.base.is_some() {
            if let Some(commit) = self.push(world, &self.state).await? {
                (self.commit, self.base) = (Some(commit), None);
                return Ok(());
            }
            retry.back_off(world, "the state ref moved").await?;
            self.refresh(world).await?;
        }
        Ok(())
    }

    /// Reads the state again if its ref moved, and merges the changes with it.
    ///
    /// # Errors
    /// A Git failure.
    pub async fn refresh<W: World>(&mut self, world: &W) -> Result<RemoteTips, PassError> {
        let tips = world.tips(Some(&self.branch)).await?;
        if tips.state != self.commit {
            let theirs = world.read_state(&self.branch, tips.state.as_ref()).await?;
            self.state = match self.base.take() {
                Some(base) => {
                    let merged = self.state.merge(&base, theirs.clone());
                    self.base = (merged != theirs).then(|| Box::new(theirs));
                    merged
                }
                None => theirs,
            };
            self.commit.clone_from(&tips.state);
            self.is_newer = true;
        }
        Ok(tips)
    }

    /// Writes `state`, which has the changes so far, by one compare-and-swap; `false` unless it is known to have succeeded.
    ///
    /// # Errors
    /// A Git failure.
    pub async fn replace<W: World>(&mut self, world: &W, state: State) -> Result<bool, PassError> {
        let Some(commit) = self.push(world, &state).await? else { return Ok(false) };
        (self.commit, self.state, self.base) = (Some(commit), state, None);
        Ok(true)
    }

    /// Returns the new commit of the state ref; `None` unless the write is known to have succeeded.
    async fn push<W: World>(&self, world: &W, state: &State) -> Result<Option<CommitId>, PassError> {
        let update = RefUpdate::State { branch: &self.branch, expected: self.commit.as_ref(), state };
        match world.push(update).await? {
            Push::Landed(commit) => Ok(Some(commit)),
            Push::Moved | Push::Unknown(_) => Ok(None),
        }
    }
}
