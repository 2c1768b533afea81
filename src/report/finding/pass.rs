//! Converts a pass to findings.

use super::{FilePosition, Finding, FindingLocation, Rule, RunResults, Severity, Subject, lock_location};
use crate::model::image::TagId;
use crate::model::lock::diff::PinSide;
use crate::model::settings::FILE_NAME;
use crate::model::settings::adoption_rules::{HeldUpdate, HoldReason};
use crate::registry::FailureKind;
use crate::report::exit::Exit;
use crate::report::pass::{
    FileRow, HookOutcome, HookRow, PassEnd, ProposalOutcome, ProposalRow, Report, ReportError, count,
};
use crate::report::tag::{Deferral, TagOutcome, TagRow};
use crate::report::text;
use crate::report::v1::words::{KindV1, word};

/// Adds the rows of `report`. Changes are errors if `drift` is one; `defined` locates the definition of a tag.
pub fn add_report(results: &mut RunResults, report: &Report, drift: Exit, defined: &dyn Fn(&TagId) -> FindingLocation) {
    for row in &report.rows {
        results.record_checked(Subject::tag(&row.tag), skip_reason(row));
        if let Some(finding) = tag_finding(row, report, drift) {
            let place = if row.outcome == TagOutcome::Removed { lock_location(None) } else { defined(&row.tag) };
            results.add(finding.at(place));
        }
    }
    for file in &report.files {
        results.add(file_finding(file, report, drift));
    }
    for proposal in &report.proposals {
        add_proposal(results, proposal, &report.errors);
    }
    for hook in &report.hooks {
        add_hook(results, hook);
    }
    let concerns_proposal =
        |error: &ReportError| report.proposals.iter().any(|one| one.outcome.reason() == Some(error.message.as_str()));
    let subject = Subject::new("run", results.command);
    for error in report.errors.iter().filter(|error| !concerns_proposal(error)) {
        let finding = Finding::new(Rule::Run, Severity::Error, subject.clone(), &error.message);
        results.add(finding.distinguished_by(&error.message).help(error.help.as_deref()));
    }
    for note in &report.notes {
        results.add(Finding::new(Rule::Run, Severity::Note, subject.clone(), note).distinguished_by(note));
    }
    results.summary = text::summary(report);
}

fn skip_reason(row: &TagRow) -> Option<String> {
    match &row.outcome {
        // Exits with 4, so it is a failure.
        TagOutcome::Held(HeldUpdate { reason: HoldReason::BeyondAllow(_), .. }) => None,
        TagOutcome::Held(HeldUpdate { reason: kept, .. }) => Some(kept.to_string()),
        _ => row.skip_note(),
    }
}

fn tag_finding(row: &TagRow, report: &Report, drift: Exit) -> Option<Finding> {
    let tag = &row.tag;
    let new = |rule, level, message: String| Finding::new(rule, level, Subject::tag(tag), &message);
    Some(match &row.outcome {
        TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotSelected => return None,
        TagOutcome::BackingOff => {
            let note = row.failing_note().unwrap_or_default();
            new(Rule::Resolve, Severity::Warning, format!("`{tag}` was not tried: {note}"))
        }
        TagOutcome::Failed(error) => {
            let rule = match error.kind {
                FailureKind::Refused | FailureKind::Integrity => Rule::Refused,
                _ => Rule::Resolve,
            };
            let note = row.failing_suffix();
            let kind = word(KindV1::from(error.kind));
            let message = format!("`{tag}` could not be resolved: {kind}: {}{note}", error.message);
            new(rule, Severity::Error, message).help(error.help.as_deref())
        }
        TagOutcome::Held(HeldUpdate { digest, reason: kept }) => {
            let (rule, level) = match kept {
                HoldReason::BeyondAllow(_) => (Rule::Refused, Severity::Error),
                _ => (Rule::Held, Severity::Note),
            };
            new(rule, level, format!("`{tag}` is not updated to {}: {kept}", digest.short()))
        }
        TagOutcome::Deferred(Deferral::Budget) => {
            let message = format!("`{tag}` was not resolved: the budget of the pass was spent");
            new(Rule::Resolve, Severity::Warning, message)
                .help(Some("raise `budget` in `[import]`, or run another pass"))
        }
        TagOutcome::Deferred(Deferral::Proposal) => {
            new(Rule::Change, Severity::Warning, format!("{}; not proposed in this pass", change(row, true)))
        }
        outcome => {
            let is_planned = report.end == PassEnd::Planned || *outcome == TagOutcome::Proposed;
            let warnings = row.explanation.as_deref().map(|one| one.warnings().join("; ")).unwrap_or_default();
            let level = match (drift, warnings.is_empty()) {
                (Exit::Success, true) => Severity::Note,
                (Exit::Success, false) => Severity::Warning,
                _ => Severity::Error,
            };
            let proposed = if *outcome == TagOutcome::Proposed { " (proposed)" } else { "" };
            let warnings = if warnings.is_empty() { warnings } else { format!("; {warnings}") };
            new(Rule::Change, level, format!("{}{proposed}{warnings}", change(row, is_planned)))
        }
    })
}

