//! What the hooks of a process that was killed have left: processes that go on, and folders.
//!
//! They are found by the mark of their run, which names its owner. Nothing of an owner that may still run is touched,
//! and nothing on another machine or of another user is seen.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rustix::process::Signal;

use super::family::{DEATH, FAREWELL, LOOK, below, signal_one};
use super::{folder, mark};
use crate::model::state::Owner;
use crate::system::clock::Stopwatch;
use crate::system::process::{self, ProcessStat};

/// Ends what hooks of `owner` left running: asks first, kills two seconds later. `false` where something goes on all
/// the same, as a process that the kernel itself holds up.
///
/// `owner` must be gone, and of this machine: its hooks would be taken for left behind.
pub async fn end_left_by(owner: &Owner) -> bool {
    let prefix = mark::of(owner);
    for (signal, patience) in [(Signal::TERM, FAREWELL), (Signal::KILL, DEATH)] {
        let watch = Stopwatch::start();
        let mut told = BTreeSet::new();
        loop {
            let left = left(&prefix);
            if left.is_empty() {
                return true;
            }
            // Whoever is new among them is told too: they may go on starting others.
            for one in left.iter().filter(|one| told.insert((one.pid, one.started))) {
                signal_one(one, signal);
            }
            if watch.elapsed() >= patience {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    left(&prefix).is_empty()
}

/// Ends and removes what the runs of all owners of this machine that are gone have left. `own` is this process.
pub async fn sweep(own: &Owner, is_gone: impl Fn(&Owner) -> bool) {
    let left: Vec<(Owner, PathBuf)> = folder::all()
        .into_iter()
        .filter_map(|(mark, path)| Some((mark::owner(&mark, own)?, path)))
        .filter(|(owner, _)| owner != own && is_gone(owner))
        .collect();
    for (owner, path) in left {
        if end_left_by(&owner).await {
            tracing::debug!(folder = %path.display(), "a hook's folder was left behind and is removed");
            folder::remove(&path);
        }
    }
}

/// The processes that run and carry a mark that begins with `prefix`, stand in such a run's folder, or descend from
/// one that does. We may descend from one ourselves; we and ours are not among them.
fn left(prefix: &str) -> Vec<ProcessStat> {
    let folders: Vec<PathBuf> =
        folder::all().into_iter().filter(|(mark, _)| mark.starts_with(prefix)).map(|(_, path)| path).collect();
    let variable = format!("{}={prefix}", mark::VARIABLE);
    let all = process::all();
    let ours = below(&all, BTreeSet::from([std::process::id().cast_signed()]));
    let is_marked = |stat: &&ProcessStat| {
        stat.is_alive()
            && (process::was_given_prefix(stat.pid, &variable)
                || folders.iter().any(|folder| process::stands_in(stat.pid, folder)))
    };
    let family = below(&all, all.iter().filter(is_marked).map(|stat| stat.pid).collect());
    all.into_iter().filter(|stat| stat.is_alive() && family.contains(&stat.pid) && !ours.contains(&stat.pid)).collect()
}
