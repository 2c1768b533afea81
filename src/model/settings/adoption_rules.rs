//! When a digest that was found is adopted, and when a tag keeps what it has.
//!
//! Pure: it follows from the rules, the pin, what was found and the time. What soaks counts from when we first saw it,
//! never from what the image says of itself, so that nobody can forge it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::image::class::{ChangeClass, VersionLevel};
use crate::model::image::{Digest, NameError};
use crate::signature::Verify;

/// By what rules a tag adopts digests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AdoptionRules {
    /// `soak`: how long a digest must have been seen unmoved.
    pub soak: Option<Duration>,
    /// `hold`: the pin stays as it is.
    pub hold: Option<Hold>,
    /// `reject`: digests that are never adopted again.
    pub reject: Vec<Digest>,
    /// `on-rollback`
    pub on_rollback: OnRollback,
    /// `ignore`: classes of moves that are left alone.
    pub ignore: Vec<ChangeClass>,
    /// `allow`: how far a version may move.
    pub allow: Option<VersionLevel>,
    /// `verify`: who has to have signed a digest.
    pub verify: Option<Verify>,
}

/// `hold`: the pin stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hold {
    /// Why.
    pub reason: Option<String>,
    /// Until when; none for until it is taken out.
    pub until: Option<Timestamp>,
}

/// What becomes of a tag whose registry went back to a digest that the tag had before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRollback {
    /// The pin stays.
    #[default]
    Hold,
    /// It is a move like any other.
    Allow,
    /// It is a move, and said to be one back.
    Warn,
}

impl FromStr for OnRollback {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "hold" => Ok(Self::Hold),
            "allow" => Ok(Self::Allow),
            "warn" => Ok(Self::Warn),
            _ => Err(NameError::new(format!("`{text}` is nothing to do on a rollback"))
                .help("write `hold`, `allow` or `warn`")),
        }
    }
}

/// A digest that a tag could move to.
#[derive(Clone, Copy, Debug)]
pub struct UpdateCandidate<'a> {
    /// The digest.
    pub digest: &'a Digest,
    /// What the move changes, where that was found out.
    pub class: Option<ChangeClass>,
    /// When we first saw the tag at it, unmoved since; none for now.
    pub since: Option<Timestamp>,
    /// Whether a person took a move to it back.
    pub is_reverted: bool,
}

/// What becomes of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is adopted.
    Adopt,
    /// It is adopted, although the tag had it before.
    AdoptRollback,
    /// The tag keeps its pin.
    Hold(HoldReason),
}

/// Why a tag keeps its pin although its registry has something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldReason {
    /// A person holds it.
    Held(Hold),
    /// A person rejected what was found.
    Rejected,
    /// A person took a move to what was found back.
    Reverted,
    /// What was found is a digest that the tag had before.
    RolledBack,
    /// The move is of a class that is left alone.
    Ignored(ChangeClass),
    /// The version moves farther than is allowed.
    BeyondAllow(VersionLevel),
    /// What was found has not been there for long enough.
    Soaking {
        /// Since when it was seen.
        since: Timestamp,
        /// When it will be adopted.
        until: Timestamp,
    },
}

/// A digest that a tag does not move to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldUpdate {
    /// What is served under the tag, or stands at the tag it follows.
    pub digest: Digest,
    /// Why.
    pub kept: HoldReason,
}

impl HoldReason {
    /// The word used in reports.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::Held(_) | Self::Rejected | Self::Reverted | Self::RolledBack => "held",
            Self::Ignored(_) => "ignored",
            Self::BeyondAllow(_) => "refused",
            Self::Soaking { .. } => "soaking",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Held(Hold { reason, until }) => {
                f.write_str("its definition holds it")?;
                until.map_or(Ok(()), |until| write!(f, " until {until}"))?;
                reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::Rejected => f.write_str("its definition rejects that digest"),
            Self::Reverted => f.write_str("a person took a move to it back; a newer digest moves on"),
            Self::RolledBack => {
                f.write_str("the registry went back to a digest it had before; `on-rollback` says hold")
            }
            Self::Ignored(class) => write!(f, "only its {class} changed, which `ignore` names"),
            Self::BeyondAllow(level) => write!(f, "it is a {} move, farther than `allow` lets it go", level.as_str()),
            Self::Soaking { since, until } => write!(f, "seen since {since}, adopted from {until} on"),
        }
    }
}

impl AdoptionRules {
    /// Whether the class of a move has to be known to judge it.
    pub fn needs_class(&self) -> bool {
        !self.ignore.is_empty() || self.allow.is_some()
    }

    /// Judges a move to `candidate` of a tag that stands at `at` and had `previous` before, newest first.
    pub fn judge(&self, at: &Digest, previous: &[Digest], candidate: &UpdateCandidate<'_>, now: Timestamp) -> Verdict {
        debug_assert_ne!(at, candidate.digest);
        let is_rollback = previous.contains(candidate.digest);
        let kept = match () {
            () if let Some(hold) = self.active_hold(now) => HoldReason::Held(hold.clone()),
            () if self.reject.contains(candidate.digest) => HoldReason::Rejected,
            () if candidate.is_reverted => HoldReason::Reverted,
            () if is_rollback && self.on_rollback == OnRollback::Hold => HoldReason::RolledBack,
            () if let Some(level) = self.forbids(candidate.class) => HoldReason::BeyondAllow(level),
            () if let Some(class) = candidate.class.filter(|class| self.ignore.contains(class)) => {
                HoldReason::Ignored(class)
            }
            () => return self.soaks(candidate, is_rollback, now),
        };
        Verdict::Hold(kept)
    }

    /// The hold, as long as it holds.
    pub fn active_hold(&self, now: Timestamp) -> Option<&Hold> {
        self.hold.as_ref().filter(|hold| hold.until.is_none_or(|until| now < until))
    }

