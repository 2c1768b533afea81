//! Starts a hook's process: with credential helpers, all that the program starts.
//!
//! No shell, no inherited environment, no inherited input: what the process is given is all written here. Why it
//! could not be started is a sentence for the person who wrote the hook.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::family::ProcessTree;
use super::folder::HookFolder;
use super::mark;
use super::output::shown;
use super::{HookEnv, HookRun};

/// The variable that names the file with the same JSON as standard input.
const CHANGES: &str = "PINSTREAM_CHANGES";
/// What every hook is given of our own environment.
const PASSED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];
/// How often a program is tried that is still open for writing in a process being started elsewhere: fork(2) copies
/// all open files, and for a moment the copy keeps the kernel from running the file (`ETXTBSY`).
const BUSY_TRIES: u32 = 50;

/// A hook's process that runs.
pub(super) struct HookProcess {
    pub(super) family: ProcessTree,
    pub(super) input: ChildStdin,
    /// Both its outputs, in the order in which they were written.
    pub(super) output: PipeReader,
}

/// Starts the process of `run` in `folder`, under `mark`.
///
/// # Errors
/// A sentence that says why it could not be started.
pub(super) async fn start(
    run: &HookRun,
    mark: &str,
    folder: &HookFolder,
    surroundings: &HookEnv,
) -> Result<HookProcess, String> {
    let (name, arguments) = run.argv.split_first().ok_or("the hook names no program")?;
    let program = match name.contains('/') {
        true => folder.program(name)?.into_os_string(),
        false => OsString::from(name),
    };
    let mut tries = 0;
    loop {
        let plain = |error: io::Error| format!("the hook could not be started: {error}");
        let (output, both) = io::pipe().map_err(plain)?;
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(folder.work()).process_group(0);
        command.stdin(Stdio::piped()).stdout(both.try_clone().map_err(plain)?).stderr(both);
        command.env_clear();
        for name in PASSED.into_iter().chain(run.pass_env.iter().map(String::as_str)) {
            if let Some(value) = surroundings.var(name) {
                command.env(name, value);
            }
        }
        command.envs(run.env.iter().map(|(name, value)| (name, value)));
        command.env(CHANGES, folder.changes()).env(mark::VARIABLE, mark);
        match ProcessTree::start(&mut command, format!("{}={mark}", mark::VARIABLE), folder.work()) {
            Ok(mut family) => {
                let input = family.take_input().ok_or("the hook could not be started: it has no input")?;
                return Ok(HookProcess { family, input, output });
            }
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => return Err(explained(&error, run, Path::new(&program))),
        }
    }
}

/// Why a program could not be started, and what to do about it.
fn explained(error: &io::Error, run: &HookRun, program: &Path) -> String {
    let name = run.argv.first().map_or_else(String::new, |name| shown(name));
    let is_file = name.contains('/');
    let path = name.trim_start_matches("./");
    match error.kind() {
        io::ErrorKind::NotFound if is_file => match interpreter(program) {
            Some(line) if line.ends_with('\r') => {
                format!("the first line of `{name}` ends with a carriage return: store the file with LF line ends")
            }
            Some(line) => format!("`{name}` asks for `{}`, which is not on this machine", shown(&line)),
            None => format!("`{name}` needs a loader that is not on this machine"),
        },
        io::ErrorKind::NotFound => {
            format!("`{name}` is not a program of `PATH`: install it, or write `./{name}` for a file of the root")
        }
        io::ErrorKind::PermissionDenied
            if is_file && !run.files.iter().any(|file| file.executable && file.path == path) =>
        {
            format!("`{name}` is not executable: run `git update-index --chmod=+x {path}` and commit")
        }
        io::ErrorKind::PermissionDenied if is_file => format!(
            "`{name}` may not be run: is its interpreter executable, and the folder for temporary files not mounted `noexec`? `TMPDIR` names another"
        ),
        io::ErrorKind::PermissionDenied => format!("`{name}` of `PATH` is not executable"),
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            format!("`{name}` is neither a program for this machine nor begins with a `#!` line")
        }
        _ => format!("`{name}` could not be started: {error}"),
    }
}

/// What the first line of a script asks for, with the carriage return it may end with.
fn interpreter(program: &Path) -> Option<String> {
    let bytes = std::fs::read(program).ok()?;
    let line = bytes.split(|byte| *byte == b'\n').next()?;
    Some(String::from_utf8_lossy(line.strip_prefix(b"#!")?).into_owned())
}
