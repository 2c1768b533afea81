//! Runs a helper program, e.g. `gpg`, to its end, or exchanges bytes with one, e.g. `ssh`.
//!
//! The program gets its own process group, a minimal environment, bounded time and bounded output. A secret is passed
//! through standard input or the environment, never as an argument.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};

use super::clock::Stopwatch;
use super::environment;
use super::process::{self, TrackedChild};
use super::thread;

/// The most bytes that are kept of each output.
const OUTPUT_MAX: u64 = 1 << 20;
/// The interval between two looks at whether the program has ended.
const POLL: Duration = Duration::from_millis(2);
/// The time an output may stay open after the program's end, e.g. in a daemon that it started.
const CLOSE_MAX: Duration = Duration::from_secs(1);
/// The bytes that a ready pipe accepts without blocking (pipe(7)).
const PIPE_BUF: usize = 4096;
/// Variables of our own environment that every program gets: where programs, agents and terminals are found.
const INHERITED: [&str; 21] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TERM",
    "TMPDIR",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "DBUS_SESSION_BUS_ADDRESS",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "SSH_SK_PROVIDER",
    "SSH_SK_HELPER",
    "GNUPGHOME",
    "GPG_TTY",
    "XDG_CONFIG_HOME",
    "GIT_CONFIG_GLOBAL",
    "GIT_CONFIG_SYSTEM",
    "GIT_CONFIG_NOSYSTEM",
];

/// A program with everything it gets.
pub struct Program {
    command: Command,
    input: Vec<u8>,
}

/// The result of a program that ran to its end.
pub struct ProgramOutput {
    /// True if it exited with 0.
    pub success: bool,
    /// Standard output, at most 1 MiB.
    pub stdout: String,
    /// Standard error, at most 1 MiB; not escaped.
    pub stderr: String,
}

/// The reason why a program did not run to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No such program on this machine.
    #[error("`{}` is not installed", .program.display())]
    Missing {
        /// Name or path.
        program: PathBuf,
    },
    /// The kernel refused to start it.
    #[error("cannot run `{}`: {source}", .program.display())]
    Start {
        /// Name or path.
        program: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// The time limit; the program was killed.
    #[error("`{}` did not finish within {} s", .program.display(), .limit.as_secs())]
    TimedOut {
        /// Name or path.
        program: PathBuf,
        /// The time limit.
        limit: Duration,
    },
}

impl Program {
    /// Prepares a run of the program at `name`: a path, or a name that is looked up in `PATH`.
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name);
        command.process_group(0).env_clear();
        command.envs(INHERITED.iter().filter_map(|name| Some((name, environment::var(name)?))));
        // Messages are compared with what the program prints in English.
        command.env("LC_ALL", "C");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { command, input: Vec::new() }
    }

    /// Adds arguments. They are visible to every user of the machine.
    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    /// Passes our environment on, without the variables that are meant for pinstream.
    #[must_use]
    pub fn inherit(mut self) -> Self {
        self.command.envs(environment::for_programs()).env("LC_ALL", "C");
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Appends to its standard input.
    #[must_use]
    pub fn input(mut self, bytes: &[u8]) -> Self {
        self.input.extend_from_slice(bytes);
        self
    }

    /// Runs the program; kills it and everything in its process group after `limit`.
    ///
    /// # Errors
    /// If it cannot be started or reaches the limit. An exit code other than 0 is not an error.
    pub fn run(self, limit: Duration) -> Result<ProgramOutput, ProgramError> {
        let program = PathBuf::from(self.command.get_program());
        let refused = |source| ProgramError::Start { program: program.clone(), source };
        let (mut child, input) = self.spawn()?;
        if let Some(mut stdin) = child.0.stdin.take() {
            // A program may end without reading its input; its exit code counts.
            thread::start(move || drop(stdin.write_all(&input))).map_err(refused)?;
        }
        let stdout = drain(child.0.stdout.take()).map_err(refused)?;
        let stderr = drain(child.0.stderr.take()).map_err(refused)?;
        let status = child.wait(limit).ok_or(ProgramError::TimedOut { program, limit })?;
        Ok(ProgramOutput { success: status.success(), stdout: text(&stdout), stderr: text(&stderr) })
    }

    /// Starts the program to exchange bytes with it; a read or write fails after `silence`.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(self, silence: Duration) -> Result<RunningProgram, ProgramError> {
        let program = PathBuf::from(self.command.get_program());
        let (mut child, _) = self.spawn()?;
        let stderr = drain(child.0.stderr.take()).map_err(|source| ProgramError::Start { program, source })?;
        let (stdin, stdout) = (child.0.stdin.take(), child.0.stdout.take());
        Ok(RunningProgram { stdin, stdout, stderr, child, silence })
    }

    /// Starts the program; returns it with its input.
    fn spawn(self) -> Result<(ProcessGroup, Vec<u8>), ProgramError> {
        let Self { mut command, input } = self;
        let program = PathBuf::from(command.get_program());
        let (child, tracked) = process::track(|| command.spawn()).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => ProgramError::Missing { program },
            _ => ProgramError::Start { program, source: thread::name_limit(source) },
        })?;
        Ok((ProcessGroup(child, tracked), input))
    }
}

