//! A hook's process and everything that came of it: told from all others, signalled, ended, reaped.
//!
//! A process belongs to the family if it descends from us and is in the leader's process group, or was started with
//! the run's marker in its environment, or stands in the run's folder, or descends from one that does. While a hook
//! runs we are its *subreaper* (prctl(2), `PR_SET_CHILD_SUBREAPER`): whoever loses its parent becomes our child, so
//! no `setsid` and no double fork leaves our sight. Nothing else is ever signalled.
//!
//! One way leads out of the family: a program that clears its environment, leaves the group, leaves the folder *and*
//! outlives its parent. When our own process is killed nobody is told; what it leaves is looked for in `left`. Where
//! the kernel is not Linux only the process group is ended.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

use crate::system::clock::Stopwatch;
use crate::system::process::{self, ProcessStat};

/// How often somebody who must be gone is looked for.
pub(super) const LOOK: Duration = Duration::from_millis(20);
/// For how long a family that was killed is waited for. Only a process that the kernel itself holds up takes longer.
pub(super) const DEATH: Duration = Duration::from_secs(2);
/// How long a family may take to end by itself when its run is dropped.
pub(super) const FAREWELL: Duration = Duration::from_secs(2);

/// The leaders of all families of this process: we are subreaper while there is one.
static LEADERS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A hook's process and all that came of it. Dropped before its end it is asked to end, then ended.
#[derive(Debug)]
pub(super) struct ProcessTree {
    /// Not waited for before everybody is dead: until then its number is not given to another process or group.
    leader: Child,
    pid: Pid,
    started: u64,
    marker: String,
    folder: PathBuf,
    ended: bool,
}

impl ProcessTree {
    /// Starts `command`, which must be its own process group's leader, have `marker` in its environment (`NAME=value`)
    /// and stand in `folder`.
    ///
    /// # Errors
    /// Of starting it.
    pub(super) fn start(command: &mut Command, marker: String, folder: PathBuf) -> io::Result<Self> {
        // Held over the start, so that nobody reaps a leader that he takes for an orphan.
        let mut leaders = leaders();
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let leader = command.spawn();
        if leader.is_err() {
            stop_adopting(&leaders);
        }
        let leader = leader?;
        let number = leader.id().cast_signed();
        leaders.insert(number);
        drop(leaders);
        let pid = Pid::from_child(&leader);
        let started = process::stat(number).map_or(0, |stat| stat.started);
        Ok(Self { leader, pid, started, marker, folder, ended: false })
    }

