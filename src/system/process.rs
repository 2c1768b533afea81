//! The process table, read from `/proc` (proc(5), `/proc/pid/stat`).
//!
//! Every answer is outdated at once. Callers compare [`ProcessStat::started`] before they act: a process id is reused, a
//! process id with its start time is not. Without `/proc`, no process is found.

use std::collections::BTreeSet;
use std::fs;
use std::io;
#[cfg(target_os = "linux")]
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Child;
use std::sync::Mutex;

use super::lock;

/// Children that are waited for where they were started.
static TRACKED: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// A snapshot of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Process id.
    pub pid: i32,
    /// State as one letter: `R`, `S`, `Z`, …
    pub state: char,
    /// Process id of the parent.
    pub parent: i32,
    /// Process group.
    pub group: i32,
    /// Number of threads.
    pub threads: i64,
    /// Start time, in clock ticks since boot.
    pub started: u64,
}

impl ProcessStat {
    /// Returns whether it runs. A zombie does only if other threads than its first do.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }

    /// Parses `/proc/<pid>/stat`. The second field is the program's name in parentheses, which may itself contain spaces,
    /// parentheses and arbitrary bytes; fields are therefore counted from the last parenthesis.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let pid = std::str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?;
        let field = |number: usize| field(bytes, number);
        Some(Self {
            pid,
            state: field(3)?.chars().next()?,
            parent: field(4)?.parse().ok()?,
            group: field(5)?.parse().ok()?,
            threads: field(20)?.parse().ok()?,
            started: field(22)?.parse().ok()?,
        })
    }
}

/// Returns whether this process ignores a signal, which it does from its start only: nothing here changes that.
pub fn ignores(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).map(str::trim).unwrap_or_default();
    // The first signal is the lowest bit (proc_pid_status(5)).
    let bit = u32::try_from(signal - 1).ok().and_then(|place| 1_u64.checked_shl(place)).unwrap_or(0);
    u64::from_str_radix(mask, 16).unwrap_or(0) & bit != 0
}

/// Returns a field of `/proc/<pid>/stat` after the program's name; the manual counts from 1.
fn field(stat: &[u8], number: usize) -> Option<&str> {
    let close = stat.iter().rposition(|byte| *byte == b')')?;
    std::str::from_utf8(stat.get(close + 1..)?).ok()?.split_ascii_whitespace().nth(number - 3)
}

/// Looks up the process `pid`.
///
/// # Errors
/// `NotFound` if there is none that is visible to us.
pub fn stat(pid: i32) -> io::Result<ProcessStat> {
    let bytes = match fs::read(format!("/proc/{pid}/stat")) {
        // The process may end between opening and reading.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            return Err(io::ErrorKind::NotFound.into());
        }
        read => read?,
    };
    ProcessStat::parse(&bytes).ok_or_else(|| io::Error::other("`/proc` has an unknown format"))
}

/// Lists every visible process.
pub fn all() -> Vec<ProcessStat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(pid).filter_map(|pid| stat(pid).ok()).collect()
}

/// Returns whether `pid` was started with exactly this `NAME=value` in its environment. A zombie has no environment.
pub fn has_variable(pid: i32, variable: &str) -> bool {
    environment_has(pid, |entry| entry == variable.as_bytes())
}

/// Returns whether `pid` was started with a `NAME=value` that starts with `start`.
pub fn has_variable_prefix(pid: i32, start: &str) -> bool {
    environment_has(pid, |entry| entry.starts_with(start.as_bytes()))
}

fn environment_has(pid: i32, is_it: impl Fn(&[u8]) -> bool) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(is_it)
}

/// Makes this process unreadable for other processes of the same user: its environment and memory in `/proc`, debuggers,
/// core dumps (prctl(2), `PR_SET_DUMPABLE`). Root is not affected.
///
/// # Errors
/// If the kernel refuses.
#[cfg(target_os = "linux")]
pub(super) fn seal() -> io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Erases the values of variables that are not `visible` from the initial environment of this process, which
/// `/proc/<pid>/environ` shows as long as the process lives. The names stay.
///
/// # Errors
/// If the kernel does not let a process write to its own memory through `/proc`.
#[cfg(target_os = "linux")]
pub(super) fn erase_environment(visible: impl Fn(&str) -> bool) -> io::Result<()> {
    const ENVIRONMENT_START: usize = 50;
    let unknown = || io::Error::other("`/proc` has an unknown format");
    let stat = fs::read("/proc/self/stat")?;
    let mut at: u64 = field(&stat, ENVIRONMENT_START).and_then(|start| start.parse().ok()).ok_or_else(unknown)?;
    let environment = fs::read("/proc/self/environ")?;
    let memory = fs::OpenOptions::new().write(true).open("/proc/self/mem")?;
    for entry in environment.split_inclusive(|byte| *byte == 0) {
        let name = entry.split(|byte| matches!(byte, b'=' | 0)).next().unwrap_or_default();
        if !std::str::from_utf8(name).is_ok_and(&visible) {
            let value = entry.get(name.len() + 1..).unwrap_or_default();
            memory.write_all_at(&vec![0; value.len()], at + name.len() as u64 + 1)?;
        }
        at += entry.len() as u64;
    }
    Ok(())
}

/// Returns whether `pid` works in `directory` or below, which must be free of symbolic links.
pub fn works_in(pid: i32, directory: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|current| current.starts_with(directory))
}

/// A child that nobody else reaps until this is dropped.
#[derive(Debug)]
pub(super) struct TrackedChild(i32);

impl Drop for TrackedChild {
    fn drop(&mut self) {
        lock(&TRACKED).remove(&self.0);
    }
}

/// Starts a child that is waited for where it is started.
pub(super) fn track(start: impl FnOnce() -> io::Result<Child>) -> io::Result<(Child, TrackedChild)> {
    // Locked until the child is listed, so that no other thread reaps it as an orphan.
    let mut tracked = lock(&TRACKED);
    let child = start()?;
    let pid = child.id().cast_signed();
    tracked.insert(pid);
    Ok((child, TrackedChild(pid)))
}

/// Returns whether a child is waited for where it was started, so that reaping it would lose its status.
pub fn is_tracked(pid: i32) -> bool {
    lock(&TRACKED).contains(&pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let check = |name: &str| {
            let rest = "S 7 40 41 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 3 0 98765 1000 2 18446744073709551615";
            let stat = ProcessStat::parse(format!("42 ({name}) {rest}\n").as_bytes());
            let expected = ProcessStat { pid: 42, state: 'S', parent: 7, group: 40, threads: 3, started: 98765 };
            assert_eq!(stat, Some(expected), "{name}");
        };
        check("sh");
        check("a b");
        check(") Z 1 1 (");
        check("");
        assert_eq!(ProcessStat::parse(b"42 (sh S"), None);
        assert_eq!(ProcessStat::parse(b""), None);
    }

    #[test]
    fn this_process_is_listed() {
        let own = i32::try_from(std::process::id()).unwrap();
        let stat = stat(own).unwrap();
        assert!(stat.is_alive() && stat.pid == own);
        assert!(all().contains(&super::stat(own).unwrap()) || all().iter().any(|other| other.pid == own));
    }
}