/// A program that runs while we read its standard output and write its standard input.
pub struct RunningProgram {
    stdin: Option<ChildStdin>,
    stdout: Option<ChildStdout>,
    stderr: Receiver<String>,
    child: ProcessGroup,
    silence: Duration,
}

impl RunningProgram {
    /// Closes its input, waits for its end and returns its error output. The remaining output is discarded.
    pub fn finish(mut self) -> String {
        self.end();
        text(&self.stderr)
    }

    /// Closes its input and waits for its end.
    pub fn close(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.stdin = None;
        // Dropping it kills a program that does not end.
        let _ = self.child.wait(CLOSE_MAX);
    }
}

impl Read for RunningProgram {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(stdout) = &mut self.stdout else { return Ok(0) };
        wait(stdout, PollFlags::IN, self.silence)?;
        stdout.read(buffer)
    }
}

impl Write for RunningProgram {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(stdin) = &mut self.stdin else { return Err(io::ErrorKind::BrokenPipe.into()) };
        wait(stdin, PollFlags::OUT, self.silence)?;
        // A pipe that is ready takes at least `PIPE_BUF` bytes without blocking (pipe(7)).
        stdin.write(&bytes[..bytes.len().min(PIPE_BUF)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until a pipe is ready; fails after `limit`.
fn wait(pipe: &impl AsFd, flags: PollFlags, limit: Duration) -> io::Result<()> {
    let limit = Timespec::try_from(limit).ok();
    loop {
        match poll(&mut [PollFd::new(pipe, flags)], limit.as_ref()) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns what a program printed to an output, now that it has ended.
fn text(output: &Receiver<String>) -> String {
    output.recv_timeout(CLOSE_MAX).unwrap_or_default()
}

/// A child process that leads its own group; the group is killed if this is dropped before the child's end.
struct ProcessGroup(Child, #[expect(dead_code, reason = "dropped after the child is reaped")] TrackedChild);

impl ProcessGroup {
    /// Waits for the child's end; none at the limit.
    fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        let watch = Stopwatch::start();
        loop {
            match self.0.try_wait() {
                Ok(Some(status)) => return Some(status),
                Ok(None) if watch.elapsed() < limit => std::thread::sleep(POLL),
                Ok(None) | Err(_) => return None,
            }
        }
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if let Ok(None) = self.0.try_wait() {
            // Not reaped yet, so the number of the group is still the child's.
            let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

/// Reads an output to its end on a thread of its own, and sends the first part of it.
fn drain(output: Option<impl Read + Send + 'static>) -> io::Result<Receiver<String>> {
    let (sender, receiver) = mpsc::channel();
    thread::start(move || {
        let Some(mut output) = output else { return };
        let mut bytes = Vec::new();
        let _ = output.by_ref().take(OUTPUT_MAX).read_to_end(&mut bytes);
        let _ = io::copy(&mut output, &mut io::sink());
        let _ = sender.send(String::from_utf8_lossy(&bytes).into_owned());
    })?;
    Ok(receiver)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Program {
        Program::new("sh").args(["-c", script])
    }

    #[test]
    fn a_program_gets_its_input_and_variables_and_nothing_else_of_ours() {
        let run = shell("cat; echo $A >&2; env | grep -c CARGO; exit 3").env("A", "b").input(b"in").input(b"put\n");
        let output = run.run(LIMIT).unwrap();
        assert_eq!((output.success, output.stdout.as_str(), output.stderr.as_str()), (false, "input\n0\n", "b\n"));
    }

    #[test]
    fn an_output_is_bounded_and_an_unread_input_is_no_failure() {
        let output = shell("head -c 3000000 /dev/zero").input(&vec![0; 1 << 20]).run(LIMIT).unwrap();
        assert!(output.success);
        assert_eq!(output.stdout.len() as u64, OUTPUT_MAX);
    }

    #[test]
    fn a_program_that_hangs_is_killed_with_what_it_started() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("late");
        let script = format!("(sleep 1; echo > '{}') & sleep 60", file.display());
        let error = shell(&script).run(Duration::from_millis(200)).err().unwrap();
        assert_eq!(error.to_string(), "`sh` did not finish within 0 s");
        std::thread::sleep(Duration::from_millis(1200));
        assert!(!file.exists());
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_does_not_hold_up_the_run() {
        let watch = Stopwatch::start();
        let output = shell("sleep 30 & echo done").run(LIMIT).unwrap();
        assert!(output.success && watch.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = Program::new("pinstream-no-such-program").run(LIMIT).err().unwrap();
        assert_eq!(error.to_string(), "`pinstream-no-such-program` is not installed");
    }
}
