//! How often, and how long, a pass begins again.

use std::time::Duration;

use crate::world::World;

use super::PassError;

/// How long a pass goes on against a branch that keeps moving.
pub const PATIENCE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Tries made so far, and when the first of them was refused.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tries {
    made: u32,
    since: Option<Duration>,
}

impl Tries {
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
        let pause = FIRST_PAUSE.saturating_mul(1 << self.made.min(10)).min(LONGEST_PAUSE);
        world.pause(pause.mul_f64(world.random())).await;
        Ok(())
    }
}
