//! Pushes: one ref at a time, by compare-and-swap, and the decision whether a push that did not land may be repeated.

use git2::{ErrorClass, ErrorCode, Oid, PushOptions};

use super::error::shown;
use super::transport::failure::{self, FailureOutlook};
use super::transport::{CACHED_BRANCH, CACHED_STATE, Exchange, ServerRemote, StalledPushes, is_local, retries};
use super::{GitError, PROPOSALS, Push};

/// Maximum number of consecutive pushes that fail without a change of the ref.
const STALLED_MAX: u32 = 3;
/// Maximum number if the server reports a locked ref: another push may be in progress, but a stale lock file looks alike.
const LOCKED_MAX: u32 = 8;

/// An update of one ref.
#[derive(Clone, Copy)]
struct RefUpdate<'a> {
    reference: &'a str,
    expected: Option<Oid>,
    /// None deletes the ref.
    new: Option<Oid>,
    /// True if it need not be a fast-forward.
    is_forced: bool,
}

impl ServerRemote {
    /// Updates `reference` from `expected`, or creates it, to `new`, whose only parent is `parent`.
    pub(super) fn push(
        &mut self,
        reference: &str,
        expected: Option<Oid>,
        parent: Option<Oid>,
        new: Oid,
    ) -> Result<Push<Oid>, GitError> {
        if let Some(parent) = parent {
            // libgit2 finds what to send by walking back from `new`; the walk ends here.
            self.cache.graft(&[parent.to_string()])?;
        }
        // The expected commit is compared in any case; without it as parent, the update is not a fast-forward.
        let update = RefUpdate { reference, expected, new: Some(new), is_forced: expected != parent };
        let outcome = self.update(update)?;
        if let Push::Landed(new) = &outcome {
            let name = match reference.strip_prefix("refs/heads/") {
                Some(branch) if branch.starts_with(PROPOSALS) => format!("refs/cache/proposals/{branch}"),
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
        self.update(RefUpdate { reference, expected: Some(expected), new: None, is_forced: false })
    }

    /// Pushes one ref, and decides whether a push that did not land may be repeated: only if something changed, or may
    /// have.
    fn update(&mut self, update: RefUpdate<'_>) -> Result<Push<Oid>, GitError> {
        let RefUpdate { reference, expected, new, .. } = update;
        let exchange = Exchange::default();
        let mut next_pause = retries();
        let mut result = self.send(update, &exchange);
        // If reading the list of refs failed, nothing was sent.
        while result.is_err() && !exchange.sent.get() {
            let Some(pause) = next_pause(&exchange) else { break };
            std::thread::sleep(pause);
            exchange.failure.clear();
            result = self.send(update, &exchange);
        }
        let landed = new.or(expected).unwrap_or(Oid::ZERO_SHA1);
        let outcome = self.outcome(reference, landed, result, &exchange)?;
        let said = exchange.result.borrow().clone().flatten();
        match (&outcome, said) {
            (Push::Landed(_), _) => self.stalled = StalledPushes::default(),
            (Push::Moved, said) => {
                self.explain(reference, expected, exchange.stale.get())?;
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
    fn explain(&self, reference: &str, expected: Option<Oid>, found: Option<Oid>) -> Result<(), GitError> {
        let found = found.map(|found| Some(found).filter(|found| *found != Oid::ZERO_SHA1));
        if expected.is_some() && found != Some(None) {
            return Ok(());
        }
        let refs = self.list()?;
        let refused = |reason: String| {
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            Err(GitError::Refused { url, reference, reason })
        };
        let blocks = |name: &&String| {
            let below = |name: &str, top: &str| name.strip_prefix(top).is_some_and(|rest| rest.starts_with('/'));
            below(reference, name) || below(name, reference)
        };
        if let Some(other) = refs.keys().find(blocks).filter(|_| expected.is_none()) {
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
        let from = Some((reference.to_owned(), expected));
        if self.stalled.from != from {
            self.stalled = StalledPushes { from, times: 0 };
        }
        self.stalled.times += 1;
        if self.stalled.times < most {
            return Ok(());
        }
        let reason = format!("the ref did not change after {most} pushes: {}", shown(&self.without_secrets(message)));
        Err(GitError::Failed { url: self.address.shown().to_owned(), reference: reference.to_owned(), reason })
    }

    /// Pushes one ref.
    fn send(&self, update: RefUpdate<'_>, exchange: &Exchange) -> Result<(), git2::Error> {
        let RefUpdate { reference, expected, new, is_forced } = update;
        let mut callbacks = self.callbacks(exchange);
        callbacks.push_negotiation(move |updates| {
            let expected = expected.unwrap_or(Oid::ZERO_SHA1);
            let to = new.unwrap_or(Oid::ZERO_SHA1);
            match updates {
                [update] if update.src() == expected && update.dst() == to => {
                    exchange.sent.set(true);
                    return Ok(());
                }
                [update] => exchange.stale.set(Some(update.src())),
                _ => exchange.stale.set(Some(Oid::ZERO_SHA1)),
            }
            Err(git2::Error::new(ErrorCode::NotFastForward, ErrorClass::Callback, "the ref has moved"))
        });
        callbacks.push_update_reference(move |name, status| {
            if name == reference {
                *exchange.result.borrow_mut() = Some(status.map(str::to_owned));
            }
            Ok(())
        });
        let mut options = PushOptions::new();
        options.remote_callbacks(callbacks).packbuilder_parallelism(1);
        let force = if is_forced { "+" } else { "" };
        let new = new.map(|new| new.to_string()).unwrap_or_default();
        let refspec = format!("{force}{new}:{reference}");
        self.connect(exchange, |remote| remote.push(&[&refspec], Some(&mut options)))
    }

    /// Derives the outcome of a push.
    fn outcome(
        &self,
        reference: &str,
        new: Oid,
        result: Result<(), git2::Error>,
        exchange: &Exchange,
    ) -> Result<Push<Oid>, GitError> {
        let refused = |message: &str| {
            let message = self.with_output(message, exchange);
            let reason = shown(&self.without_secrets(&message));
            let (url, reference) = (self.address.shown().to_owned(), reference.to_owned());
            match failure::means_failed(&message) {
                true => GitError::Failed { url, reference, reason },
                false => GitError::Refused { url, reference, reason },
            }
        };
        if let Some(result) = exchange.result.borrow().as_ref() {
            return match result {
                None => Ok(Push::Landed(new)),
                Some(message) if failure::means_moved(message) => Ok(Push::Moved),
                Some(message) => Err(refused(message)),
            };
        }
        let Err(error) = result else {
            return Ok(Push::Unknown("the server did not report the result of the push".to_owned()));
        };
        if exchange.stale.get().is_some() || error.code() == ErrorCode::NotFastForward {
            return Ok(Push::Moved);
        }
        if error.message().contains("unpacking the sent packfile failed") {
            return Err(refused("unpacking failed"));
        }
        let failure = exchange.failure.get();
        let is_definite =
            failure.as_ref().map_or_else(|| is_local(&error), |failure| failure.outlook == FailureOutlook::Answered);
        if !exchange.sent.get() || is_definite {
            return Err(self.failed(&error, exchange));
        }
        let reason = failure.map_or_else(|| error.message().to_owned(), |failure| reason_of(&failure.error));
        Ok(Push::Unknown(shown(&self.without_secrets(&reason))))
    }
}

/// Returns the cause without the address, which the caller names.
fn reason_of(error: &GitError) -> String {
    match error {
        GitError::Unreachable { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}
