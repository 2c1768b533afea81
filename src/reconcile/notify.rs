//! Last step: runs hooks for what landed.
//!
//! The pending changes of a hook are the differences between the lock that it saw last and the lock at the tip, no
//! matter who committed it. The state is read before the branch, so the tip is never older than what a hook has seen. A
//! hook is claimed before it runs, so that two passes do not run it at once; its input is recorded after it succeeded.
//! The claim of a dead pass is taken over once the orphan processes of its hook have ended.

mod claim;
mod pending;
mod run;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effects::World;
use crate::git::CommitId;
use crate::model::root::Root;
use crate::model::settings::Hook;
use crate::report::{HookOutcome, HookRow, Report};

use super::gather::deadline::Deadline;
use super::gather::images::ImageCache;
use super::load::Snapshot;
use super::retry::Retry;
use super::state_store::StateStore;
use super::{PassError, Request, image_diffs};
use pending::{Pending, pending};

/// Number of runs of one hook in a pass, for changes that land meanwhile.
const RUNS_MAX: usize = 8;
/// Time for comparing the images of pending changes.
const COMPARISON: Duration = Duration::from_secs(10);

/// The root at the branch tip.
#[derive(Clone, Debug)]
pub struct AtTip {
    /// The tip.
    pub tip: CommitId,
    /// The root there.
    pub root: Root,
}

/// Results of all hooks.
#[derive(Debug)]
pub struct HookRuns {
    /// A row for each hook with pending changes.
    rows: Vec<HookRow>,
    /// The error that ended the step; changes stay pending.
    error: Option<PassError>,
}

impl HookRuns {
    /// Adds the results to a report.
    pub fn add_to(self, report: &mut Report) {
        report.hooks = self.rows;
        report.errors.extend(self.error.map(|error| error.into_row("hooks stay pending")));
    }
}

/// Runs all hooks with pending changes.
pub async fn notify<W: World>(
    world: &W,
    request: &Request,
    at: AtTip,
    state: StateStore,
    images: &ImageCache,
) -> HookRuns {
    let mut notifier = Notifier { world, request, at, state, images, rows: Vec::new(), is_fresh: false };
    let error = notifier.run_pending().await.err();
    HookRuns { rows: notifier.rows, error }
}

struct Notifier<'a, W> {
    world: &'a W,
    request: &'a Request,
    at: AtTip,
    state: StateStore,
    images: &'a ImageCache,
    rows: Vec<HookRow>,
    /// Set if the state was read after the last slow operation: resolving, or a hook.
    is_fresh: bool,
}

impl<W: World> Notifier<'_, W> {
    /// Runs one hook after the other, until none has pending changes that it can see here and now.
    async fn run_pending(&mut self) -> Result<(), PassError> {
        let mut retry = Retry::default();
        let mut runs: BTreeMap<String, usize> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        let mut has_run = false;
        loop {
            let next =
                pending(&self.at.root, &self.state.state).into_iter().find(|one| !ended.contains(&one.hook.name));
            let Some(one) = next else {
                if !std::mem::take(&mut has_run) {
                    return Ok(());
                }
                // Another pass may have landed changes meanwhile and left them to us because of our claim.
                self.refresh().await?;
                continue;
            };
            if self.state.is_newer {
                self.refresh().await?;
                continue;
            }
            let name = one.hook.name.clone();
            if let Some(outcome) = self.obstacle(&one, runs.get(&name).copied().unwrap_or_default()).await {
                if outcome == HookOutcome::Running && !self.is_fresh {
                    // The other run may have ended before the pending changes landed.
                    self.refresh().await?;
                    continue;
                }
                self.rows.push(waiting(&one.hook, one.changes.len(), outcome));
                ended.insert(name);
                continue;
            }
            let deadline = Deadline::NONE.next_attempt(self.world, COMPARISON);
            let diffs = image_diffs::compare(self.world, &one.changes, self.images, deadline).await;
            // The claim covers one run, so it is taken right before it.
            if !self.claim(&one).await? {
                retry.back_off(self.world, "the state ref moved").await?;
                self.state.is_newer = true;
                continue;
            }
            (has_run, self.is_fresh) = (true, false);
            *runs.entry(name.clone()).or_default() += 1;
            if !self.run(one, &diffs).await? {
                ended.insert(name);
            }
        }
    }

    /// Returns why a hook cannot run now.
    async fn obstacle(&self, pending: &Pending, runs: usize) -> Option<HookOutcome> {
        let policy = self.request.policy.as_ref();
        if let Some(problem) = policy.and_then(|policy| policy.forbids_hook(&pending.hook)) {
            return Some(HookOutcome::Refused(problem.message));
        }
        if !claim::is_free(self.world, &self.state.state, &pending.hook).await {
            return Some(HookOutcome::Running);
        }
        (runs >= RUNS_MAX).then_some(HookOutcome::Pending)
    }

    /// Reads the state, then the branch. This order guarantees that the tip is not older than what hooks have seen.
    async fn refresh(&mut self) -> Result<(), PassError> {
        let before = self.state.commit.clone();
        let mut tips = self.state.refresh(self.world).await?;
        if self.state.commit != before {
            // The state was read after the branch, so the branch is read again.
            tips = self.world.tips(Some(&self.state.branch)).await?;
        }
        (self.state.is_newer, self.is_fresh) = (false, true);
        if tips.tip != self.at.tip {
            let snapshot = Snapshot::at(self.world, &self.request.root, tips, &mut None).await?;
            self.at = AtTip { tip: snapshot.tips.tip, root: snapshot.root };
        }
        Ok(())
    }
}

/// Builds the row of a hook that cannot run now.
fn waiting(hook: &Hook, changes: usize, outcome: HookOutcome) -> HookRow {
    HookRow { name: hook.name.clone(), event: None, changes, outcome, output: String::new() }
}
