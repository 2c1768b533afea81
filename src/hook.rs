//! Runs hooks: commands for changes that have landed.
//!
//! `reconcile::notify` decides which hooks run for which changes. Every run ends: at most at its time limit, plus the
//! grace period and two seconds. No process that a hook started outlives the run; processes that outlive a pinstream that
//! was killed are orphans, which the next one ends ([`end_orphans_of`], [`remove_orphans`]).

mod directory;
mod environment;
mod error;
mod orphans;
mod output;
mod process;
mod process_tree;
mod run_id;

pub use environment::HookEnv;
pub use orphans::{end_orphans_of, remove_orphans};

use std::convert::Infallible;
use std::io::PipeReader;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdin, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::http::SecretMask;
use crate::model::state::Owner;
use crate::system::lock;
use directory::HookDirectory;
use error::HookStartError;
use output::CapturedOutput;
use process_tree::ProcessTree;

/// The time that a background process may keep the output open after the hook's own end.
const OUTPUT_OPEN_MAX: Duration = Duration::from_secs(2);
/// The time to read what is left in the pipe after all processes are dead.
const PIPE_DRAIN: Duration = Duration::from_millis(200);

/// One run of a hook, with everything it receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The hook's name.
    pub name: String,
    /// The process that runs it.
    pub owner: Owner,
    /// The program and its arguments; a program with a slash is one of `files`.
    pub argv: Vec<String>,
    /// The files in its directory.
    pub files: Vec<HookFile>,
    /// Names of the variables that it inherits.
    pub pass_env: Vec<String>,
    /// Variables that are set for it, `PINSTREAM_…`.
    pub env: Vec<(String, String)>,
    /// JSON for its standard input and for the file `PINSTREAM_CHANGES`.
    pub stdin: String,
    /// The time limit.
    pub timeout: Duration,
}

/// A file in the directory of a hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFile {
    /// Relative path without `.` or `..`.
    pub path: String,
    /// Contents of the file.
    pub bytes: Vec<u8>,
    /// The executable bit.
    pub executable: bool,
}

/// The result of a hook's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookResult {
    /// The end of its process.
    pub exit: HookExit,
    /// Standard output and error, bounded, with known secrets masked, and escaped for a terminal.
    pub output: String,
}

/// The end of a hook's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookExit {
    /// Exit code 0.
    Success,
    /// Another exit code.
    Code(i32),
    /// Terminated by a signal.
    Signal(i32),
    /// Killed at its time limit.
    TimedOut,
    /// Not started, with the reason.
    NotStarted(String),
}

/// Runs a hook to its end. Needs a runtime with input, output and time enabled.
///
/// If the future is dropped earlier, everything that the hook started gets `TERM`, and `KILL` two seconds later; the drop
/// waits for it.
pub async fn run(run: &HookRun, env: &HookEnv) -> HookResult {
    let output = Mutex::new(CapturedOutput::default());
    let exit = match start_and_wait(run, env, &output).await {
        Ok(exit) => exit,
        Err(error) => HookExit::NotStarted(error.to_string()),
    };
    let output = output.into_inner().unwrap_or_else(PoisonError::into_inner);
    HookResult { exit, output: output.text(&SecretMask::known()) }
}

async fn start_and_wait(
    run: &HookRun,
    env: &HookEnv,
    captured: &Mutex<CapturedOutput>,
) -> Result<HookExit, HookStartError> {
    // The directory and the pipe are dropped after the process tree: a hook that cleans up when its run is dropped still
    // finds its directory, and can write to a pipe that nobody reads.
    let run_id = run_id::create(&run.owner);
    let directory = HookDirectory::create(&run_id, &run.files, &run.stdin)?;
    let (tree, input, output) = process::start(run, &run_id, &directory, env).await?;
    let _open = output.try_clone();
    let mut tree = tree;
    let closed = Notify::new();
    // Input is written while output is read; otherwise each side could wait for the other forever.
    let exchange = async {
        tokio::join!(feed(input, &run.stdin), async {
            drain(output, captured).await;
            closed.notify_one();
        });
        std::future::pending::<Infallible>().await
    };
    let exit = tokio::select! {
        exit = wait(run.timeout, env.grace, &mut tree, &closed) => exit,
        never = exchange => match never {},
    };
    Ok(exit)
}

/// Waits for the end of the hook and of everything it started.
async fn wait(limit: Duration, grace: Duration, tree: &mut ProcessTree, closed: &Notify) -> HookExit {
    if timeout(limit, tree.leader_ended()).await.is_err() {
        tree.signal(Signal::TERM);
        let _ = timeout(grace, tree.ended()).await;
        tree.end().await;
        let _ = timeout(PIPE_DRAIN, closed.notified()).await;
        return HookExit::TimedOut;
    }
    let is_drained = timeout(OUTPUT_OPEN_MAX, closed.notified()).await.is_ok();
    let status = tree.end().await;
    if !is_drained {
        let _ = timeout(PIPE_DRAIN, closed.notified()).await;
    }
    status.map_or(HookExit::TimedOut, HookExit::from)
}

/// Writes all of `text`; a hook need not read it.
async fn feed(input: ChildStdin, text: &str) {
    if let Ok(mut input) = pipe::Sender::from_owned_fd(input.into()) {
        let _ = input.write_all(text.as_bytes()).await;
    }
}

/// Reads the output to its end.
async fn drain(output: PipeReader, captured: &Mutex<CapturedOutput>) {
    let Ok(mut output) = pipe::Receiver::from_owned_fd(output.into()) else { return };
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        lock(captured).push(&buffer[..length]);
    }
}

impl From<ExitStatus> for HookExit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(0), _) => Self::Success,
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}
