//! Retries of a pass: exponential backoff with full jitter, for a bounded time.

use std::time::Duration;

use crate::effects::Clock;
use crate::model::shard::Shard;

use super::PassError;

/// Time for which a pass retries against a branch that keeps moving.
pub const PATIENCE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Share of the longest pause per competing shard: less than one landing takes.
const PAUSE_PER_SHARD: Duration = Duration::from_millis(50);

/// Attempts made so far, and the time of the first rejection.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    attempts: u32,
    since: Option<Duration>,
    longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 0, since: None, longest: LONGEST_PAUSE }
    }
}

impl Retry {
    /// Bounds the pause by the number of shards, which all land at about the same time: no pause needs to be longer than
    /// all of them take, or the shard that was rejected most often would land last.
    pub fn of(shard: Option<Shard>) -> Self {
        let Some(shard) = shard else { return Self::default() };
        Self { longest: PAUSE_PER_SHARD.saturating_mul(shard.count()).min(LONGEST_PAUSE), ..Self::default() }
    }

    /// Sleeps with exponential backoff and full jitter.
    ///
    /// # Errors
    /// [`PassError::Contention`] after [`PATIENCE`].
    pub async fn back_off<C: Clock>(&mut self, clock: &C, reason: &str) -> Result<(), PassError> {
        self.attempts += 1;
        // Long work before the first rejection, such as resolving or a hook, is not contention.
        let since = *self.since.get_or_insert_with(|| clock.elapsed());
        if clock.elapsed().saturating_sub(since) >= PATIENCE {
            return Err(PassError::Contention { attempts: self.attempts, last: reason.to_owned() });
        }
        clock.sleep(self.pause().mul_f64(clock.random())).await;
        Ok(())
    }

    /// Returns the upper bound of the next pause.
    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.attempts.min(10)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_time_in_which_all_shards_land() {
        let pauses = |retry: Retry| [1, 2, 3, 6, 99].map(|attempts| Retry { attempts, ..retry }.pause().as_millis());
        assert_eq!(pauses(Retry::default()), [100, 200, 400, 3_200, 5_000]);
        let of = |shard: &str| pauses(Retry::of(shard.parse().ok()));
        assert_eq!(of("1/8"), [100, 200, 400, 400, 400]);
        assert_eq!(of("1/64"), [100, 200, 400, 3_200, 3_200]);
        assert_eq!(of("1/1000"), pauses(Retry::default()));
    }
}
