//! Starts the process of a hook.
//!
//! No shell, no inherited environment, no inherited input.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::ffi::OsString;
use std::io::{self, PipeReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use super::directory::HookDirectory;
use super::error::HookStartError;
use super::process_tree::ProcessTree;
use super::{HookEnv, HookRun, run_id};

/// The number of retries while the program is open for writing in a process that another thread is starting: fork(2)
/// copies all open files, and the copy keeps the kernel from running the file for a moment (`ETXTBSY`).
const BUSY_RETRIES: u32 = 50;
/// The interval between two of them.
const BUSY_INTERVAL: Duration = Duration::from_millis(10);

/// Starts the process of `run` in `directory`; the pipe has its standard output and error, in the order of writing.
///
/// # Errors
/// If it cannot be started.
pub(super) async fn start(
    run: &HookRun,
    run_id: &str,
    directory: &HookDirectory,
    env: &HookEnv,
) -> Result<(ProcessTree, ChildStdin, PipeReader), HookStartError> {
    let (name, arguments) = run.argv.split_first().ok_or(HookStartError::NoProgram)?;
    let program = match name.contains('/') {
        true => directory.program(name)?.into_os_string(),
        false => OsString::from(name),
    };
    let mut retries = 0;
    loop {
        let (output, both) = io::pipe().map_err(HookStartError::Pipe)?;
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(directory.work()).process_group(0);
        command.stdin(Stdio::piped()).stdout(both.try_clone().map_err(HookStartError::Pipe)?).stderr(both);
        env.apply(&mut command, run, run_id, directory);
        match ProcessTree::start(&mut command, format!("{}={run_id}", run_id::VARIABLE), directory.work()) {
            Ok(mut tree) => {
                let input = tree.take_input().ok_or_else(|| HookStartError::Pipe(io::ErrorKind::BrokenPipe.into()))?;
                return Ok((tree, input, output));
            }
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy && retries < BUSY_RETRIES => {
                retries += 1;
                tokio::time::sleep(BUSY_INTERVAL).await;
            }
            Err(error) => return Err(HookStartError::exec(&error, run, Path::new(&program))),
        }
    }
}
