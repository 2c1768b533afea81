//! Pushes: one ref at a time, by compare-and-swap, and the decision whether a push that did not land may be repeated.

use git2::Oid;

use super::error::shown;
use super::stalled::{LOCKED_MAX, STALLED_MAX};
use super::transport::failure::{self, FailureOutlook};
use super::transport::receive_pack::{PushCommand, PushError, PushReply};
use super::transport::{CACHED_BRANCH, CACHED_STATE, Exchange, ServerRemote, collide, retries};
use super::{GitError, Push, deadline, pack};
use crate::text::escape;

/// Maximum length of a refusal, in characters.
const REASON_MAX: usize = 600;

impl ServerRemote {
    /// Updates `reference` from `expected`, or creates it, to `new`, whose only parent is `parent`.
    pub(super) fn push(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<Oid>, GitError> {
        let outcome = self.update(PushCommand { reference, expected, new: Some(new) }, parent)?;
        if let Push::Landed(new) = &outcome {
            let name = match reference.strip_prefix("refs/heads/") {
                // Only the branch of a pass grows from its own tip.
                Some(branch) if expected != parent => format!("refs/cache/proposals/{branch}"),
                Some(_) => CACHED_BRANCH.to_owned(),
                None => CACHED_STATE.to_owned(),
            };
            // Saves a later fetch some bytes.
            let _ = self.cache.repository.reference(&name, *new, true, "landed");
        }
        Ok(outcome)
    }

    /// Deletes `reference`, if it is still at `expected`.
    pub(super) fn remove(&mut self, reference: &str, expected: Oid) -> Result<Push<Oid>, GitError> {
        self.update(PushCommand { reference, expected: Some(expected), new: None }, None)
    }

    /// Pushes one ref, and decides whether a push that did not land may be repeated: only if something changed, or may
    /// have.
    fn update(&mut self, command: PushCommand<'_>, parent: Option<Oid>) -> Result<Push<Oid>, GitError> {
        let PushCommand { reference, expected, new } = command;
        let exchange = Exchange::default();
        let mut next_pause = retries();
        let mut result = self.send(command, parent, &exchange);
        // If reading the list of refs failed, nothing was sent.
        while result.is_err() && !exchange.sent.get() {
            let Some(pause) = next_pause(&exchange) else { break };
            deadline::waiting(|| std::thread::sleep(pause));
            exchange.failure.clear();
            result = self.send(command, parent, &exchange);
        }
        let found = match &result {
            Ok(PushReply::Stale(found)) => Some(*found),
            _ => None,
        };
        let said = match &result {
            Ok(PushReply::Rejected(message)) => Some(message.clone()),
            _ => None,
        };
        let landed = new.or(expected).unwrap_or(Oid::ZERO_SHA1);
        let outcome = self.outcome(reference, landed, result, &exchange)?;
        match (&outcome, said) {
            (Push::Landed(_), _) => self.stalled.clear(reference),
            (Push::Moved, said) => {
                self.explain(reference, expected, found)?;
                let (most, message) = match said {
                    Some(message) if !failure::means_locked(&message) => (STALLED_MAX, message),
                    Some(message) => (LOCKED_MAX, message),
                    // If the same commit is expected again, a read still shows it: another server may answer reads.
                    None => (LOCKED_MAX, "the server shows another commit to pushes than to reads".to_owned()),
                };
                let message = self.with_output(&message, &exchange);
                self.count_stalled(reference, expected, most, &message)?;
            }
            (Push::Unknown(reason), _) => {
                let reason = format!("{reason}; a server-side hook may have rejected it");
                let reason = self.with_output(&reason, &exchange);
                self.count_stalled(reference, expected, STALLED_MAX, &reason)?;
            }
        }
        Ok(outcome)
    }

    /// Finds a lasting reason for a ref that cannot be created: another branch blocks its name, or the server hides it.
    /// `found` is the commit of the ref, unless it was not compared.
    fn explain(&self, reference: &str, expected: Option<Oid>, found: Option<Option<Oid>>) -> Result<(), GitError> {
        if expected.is_some() && found != Some(None) {
            return Ok(());
        }
        let refs = self.list()?;
        let refused = |reason: String| {
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            Err(GitError::Refused { url, reference, reason })
        };
        if let Some(other) = refs.keys().find(|name| collide(reference, name)).filter(|_| expected.is_none()) {
            let other = shown(other.trim_start_matches("refs/heads/"));
            return refused(format!("branch `{other}` exists, so this branch cannot be created; rename or delete it"));
        }
        if found.is_some_and(|found| found != expected) && refs.get(reference).copied() == expected {
            return refused(
                "the server hides this ref (`transfer.hideRefs`, `uploadpack.hideRefs` or `receive.hideRefs`)"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Counts a push that failed although the ref was unchanged; fails after `most` in a row.
    fn count_stalled(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        most: u32,
        message: &str,
    ) -> Result<(), GitError> {
        if self.stalled.may_repeat(reference, expected, most) {
            return Ok(());
        }
        let reason = format!("the ref did not change after {most} pushes: {}", shown(&self.without_secrets(message)));
        Err(GitError::Failed { url: self.address.shown().to_owned(), reference: reference.to_owned(), reason })
    }

    /// Pushes one ref; the server has `parent`.
    fn send(&self, command: PushCommand<'_>, parent: Option<Oid>, exchange: &Exchange) -> Result<PushReply, PushError> {
        self.send_command(command, exchange, |style| match command.new {
            Some(new) => pack::build(&self.cache.repository, parent, new, style),
            None => Ok(Vec::new()),
        })
    }

    /// Derives the outcome of a push.
    fn outcome(
        &self,
        reference: &str,
        new: Oid,
        result: Result<PushReply, PushError>,
        exchange: &Exchange,
    ) -> Result<Push<Oid>, GitError> {
        let refused = |message: &str| {
            let message = self.with_output(message, exchange);
            // GitHub names the violated rule at the end of a long text.
            let reason = escape::truncate(self.without_secrets(&message).trim(), REASON_MAX);
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            match failure::means_failed(&message) {
                true => GitError::Failed { url, reference, reason },
                false => GitError::Refused { url, reference, reason },
            }
        };
        let error = match result {
            Ok(PushReply::Done) => return Ok(Push::Landed(new)),
            Ok(PushReply::Stale(_)) => return Ok(Push::Moved),
            Ok(PushReply::Rejected(message)) if failure::means_moved(&message) => return Ok(Push::Moved),
            Ok(PushReply::Rejected(message)) => return Err(refused(&message)),
            Ok(PushReply::Silent) => {
                return Ok(Push::Unknown("the server did not report the result of the push".to_owned()));
            }
            Err(PushError::Pack(error)) => return Err(error),
            Err(PushError::Wire(error)) => error,
        };
        let url = self.address.shown().to_owned();
        let reason = shown(&self.without_secrets(&error.to_string()));
        match exchange.failure.get() {
            Some(failure) if !exchange.sent.get() || failure.outlook == FailureOutlook::Answered => Err(failure.error),
            Some(failure) => Ok(Push::Unknown(shown(&self.without_secrets(&reason_of(&failure.error))))),
            None if !exchange.sent.get() => Err(GitError::Unreachable { url, reason }),
            None => Ok(Push::Unknown(reason)),
        }
    }
}

/// Returns the cause without the address, which the caller names.
fn reason_of(error: &GitError) -> String {
    match error {
        GitError::Unreachable { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}
