//! A hook's process tree: the hook and everything it started; signals, ends and reaps them.
//!
//! A process belongs to the tree if it descends from us and is in the leader's process group, has the run's marker in its
//! environment, works in the run's directory, or descends from such a process. While a hook runs, we are its *subreaper*
//! (prctl(2), `PR_SET_CHILD_SUBREAPER`): a process that loses its parent becomes our child, so neither `setsid` nor a
//! double fork escapes. No other process is ever signalled.
//!
//! A process escapes only if it clears its environment, leaves the group and the directory, *and* outlives its parent.
//! After our own process was killed, `orphans` finds what it left. On other kernels than Linux, only the process group is
//! ended.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitOptions};

use crate::system::clock::Stopwatch;
use crate::system::lock;
use crate::system::process::{self, ProcessStat};
use crate::system::thread;

/// The interval between two looks at the process table.
pub(super) const POLL: Duration = Duration::from_millis(20);
/// The time to wait after `KILL`; only a process that hangs in the kernel takes longer.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(2);
/// The time between `TERM` and `KILL` when a run is dropped.
pub(super) const TERM_WAIT: Duration = Duration::from_secs(2);

/// The leaders of all process trees; we are subreaper while there is one.
static LEADERS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A hook's process and its descendants; they are terminated if this is dropped before their end.
#[derive(Debug)]
pub(super) struct ProcessTree {
    /// Reaped last: until then the kernel does not reuse its number for another process or group.
    leader: Child,
    pid: Pid,
    started: u64,
    marker: String,
    directory: PathBuf,
    ended: bool,
}

impl ProcessTree {
    /// Starts `command`, which must lead its own process group, have `marker` (`NAME=value`) in its environment and work
    /// in `directory`.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(super) fn start(command: &mut Command, marker: String, directory: PathBuf) -> io::Result<Self> {
        // Locked until the leader is listed, so that no other thread reaps it as an orphan.
        let mut leaders = leaders();
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let leader = command.spawn();
        if leader.is_err() {
            stop_adopting(&leaders);
        }
        let leader = leader.map_err(thread::name_limit)?;
        let number = leader.id().cast_signed();
        leaders.insert(number);
        drop(leaders);
        let pid = Pid::from_child(&leader);
        let started = process::stat(number).map_or(0, |stat| stat.started);
        Ok(Self { leader, pid, started, marker, directory, ended: false })
    }

    /// Takes the leader's standard input; none the second time.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.leader.stdin.take()
    }

    /// Waits for the end of the leader without reaping it.
    pub(super) async fn leader_ended(&self) {
        let pid = self.pid;
        let look = move |options| {
            rustix::process::waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | options)
        };
        let wait = move || while look(WaitIdOptions::empty()).is_err_and(|error| error == Errno::INTR) {};
        if thread::run_blocking(wait).await.is_err() {
            // The kernel refused another thread.
            while matches!(look(WaitIdOptions::NOHANG), Ok(None) | Err(Errno::INTR)) {
                tokio::time::sleep(POLL).await;
            }
        }
    }

    /// Waits until no process of the tree runs.
    pub(super) async fn ended(&self) {
        self.leader_ended().await;
        while !self.members().is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }

    /// Sends `signal` to every process of the tree.
    pub(super) fn signal(&self, signal: Signal) {
        self.signal_to(&self.members(), signal);
    }

    /// Kills and reaps what is left, and returns the leader's status; none if it hangs in the kernel.
    pub(super) async fn end(&mut self) -> Option<ExitStatus> {
        let watch = Stopwatch::start();
        while self.kill() > 0 && watch.elapsed() < KILL_WAIT {
            tokio::time::sleep(POLL).await;
        }
        self.reap()
    }

    /// Lists the running processes of the tree.
    fn members(&self) -> Vec<ProcessStat> {
        let all = process::all();
        let own = std::process::id().cast_signed();
        let ours = below(&all, BTreeSet::from([own]));
        let is_marked = |stat: &&ProcessStat| {
            stat.group == self.pid.as_raw_nonzero().get()
                || process::has_variable(stat.pid, &self.marker)
                || process::works_in(stat.pid, &self.directory)
        };
        let marked = all.iter().filter(|stat| stat.pid != own && stat.is_alive() && ours.contains(&stat.pid));
        let tree = below(&all, marked.filter(is_marked).map(|stat| stat.pid).collect());
        all.into_iter().filter(|stat| stat.pid != own && stat.is_alive() && tree.contains(&stat.pid)).collect()
    }

    fn signal_to(&self, members: &[ProcessStat], signal: Signal) {
        // The whole group at once, so that no fork escapes. Its number is ours until the leader is reaped.
        let _ = rustix::process::kill_process_group(self.pid, signal);
        for member in members.iter().filter(|member| member.group != self.pid.as_raw_nonzero().get()) {
            signal_one(member, signal);
        }
    }

    /// Kills every process, and returns how many there were.
    fn kill(&self) -> usize {
        let members = self.members();
        self.signal_to(&members, Signal::KILL);
        members.len()
    }

    /// Reaps dead processes, the leader last.
    fn reap(&mut self) -> Option<ExitStatus> {
        let mut leaders = leaders();
        let own = std::process::id().cast_signed();
        let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
        for dead in process::all() {
            // A dead process has no environment to identify it. But an orphan in another group than ours, younger than
            // the leader, belongs to a hook: everything else that we start is waited for where it was started.
            let orphan = dead.parent == own && dead.group != own_group && dead.started >= self.started;
            let is_waited_for = leaders.contains(&dead.pid) || process::is_tracked(dead.pid);
            if orphan && !dead.is_alive() && !is_waited_for {
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
                "processes of a hook did not end after KILL"
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
        while !self.members().is_empty() && watch.elapsed() < TERM_WAIT {
            std::thread::sleep(POLL);
        }
        let watch = Stopwatch::start();
        while self.kill() > 0 && watch.elapsed() < KILL_WAIT {
            std::thread::sleep(POLL);
        }
        self.reap();
    }
}

/// Returns `roots` and all their descendants.
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
    lock(&LEADERS)
}

/// Stops being subreaper once no process tree is left.
fn stop_adopting(leaders: &BTreeSet<i32>) {
    #[cfg(target_os = "linux")]
    if leaders.is_empty() {
        let _ = rustix::process::set_child_subreaper(None);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = leaders;
}

/// Signals exactly this process, never a later one with the same number.
#[cfg(target_os = "linux")]
pub(super) fn signal_one(member: &ProcessStat, signal: Signal) {
    use rustix::process::{PidfdFlags, kill_process, pidfd_open, pidfd_send_signal};
    let Some(pid) = Pid::from_raw(member.pid) else { return };
    let handle = pidfd_open(pid, PidfdFlags::empty());
    if process::stat(member.pid).is_ok_and(|now| now.started == member.started) {
        let _ = match handle {
            Ok(handle) => pidfd_send_signal(handle, signal),
            // Linux before 5.3, or a sandbox without the call.
            Err(_) => kill_process(pid, signal),
        };
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn signal_one(_member: &ProcessStat, _signal: Signal) {}
