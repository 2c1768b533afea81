//! Runs a claimed hook.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::effects::{Progress, World};
use crate::git::CommitId;
use crate::hook::{HookExit, HookFile, HookResult, HookRun};
use crate::model::lock::diff::{PinChange, PinSide};
use crate::model::settings::Hook;
use crate::reconcile::gather::deadline::Deadline;
use crate::reconcile::{PassError, image_diffs};
use crate::report::event::EventContext;
use crate::report::v1::encode;
use crate::report::v1::event::EventV1;
use crate::report::{HookOutcome, HookRow};
use crate::text::lfs;

use super::Notifier;
use super::pending::{Pending, mark_seen};

/// Time for comparing the images of pending changes.
const COMPARISON: Duration = Duration::from_secs(10);

impl<W: World> Notifier<'_, W> {
    /// Runs one claimed hook and notes what it saw; `false` if changes stay pending.
    pub(super) async fn run(&mut self, Pending { hook, changes }: Pending) -> Result<bool, PassError> {
        let (world, images, tip) = (self.world, self.images, self.at.tip.clone());
        let deadline = Deadline::after(world, COMPARISON);
        let diffs = self.renewing(&hook, image_diffs::compare(world, &changes, images, deadline)).await;
        let batches: Vec<Vec<PinChange>> =
            if hook.each { changes.into_iter().map(|change| vec![change]).collect() } else { vec![changes] };
        let mut all_succeeded = true;
        let last = batches.len() - 1;
        // Counts as of the claim: writes of others during the run must not change event ids.
        let begun = self.state.state.run_counts.get(&hook.name).cloned().unwrap_or_default();
        for (number, batch) in batches.into_iter().enumerate() {
            let context = EventContext {
                remote: self.request.remote.as_deref(),
                branch: &self.state.branch,
                root: &self.request.root,
                commit: &tip.0,
                begun: &begun,
            };
            let event = EventV1::new(&hook.name, context, &batch, &diffs);
            world.progress(Progress::Hook);
            let run = async {
                match prepare(world, &tip, &hook, &event, &batch).await {
                    Ok(run) => world.run_hook(&run).await,
                    Err(reason) => HookResult { exit: HookExit::NotStarted(reason), output: String::new() },
                }
            };
            let result = self.renewing(&hook, run).await;
            let is_success = result.exit == HookExit::Success;
            all_succeeded &= is_success;
            let outcome = if is_success { HookOutcome::Succeeded } else { HookOutcome::Failed(result.exit) };
            let (name, changes) = (hook.name.clone(), batch.len());
            self.rows.push(HookRow { name, event: Some(event.id), changes, outcome, output: result.output });
            if is_success {
                self.state.edit(|state| mark_seen(state, &self.at.root.lock, &batch, &hook));
            }
            if number < last && !self.renew(&hook).await? {
                // Another pass took over after our claim had expired; it runs the rest.
                return Ok(true);
            }
        }
        self.release(&hook);
        Ok(all_succeeded)
    }
}

/// Collects files and environment of a run.
///
/// # Errors
/// The reason why the hook cannot be started.
async fn prepare<W: World>(
    world: &W,
    tip: &CommitId,
    hook: &Hook,
    event: &EventV1,
    changes: &[PinChange],
) -> Result<HookRun, String> {
    let mut files = Vec::new();
    let paths: BTreeSet<&str> = hook.program_file().into_iter().chain(hook.files.iter().map(String::as_str)).collect();
    for path in paths {
        let file = world.file(tip, path).await.map_err(|error| error.to_string())?;
        let file = file.ok_or_else(|| format!("no `{path}` in the commit {}", tip.short()))?;
        if lfs::is_pointer(&file.bytes) {
            return Err(format!("cannot use `{path}`: {}; {}", lfs::POINTER, lfs::pointer_help(path)));
        }
        files.push(HookFile { path: path.to_owned(), bytes: file.bytes, executable: file.executable });
    }
    Ok(HookRun {
        name: hook.name.clone(),
        owner: world.owner(),
        argv: hook.run.clone(),
        files,
        pass_env: hook.env.clone(),
        env: environment(hook, event, changes),
        stdin: encode(&event),
        timeout: hook.timeout,
    })
}

/// Returns the `PINSTREAM_*` variables of a run; those of a single change only if there is exactly one.
fn environment(hook: &Hook, event: &EventV1, changes: &[PinChange]) -> Vec<(String, String)> {
    let mut env = vec![
        ("PINSTREAM_HOOK".to_owned(), hook.name.clone()),
        ("PINSTREAM_EVENT_ID".to_owned(), event.id.clone()),
        ("PINSTREAM_COMMIT".to_owned(), event.commit.clone()),
        ("PINSTREAM_BRANCH".to_owned(), event.branch.clone()),
    ];
    if let [change] = changes {
        let digest = |side: Option<&PinSide>| side.map(|side| side.digest.to_string()).unwrap_or_default();
        env.extend([
            ("PINSTREAM_STREAM".to_owned(), change.tag.stream.to_string()),
            ("PINSTREAM_TAG".to_owned(), change.tag.tag.to_string()),
            ("PINSTREAM_IMAGE".to_owned(), change.image.to_string()),
            ("PINSTREAM_OLD_DIGEST".to_owned(), digest(change.before())),
            ("PINSTREAM_NEW_DIGEST".to_owned(), digest(change.after())),
        ]);
    }
    env
}
