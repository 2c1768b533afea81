//! The program as a process: time, memory, requests.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Interval between looks at a running process.
const LOOK: Duration = Duration::from_millis(1);

/// Prepares `pinstream` in `folder` with `PATH` as the only inherited variable.
pub(crate) fn pinstream(folder: &Path, arguments: &[&str]) -> Command {
    program(env!("CARGO_BIN_EXE_pinstream").as_ref(), folder, arguments)
}

/// Prepares a build of `pinstream` like [`pinstream`].
pub(crate) fn program(program: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).env_clear().env("HOME", folder);
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

/// Runs `command`, which must succeed, and returns the time it took.
pub(crate) fn time(mut command: Command) -> Duration {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let begin = Instant::now();
    let output = command.output().unwrap();
    let time = begin.elapsed();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    time
}

/// Runs `command` and returns its peak memory in MiB.
///
/// The kernel records the peak, which is read repeatedly because it disappears with the process.
pub(crate) fn peak_memory(mut command: Command) -> f64 {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        peak = peak_so_far(&child).unwrap_or(0).max(peak);
        std::thread::sleep(LOOK);
    }
    assert!(child.wait().unwrap().success(), "{command:?}");
    peak as f64 / 1024.0
}

/// Peak memory of a process so far in KiB (proc(5), `VmHWM`).
fn peak_so_far(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Registry requests of a run.
pub(crate) struct RequestLog {
    head: u64,
    get: u64,
    pub(crate) token: u64,
    /// Size of the bodies in bytes.
    bytes: u64,
}

impl RequestLog {
    /// Number of all requests.
    pub(crate) fn requests(&self) -> u64 {
        self.head + self.get + self.token
    }
}

impl fmt::Display for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { head, get, token, bytes } = self;
        write!(f, "{head} HEAD, {get} GET, {token} token, {bytes} bytes of bodies")
    }
}

/// Runs `command` with `-v` and reads its requests from the log.
pub(crate) fn asked(mut command: Command) -> RequestLog {
    let output = command.arg("-v").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    let line = said.lines().find(|line| line.contains("registry requests")).unwrap();
    let count = |what: &str| {
        let (before, _) = line.split_once(&format!(" {what}")).unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    RequestLog { head: count("HEAD"), get: count("GET"), token: count("token"), bytes: count("bytes received") }
}
