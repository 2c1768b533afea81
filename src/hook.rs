//! Hooks: commands for what has landed. What to run, with what, for how long; and the run itself.
//!
//! Which hooks run for which moves is decided in `reconcile::notify`. Whatever a hook does, its run ends: at most
//! its time limit, the grace after it and two seconds later. Nothing that it started outlives the run; what outlives
//! a process of ours that was killed is ended by the next one ([`end_left_by`], [`sweep`]). Nothing of our environment reaches it but `PATH`, `HOME`, `LANG`, `TZ` and the variables that it names.

mod family;
mod folder;
mod left;
mod mark;
mod output;
mod process;

pub use left::{end_left_by, sweep};

use std::cell::RefCell;
use std::convert::Infallible;
use std::fmt;
use std::io::PipeReader;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdin, ExitStatus};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::model::state::Owner;
use crate::system::environment;
use family::ProcessTree;
use folder::HookFolder;
use output::CapturedOutput;

/// How long the output may stay open after the hook's own end: somebody it left behind may still have something to
/// say, but does not hold up the pass.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The same once everybody is dead, when there is only what stands in the pipe.
const LEFT_IN_PIPE: Duration = Duration::from_millis(200);

/// One run of one hook, with everything it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The hook's name.
    pub name: String,
    /// Who runs it.
    pub owner: Owner,
    /// The program and its arguments; a program with a slash stands in `files`.
    pub argv: Vec<String>,
    /// Files put into its folder: path, bytes, and whether it can be run.
    pub files: Vec<HookFile>,
    /// Names of variables passed on from our own environment.
    pub pass_env: Vec<String>,
    /// Variables set for it, `PINSTREAM_…`.
    pub env: Vec<(String, String)>,
    /// JSON for its standard input; also written to the file that `PINSTREAM_CHANGES` names.
    pub stdin: String,
    /// After how long it is ended.
    pub timeout: Duration,
}

/// A file that a hook finds in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookFile {
    /// Its path, relative, without `.` or `..`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether it can be run.
    pub executable: bool,
}

/// How a hook's run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookResult {
    /// How.
    pub exit: HookExit,
    /// What it wrote to both its outputs, bounded, escaped for a terminal.
    pub output: String,
}

/// The end of a hook's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookExit {
    /// Exit code 0.
    Success,
    /// Another exit code.
    Code(i32),
    /// A signal ended it.
    Signal(i32),
    /// It was ended at its time limit.
    TimedOut,
    /// It could not be started.
    NotStarted(String),
}

/// Answers what a variable of an environment is set to.
type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// What a hook's run takes from the machine: our own environment, and our patience.
pub struct HookEnv {
    environment: Lookup,
    grace: Duration,
}

impl HookEnv {
    /// How long a hook has between `TERM` and `KILL`.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Those of this process.
    pub fn from_environment() -> Self {
        Self::new(environment::var)
    }

    /// Those with the variables that `environment` knows.
    pub fn new(environment: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { environment: Box::new(environment), grace: Self::GRACE }
    }

    /// The same with another time between `TERM` and `KILL`.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    fn var(&self, name: &str) -> Option<String> {
        (self.environment)(name)
    }
}

impl fmt::Debug for HookEnv {
    /// Says nothing of the environment: it holds secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("grace", &self.grace).finish_non_exhaustive()
    }
}

/// Runs a hook to its end. Needs a runtime with input, output and time enabled.
///
/// Dropped before that, everything the hook started is asked to end (`TERM`), and killed two seconds later; the drop
/// waits for it.
pub async fn run(run: &HookRun, surroundings: &HookEnv) -> HookResult {
    let kept = RefCell::new(CapturedOutput::default());
    let exit = match attempt(run, surroundings, &kept).await {
        Ok(exit) => exit,
        Err(sentence) => HookExit::NotStarted(sentence),
    };
    HookResult { exit, output: kept.into_inner().text() }
}

async fn attempt(run: &HookRun, surroundings: &HookEnv, kept: &RefCell<CapturedOutput>) -> Result<HookExit, String> {
    // Both of these before the family, so that they are dropped after it: a hook that cleans up when its run is dropped
    // finds its folder, and a pipe that takes its last words, though nobody hears them.
    let mark = mark::fresh(&run.owner);
    let folder = HookFolder::create(&mark, &run.files, &run.stdin)?;
    let process::HookProcess { family, input, output } = process::start(run, &mark, &folder, surroundings).await?;
    let _open = output.try_clone();
    let mut family = family;
    let closed = Notify::new();
    // Input is written while output is read, or each side could wait for the other for ever.
    let talk = async {
        tokio::join!(feed(input, &run.stdin), async {
            drain(output, kept).await;
            closed.notify_one();
        });
        std::future::pending::<Infallible>().await
    };
    let exit = tokio::select! {
        exit = live(run.timeout, surroundings.grace, &mut family, &closed) => exit,
        never = talk => match never {},
    };
    Ok(exit)
}

/// The life of a hook, to the end of everything it started.
async fn live(limit: Duration, grace: Duration, family: &mut ProcessTree, closed: &Notify) -> HookExit {
    if timeout(limit, family.leader_ended()).await.is_err() {
        family.signal(Signal::TERM);
        let _ = timeout(grace, family.gone()).await;
        family.end().await;
        let _ = timeout(LEFT_IN_PIPE, closed.notified()).await;
        return HookExit::TimedOut;
    }
    let all_said = timeout(LAST_WORDS, closed.notified()).await.is_ok();
    let status = family.end().await;
    if !all_said {
        let _ = timeout(LEFT_IN_PIPE, closed.notified()).await;
    }
    status.map_or(HookExit::TimedOut, HookExit::from)
}

/// Writes all of `text`. That a hook does not read it is its own business.
async fn feed(input: ChildStdin, text: &str) {
    if let Ok(mut input) = pipe::Sender::from_owned_fd(input.into()) {
        let _ = input.write_all(text.as_bytes()).await;
    }
}

/// Reads to the end, whatever comes.
async fn drain(output: PipeReader, kept: &RefCell<CapturedOutput>) {
    let Ok(mut output) = pipe::Receiver::from_owned_fd(output.into()) else { return };
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = output.read(&mut buffer).await {
        kept.borrow_mut().push(&buffer[..length]);
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
