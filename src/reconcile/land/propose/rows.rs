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
use crate::proposal::groups::BranchScope;
use crate::reconcile::PassError;
use crate::report::exit::Exit;
use crate::report::{self, ProposalOutcome, ProposalRow, ReportError, TagRow};

use super::Proposals;

/// Phrases in a server's refusal, in lower case, and what to do about it; `PREFIX` is that of proposal branches. The
/// phrases are those of GitHub's rules and apps, GitLab's push rules, Gitea, Bitbucket and Azure DevOps; the first match
/// counts.
const REFUSAL_HINTS: [(&[&str], &str); 7] = [
    (
        &["update workflow", "`workflow` scope", "`workflows` permission", "without `workflow"],
        "grant the token the permission to change workflow files (scope `workflow`, or `workflows: write` of an app), or \
         remove the targets in them",
    ),
    (
        &["verified signature", "must be signed", "unsigned", "not signed", "unverified commit"],
        "set `[git] sign` in the settings, and register the key with the server",
    ),
    (
        &["commit message", "message does not", "message must", "message contains"],
        "set `[git] message` to a template that matches the rule",
    ),
    (
        &[
            "branch name",
            "ref name",
            "name does not",
            "creations being restricted",
            "create ref",
            "createbranch",
            "create branch",
            "create protected branch",
        ],
        "allow this user to create branches that start with `PREFIX`, or set `branch-prefix` in `[publish]` to a start \
         that the rule allows",
    ),
    (
        &["committer", "author '", "author's", "author email", "email"],
        "set `[git] author` to an identity that the server accepts",
    ),
    (
        &["protected from changing file", "path is restricted", "prohibited by the pattern", "file path"],
        "exempt this user from the rule about files, or remove the targets in them",
    ),
    (
        &["protected branch", "not allowed to push", "not permitted", "permission denied", "unauthorized"],
        "allow this user to push branches that start with `PREFIX`",
    ),
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

    /// Removes the changes of a group from `next` that were declined by closing their proposal.
    pub(super) fn decline(&mut self, closed: &ForgeProposal, next: &mut Lock, base: &Lock, changes: &[PinChange]) {
        let Some(recorded) = ProposalFingerprint::read(&closed.body) else { return };
        let whole = ProposalFingerprint::of(changes);
        let declined: Vec<&PinChange> = changes.iter().filter(|change| recorded.covers(change, &whole)).collect();
        let digests = declined.iter().filter_map(|change| Some((change.tag.clone(), change.after()?.digest.clone())));
        self.declined.extend(digests);
        if !declined.is_empty() {
            let note = format!("#{} was closed on the forge; newer digests will be proposed again", closed.number);
            self.notes.push(note);
        }
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
            row.outcome = match is_proposed {
                true => report::TagOutcome::Proposed,
                false => report::TagOutcome::Deferred(report::Deferral::Proposal),
            };
        }
    }

    /// Records a failure of the forge once.
    pub(super) fn fail_forge(&mut self, error: &ForgeError) -> ProposalOutcome {
        self.fail(ReportError { exit: Exit::Error, message: error.to_string(), help: error.help() })
    }

    /// Records that the commit or the texts of a proposal could not be written.
    pub(super) fn fail_draft(&mut self, branch: &str, error: PassError) -> ProposalOutcome {
        self.fail(error.into_row(&format!("cannot write the proposal `{branch}`")))
    }

    /// Records that the branch could not be read or pushed.
    pub(super) fn fail_branch(&mut self, scope: BranchScope<'_>, branch: &str, error: &GitError) -> ProposalOutcome {
        let help = match error {
            GitError::Refused { reason, .. } => refusal_hint(reason, scope.prefix).or_else(|| error.help()),
            error => error.help(),
        };
        let message = format!("cannot push the branch `{branch}`: {error}");
        self.fail(ReportError { exit: Exit::Error, message, help })
    }

    /// Adds notes, each once.
    pub(super) fn add_notes(&mut self, notes: impl IntoIterator<Item = String>) {
        for note in notes {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
    }

    /// Records that the outcome of a push is unknown.
    pub(super) fn fail_unknown(&mut self, branch: &str, reason: String) -> ProposalOutcome {
        let message = format!("the outcome of the push to `{branch}` is unknown: {reason}");
        self.fail(ReportError { exit: Exit::Error, message, help: None });
        ProposalOutcome::Failed(reason)
    }

    fn fail(&mut self, error: ReportError) -> ProposalOutcome {
        let outcome = ProposalOutcome::Failed(error.message.clone());
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
        outcome
    }
}

/// Returns a hint that matches the server's message.
fn refusal_hint(reason: &str, prefix: &str) -> Option<String> {
    let reason = reason.to_lowercase();
    let matching = |(phrases, _): &&(&[&str], &str)| phrases.iter().any(|phrase| reason.contains(phrase));
    REFUSAL_HINTS.iter().find(matching).map(|(_, hint)| hint.replace("PREFIX", prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn l03_the_hint_matches_the_servers_message() {
        for (reason, expected) in [
            (
                "refusing to allow an OAuth App to create or update workflow `.github/workflows/ci.yml` without `workflow` \
                 scope",
                "workflow files",
            ),
            (
                "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without \
                 `workflows` permission",
                "workflow files",
            ),
            ("GH006: Protected branch update failed: Commits must have verified signatures.", "`[git] sign`"),
            (
                "push declined due to repository rule violations: error: GH013: Repository rule violations found for \
                 refs/heads/pins/web. - Commits must have verified signatures.",
                "`[git] sign`",
            ),
            (
                "GH013: Repository rule violations found. - Cannot create ref due to creations being restricted.",
                "`pins/`",
            ),
            ("GitLab: Commit must be signed with a GPG key", "`[git] sign`"),
            ("GitLab: Commit message does not follow the pattern '^JIRA-'", "`[git] message`"),
            ("GitLab: Branch name 'pins/web' does not follow the pattern '^feature/'", "`branch-prefix`"),
            ("GitLab: Committer's email 'pinstream@localhost' does not follow the pattern '@acme'", "`[git] author`"),
            ("GitLab: You are not allowed to push code to protected branches on this project.", "`pins/`"),
            ("Gitea: branch pins/web is protected from changing file deploy/web.yaml", "about files"),
            ("Gitea: Not allowed to push to protected branch pins/web", "allow this user to push"),
            ("Gitea: Unauthorized", "allow this user to push"),
            ("GH007: Your push would publish a private email address.", "`[git] author`"),
            ("TF401027: You need the Git 'CreateBranch' permission to perform this action.", "create branches"),
        ] {
            let hint = refusal_hint(reason, "pins/").unwrap_or_default();
            assert!(hint.contains(expected), "{reason}: {hint}");
        }
        assert_eq!(refusal_hint("pre-receive hook declined", "pins/"), None);
    }
}