    fn forbids(&self, class: Option<ChangeClass>) -> Option<VersionLevel> {
        let Some(ChangeClass::Version(level)) = class else { return None };
        self.allow.filter(|allowed| level > *allowed).map(|_| level)
    }

    fn soaks(&self, candidate: &UpdateCandidate<'_>, is_rollback: bool, now: Timestamp) -> Verdict {
        // A clock that went back, or went wrong when the candidate was first seen, must not freeze the tag.
        let since = candidate.since.filter(|since| *since <= now).unwrap_or(now);
        let end = |soak| since.checked_add(SignedDuration::try_from(soak).ok()?).ok();
        match self.soak.map(|soak| end(soak).unwrap_or(Timestamp::MAX)) {
            Some(until) if now < until => Verdict::Hold(HoldReason::Soaking { since, until }),
            _ if is_rollback && self.on_rollback == OnRollback::Warn => Verdict::AdoptRollback,
            _ => Verdict::Adopt,
        }
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

    /// What becomes of a move from 1, which was at 0 before, to `to`, at noon.
    #[track_caller]
    fn check(adoption: &AdoptionRules, to: u8, change: impl FnOnce(&mut UpdateCandidate<'_>), expected: Verdict) {
        let digest_of_candidate = digest(to);
        let mut candidate =
            UpdateCandidate { digest: &digest_of_candidate, class: None, since: None, is_reverted: false };
        change(&mut candidate);
        assert_eq!(adoption.judge(&digest(1), &[digest(0)], &candidate, time("2026-11-24T12:00:00Z")), expected);
    }

    fn keep(kept: HoldReason) -> Verdict {
        Verdict::Hold(kept)
    }

    #[test]
    fn without_rules_everything_but_a_rollback_is_adopted() {
        let none = AdoptionRules::default();
        check(&none, 2, |_| {}, Verdict::Adopt);
        check(&none, 0, |_| {}, keep(HoldReason::RolledBack));
        check(&none, 2, |candidate| candidate.is_reverted = true, keep(HoldReason::Reverted));
        check(&AdoptionRules { on_rollback: OnRollback::Allow, ..none.clone() }, 0, |_| {}, Verdict::Adopt);
        check(&AdoptionRules { on_rollback: OnRollback::Warn, ..none }, 0, |_| {}, Verdict::AdoptRollback);
    }

    #[test]
    fn a_hold_ends_when_it_says() {
        let hold = |until: Option<&str>| Hold { reason: Some("CVE".to_owned()), until: until.map(time) };
        let held = |hold: Hold| AdoptionRules { hold: Some(hold), ..AdoptionRules::default() };
        for until in [None, Some("2026-11-24T12:00:01Z")] {
            check(&held(hold(until)), 2, |_| {}, keep(HoldReason::Held(hold(until))));
        }
        check(&held(hold(Some("2026-11-24T12:00:00Z"))), 2, |_| {}, Verdict::Adopt);
    }

    #[test]
    fn a_rejected_digest_is_not_adopted_and_a_newer_one_is() {
        let rejecting =
            AdoptionRules { reject: vec![digest(2)], on_rollback: OnRollback::Allow, ..AdoptionRules::default() };
        check(&rejecting, 2, |_| {}, keep(HoldReason::Rejected));
        check(&rejecting, 3, |_| {}, Verdict::Adopt);
    }

    #[test]
    fn what_soaks_waits_from_when_it_was_first_seen() {
        let soaking = AdoptionRules { soak: Some(Duration::from_secs(3_600)), ..AdoptionRules::default() };
        let wait = |since: &str, until: &str| keep(HoldReason::Soaking { since: time(since), until: time(until) });
        check(&soaking, 2, |_| {}, wait("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"));
        let seen = |at: &'static str| move |candidate: &mut UpdateCandidate<'_>| candidate.since = Some(time(at));
        check(&soaking, 2, seen("2026-11-24T11:00:01Z"), wait("2026-11-24T11:00:01Z", "2026-11-24T12:00:01Z"));
        check(&soaking, 2, seen("2026-11-24T11:00:00Z"), Verdict::Adopt);
        // A time ahead of us was written by a clock that went wrong.
        check(&soaking, 2, seen("2036-01-01T00:00:00Z"), wait("2026-11-24T12:00:00Z", "2026-11-24T13:00:00Z"));
        let forever = AdoptionRules { soak: Some(Duration::MAX), ..AdoptionRules::default() };
        let until = Timestamp::MAX;
        check(&forever, 2, |_| {}, keep(HoldReason::Soaking { since: time("2026-11-24T12:00:00Z"), until }));
    }

    #[test]
    fn classes_are_ignored_or_allowed() {
        let of = |text: &str| text.parse::<ChangeClass>().unwrap();
        let class = |text: &str| {
            let class = of(text);
            move |candidate: &mut UpdateCandidate<'_>| candidate.class = Some(class)
        };
        let quiet = AdoptionRules { ignore: vec![of("attestation"), of("config")], ..AdoptionRules::default() };
        check(&quiet, 2, class("config"), keep(HoldReason::Ignored(of("config"))));
        check(&quiet, 2, class("layers"), Verdict::Adopt);
        check(&quiet, 2, |_| {}, Verdict::Adopt);
        let careful = AdoptionRules { allow: Some(VersionLevel::Minor), ..AdoptionRules::default() };
        check(&careful, 2, class("major"), keep(HoldReason::BeyondAllow(VersionLevel::Major)));
        check(&careful, 2, class("minor"), Verdict::Adopt);
        check(&careful, 2, class("platforms"), Verdict::Adopt);
        assert!(careful.needs_class() && quiet.needs_class() && !AdoptionRules::default().needs_class());
    }
}
