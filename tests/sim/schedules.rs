//! Number of schedules that a test runs: all under `tests/run`, a sample in the fast lane.

use crate::system::environment::var;

/// Share of `all` that this run has to reach: all of it, or one part in `parts`.
pub(super) fn share(all: u64, parts: u64) -> u64 {
    if var("PINSTREAM_TESTS").is_some_and(|value| value == "all") { all } else { all / parts }
}
