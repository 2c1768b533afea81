//! Orphans: processes and directories left by hooks of a pinstream that was killed.
//!
//! They are found by the id of their run, which names its owner. Nothing of an owner that may still run is touched;
//! processes of other machines and users are out of reach.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::process::Signal;

use super::process_tree::{KILL_WAIT, POLL, TERM_WAIT, below, signal_one};
use super::{directory, run_id};
use crate::model::state::Owner;
use crate::system::clock::Stopwatch;
use crate::system::process::{self, ProcessStat};

/// Ends the processes that hooks of `owner` left: `TERM`, then `KILL` two seconds later. Returns `false` if one survives,
/// e.g. because it hangs in the kernel.
///
/// `owner` must be a process of this machine that has ended; otherwise its running hooks are killed.
pub async fn end_orphans_of(owner: &Owner) -> bool {
    let prefix = run_id::prefix(owner);
    for (signal, patience) in [(Signal::TERM, TERM_WAIT), (Signal::KILL, KILL_WAIT)] {
        let watch = Stopwatch::start();
        let mut signalled = BTreeSet::new();
        loop {
            let left = orphans(&prefix);
            if left.is_empty() {
                return true;
            }
            // New ones are signalled too: orphans may start further processes.
            for one in left.iter().filter(|one| signalled.insert((one.pid, one.started))) {
                signal_one(one, signal);
            }
            if watch.elapsed() >= patience {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
    }
    orphans(&prefix).is_empty()
}

/// Ends the processes and removes the directories left by all owners of this machine that have ended. `own` is this
/// process.
pub async fn remove_orphans(own: &Owner, is_gone: impl Fn(&Owner) -> bool) {
    let left: Vec<(Owner, PathBuf)> = directory::all()
        .into_iter()
        .filter_map(|(id, path)| Some((run_id::owner(&id, own)?, path)))
        .filter(|(owner, _)| owner != own && is_gone(owner))
        .collect();
    for (owner, path) in left {
        if end_orphans_of(&owner).await {
            tracing::debug!(directory = %path.display(), "removing the directory that an interrupted hook left");
            directory::remove(&path);
        }
    }
}

/// Lists running processes whose run id starts with `prefix`, that work in the directory of such a run, or that descend
/// from one of these. Omits this process and its descendants, even if it descends from one itself.
fn orphans(prefix: &str) -> Vec<ProcessStat> {
    let directories: Vec<PathBuf> =
        directory::all().into_iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, path)| path).collect();
    let variable = format!("{}={prefix}", run_id::VARIABLE);
    let all = process::all();
    let ours = below(&all, BTreeSet::from([std::process::id().cast_signed()]));
    let is_marked = |stat: &&ProcessStat| {
        stat.is_alive()
            && (process::has_variable_prefix(stat.pid, &variable)
                || directories.iter().any(|directory| process::works_in(stat.pid, directory)))
    };
    let tree = below(&all, all.iter().filter(is_marked).map(|stat| stat.pid).collect());
    all.into_iter().filter(|stat| stat.is_alive() && tree.contains(&stat.pid) && !ours.contains(&stat.pid)).collect()
}
