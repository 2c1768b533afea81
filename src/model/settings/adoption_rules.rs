//! The rules by which a tag adopts a digest or keeps its pin.
//!
//! Pure: the verdict follows from rules, pin, candidate and time. `soak` counts from when we first saw a digest, never
//! from what the image declares, which anyone could forge.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::{Digest, NameError};
use crate::signature::Verify;

/// The rules by which a tag adopts digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptionRules {
    /// `soak`: the time for which a digest must have been served without interruption.
    pub soak: Option<Duration>,
    /// `hold`: keeps the pin as it is.
    pub hold: Option<Hold>,
    /// `reject`: digests that are never adopted.
    pub reject: Vec<Digest>,
    /// `on-rollback`
    pub on_rollback: OnRollback,
    /// `ignore`: classes of changes to ignore.
    pub ignore: Vec<ChangeClass>,
    /// `allow`: the largest accepted version change.
    pub allow: Option<VersionLevel>,
    /// `verify`: the required signer.
    pub verify: Option<Verify>,
}

/// `hold`: keeps the pin as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// The reason given by the user.
    pub reason: Option<String>,
    /// The end of the hold; `None` for an indefinite hold.
    pub until: Option<Timestamp>,
}

/// Reaction to a registry that goes back to an earlier digest of the tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRollback {
    /// Keep the pin.
    #[default]
    Hold,
    /// Adopt it like any other digest.
    Allow,
    /// Adopt it and warn.
    Warn,
}

impl FromStr for OnRollback {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "hold" => Ok(Self::Hold),
            "allow" => Ok(Self::Allow),
            "warn" => Ok(Self::Warn),
            _ => Err(NameError::new(format!("invalid value `{text}` for `on-rollback`"))
                .help("write `hold`, `allow` or `warn`")),
        }
    }
}

/// A digest that a tag could adopt.
#[derive(Clone, Copy, Debug)]
pub struct UpdateCandidate<'a> {
    /// The candidate's digest.
    pub digest: &'a Digest,
    /// The class of the change, if known.
    pub class: Option<ChangeClass>,
    /// The time since which the tag has had it without interruption; `None` if it is new.
    pub since: Option<Timestamp>,
    /// True if a change to it was reverted.
    pub is_reverted: bool,
    /// True if it is behind a lower tag of the repository than the pinned one.
    pub is_lower: bool,
}

/// The reason why a tag keeps its pin although its registry serves another digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// The definition has `hold`.
    Held(Hold),
    /// The definition rejects the digest.
    Rejected,
    /// A change to the digest was reverted.
    Reverted,
    /// The digest is an earlier one of the tag.
    RolledBack,
    /// The highest tag of the repository is lower than the pinned one.
    LowerTag,
    /// The class of the change is ignored.
    Ignored(ChangeClass),
    /// The version change is larger than `allow`.
    BeyondAllow(VersionLevel),
    /// The digest is younger than `soak`.
    Soaking {
        /// The time it was first seen.
        since: Timestamp,
        /// The time it will be adopted.
        until: Timestamp,
    },
}

/// An update that a tag does not adopt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUpdate {
    /// The digest served for the tag, or pinned at the tag it follows.
    pub digest: Digest,
    /// The reason for keeping the pin.
    pub reason: HoldReason,
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Hold { reason, until }) => {
                f.write_str("held by its definition")?;
                until.map_or(Ok(()), |until| write!(f, " until {until}"))?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::Rejected => f.write_str("rejected by its definition"),
            Self::Reverted => {
                f.write_str("reverted, or its proposal was closed on the forge; waiting for a newer digest")
            }
            Self::RolledBack => f.write_str("the registry went back to an earlier digest, and `on-rollback` is `hold`"),
            Self::LowerTag => {
                f.write_str(
                    "the rule selects a lower tag than the pinned one, which is gone or not signed, and `on-rollback` is `hold`",
                )
            }
            Self::Ignored(class) => write!(f, "change of class `{class}`, which `ignore` lists"),
            Self::BeyondAllow(level) => write!(f, "{} version change, larger than `allow`", level.as_str()),
            Self::Soaking { since, until } => write!(f, "soaking since {since}, until {until}"),
        }
    }
}

