//! Last step: runs hooks for what landed.
//!
//! The pending changes of a hook are the differences between the lock that it saw last and the lock at the tip, no
//! matter who committed it. The state is read before the branch, so the tip is never older than what a hook has seen. A
//! hook is claimed before it runs, so that two passes do not run it at once; its input is recorded after it succeeded.
//! The claim of a dead pass is taken over once the orphan processes of its hook have ended, or else when it expires.
//!
//! The state is written once before the first hook, with its claim and what the pass has to record, and once after each
//! hook, with its result and the claim of the next one.

mod claim;
mod pending;
mod run;

use std::cell::LazyCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::effects::World;
use crate::git::CommitId;
use crate::model::root::Root;
use crate::model::state::HookClaim;
use crate::report::{HookOutcome, HookRow, Report, ReportError};

use super::gather::images::ImageCache;
use super::load::Snapshot;
use super::retry::Retry;
use super::state_store::StateStore;
use super::{PassError, Request};
use pending::{Pending, pending};

/// Number of runs of one hook in a pass, for changes that land meanwhile.
const RUNS_MAX: usize = 8;
/// Time for which a pass waits for another one to confirm a hook, as long as nothing happens.
const CONFIRMATION_MAX: Duration = Duration::from_secs(10);
/// First pause of that wait; each further one doubles it.
const CONFIRMATION_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause of that wait.
const CONFIRMATION_PAUSE_MAX: Duration = Duration::from_secs(2);

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
    /// The error that ended the step.
    error: Option<ReportError>,
}

impl HookRuns {
    /// Adds the results to a report.
    pub fn add_to(self, report: &mut Report) {
        report.hooks = self.rows;
        report.errors.extend(self.error);
    }
}

/// Runs all hooks with pending changes, and writes the state.
pub async fn notify<W: World>(
    world: &W,
    request: &Request,
    at: AtTip,
    state: StateStore,
    images: &ImageCache,
) -> HookRuns {
    let claimed_at = world.elapsed();
    let mut notifier =
        Notifier { world, request, at, state, images, rows: Vec::new(), claimed_at, is_fresh: false, wait: None };
    let error = notifier.run_pending().await.err();
    let Notifier { at, state, mut rows, .. } = notifier;
    let pending = LazyCell::new(|| pending(&at.root, &state.state));
    // The other pass may have confirmed it while we ran another hook.
    let is_pending = |row: &HookRow| pending.iter().any(|one| one.hook.name == row.name);
    rows.retain(|row| !matches!(row.outcome, HookOutcome::Running { .. }) || is_pending(row));
    let error = error.map(|error| {
        let is_about_hooks = !rows.is_empty() || !pending.is_empty();
        let consequence =
            if is_about_hooks { "hooks stay pending" } else { "the state for the next pass could not be written" };
        error.into_row(consequence)
    });
    HookRuns { rows, error }
}

struct Notifier<'a, W> {
    world: &'a W,
    request: &'a Request,
    at: AtTip,
    state: StateStore,
    images: &'a ImageCache,
    rows: Vec<HookRow>,
    /// Monotonic time of the last claim or renewal.
    claimed_at: Duration,
    /// Set if the state was read after the last slow operation: resolving, or a hook.
    is_fresh: bool,
    wait: Option<ConfirmationWait>,
}

/// A wait for another pass that has claimed a hook.
struct ConfirmationWait {
    /// The hook.
    hook: String,
    /// Its claim.
    claim: HookClaim,
    /// Monotonic time at which the claim was first seen.
    since: Duration,
    /// The next pause.
    pause: Duration,
}

