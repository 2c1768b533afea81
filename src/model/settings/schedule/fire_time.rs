//! The instants at which a cron expression fires in a time zone with daylight saving time.
//!
//! The cron library finds the next local time; this module maps it to an instant. An expression with a list, range or
//! step of hours names local times: a skipped one fires once, right after the gap, a repeated one at its first occurrence.
//! An expression for every hour is an interval: it follows the clock through both occurrences of a repeated hour.

use cron::Cron;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// A cron expression in a time zone.
pub(super) struct FireTimes<'a> {
    pub(super) cron: &'a Cron,
    pub(super) zone: &'a TimeZone,
    /// True if the expression matches every hour.
    pub(super) is_interval: bool,
}

impl FireTimes<'_> {
    /// Returns the first instant after `moment`; none if there is none.
    pub(super) fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        let next = self.first(moment, self.zone.to_datetime(moment), false);
        if !self.is_interval {
            return next;
        }
        // Clocks that go back before then repeat local times that are earlier than the next one.
        let jump = self.zone.following(moment).next().map(|transition| transition.timestamp());
        let jump = jump.filter(|jump| next.is_none_or(|next| *jump <= next));
        let repeated = jump.and_then(|jump| self.first(moment, self.zone.to_datetime(jump), true));
        [next, repeated].into_iter().flatten().min()
    }

    /// Returns the first instant after `moment` among the local times after `local`, or from it on.
    fn first(&self, moment: Timestamp, mut local: DateTime, mut is_inclusive: bool) -> Option<Timestamp> {
        loop {
            let clock = local.to_zoned(TimeZone::UTC).ok()?;
            local = self.cron.find_next_occurrence(&clock, is_inclusive).ok()?.datetime();
            is_inclusive = false;
            if let Some(found) = self.instants(local).into_iter().flatten().find(|instant| *instant > moment) {
                return Some(found);
            }
        }
    }

    /// Returns the instants at which a local time fires, earliest first.
    fn instants(&self, local: DateTime) -> [Option<Timestamp>; 2] {
        let at = |offset: jiff::tz::Offset| offset.to_timestamp(local).ok();
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => [at(offset), None],
            AmbiguousOffset::Fold { before, after } => [at(before), if self.is_interval { at(after) } else { None }],
            AmbiguousOffset::Gap { .. } if self.is_interval => [None, None],
            // `after` places the local time before the jump.
            AmbiguousOffset::Gap { after, .. } => {
                let from = at(after).and_then(|early| early.checked_sub(1.second()).ok());
                [from.and_then(|from| self.zone.following(from).next()).map(|jump| jump.timestamp()), None]
            }
        }
    }
}
