//! What a pass did, as findings.

use super::{Finding, FindingLocation, Rule, RunResults, Severity, Subject, lock_location};
use crate::model::image::TagId;
use crate::model::lock::diff::PinSide;
use crate::model::settings::FILE_NAME;
use crate::model::settings::adoption::{HeldUpdate, HoldReason};
use crate::registry::FailureKind;
use crate::report::exit::Exit;
use crate::report::{
    HookOutcome, HookRow, PassEnd, ProposalOutcome, ProposalRow, Report, ReportError, TagOutcome, TagRow, text,
};

/// Adds what is in `report`. `drift` says how it is judged that something moves, `defined` where a tag is written down.
pub fn add_report(results: &mut RunResults, report: &Report, drift: Exit, defined: &dyn Fn(&TagId) -> FindingLocation) {
    for row in &report.rows {
        results.record_checked(Subject::tag(&row.tag), skipped(row));
        if let Some(finding) = of_row(row, report, drift) {
            let place = if row.outcome == TagOutcome::Removed { lock_location(None) } else { defined(&row.tag) };
            results.add(finding.at(place));
        }
    }
    let moved = if drift == Exit::Success { Severity::Note } else { Severity::Error };
    for file in &report.files {
        let verb = if report.end == PassEnd::Planned { "would write" } else { "wrote" };
        let word = if file.lines.len() == 1 { "line" } else { "lines" };
        let lines: Vec<String> = file.lines.iter().map(ToString::to_string).collect();
        let message = format!("the pass {verb} what is pinned into `{}`, {word} {}", file.path, lines.join(", "));
        let place = file
            .lines
            .first()
            .map_or_else(|| FindingLocation::whole(&*file.path), |line| FindingLocation::line(&*file.path, *line));
        results.add(Finding::new(Rule::Target, moved, Subject::new(&file.path, "targets"), &message).at(place));
    }
    for proposal in &report.proposals {
        of_proposal(results, proposal, &report.errors);
    }
    for hook in &report.hooks {
        of_hook(results, hook);
    }
    let is_of_proposal =
        |error: &ReportError| report.proposals.iter().any(|one| one.outcome.reason() == Some(error.message.as_str()));
    let subject = Subject::new("run", results.command);
    for error in report.errors.iter().filter(|error| !is_of_proposal(error)) {
        let finding = Finding::new(Rule::Run, Severity::Error, subject.clone(), &error.message).distinguished_by(&error.message);
        results.add(finding.help(error.help.as_deref()));
    }
    for note in &report.notes {
        results.add(Finding::new(Rule::Run, Severity::Note, subject.clone(), note).distinguished_by(note));
    }
    results.summary = text::summary(report);
}

/// Why nothing was to be done about a tag.
fn skipped(row: &TagRow) -> Option<String> {
    match &row.outcome {
        TagOutcome::Held(HeldUpdate { kept: HoldReason::TooFar(_), .. }) => None,
        TagOutcome::Held(HeldUpdate { kept, .. }) => Some(format!("{}: {kept}", kept.word())),
        TagOutcome::NotDue => Some("its schedule has not fired".to_owned()),
        TagOutcome::NotAsked => Some("it was not to be imported".to_owned()),
        _ => None,
    }
}

/// What there is to tell of a row.
fn of_row(row: &TagRow, report: &Report, drift: Exit) -> Option<Finding> {
    let tag = &row.tag;
    let new = |rule, level, message: String| Finding::new(rule, level, Subject::tag(tag), &message);
    Some(match &row.outcome {
        TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotAsked => return None,
        TagOutcome::Failed(error) => {
            let rule = match error.kind {
                FailureKind::Refused | FailureKind::Integrity => Rule::Refused,
                _ => Rule::Resolve,
            };
            let message = format!("`{tag}` could not be imported: {}: {}", error.kind.word(), error.message);
            new(rule, Severity::Error, message).help(error.help.as_deref())
        }
        TagOutcome::Held(HeldUpdate { digest, kept }) => {
            let (rule, level) = match kept {
                HoldReason::TooFar(_) => (Rule::Refused, Severity::Error),
                _ => (Rule::Held, Severity::Note),
            };
            new(rule, level, format!("`{tag}` is not moved to {}: {kept}", digest.short()))
        }
        TagOutcome::Deferred => {
            new(Rule::PinChange, Severity::Warning, format!("{}, which could not be proposed", change(row, true)))
        }
        outcome => {
            let is_to_come = report.end == PassEnd::Planned || *outcome == TagOutcome::Proposed;
            let warnings = row.explanation.as_deref().map(|one| one.warnings().join("; ")).unwrap_or_default();
            let level = match (drift, warnings.is_empty()) {
                (Exit::Success, true) => Severity::Note,
                (Exit::Success, false) => Severity::Warning,
                _ => Severity::Error,
            };
            let proposed = if *outcome == TagOutcome::Proposed { ", as is proposed" } else { "" };
            let warnings = if warnings.is_empty() { warnings } else { format!("; {warnings}") };
            new(Rule::PinChange, level, format!("{}{proposed}{warnings}", change(row, is_to_come)))
        }
    })
}

