//! Hooks: commands for what has landed. What to run, with what, for how long.
//!
//! Which hooks run for which moves is decided in `reconcile::notify`; this is the run itself.

use std::time::Duration;

/// One run of one hook, with everything it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookRun {
    /// The hook's name.
    pub name: String,
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
pub struct HookEnd {
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
