//! How often, and how long, a pass begins again.

use std::time::Duration;

use crate::effects::World;
use crate::model::shard::Shard;

use super::PassError;

/// How long a pass goes on against a branch that keeps moving.
pub const PATIENCE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How much of the longest pause is for each of the shards that may be about to land: less than it takes one.
const PAUSE_OF_SHARD: Duration = Duration::from_millis(50);

/// Tries made so far, and when the first of them was refused.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    made: u32,
    since: Option<Duration>,
    longest: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { made: 0, since: None, longest: LONGEST_PAUSE }
    }
}

impl Retry {
    /// Those of a shard: it is known how many there are that land at about the same time, and that no pause needs to be
    /// longer than they all take. Who was refused most often would otherwise come last.
    pub fn of(shard: Shard) -> Self {
        Self { longest: PAUSE_OF_SHARD.saturating_mul(shard.count()).min(LONGEST_PAUSE), ..Self::default() }
    }

    /// Waits before the next try: longer each time, by a share of chance, so that many do not meet again.
    ///
    /// # Errors
    /// [`PassError::Contention`] once the patience is used up.
    pub async fn again<W: World>(&mut self, world: &W, reason: &str) -> Result<(), PassError> {
        self.made += 1;
        // What took long before, as many imports or a hook, is no contention.
        let since = *self.since.get_or_insert_with(|| world.elapsed());
        if world.elapsed().saturating_sub(since) >= PATIENCE {
            return Err(PassError::Contention { tries: self.made, last: reason.to_owned() });
        }
        world.pause(self.pause().mul_f64(world.random())).await;
        Ok(())
    }

    /// The longest that the next pause may be.
    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.made.min(10)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_those_of_shards_no_longer_than_it_takes_them_all() {
        let pauses = |tries: Retry| [1, 2, 3, 6, 99].map(|made| Retry { made, ..tries }.pause().as_millis());
        assert_eq!(pauses(Retry::default()), [100, 200, 400, 3_200, 5_000]);
        let of = |shard: &str| pauses(Retry::of(shard.parse().unwrap()));
        assert_eq!(of("1/8"), [100, 200, 400, 400, 400]);
        assert_eq!(of("1/64"), [100, 200, 400, 3_200, 3_200]);
        assert_eq!(of("1/1000"), pauses(Retry::default()));
    }
}
