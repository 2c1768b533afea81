//! What is remembered beside the branch, as one pass knows it: read once, changed by compare-and-swap.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::git::{CommitId, Push};
use crate::image::TagId;
use crate::root::Root;
use crate::state::{ScheduleState, State};
use crate::world::{Sight, World};

use super::tries::Tries;
use super::{Effect, PassError, Request};

/// The state, and the commit of the state ref it was read at.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The branch it is the state of.
    pub branch: String,
    /// Where it was read; none where there is none yet.
    pub at: Option<CommitId>,
    /// What it says.
    pub state: State,
    /// Whether somebody else's writing was read since the branch was last looked at.
    pub is_newer: bool,
}

/// What a scheduled pass leaves for the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it looked at the schedules.
    pub now: Timestamp,
    /// The tags that failed.
    pub failed: BTreeSet<TagId>,
}

impl Remembered {
    /// Reads the state at `sight`; a pass that only writes files has none.
    ///
    /// # Errors
    /// What stopped the remote.
    pub async fn read<W: World>(world: &W, request: &Request, sight: &Sight) -> Result<Self, PassError> {
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
        state.tried.retain(|name, _| is_known(name));
        // What a hook was run for is counted on when it comes back, or another move would have the id of an old one.
        for hook in hooks {
            state.seen.entry(hook.name.clone()).or_insert_with(|| root.lock.clone());
        }
        self.replace(world, state).await
    }

    /// Keeps when scheduled imports were looked at, and which tags failed.
    ///
    /// # Errors
    /// What stopped the remote, or [`PassError::Contention`].
    pub async fn record<W: World>(&mut self, world: &W, due: &Due) -> Result<(), PassError> {
        let next = |state: &State| {
            // A time that lies ahead was written by a clock that went wrong; it gives way.
            let last = state.schedule.as_ref().map(|schedule| schedule.last).filter(|last| *last <= due.now);
            let last = last.map_or(due.now, |last| last.max(due.now));
            let retry = due.failed.iter().cloned().collect();
            State { schedule: Some(ScheduleState { last, retry }), ..state.clone() }
        };
        self.change(world, next).await
    }

    /// Changes the state by `change`, again on what others wrote meanwhile until it holds. `change` must come to the
    /// same when it is applied twice, for the answer to a write may be lost.
    ///
    /// # Errors
    /// What stopped the remote, or [`PassError::Contention`].
    pub async fn change<W: World>(&mut self, world: &W, change: impl Fn(&State) -> State) -> Result<(), PassError> {
        let mut tries = Tries::default();
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
    pub async fn refresh<W: World>(&mut self, world: &W) -> Result<Sight, PassError> {
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
