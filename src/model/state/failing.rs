//! Tags that could not be resolved: since when, and from when on a scheduled pass tries them again.
//!
//! Pure. All times are our own, except for a delay that a registry demands.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::failure::FailureKind;
use crate::model::image::TagId;

/// Pause after the first failed attempt; each further one doubles it.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// Longest pause: a daily pass, which never starts at the very same time, tries every time.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(23);

/// The failing tags of a root; followers fail with the tag that they follow.
pub type FailingTags = BTreeMap<TagId, FailingTag>;

/// A tag that could not be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingTag {
    /// Time of the first failure since the last success.
    pub since: Timestamp,
    /// Time of the last attempt.
    pub last: Timestamp,
    /// Time from which a scheduled pass tries again.
    pub next: Timestamp,
    /// Number of failed attempts since the last success.
    pub attempts: u32,
    /// Kind of the last failure.
    pub kind: FailureKind,
    /// Fingerprint of the definitions at the last attempt; under other definitions, the tag is tried at once.
    pub definitions: String,
}

/// A failed attempt to resolve a tag.
#[derive(Clone, Debug)]
pub struct FailedAttempt<'a> {
    /// Time of the attempt.
    pub now: Timestamp,
    /// Kind of the failure.
    pub kind: FailureKind,
    /// Delay that the registry demands.
    pub retry_after: Option<Duration>,
    /// Fingerprint of the definitions.
    pub definitions: &'a str,
}

impl FailingTag {
    /// Adds a failed attempt to those `before`.
    pub fn after(before: Option<&Self>, attempt: &FailedAttempt<'_>) -> Self {
        let FailedAttempt { now, kind, retry_after, definitions } = *attempt;
        let attempts = before.map_or(0, |before| before.attempts).saturating_add(1);
        let demanded = retry_after.map(|delay| SignedDuration::try_from(delay).unwrap_or(LONGEST_PAUSE));
        let pause = pause(attempts).max(demanded.unwrap_or_default()).min(LONGEST_PAUSE);
        Self {
            // A time in the future was written by a wrong clock.
            since: before.map(|before| before.since).filter(|since| *since <= now).unwrap_or(now),
            last: now,
            next: now.checked_add(pause).unwrap_or(Timestamp::MAX),
            attempts,
            kind,
            definitions: definitions.to_owned(),
        }
    }

    /// Returns whether a scheduled pass skips the tag for now.
    pub fn is_backing_off(&self, now: Timestamp, definitions: &str) -> bool {
        self.last <= now && now < self.next && self.definitions == definitions
    }

    /// Combines what two concurrent passes recorded of one tag.
    pub(super) fn combine(&self, other: &Self) -> Self {
        let (earlier, later) = if self.last < other.last { (self, other) } else { (other, self) };
        let (since, attempts) = (earlier.since.min(later.since), earlier.attempts.max(later.attempts));
        Self { since, attempts, ..later.clone() }
    }
}

/// Returns the pause after a number of failed attempts.
fn pause(attempts: u32) -> SignedDuration {
    FIRST_PAUSE.saturating_mul(1 << attempts.saturating_sub(1).min(16)).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn fail(before: Option<&FailingTag>, now: Timestamp, retry_after: Option<Duration>) -> FailingTag {
        let attempt = FailedAttempt { now, kind: FailureKind::Network, retry_after, definitions: "a" };
        FailingTag::after(before, &attempt)
    }

    #[test]
    fn pauses_double_up_to_almost_a_day() {
        let mut failing = fail(None, NOON, None);
        let mut pauses = Vec::new();
        for _ in 0..13 {
            pauses.push((failing.next.duration_since(failing.last)).as_mins());
            failing = fail(Some(&failing), failing.next, None);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1380, 1380]);
        assert_eq!((failing.since, failing.attempts), (NOON, 14));
        assert_eq!(pause(u32::MAX), LONGEST_PAUSE);
    }

    #[test]
    fn a_registry_may_demand_a_longer_pause_of_at_most_a_day() {
        let pause = |seconds| {
            let failing = fail(None, NOON, Some(Duration::from_secs(seconds)));
            failing.next.duration_since(NOON).as_mins()
        };
        assert_eq!([1, 3600, u64::MAX].map(pause), [1, 60, 1380]);
    }

    #[test]
    fn a_tag_backs_off_until_its_next_attempt_or_other_definitions() {
        let failing = fail(None, NOON, None);
        let at = |seconds| NOON.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        let backs_off = |seconds| failing.is_backing_off(at(seconds), "a");
        // A clock that was ahead freezes no tag.
        assert_eq!([-1, 0, 59, 60].map(backs_off), [false, true, true, false]);
        assert!(!failing.is_backing_off(NOON, "b"));
        assert_eq!(fail(Some(&failing), at(-9), None).since, at(-9));
    }
}
