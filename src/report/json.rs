//! Renders a pass as `pinstream.report/v1`.

use super::exit::Exit;
use super::pass::{
    FileRow, HookOutcome, HookRow, PassEnd, ProposalOutcome, ProposalRow, RemoteRow, Report, ReportError,
};
use super::tag::{Deferral, TagOutcome, TagRow};
use super::v1::explanation::ExplanationV1;
use super::v1::report::{
    ErrorV1, FailingV1, FileV1, HeldV1, HookV1, ProposalV1, RemoteV1, ReportSchema, ReportV1, TagV1,
};
use super::v1::words::{DeferralV1, EndV1, HookOutcomeV1, KindV1, OutcomeV1, ProposalOutcomeV1, SkipReasonV1};
use super::v1::{SideV1, encode};
use crate::git::CommitId;
use crate::hook::HookExit;
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::model::state::FailingTag;
use crate::registry::FailureKind;

/// Renders `report` as JSON text; `exit` is the exit code of the process.
pub fn render(report: &Report, exit: Exit) -> String {
    encode(&ReportV1::new(report, exit))
}

impl ReportV1 {
    /// Converts `report`; `exit` is the exit code of the process.
    pub fn new(report: &Report, exit: Exit) -> Self {
        let (end, commit) = match &report.end {
            PassEnd::Planned => (EndV1::Planned, None),
            PassEnd::Written => (EndV1::Written, None),
            PassEnd::Landed(commit) => (EndV1::Landed, Some(commit)),
            PassEnd::Proposed => (EndV1::Proposed, None),
            PassEnd::Unchanged => (EndV1::Unchanged, None),
        };
        let remote = |row: &RemoteRow| RemoteV1 {
            name: row.name.to_string(),
            url: row.url.clone(),
            commit: row.commit.to_string(),
        };
        let file = |row: &FileRow| FileV1 { path: row.path.clone(), lines: row.lines.clone() };
        Self {
            schema: ReportSchema::V1,
            end,
            exit: exit.code(),
            remote: report.remote.clone(),
            branch: report.branch.clone(),
            tip: report.tip.as_ref().map(CommitId::to_string),
            commit: commit.map(CommitId::to_string),
            tags: report.rows.iter().map(TagV1::from).collect(),
            remotes: report.remotes.iter().map(remote).collect(),
            proposals: report.proposals.iter().map(ProposalV1::from).collect(),
            files: report.files.iter().map(file).collect(),
            hooks: report.hooks.iter().map(HookV1::from).collect(),
            notes: report.notes.clone(),
            errors: report.errors.iter().map(ReportError::sentence).collect(),
        }
    }
}

impl From<&TagRow> for TagV1 {
    fn from(row: &TagRow) -> Self {
        let mut tag = Self {
            stream: row.tag.stream.to_string(),
            tag: row.tag.tag.to_string(),
            follow: row.follow.as_ref().map(ToString::to_string),
            image: row.image.as_ref().map(ToString::to_string),
            outcome: (&row.outcome).into(),
            old: row.old.as_ref().map(SideV1::from),
            new: row.new.as_ref().map(SideV1::from),
            explanation: row.explanation.as_deref().map(ExplanationV1::from),
            held: None,
            skipped: None,
            deferred: None,
            error: None,
            failing: row.failing.as_ref().map(FailingV1::from),
        };
        match &row.outcome {
            TagOutcome::Failed(error) => {
                let (message, help) = (error.message.clone(), error.help.clone());
                tag.error = Some(ErrorV1 { kind: error.kind.into(), message, help });
            }
            TagOutcome::Held(HeldUpdate { digest, reason: kept }) => {
                tag.held = Some(HeldV1 { digest: digest.to_string(), reason: kept.to_string() });
            }
            TagOutcome::Deferred(Deferral::Budget) => tag.deferred = Some(DeferralV1::Budget),
            TagOutcome::Deferred(Deferral::Proposal) => tag.deferred = Some(DeferralV1::Proposal),
            TagOutcome::NotDue => tag.skipped = Some(SkipReasonV1::NotDue),
            TagOutcome::BackingOff => tag.skipped = Some(SkipReasonV1::BackingOff),
            TagOutcome::NotSelected => tag.skipped = Some(SkipReasonV1::NotSelected),
            _ => {}
        }
        tag
    }
}

