//! The clocks of the machine; read in this file only.

#![allow(clippy::disallowed_methods, reason = "this is the file the rule names")]

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::environment;

/// The variable that stops the wall clock at an RFC 3339 time, for reproducible runs.
pub const FROZEN: &str = "PINSTREAM_NOW";

/// Tells whether the wall clock is stopped.
pub fn is_frozen() -> bool {
    environment::var(FROZEN).is_some()
}

/// Reads the wall clock: for commits and schedules, never to decide which of two versions is newer.
pub fn now() -> Timestamp {
    environment::var(FROZEN).and_then(|text| text.parse().ok()).unwrap_or_else(Timestamp::now)
}

/// A stopwatch on the monotonic clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts the stopwatch at zero.
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