impl AdoptionRules {
    /// Returns true if the verdict depends on the class of the change.
    pub fn needs_class(&self) -> bool {
        !self.ignore.is_empty() || self.allow.is_some()
    }

    /// Returns true if the verdict depends on more than whether the same manifests run.
    pub fn needs_config(&self) -> bool {
        self.allow.is_some() || self.ignore.iter().any(|class| *class != ChangeClass::Attestation)
    }

    /// Returns the reason why a tag with the earlier digests `previous` does not adopt `candidate`, which the definition
    /// neither holds nor rejects.
    pub fn evaluate(&self, previous: &[Digest], candidate: &UpdateCandidate<'_>, now: Timestamp) -> Option<HoldReason> {
        let is_rollback = previous.contains(candidate.digest);
        match candidate.class {
            _ if candidate.is_reverted => Some(HoldReason::Reverted),
            _ if is_rollback && self.on_rollback == OnRollback::Hold => Some(HoldReason::RolledBack),
            _ if candidate.is_lower && self.on_rollback == OnRollback::Hold => Some(HoldReason::LowerTag),
            Some(ChangeClass::Version(level)) if self.allow.is_some_and(|allowed| level > allowed) => {
                Some(HoldReason::BeyondAllow(level))
            }
            Some(class) if self.ignore.contains(&class) => Some(HoldReason::Ignored(class)),
            _ => self.soaking(candidate.since, now),
        }
    }

    /// Returns the hold, unless it has expired.
    pub fn active_hold(&self, now: Timestamp) -> Option<HoldReason> {
        let hold = self.hold.as_ref().filter(|hold| hold.until.is_none_or(|until| now < until));
        hold.cloned().map(HoldReason::Held)
    }

    /// Returns the reason for keeping the pin if one of `digests` is rejected.
    pub fn rejects(&self, digests: [&Digest; 2]) -> Option<HoldReason> {
        digests.into_iter().any(|digest| self.reject.contains(digest)).then_some(HoldReason::Rejected)
    }