    /// The writing end of the leader's standard input, once.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.leader.stdin.take()
    }

    /// Waits for the end of the leader, without reaping it.
    pub(super) async fn leader_ended(&self) {
        let pid = self.pid;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let wait = move || {
            while rustix::process::waitid(WaitId::Pid(pid), options).is_err_and(|error| error == Errno::INTR) {}
        };
        let _ = tokio::task::spawn_blocking(wait).await;
    }

    /// Waits until nobody of the family runs.
    pub(super) async fn gone(&self) {
        self.leader_ended().await;
        while !self.members().is_empty() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Sends `signal` to everybody.
    pub(super) fn signal(&self, signal: Signal) {
        self.signal_to(&self.members(), signal);
    }

    /// Kills whoever is left, reaps the dead, and says how the leader ended; none where the kernel does not let it.
    pub(super) async fn end(&mut self) -> Option<ExitStatus> {
        let watch = Stopwatch::start();
        while self.strike() > 0 && watch.elapsed() < DEATH {
            tokio::time::sleep(LOOK).await;
        }
        self.bury()
    }

    /// The members that run.
    fn members(&self) -> Vec<ProcessStat> {
        let all = process::all();
        let own = std::process::id().cast_signed();
        let ours = below(&all, BTreeSet::from([own]));
        let is_marked = |stat: &&ProcessStat| {
            stat.group == self.pid.as_raw_nonzero().get()
                || process::was_given(stat.pid, &self.marker)
                || process::stands_in(stat.pid, &self.folder)
        };
        let marked = all.iter().filter(|stat| stat.pid != own && stat.is_alive() && ours.contains(&stat.pid));
        let family = below(&all, marked.filter(is_marked).map(|stat| stat.pid).collect());
        all.into_iter().filter(|stat| stat.pid != own && stat.is_alive() && family.contains(&stat.pid)).collect()
    }

    fn signal_to(&self, members: &[ProcessStat], signal: Signal) {
        // The group at one blow: nobody forks away meanwhile. Its number is ours until the leader is reaped.
        let _ = rustix::process::kill_process_group(self.pid, signal);
        for member in members.iter().filter(|member| member.group != self.pid.as_raw_nonzero().get()) {
            signal_one(member, signal);
        }
    }

    /// Kills everybody, and says how many there were.
    fn strike(&self) -> usize {
        let members = self.members();
        self.signal_to(&members, Signal::KILL);
        members.len()
    }

    /// Reaps the dead, the leader last.
    fn bury(&mut self) -> Option<ExitStatus> {
        let mut leaders = leaders();
        let own = std::process::id().cast_signed();
        let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
        for dead in process::all() {
            // A dead process has no environment to know it by. But an orphan outside our own group, younger than the
            // leader, can only be a hook's: hooks are all that we start in groups of their own.
            let orphan = dead.parent == own && dead.group != own_group && dead.started >= self.started;
            if orphan && !dead.is_alive() && !leaders.contains(&dead.pid) {
                let _ = rustix::process::waitpid(Pid::from_raw(dead.pid), WaitOptions::NOHANG);
            }
        }
        let status = self.leader.try_wait().ok().flatten();
        let survivors = self.members();
        if status.is_none() || !survivors.is_empty() {
            let pids: Vec<String> = survivors.iter().map(|member| member.pid.to_string()).collect();
            tracing::warn!(
                leader = self.leader.id(),
                pids = pids.join(" "),
                "the kernel does not let a hook's process end"
            );
        }
        leaders.remove(&self.pid.as_raw_nonzero().get());
        stop_adopting(&leaders);
        self.ended = true;
        status
    }
}

impl Drop for ProcessTree {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.signal(Signal::TERM);
        let watch = Stopwatch::start();
        while !self.members().is_empty() && watch.elapsed() < FAREWELL {
            std::thread::sleep(LOOK);
        }
        let watch = Stopwatch::start();
        while self.strike() > 0 && watch.elapsed() < DEATH {
            std::thread::sleep(LOOK);
        }
        self.bury();
    }
}

/// `roots` with all that descend from them.
pub(super) fn below(all: &[ProcessStat], roots: BTreeSet<i32>) -> BTreeSet<i32> {
    let mut found = roots;
    loop {
        let before = found.len();
        found.extend(all.iter().filter(|stat| found.contains(&stat.parent)).map(|stat| stat.pid).collect::<Vec<_>>());
        if found.len() == before {
            return found;
        }
    }
}

fn leaders() -> MutexGuard<'static, BTreeSet<i32>> {
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets orphans go to the kernel's own reaper again, once no family is left.
fn stop_adopting(leaders: &BTreeSet<i32>) {
    #[cfg(target_os = "linux")]
    if leaders.is_empty() {
        let _ = rustix::process::set_child_subreaper(None);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = leaders;
}

/// Signals exactly the process that was looked at, and none that has its number since.
#[cfg(target_os = "linux")]
pub(super) fn signal_one(member: &ProcessStat, signal: Signal) {
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
    let Some(pid) = Pid::from_raw(member.pid) else { return };
    let handle = pidfd_open(pid, PidfdFlags::empty());
    if process::stat(member.pid).is_ok_and(|now| now.started == member.started) {
        let _ = match handle {
            Ok(handle) => pidfd_send_signal(handle, signal),
            // A kernel before 5.3, or a sandbox that does not know the call.
            Err(_) => kill_process(pid, signal),
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn signal_one(_member: &ProcessStat, _signal: Signal) {}
