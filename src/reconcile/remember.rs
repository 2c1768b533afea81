//! What is remembered beside the branch, as one pass knows it: read once, changed by compare-and-swap.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::effects::{RemoteTips, World};
use crate::git::{CommitId, Push};
use crate::model::image::{Digest, TagId};
use crate::model::lock::Lock;
use crate::model::root::Root;
use crate::model::shard::Shard;
use crate::model::state::memory::HistoryAccess;
use crate::model::state::{ScheduleState, State};

use super::tries::Retry;
use super::{Effect, PassError, Request};

/// The state, and the commit of the state ref it was read at.
#[derive(Clone, Debug)]
pub struct StateStore {
    /// The branch it is the state of.
    pub branch: String,
    /// Where it was read; none where there is none yet.
    pub at: Option<CommitId>,
    /// What it says.
    pub state: State,
    /// Whether somebody else's writing was read since the branch was last looked at.
    pub is_newer: bool,
}

/// What a pass leaves for the next one.
pub struct Learned<'a, F> {
    /// What a scheduled pass leaves.
    pub due: Option<Due>,
    /// The lock before and after the commit of this pass.
    pub moved: Option<(&'a Lock, &'a Lock)>,
    /// Whether the history of the branch was at hand.
    pub history: HistoryAccess,
    /// What people took back of moves that would have been made.
    pub taken: BTreeMap<TagId, Digest>,
    /// Which tags were looked at.
    pub looked: F,
    /// What was found of them and waits.
    pub waiting: BTreeMap<TagId, Digest>,
    /// When.
    pub now: Timestamp,
}

/// What a scheduled pass leaves for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// Whose share it looked at; none for the whole root.
    pub shard: Option<Shard>,
    /// When it looked at the schedules.
    pub now: Timestamp,
    /// The tags that failed.
    pub failed: BTreeSet<TagId>,
}

impl Due {
    fn after(&self, before: Option<&ScheduleState>) -> ScheduleState {
        // A time that lies ahead was written by a clock that went wrong; it gives way.
        let last = before.map(|schedule| schedule.last).filter(|last| *last <= self.now);
        let last = last.map_or(self.now, |last| last.max(self.now));
        ScheduleState { last, retry: self.failed.iter().cloned().collect() }
    }
}

impl StateStore {
    /// Reads the state at `sight`; a pass that only writes files has none.
    ///
    /// # Errors
    /// What stopped the remote.
    pub async fn read<W: World>(world: &W, request: &Request, sight: &RemoteTips) -> Result<Self, PassError> {
        let branch = sight.branch.clone();
        if request.effect != Effect::Land {
            return Ok(Self { branch, at: None, state: State::default(), is_newer: false });
        }
        let state = world.read_state(&branch, sight.state.as_ref()).await?;
        // The remote shows its branches first and its state after them.
        Ok(Self { branch, at: sight.state.clone(), state, is_newer: true })
    }

    /// Lets every hook that has seen nothing yet adopt the lock at the tip: hooks run for what lands from now on. This
    /// comes before anything lands, or a process killed in between would leave moves that no hook ever sees.
    ///
    /// # Errors
    /// What stopped the remote. `false` means that the state moved and the pass begins again.
    pub async fn adopt<W: World>(&mut self, world: &W, root: &Root) -> Result<bool, PassError> {
        let hooks = &root.settings.hooks;
        if hooks.iter().all(|hook| self.state.seen.contains_key(&hook.name)) {
            return Ok(true);
        }
        let mut state = self.state.clone();
        let is_known = |name: &String| hooks.iter().any(|hook| hook.name == *name);
        state.seen.retain(|name, _| is_known(name));
        state.attempted_locks.retain(|name, _| is_known(name));
        // What a hook was run for is counted on when it comes back, or another move would have the id of an old one.
        for hook in hooks {
            state.seen.entry(hook.name.clone()).or_insert_with(|| root.lock.clone());
        }
        self.replace(world, state).await
    }

    /// Notes which moves of ours people took back, by the lock at `sight`. This comes before anything is planned, so that
    /// whoever sees what lands next knows of it too.
    ///
    /// # Errors
    /// What stopped the remote. `false` means that the state or the branch moved and the pass begins again.
    pub async fn look_back<W: World>(&mut self, world: &W, sight: &RemoteTips, lock: &Lock) -> Result<bool, PassError> {
        let memory = self.state.memory.after_reading(lock);
        if memory == self.state.memory {
            return Ok(true);
        }
        // Whoever wrote the state may have landed after the branch was looked at: then nothing was taken back.
        if world.look(Some(&self.branch)).await?.tip != sight.tip {
            return Ok(false);
        }
        self.replace(world, State { memory, ..self.state.clone() }).await
    }

    /// Keeps what a pass learned: when scheduled imports were looked at and which tags failed, what was seen of tags
    /// that wait, and what was moved.
    ///
    /// # Errors
    /// What stopped the remote, or [`PassError::Contention`].
    pub async fn record<W: World, F: Fn(&TagId) -> bool>(
        &mut self,
        world: &W,
        learned: &Learned<'_, F>,
    ) -> Result<(), PassError> {
        let Learned { due, moved, history, taken, looked, waiting, now } = learned;
        let has_news = due.is_some() || moved.is_some() || !taken.is_empty() || !waiting.is_empty();
        if !has_news && self.state.memory.seen.is_empty() {
            return Ok(());
        }
        let next = |state: &State| {
            let mut memory = state.memory.after_pass(looked, waiting, *now).after_reverts(taken);
            if let Some((old, new)) = moved {
                memory = memory.after_landing(old, new, *history);
            }
            let next = State { memory, ..state.clone() };
            match due {
                Some(due) => next.with_schedule(due.shard, due.after(state.schedule_of(due.shard))),
                None => next,
            }
        };
        self.change(world, next).await
    }

    /// Changes the state by `change`, again on what others wrote meanwhile until it holds. `change` must come to the
    /// same when it is applied twice, for the answer to a write may be lost.
    ///
    /// # Errors
    /// What stopped the remote, or [`PassError::Contention`].
    pub async fn change<W: World>(&mut self, world: &W, change: impl Fn(&State) -> State) -> Result<(), PassError> {
        let mut tries = Retry::default();
        loop {
            let next = change(&self.state);
            if next == self.state || self.replace(world, next).await? {
                return Ok(());
            }
            tries.again(world, "the state ref moved").await?;
            self.refresh(world).await?;
        }
    }

    /// Reads the state anew, where it moved.
    ///
    /// # Errors
    /// What stopped the remote.
    pub async fn refresh<W: World>(&mut self, world: &W) -> Result<RemoteTips, PassError> {
        let sight = world.look(Some(&self.branch)).await?;
        if sight.state != self.at {
            self.state = world.read_state(&self.branch, sight.state.as_ref()).await?;
            self.at.clone_from(&sight.state);
            self.is_newer = true;
        }
        Ok(sight)
    }

    /// One compare-and-swap; `false` where it is not known to hold.
    ///
    /// # Errors
    /// What stopped the remote.
    pub async fn replace<W: World>(&mut self, world: &W, state: State) -> Result<bool, PassError> {
        match world.write_state(&self.branch, self.at.as_ref(), &state).await? {
            Push::Landed(at) => {
                self.at = Some(at);
                self.state = state;
                Ok(true)
            }
            Push::Moved | Push::Unknown(_) => Ok(false),
        }
    }
}
