//! What the kernel says of processes: `/proc`, read and never written (proc(5), `/proc/pid/stat`).
//!
//! Every answer is old the moment it is given. Who acts on one compares [`Stat::started`] first: a process id comes
//! back, a process id with its start time does not. Where there is no `/proc` nothing is known, and nobody is found.

use std::fs;
use std::io;
use std::path::Path;

/// A process at the moment it was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessStat {
    /// Its process id.
    pub pid: i32,
    /// Its state, one letter: `R`, `S`, `Z`, …
    pub state: char,
    /// The process id of its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// How many threads it has.
    pub threads: i64,
    /// When it started, in ticks since the machine did.
    pub started: u64,
}

impl ProcessStat {
    /// Whether it still runs. A zombie is dead, unless only its first thread has ended.
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') || self.threads > 1
    }

    /// Reads the text of `/proc/<pid>/stat`. The second field is the program's own name in parentheses: it may hold
    /// spaces, parentheses and bytes that are no text, so the fields after it are counted from the last parenthesis.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let pid = std::str::from_utf8(bytes.get(..open)?).ok()?.trim().parse().ok()?;
        let rest: Vec<&str> = std::str::from_utf8(bytes.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
        // The manual counts fields from 1, and `rest` begins with the third.
        let field = |number: usize| rest.get(number - 3).copied();
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

/// The process `pid`.
///
/// # Errors
/// `NotFound` where there is none, or none that we may see.
pub fn stat(pid: i32) -> io::Result<ProcessStat> {
    let bytes = match fs::read(format!("/proc/{pid}/stat")) {
        // Between opening and reading the process may have gone.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => {
            return Err(io::ErrorKind::NotFound.into());
        }
        read => read?,
    };
    ProcessStat::parse(&bytes).ok_or_else(|| io::Error::other("`/proc` is not as proc(5) has it"))
}

/// Every process that we may see.
pub fn all() -> Vec<ProcessStat> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pid = |entry: fs::DirEntry| entry.file_name().to_str()?.parse().ok();
    entries.flatten().filter_map(pid).filter_map(|pid| stat(pid).ok()).collect()
}

/// Whether the environment that `pid` was started with has exactly this `NAME=value`. A zombie has none any more.
pub fn was_given(pid: i32, variable: &str) -> bool {
    environment_has(pid, |entry| entry == variable.as_bytes())
}

/// The same for a `NAME=value` that begins with `start`.
pub fn was_given_prefix(pid: i32, start: &str) -> bool {
    environment_has(pid, |entry| entry.starts_with(start.as_bytes()))
}

fn environment_has(pid: i32, is_it: impl Fn(&[u8]) -> bool) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(is_it)
}

/// Whether `pid` stands in `folder` or below; `folder` without symbolic links.
pub fn stands_in(pid: i32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|current| current.starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_call_itself_anything() {
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
    fn we_see_ourselves() {
        let own = i32::try_from(std::process::id()).unwrap();
        let stat = stat(own).unwrap();
        assert!(stat.is_alive() && stat.pid == own);
        assert!(all().contains(&super::stat(own).unwrap()) || all().iter().any(|other| other.pid == own));
    }
}
