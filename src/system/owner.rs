//! Who this process is, and whether another one is gone: for claims that outlive the process that made them.
//!
//! A process id says nothing by itself: it is reused, and other machines and containers have the same ones. So an
//! owner is a process id with its start time and a user, within a process-id space, within one run of a kernel. Only
//! where all of that is known and the same is anybody ever called gone; in doubt nobody is. The user is part of it
//! because what hooks of another one left behind is not to be seen.

use std::fs;
use std::io;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::process::Pid;

use super::process;
use crate::model::state::Owner;

/// This process.
pub fn this_process() -> Owner {
    let number = std::process::id();
    let started = process::stat(number.cast_signed()).map_or(0, |stat| stat.started);
    Owner { machine: machine().to_owned(), process: format!("{number}:{started}") }
}

/// Whether `owner` can no longer be running: true only where that is certain. A zombie is gone.
pub fn is_gone(owner: &Owner) -> bool {
    if owner.machine != machine() || kernel().is_none() {
        return false;
    }
    let Some((number, started)) = owner.process.split_once(':') else { return false };
    let (Ok(number), Ok(started)) = (number.parse::<i32>(), started.parse::<u64>()) else { return false };
    let Some(pid) = Some(number).filter(|number| *number > 0).and_then(Pid::from_raw) else { return false };
    match process::stat(number) {
        Ok(stat) => stat.started != started || !stat.is_alive(),
        // A `/proc` mounted with `hidepid` hides the processes of others: ask the kernel itself.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            rustix::process::test_kill_process(pid) == Err(Errno::SRCH)
        }
        Err(_) => false,
    }
}

/// The running kernel, our process-id space and our user, or a name that no other process has.
fn machine() -> &'static str {
    static MACHINE: OnceLock<String> = OnceLock::new();
    MACHINE.get_or_init(|| kernel().unwrap_or_else(|| format!("unknown:{:032x}", fastrand::u128(..))))
}

/// The running kernel, our process-id space and our user, as the kernel names them; none where there is no `/proc`.
fn kernel() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let space = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}/{}", boot.trim(), space.to_str()?, rustix::process::getuid().as_raw()))
}