    fn soaking(&self, since: Option<Timestamp>, now: Timestamp) -> Option<HoldReason> {
        // A clock that was set back, or was wrong when the candidate was first seen, must not freeze the tag.
        let since = since.filter(|since| *since <= now).unwrap_or(now);
        let end = |soak| since.checked_add(SignedDuration::try_from(soak).ok()?).ok();
        let until = end(self.soak?).unwrap_or(Timestamp::MAX);
        (now < until).then_some(HoldReason::Soaking { since, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: u8) -> Digest {
        Digest::sha256(&[number])
    }

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Checks the reason to keep the pin instead of a change from digest 1, which was preceded by 0, to `to`, at noon.
    #[track_caller]
    fn check(
        adoption: &AdoptionRules,
        to: u8,
        change: impl FnOnce(&mut UpdateCandidate<'_>),
        expected: Option<HoldReason>,
    ) {
        let digest_of_candidate = digest(to);
        let mut candidate = UpdateCandidate {
            digest: &digest_of_candidate,
            class: None,
            since: None,
            is_reverted: false,
            is_lower: false,
        };
        change(&mut candidate);
        let now = time("2026-11-24T12:00:00Z");
        let found = adoption.active_hold(now).or(adoption.rejects([candidate.digest; 2]));
        assert_eq!(found.or_else(|| adoption.evaluate(&[digest(0)], &candidate, now)), expected);
    }

    #[test]
    fn without_rules_everything_but_a_rollback_is_adopted() {
        let none = AdoptionRules::default();
        check(&none, 2, |_| {}, None);
        check(&none, 0, |_| {}, Some(HoldReason::RolledBack));
        check(&none, 2, |candidate| candidate.is_reverted = true, Some(HoldReason::Reverted));
        check(&AdoptionRules { on_rollback: OnRollback::Allow, ..none.clone() }, 0, |_| {}, None);
        let lower = |candidate: &mut UpdateCandidate<'_>| candidate.is_lower = true;
        check(&none, 2, lower, Some(HoldReason::LowerTag));
        check(&AdoptionRules { on_rollback: OnRollback::Warn, ..none.clone() }, 2, lower, None);
        check(&AdoptionRules { on_rollback: OnRollback::Warn, ..none }, 0, |_| {}, None);
    }

    #[test]
    fn a_hold_ends_at_its_time() {
        let hold = |until: Option<&str>| Hold { reason: Some("CVE".to_owned()), until: until.map(time) };
        let held = |hold: Hold| AdoptionRules { hold: Some(hold), ..AdoptionRules::default() };
        for until in [None, Some("2026-11-24T12:00:01Z")] {
            check(&held(hold(until)), 2, |_| {}, Some(HoldReason::Held(hold(until))));
        }
        check(&held(hold(Some("2026-11-24T12:00:00Z"))), 2, |_| {}, None);
    }

    #[test]
    fn a_rejected_digest_is_not_adopted_and_a_newer_one_is() {
        let rejecting =
            AdoptionRules { reject: vec![digest(2)], on_rollback: OnRollback::Allow, ..AdoptionRules::default() };
        check(&rejecting, 2, |_| {}, Some(HoldReason::Rejected));
        check(&rejecting, 3, |_| {}, None);
    }

    #[test]
    fn soaking_starts_when_a_digest_is_first_seen() {
        let soaking = AdoptionRules { soak: Some(Duration::from_secs(3_600)), ..AdoptionRules::default() };
        let wait = |since: &str, until: &str| Some(HoldReason::Soaking { since: time(since), until: time(until) });
        check(&soaking, 2, |_| {}, wait("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"));
        let seen = |at: &'static str| move |candidate: &mut UpdateCandidate<'_>| candidate.since = Some(time(at));
        check(&soaking, 2, seen("2026-11-24T11:00:01Z"), wait("2026-11-24T11:00:01Z", "2026-11-24T12:00:01Z"));
        check(&soaking, 2, seen("2026-11-24T11:00:00Z"), None);
        // A time ahead of us was written by a clock that went wrong.
        check(&soaking, 2, seen("2036-01-01T00:00:00Z"), wait("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"));
        let forever = AdoptionRules { soak: Some(Duration::MAX), ..AdoptionRules::default() };
        let until = Timestamp::MAX;
        check(&forever, 2, |_| {}, Some(HoldReason::Soaking { since: time("2026-11-24T12:00:00Z"), until }));
    }

    #[test]
    fn classes_are_ignored_or_allowed() {
        let of = |text: &str| text.parse::<ChangeClass>().unwrap();
        let class = |text: &str| {
            let class = of(text);
            move |candidate: &mut UpdateCandidate<'_>| candidate.class = Some(class)
        };
        let quiet = AdoptionRules { ignore: vec![of("attestation"), of("config")], ..AdoptionRules::default() };
        check(&quiet, 2, class("config"), Some(HoldReason::Ignored(of("config"))));
        check(&quiet, 2, class("layers"), None);
        check(&quiet, 2, |_| {}, None);
        let careful = AdoptionRules { allow: Some(VersionLevel::Minor), ..AdoptionRules::default() };
        check(&careful, 2, class("major"), Some(HoldReason::BeyondAllow(VersionLevel::Major)));
        check(&careful, 2, class("minor"), None);
        check(&careful, 2, class("platforms"), None);
        assert!(careful.needs_class() && quiet.needs_class() && !AdoptionRules::default().needs_class());
    }
}
