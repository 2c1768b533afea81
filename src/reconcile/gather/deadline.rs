//! Deadline of a step, from the budget of the pass.

use std::time::Duration;

use futures_util::stream::{Stream, StreamExt as _};

use crate::effects::Clock;

/// Time for a later attempt of the same pass, which resolves only what somebody else changed.
const LATER_ATTEMPT: Duration = Duration::from_secs(10);
/// Time for comparing images after the budget is spent.
const GRACE: Duration = Duration::from_secs(5);

/// End of a step, as the time since the pass started; `None` never ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadline(Option<Duration>);

impl Deadline {
    /// The deadline of commands without a budget, which never comes.
    pub const NONE: Self = Self(None);

    /// Returns the deadline `limit` from now.
    pub fn after<C: Clock>(clock: &C, limit: Duration) -> Self {
        Self(Some(clock.elapsed().saturating_add(limit)))
    }

    /// Returns the deadline of an attempt that starts now; `self` is that of the previous attempt, if there was one.
    #[must_use]
    pub fn next_attempt<C: Clock>(self, clock: &C, budget: Duration) -> Self {
        let now = clock.elapsed();
        Self(Some(self.0.map_or_else(|| now.saturating_add(budget), |end| end.max(now + LATER_ATTEMPT))))
    }

    /// Adds a few seconds for what a report is poorer without.
    #[must_use]
    pub fn with_grace(self) -> Self {
        Self(self.0.map(|end| end.saturating_add(GRACE)))
    }

    /// Returns the next item of `items`; `None` also at the deadline.
    pub(in crate::reconcile) async fn next<C: Clock, S: Stream + Unpin>(
        self,
        clock: &C,
        items: &mut S,
    ) -> Option<S::Item> {
        let Some(end) = self.0 else { return items.next().await };
        clock.within(end.saturating_sub(clock.elapsed()), items.next()).await.flatten()
    }
}