impl From<&FailingTag> for FailingV1 {
    fn from(failing: &FailingTag) -> Self {
        let FailingTag { since, last, next, attempts, kind, .. } = failing;
        let [since, last, next] = [since, last, next].map(ToString::to_string);
        Self { since, last, next, attempts: *attempts, kind: (*kind).into() }
    }
}

impl From<&ProposalRow> for ProposalV1 {
    fn from(row: &ProposalRow) -> Self {
        Self {
            branch: row.branch.clone(),
            number: row.number,
            url: row.url.clone(),
            changes: row.changes,
            outcome: (&row.outcome).into(),
            reason: row.outcome.reason().map(str::to_owned),
        }
    }
}

impl From<&HookRow> for HookV1 {
    fn from(row: &HookRow) -> Self {
        let code = match row.outcome {
            HookOutcome::Failed(HookExit::Code(code)) => Some(code),
            HookOutcome::Succeeded => Some(0),
            _ => None,
        };
        Self {
            name: row.name.clone(),
            event: row.event.clone(),
            changes: row.changes,
            outcome: (&row.outcome).into(),
            reason: row.outcome.reason(),
            code,
            // Unescaped: programs read it, and JSON strings do not act.
            output: row.output.clone(),
        }
    }
}

impl From<&TagOutcome> for OutcomeV1 {
    fn from(outcome: &TagOutcome) -> Self {
        match outcome {
            TagOutcome::Unchanged => Self::Unchanged,
            TagOutcome::Updated => Self::Updated,
            TagOutcome::Proposed => Self::Proposed,
            TagOutcome::Deferred(_) => Self::Deferred,
            TagOutcome::Refreshed => Self::Refreshed,
            TagOutcome::Added => Self::Added,
            TagOutcome::Removed => Self::Removed,
            TagOutcome::NotDue | TagOutcome::NotSelected | TagOutcome::BackingOff => Self::Skipped,
            TagOutcome::Held(HeldUpdate { reason: kept, .. }) => match kept {
                HoldReason::Held(_) | HoldReason::RolledBack | HoldReason::LowerTag | HoldReason::BeyondAllow(_) => {
                    Self::Held
                }
                HoldReason::Rejected => Self::Rejected,
                HoldReason::Reverted => Self::Reverted,
                HoldReason::Ignored(_) => Self::Ignored,
                HoldReason::Soaking { .. } => Self::Soaking,
            },
            TagOutcome::Failed(error) if error.kind == FailureKind::Refused => Self::Refused,
            TagOutcome::Failed(_) => Self::Failed,
        }
    }
}

impl From<FailureKind> for KindV1 {
    fn from(kind: FailureKind) -> Self {
        match kind {
            FailureKind::NotFound => Self::NotFound,
            FailureKind::Unauthorized => Self::Unauthorized,
            FailureKind::RateLimited => Self::RateLimited,
            FailureKind::Tls => Self::Tls,
            FailureKind::Network => Self::Network,
            FailureKind::Integrity => Self::Integrity,
            FailureKind::Unsupported => Self::Unsupported,
            FailureKind::Refused => Self::Refused,
        }
    }
}

impl From<&ProposalOutcome> for ProposalOutcomeV1 {
    fn from(outcome: &ProposalOutcome) -> Self {
        match outcome {
            ProposalOutcome::Created => Self::Created,
            ProposalOutcome::Refreshed => Self::Refreshed,
            ProposalOutcome::Unchanged => Self::Unchanged,
            ProposalOutcome::Closed => Self::Closed,
            ProposalOutcome::Skipped(_) => Self::Skipped,
            ProposalOutcome::Failed(_) => Self::Failed,
        }
    }
}

