//! The clocks of the process: the one place that reads them.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::environment;

/// The variable that stops the wall clock at an RFC 3339 time, for runs that must come out the same twice.
pub const FROZEN: &str = "PINSTREAM_NOW";

/// Tells whether the wall clock is stopped.
pub fn is_frozen() -> bool {
    environment::var(FROZEN).is_some()
}

/// The wall clock: for commits and schedules, never for decisions between two versions of something.
pub fn now() -> Timestamp {
    environment::var(FROZEN).and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now)
}

/// A clock that only goes forward.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Begins at zero.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