impl<W: World> Notifier<'_, W> {
    /// Runs one hook after the other, until none has pending changes that it can see here and now.
    async fn run_pending(&mut self) -> Result<(), PassError> {
        let mut retry = Retry::default();
        let mut runs: BTreeMap<String, usize> = BTreeMap::new();
        let mut ended = BTreeSet::new();
        let mut has_run = false;
        loop {
            let mut hooks = pending(&self.at.root, &self.state.state);
            hooks.retain(|one| !ended.contains(&one.hook.name));
            if hooks.is_empty() {
                self.state.save(self.world).await?;
                if !std::mem::take(&mut has_run) {
                    return Ok(());
                }
                // Another pass may have landed changes meanwhile and left them to us because of our claim.
                self.refresh().await?;
                continue;
            }
            if self.state.is_newer {
                self.refresh().await?;
                continue;
            }
            let Some(one) = self.next_free(hooks, &runs, &mut ended).await? else { continue };
            if !self.claim(&one).await? {
                retry.back_off(self.world, "the state ref moved").await?;
                self.state.is_newer = true;
                continue;
            }
            (has_run, self.is_fresh) = (true, false);
            let name = one.hook.name.clone();
            *runs.entry(name.clone()).or_default() += 1;
            if !self.run(one).await? {
                ended.insert(name);
            }
        }
    }

    /// Returns the first hook that can run now; adds a row for those that cannot, and their names to `ended`. If other
    /// passes have claimed all of them, waits for a while, and then returns none.
    async fn next_free(
        &mut self,
        hooks: Vec<Pending>,
        runs: &BTreeMap<String, usize>,
        ended: &mut BTreeSet<String>,
    ) -> Result<Option<Pending>, PassError> {
        let mut claimed = None;
        for one in hooks {
            match self.obstacle(&one, runs.get(&one.hook.name).copied().unwrap_or_default()).await {
                None => return Ok(Some(one)),
                Some(outcome @ HookOutcome::Running { .. }) => {
                    claimed.get_or_insert((one, outcome));
                }
                Some(outcome) => {
                    self.rows.push(waiting(&one, outcome));
                    ended.insert(one.hook.name);
                }
            }
        }
        // The other run may have ended before the pending changes landed, or may end soon.
        if let Some((one, outcome)) = claimed
            && !self.awaits_confirmation(&one.hook.name).await?
        {
            self.rows.push(waiting(&one, outcome));
            ended.insert(one.hook.name);
        }
        Ok(None)
    }

    /// Returns why a hook cannot run now.
    async fn obstacle(&self, pending: &Pending, runs: usize) -> Option<HookOutcome> {
        let policy = self.request.policy.as_ref();
        if let Some(problem) = policy.and_then(|policy| policy.forbids_hook(&pending.hook)) {
            return Some(HookOutcome::Refused(problem.message));
        }
        if let Some(claim) = claim::of_another(self.world, &self.state.state, &pending.hook).await {
            return Some(HookOutcome::Running { until: claim.until });
        }
        (runs >= RUNS_MAX).then_some(HookOutcome::Pending)
    }

    /// Reads the state again for a hook that another pass has claimed, after a pause; `false` if that pass took too long.
    async fn awaits_confirmation(&mut self, hook: &str) -> Result<bool, PassError> {
        let (claim, now) = (self.state.state.claims.get(hook).cloned(), self.world.elapsed());
        let Some(claim) = claim else { return Ok(false) };
        // Nothing of ours may be lost while we wait.
        self.state.save(self.world).await?;
        match self.wait.take().filter(|wait| wait.hook == hook && wait.claim == claim) {
            Some(wait) if now.saturating_sub(wait.since) >= CONFIRMATION_MAX => return Ok(false),
            Some(wait) => {
                self.world.sleep(wait.pause.mul_f64(0.5 + self.world.random() / 2.0)).await;
                self.wait = Some(ConfirmationWait { pause: (wait.pause * 2).min(CONFIRMATION_PAUSE_MAX), ..wait });
            }
            None => {
                let hook = hook.to_owned();
                self.wait = Some(ConfirmationWait { hook, claim, since: now, pause: CONFIRMATION_PAUSE });
                if self.is_fresh {
                    return Ok(true);
                }
            }
        }
        self.refresh().await?;
        Ok(true)
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
fn waiting(Pending { hook, changes }: &Pending, outcome: HookOutcome) -> HookRow {
    HookRow { name: hook.name.clone(), event: None, changes: changes.len(), outcome, output: String::new() }
}
