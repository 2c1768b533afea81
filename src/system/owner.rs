//! Identifies this process, and finds out whether another one has ended: for claims that outlive their process.
//!
//! A process id alone is ambiguous: it is reused, and other machines and containers have the same ones. An owner is
//! therefore a process id with its start time, a user, a process-id namespace and one boot of a kernel. Only an owner for
//! which all of that is known and equal is ever reported as gone. The user counts because the processes of another user
//! are out of reach.

use std::fs;
use std::io;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::Pid;

use serde::{Deserialize, Serialize};

use super::process;

/// Identifies a process to other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The running kernel and process-id namespace, within which process ids are comparable.
    pub machine: String,
    /// The process id and its start time in kernel ticks: a pair that is never reused.
    pub process: String,
}

/// Returns the identity of this process.
pub fn this_process() -> Owner {
    let number = std::process::id();
    let started = process::stat(number.cast_signed()).map_or(0, |stat| stat.started);
    Owner { machine: machine().to_owned(), process: format!("{number}:{started}") }
}

/// Returns whether `owner` has certainly ended. A zombie has.
pub fn is_gone(owner: &Owner) -> bool {
    if owner.machine != machine() || kernel().is_none() {
        return false;
    }
    let Some((number, started)) = owner.process.split_once(':') else { return false };
    let (Ok(number), Ok(started)) = (number.parse::<i32>(), started.parse::<u64>()) else { return false };
    let Some(pid) = Some(number).filter(|number| *number > 0).and_then(Pid::from_raw) else { return false };
    match process::stat(number) {
        Ok(stat) => stat.started != started || !stat.is_alive(),
        // A `/proc` mounted with `hidepid` hides the processes of other users: try a signal.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rustix::process::test_kill_process(pid) == Err(Errno::SRCH)
        }
        Err(_) => false,
    }
}

/// Names the running kernel, our process-id namespace and our user, or returns a name that no other process has.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| kernel().unwrap_or_else(|| format!("unknown:{:032x}", fastrand::u128(..))))
}

/// Names the running kernel, our process-id namespace and our user; none without `/proc`.
fn kernel() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}/{}", boot.trim(), space.to_str()?, rustix::process::getuid().as_raw()))
}