impl From<&HookOutcome> for HookOutcomeV1 {
    fn from(outcome: &HookOutcome) -> Self {
        match outcome {
            HookOutcome::Succeeded => Self::Succeeded,
            HookOutcome::Failed(_) => Self::Failed,
            HookOutcome::Running { .. } => Self::Running,
            HookOutcome::Pending => Self::Pending,
            HookOutcome::Refused(_) => Self::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;
    use crate::text::escape;

    #[test]
    fn a_report_contains_all_rows() {
        let mut report = sample::report();
        report.rows.retain(|row| ["node:22", "python:3.12"].contains(&row.tag.to_string().as_str()));
        report.hooks.remove(0);
        report.hooks.truncate(1);
        insta::assert_snapshot!(render(&report, report.exit()), @r#"
        {
          "schema": "pinstream.report/v1",
          "end": "landed",
          "exit": 3,
          "remote": "https://git.example/acme/deploy",
          "branch": "main",
          "tip": "0f1c2d3e4f5a6b7c8d9e0f1c2d3e4f5a6b7c8d9e",
          "commit": "0f1c2d3e4f5a6b7c8d9e0f1c2d3e4f5a6b7c8d9e",
          "tags": [
            {
              "stream": "node",
              "tag": "22",
              "image": "docker.io/library/node:22",
              "outcome": "failed",
              "old": null,
              "new": null,
              "error": {
                "kind": "tls",
                "message": "TLS handshake with `quay.io` failed",
                "help": "set `ca`"
              }
            },
            {
              "stream": "python",
              "tag": "3.12",
              "image": "docker.io/library/python:3.12",
              "outcome": "updated",
              "old": {
                "digest": "sha256:0101010101010101010101010101010101010101010101010101010101010101",
                "version": "3.12.4"
              },
              "new": {
                "digest": "sha256:0202020202020202020202020202020202020202020202020202020202020202",
                "version": "3.12.5\u001b[2J"
              }
            }
          ],
          "remotes": [
            {
              "name": "platform",
              "url": "https://git.example/platform/images",
              "commit": "0123456789abcdef0123456789abcdef01234567"
            }
          ],
          "proposals": [],
          "files": [
            {
              "path": "deploy/web.yaml",
              "lines": [
                4,
                12
              ]
            }
          ],
          "hooks": [
            {
              "name": "chat",
              "event": "00112233445566778899aabbccddeeff",
              "changes": 2,
              "outcome": "failed",
              "reason": "exit code 7",
              "code": 7,
              "output": "```\n::error::x\nno such <room>\n"
            }
          ],
          "notes": [
            "the remote rejects the state ref; state is stored locally"
          ],
          "errors": []
        }
        "#);
    }

    #[test]
    fn a_skipped_tag_has_a_reason() {
        let report = sample::report();
        let row = report.rows.iter().find(|row| row.outcome == TagOutcome::NotDue).unwrap();
        let tag = serde_json::to_value(TagV1::from(row)).unwrap();
        assert_eq!((&tag["outcome"], &tag["skipped"]), (&"skipped".into(), &"not-due".into()));
    }

    #[test]
    fn t9_no_text_acts_in_a_report_and_none_is_lost() {
        let hostile = "\u{1b}[2J\u{9b}\u{7f}\u{202e}\u{e0041}\"\\\n###vso[task.setvariable]";
        let report = Report { notes: vec![hostile.to_owned()], ..sample::report() };
        let text = render(&report, report.exit());
        assert!(!text.chars().any(|c| c != '\n' && escape::is_deceptive(c)));
        assert!(!text.contains("##"), "{text}");
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["notes"][0], hostile);
    }
}
