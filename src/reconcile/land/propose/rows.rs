//! The rows of proposals: failures with hints, held and declined changes.

use std::collections::BTreeSet;

use crate::effects::ForgeProposal;
use crate::forge::ForgeError;
use crate::git::GitError;
use crate::model::image::TagId;
use crate::model::lock::Lock;
use crate::model::lock::diff::PinChange;
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::proposal::fingerprint::ProposalFingerprint;
use crate::report::exit::Exit;
use crate::report::{self, ProposalOutcome, ProposalRow, ReportError, TagRow};

use super::Proposals;

/// Phrases in a server's refusal, in lower case, and what to do about it.
const REFUSAL_HINTS: [(&[&str], &str); 5] = [
    (&["workflow"], "give the token permission to change workflow files, or remove the targets in them"),
    (&["verified signature", "must be signed", "unsigned", "not signed"], "set `[git] sign` in the settings"),
    (
        &["commit message", "message does not", "message must"],
        "set `[git] message` to a template that matches the rule",
    ),
    (&["branch name", "ref name", "name does not"], "allow branches that start with `pinstream/` on the server"),
    (&["committer", "author", "email"], "set `[git] author` to an identity that the server accepts"),
];

impl Proposals {
    /// Removes the changes from `next` for which `reason` returns one.
    pub(super) fn hold(
        &mut self,
        next: &mut Lock,
        base: &Lock,
        changes: &[PinChange],
        reason: impl Fn(&PinChange) -> Option<HoldReason>,
    ) {
        for change in changes {
            let (Some(kept), Some(side)) = (reason(change), change.after()) else { continue };
            match base.pins.get(&change.tag) {
                Some(pin) => drop(next.pins.insert(change.tag.clone(), pin.clone())),
                None => drop(next.pins.remove(&change.tag)),
            }
            self.held.insert(change.tag.clone(), HeldUpdate { digest: side.digest.clone(), reason: kept });
        }
    }

    /// Removes the changes of a group from `next` that a person declined by closing their proposal.
    pub(super) fn decline(&mut self, closed: &ForgeProposal, next: &mut Lock, base: &Lock, changes: &[PinChange]) {
        let Some(recorded) = ProposalFingerprint::read(&closed.body) else { return };
        let whole = ProposalFingerprint::of(changes);
        let declined: Vec<&PinChange> = changes.iter().filter(|change| recorded.covers(change, &whole)).collect();
        let digests = declined.iter().filter_map(|change| Some((change.tag.clone(), change.after()?.digest.clone())));
        self.declined.extend(digests);
        let ids: BTreeSet<&TagId> = declined.iter().map(|change| &change.tag).collect();
        self.hold(next, base, changes, |change| ids.contains(&change.tag).then_some(HoldReason::Reverted));
    }

    /// Returns whether anything is open for review, even if only of files.
    pub fn is_any_open(&self) -> bool {
        use ProposalOutcome::{Created, Refreshed, Unchanged};
        let is_open = |row: &ProposalRow| matches!(row.outcome, Created | Refreshed | Unchanged);
        !self.tags.is_empty() || self.rows.iter().any(is_open)
    }

    /// Merges the rows of earlier attempts of the same pass.
    #[must_use]
    pub(in crate::reconcile::land) fn after(mut self, earlier: Vec<ProposalRow>) -> Self {
        for row in earlier.into_iter().filter(|row| !matches!(row.outcome, ProposalOutcome::Skipped(_))) {
            match self.rows.iter_mut().find(|later| later.branch == row.branch) {
                None => self.rows.push(row),
                Some(later) if later.outcome == ProposalOutcome::Unchanged => later.outcome = row.outcome,
                Some(_) => {}
            }
        }
        self.rows.sort_by(|a, b| a.branch.cmp(&b.branch));
        self
    }

    /// Sets the outcome of a tag's row.
    pub fn mark(&self, row: &mut TagRow) {
        if let Some(held) = self.held.get(&row.tag) {
            row.outcome = report::TagOutcome::Held(held.clone());
            row.new.clone_from(&row.old);
        } else if row.outcome.is_change() {
            let is_proposed = self.tags.contains(&row.tag);
            row.outcome = if is_proposed { report::TagOutcome::Proposed } else { report::TagOutcome::Deferred };
        }
    }

    /// Records a failure of the forge once.
    pub(super) fn fail_forge(&mut self, error: &ForgeError) -> ProposalOutcome {
        self.fail(error.to_string(), error.help())
    }

    /// Records that the branch could not be pushed.
    pub(super) fn fail_branch(&mut self, branch: &str, error: &GitError) -> ProposalOutcome {
        let help = match error {
            GitError::Refused { reason, .. } => refusal_hint(reason).map(str::to_owned).or_else(|| error.help()),
            error => error.help(),
        };
        self.fail(format!("cannot push the branch `{branch}`: {error}"), help)
    }

    /// Records that the outcome of a push is unknown.
    pub(super) fn fail_unknown(&mut self, branch: &str, reason: String) -> ProposalOutcome {
        self.fail(format!("the outcome of the push to `{branch}` is unknown: {reason}"), None);
        ProposalOutcome::Failed(reason)
    }

    fn fail(&mut self, message: String, help: Option<String>) -> ProposalOutcome {
        let error = ReportError { exit: Exit::Error, message: message.clone(), help };
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        ProposalOutcome::Failed(message)
    }
}

/// Returns a hint that matches the server's message.
fn refusal_hint(reason: &str) -> Option<&'static str> {
    let reason = reason.to_lowercase();
    let matching = |(phrases, _): &&(&[&str], &str)| phrases.iter().any(|phrase| reason.contains(phrase));
    REFUSAL_HINTS.iter().find(matching).map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l03_the_hint_matches_the_servers_message() {
        let check = |reason: &str, hint: Option<&str>| {
            assert_eq!(
                refusal_hint(reason).map(|found| found.contains(hint.unwrap_or("?"))),
                hint.map(|_| true),
                "{reason}"
            );
        };
        check(
            "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml`",
            Some("workflow"),
        );
        check("GH006: Commits must have verified signatures.", Some("sign"));
        check("GitLab: Commit message does not follow the pattern '^JIRA-'", Some("message"));
        check("GitLab: Branch name 'pinstream/web' does not follow the pattern", Some("pinstream/"));
        check("pre-receive hook declined", None);
    }
}
