//! Threads for calls that block, and the limits on the number of processes and threads.
//!
//! The standard library and tokio panic if the kernel refuses a thread; here that is an error.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::Builder;

use rustix::process::{Resource, getrlimit};
use tokio::sync::oneshot;

/// Runs `work` on a thread of its own.
///
/// # Errors
/// If the kernel refuses the thread.
pub fn start(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    Builder::new().spawn(work).map(drop).map_err(name_limit)
}

/// Runs a call that blocks on a thread of its own, and waits for its result.
///
/// # Errors
/// If the kernel refuses the thread, or the call panics.
pub async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    let (sender, receiver) = oneshot::channel();
    let thread = start(move || drop(sender.send(work())));
    thread.map_err(|error| io::Error::other(format!("cannot start a thread: {error}")))?;
    receiver.await.map_err(|_| io::Error::other("a thread ended without a result"))
}

/// Names the limits in the error of a process or thread that the kernel refused because of one (fork(2), `EAGAIN`).
pub fn name_limit(error: io::Error) -> io::Error {
    if error.kind() != io::ErrorKind::WouldBlock {
        return error;
    }
    let user = getrlimit(Resource::Nproc).current.map(|most| format!("`ulimit -u` is {most}"));
    let group = cgroup_limit().map(|most| format!("`pids.max` of the cgroup is {most}"));
    let limits: Vec<String> = user.into_iter().chain(group).collect();
    let limits = if limits.is_empty() { "see `ulimit -u` and `pids.max`".to_owned() } else { limits.join(", ") };
    io::Error::other(format!("the limit on processes and threads is reached ({limits})"))
}

/// Reads the smallest `pids.max` of our cgroup and those above it; none without a limit (Linux, `cgroup-v2.rst`, "PID").
fn cgroup_limit() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let limit = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_, controllers, group) = (parts.next()?, parts.next()?, parts.next()?);
        let mount = match controllers {
            "" => "/sys/fs/cgroup",
            "pids" => "/sys/fs/cgroup/pids",
            _ => return None,
        };
        let groups = Path::new(group).ancestors().map(|group| group.strip_prefix("/").unwrap_or(group));
        let read = |group: &Path| fs::read_to_string(Path::new(mount).join(group).join("pids.max")).ok();
        groups.filter_map(read).filter_map(|text| text.trim().parse::<u64>().ok()).min()
    };
    groups.lines().filter_map(limit).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s08_only_a_refused_process_or_thread_names_the_limits() {
        let refused = name_limit(io::Error::from_raw_os_error(rustix::io::Errno::AGAIN.raw_os_error()));
        assert!(refused.to_string().starts_with("the limit on processes and threads is reached ("), "{refused}");
        let other = name_limit(io::ErrorKind::NotFound.into());
        assert_eq!(other.kind(), io::ErrorKind::NotFound);
    }

    #[tokio::test]
    async fn a_panic_of_blocking_work_is_an_error() {
        assert_eq!(run_blocking(|| 1).await.unwrap(), 1);
        assert!(run_blocking(|| assert!(std::hint::black_box(false))).await.is_err());
    }
}