/// Describes a change, as in `` `python:3.12` updated from 28178e23 (3.12.4) to 2efb79ca (3.12.5), patch ``.
fn change(row: &TagRow, is_planned: bool) -> String {
    let tag = &row.tag;
    let side = |side: &PinSide| match &side.version {
        Some(version) => format!("{} ({version})", side.digest.short()),
        None => side.digest.short().to_owned(),
    };
    let class =
        row.explanation.as_deref().and_then(|one| one.class).map(|class| format!(", {class}")).unwrap_or_default();
    let verb = if is_planned { "would be" } else { "was" };
    match (&row.old, &row.new) {
        (Some(old), Some(new)) if old.digest != new.digest => {
            format!("`{tag}` {verb} updated from {} to {}{class}", side(old), side(new))
        }
        (None, Some(new)) => format!("`{tag}` {verb} added at {}", side(new)),
        (Some(old), None) => format!("`{tag}` {verb} removed; previous pin {}", side(old)),
        _ => format!("the pin of `{tag}` {verb} refreshed"),
    }
}

fn file_finding(file: &FileRow, report: &Report, drift: Exit) -> Finding {
    let level = if drift == Exit::Success { Severity::Note } else { Severity::Error };
    let verb = if report.end == PassEnd::Planned { "would be" } else { "were" };
    let message = format!("pins {verb} written to `{}`, {}", file.path, file.line_list(usize::MAX));
    let span = file.lines.first().map(|line| FilePosition::Line(*line));
    let place = FindingLocation { path: file.path.clone(), span };
    Finding::new(Rule::Target, level, Subject::new(&file.path, "targets"), &message).at(place)
}

fn add_proposal(results: &mut RunResults, row: &ProposalRow, errors: &[ReportError]) {
    let subject = Subject::new("proposals", &row.branch);
    let level = match &row.outcome {
        ProposalOutcome::Unchanged => return results.record_checked(subject, None),
        ProposalOutcome::Created | ProposalOutcome::Refreshed | ProposalOutcome::Closed => Severity::Note,
        ProposalOutcome::Skipped(_) => Severity::Warning,
        ProposalOutcome::Failed(_) => Severity::Error,
    };
    let detail = row.outcome.reason().or(row.url.as_deref()).map(|detail| format!(": {detail}")).unwrap_or_default();
    let message =
        format!("proposal `{}` ({}) {}{detail}", row.branch, count(row.changes, "change"), row.outcome.word());
    let error = errors.iter().find(|error| row.outcome.reason() == Some(error.message.as_str()));
    let finding = Finding::new(Rule::Proposal, level, subject, &message);
    results.add(finding.help(error.and_then(|error| error.help.as_deref())).at(FindingLocation::whole(FILE_NAME)));
}

fn add_hook(results: &mut RunResults, row: &HookRow) {
    let subject = Subject::new("hooks", &row.name);
    let level = match &row.outcome {
        HookOutcome::Succeeded => return results.record_checked(subject, None),
        HookOutcome::Failed(_) | HookOutcome::Refused(_) | HookOutcome::Running { .. } | HookOutcome::Pending => {
            Severity::Error
        }
    };
    let finding = Finding::new(Rule::Hook, level, subject, &format!("hook `{}` {}", row.name, row.summary()));
    results.add(Finding { output: row.output.clone(), ..finding }.at(FindingLocation::whole(FILE_NAME)));
}
