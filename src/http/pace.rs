//! Adaptive pace of one host: lowered when it sheds load, raised again by successes. Pure.

use std::time::Duration;

/// Successes in a row that allow one more concurrent request.
const RAISE_AFTER: usize = 16;

/// Number of concurrent requests and, once that is one, the interval between them.
#[derive(Debug)]
pub(super) struct Pace {
    max: usize,
    slowest: Duration,
    /// Number of requests that may be in flight.
    pub(super) limit: usize,
    /// Time between the starts of two requests.
    pub(super) interval: Duration,
    lowered_at: Option<Duration>,
    successes: usize,
}

impl Pace {
    /// Creates the highest pace, `max` concurrent requests; the lowest is one request per `slowest`.
    pub(super) fn new(max: usize, slowest: Duration) -> Self {
        Self { max, slowest, limit: max, interval: Duration::ZERO, lowered_at: None, successes: 0 }
    }

    /// Halves the pace, unless the refused request was sent before the pace was lowered last: a burst counts once.
    pub(super) fn lower(&mut self, sent: Duration, now: Duration) {
        if self.lowered_at.is_some_and(|at| sent <= at) {
            return;
        }
        (self.lowered_at, self.successes) = (Some(now), 0);
        match self.limit {
            1 => self.interval = (self.interval * 2).clamp(self.slowest / 16, self.slowest),
            limit => self.limit = limit / 2,
        }
    }

    /// Raises the pace a little.
    pub(super) fn raise(&mut self) {
        if !self.interval.is_zero() {
            let next = self.interval - self.interval / 16;
            self.interval = if next < self.slowest / 32 { Duration::ZERO } else { next };
        } else if self.limit < self.max {
            self.successes += 1;
            if self.successes == RAISE_AFTER {
                (self.successes, self.limit) = (0, self.limit + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn s03_a_refused_burst_halves_the_pace_once_and_successes_raise_it_slowly() {
        let mut pace = Pace::new(16, millis(160));
        let mut seen = Vec::new();
        for time in 1..=10 {
            // Sixteen refusals of one burst.
            (0..16).for_each(|_| pace.lower(millis(time), millis(time)));
            seen.push((pace.limit, pace.interval.as_millis()));
        }
        let expected = [(8, 0), (4, 0), (2, 0), (1, 0), (1, 10), (1, 20), (1, 40), (1, 80), (1, 160), (1, 160)];
        assert_eq!(seen, expected);
        let mut successes = 0;
        while pace.limit < 2 {
            pace.raise();
            successes += 1;
        }
        assert!(pace.interval.is_zero() && (50..80).contains(&successes), "{successes}");
        (0..14 * RAISE_AFTER).for_each(|_| pace.raise());
        assert_eq!(pace.limit, 16);
        (0..100).for_each(|_| pace.raise());
        assert_eq!(pace.limit, 16);
    }
}
