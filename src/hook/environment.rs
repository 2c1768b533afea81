//! Builds the environment of a hook: four variables of the machine, the variables that the hook names in `env`, and the
//! `PINSTREAM_*` variables of its run. Nothing else of our own environment reaches a hook.

use std::fmt;
use std::process::Command;
use std::time::Duration;

use super::HookRun;
use super::directory::HookDirectory;
use super::run_id;
use crate::http;
use crate::system::environment;

/// The variable with the path of a file that holds the same JSON as standard input.
const CHANGES: &str = "PINSTREAM_CHANGES";
/// Variables of our own environment that every hook gets.
const INHERITED: [&str; 4] = ["PATH", "HOME", "LANG", "TZ"];

/// Looks up a variable of an environment.
type Lookup = Box<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// The environment that hooks inherit from, and the time they get to end.
pub struct HookEnv {
    lookup: Lookup,
    pub(super) grace: Duration,
}

impl HookEnv {
    /// The time between `TERM` and `KILL`.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// Inherits from this process. Its secrets are masked in the output of hooks.
    pub fn from_environment() -> Self {
        environment::secrets().iter().for_each(|secret| http::remember(secret));
        Self::new(environment::var)
    }

    /// Inherits from the environment that `lookup` reads.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self { lookup: Box::new(lookup), grace: Self::GRACE }
    }

    /// Replaces the time between `TERM` and `KILL`.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Replaces the environment of `command` by that of `run`.
    pub(super) fn apply(&self, command: &mut Command, run: &HookRun, run_id: &str, directory: &HookDirectory) {
        command.env_clear();
        for name in INHERITED.into_iter().chain(run.pass_env.iter().map(String::as_str)) {
            if let Some(value) = (self.lookup)(name) {
                command.env(name, value);
            }
        }
        command.envs(run.env.iter().map(|(name, value)| (name, value)));
        command.env(CHANGES, directory.changes()).env(run_id::VARIABLE, run_id);
    }
}

impl fmt::Debug for HookEnv {
    /// Omits the variables: they hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookEnv").field("grace", &self.grace).finish_non_exhaustive()
    }
}