/// `` `python:3.12` moves from 28178e23 (3.12.4) to 2efb79ca (3.12.5), patch ``
fn change(row: &TagRow, is_to_come: bool) -> String {
    let tag = &row.tag;
    let side = |side: &PinSide| match &side.version {
        Some(version) => format!("{} ({version})", side.digest.short()),
        None => side.digest.short().to_owned(),
    };
    let class =
        row.explanation.as_deref().and_then(|one| one.class).map(|class| format!(", {class}")).unwrap_or_default();
    let said = |to_come: &'static str, done: &'static str| if is_to_come { to_come } else { done };
    match (&row.old, &row.new) {
        (Some(old), Some(new)) if old.digest != new.digest => {
            format!("`{tag}` {} from {} to {}{class}", said("moves", "moved"), side(old), side(new))
        }
        (None, Some(new)) => format!("`{tag}` {} at {}", said("is added", "was added"), side(new)),
        (Some(old), None) => format!("`{tag}` {}, at {}", said("is removed", "was removed"), side(old)),
        _ => format!("the words of `{tag}` in the lock {}", said("change", "changed")),
    }
}

fn of_proposal(results: &mut RunResults, row: &ProposalRow, errors: &[ReportError]) {
    let subject = Subject::new("proposals", &row.branch);
    let moves = if row.moves == 1 { "1 move".to_owned() } else { format!("{} moves", row.moves) };
    let at = row.url.as_ref().map(|url| format!(": {url}")).unwrap_or_default();
    let told = |what: &str| format!("the proposal `{}` of {moves} {what}", row.branch);
    let (level, message) = match &row.outcome {
        ProposalOutcome::Unchanged => return results.record_checked(subject, None),
        ProposalOutcome::Created => (Severity::Note, told(&format!("was created{at}"))),
        ProposalOutcome::Refreshed => (Severity::Note, told(&format!("was refreshed{at}"))),
        ProposalOutcome::Closed => (Severity::Note, told(&format!("was closed{at}"))),
        ProposalOutcome::Skipped(reason) => (Severity::Warning, told(&format!("was left alone: {reason}"))),
        ProposalOutcome::Failed(reason) => (Severity::Error, told(&format!("failed: {reason}"))),
    };
    let wrong = errors.iter().find(|error| row.outcome.reason() == Some(error.message.as_str()));
    let finding = Finding::new(Rule::Proposal, level, subject, &message);
    results.add(finding.help(wrong.and_then(|wrong| wrong.help.as_deref())).at(FindingLocation::whole(FILE_NAME)));
}

fn of_hook(results: &mut RunResults, row: &HookRow) {
    let subject = Subject::new("hooks", &row.name);
    let moves = if row.moves == 1 { "1 move".to_owned() } else { format!("{} moves", row.moves) };
    let reason = row.outcome.reason().map(|reason| format!(": {reason}")).unwrap_or_default();
    let (level, what) = match &row.outcome {
        HookOutcome::Succeeded => return results.record_checked(subject, None),
        HookOutcome::Failed(_) => (Severity::Error, format!("failed for {moves}, which stay pending{reason}")),
        HookOutcome::Refused(_) => (Severity::Error, format!("is refused, and {moves} stay pending{reason}")),
        HookOutcome::Running => (Severity::Note, format!("is run by somebody else, for {moves}")),
        HookOutcome::Pending => (Severity::Note, format!("would run for {moves}")),
    };
    let finding = Finding::new(Rule::Hook, level, subject, &format!("the hook `{}` {what}", row.name));
    results.add(finding.with_output(&row.output).at(FindingLocation::whole(FILE_NAME)));
}
