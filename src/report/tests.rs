//! Tests across output formats.

pub(super) mod sample;

use std::fs;
use std::path::Path;

use clap::ValueEnum as _;

use super::exit::Exit;
use super::finding::pass::add_report;
use super::finding::{FindingLocation, RunResults};
use super::pass::{HookOutcome, HookRow, PassEnd, Report};
use super::tag::{Deferral, TagOutcome, TagRow};
use super::text::{self, RowFilter};
use super::{OutputFormat, Render, json, markdown};
use crate::hook::HookExit;
use crate::model::settings::adoption_rules::HeldUpdate;
use crate::registry::{FailureKind, ResolveError};
use crate::text::diagnostics::RenderStyle;

/// Renders a report as `reconcile` does.
struct ReconcileOutput(Report);

impl Render for ReconcileOutput {
    fn text(&self) -> String {
        text::render(&self.0, RowFilter::Changes, RenderStyle::Plain)
    }

    fn json(&self) -> String {
        json::render(&self.0, self.0.exit())
    }

    fn markdown(&self) -> String {
        markdown::pass("reconcile", &self.0)
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new("reconcile", "", self.0.exit());
        add_report(&mut results, &self.0, Exit::Success, &|_| FindingLocation::whole("streams/a.toml"));
        results
    }
}

#[test]
fn the_worst_row_picks_the_exit_code() {
    let failed = |kind| TagOutcome::Failed(ResolveError::new(kind, "x"));
    let check = |outcomes: &[TagOutcome], hooks: &[HookOutcome], expected: Exit| {
        let mut report = sample::report();
        let (row, hook) = (report.rows[0].clone(), report.hooks[0].clone());
        report.end = PassEnd::Unchanged;
        report.rows = outcomes.iter().map(|outcome| TagRow { outcome: outcome.clone(), ..row.clone() }).collect();
        report.hooks = hooks.iter().map(|outcome| HookRow { outcome: outcome.clone(), ..hook.clone() }).collect();
        assert_eq!(report.exit(), expected, "{outcomes:?} {hooks:?}");
    };
    let hook = HookOutcome::Failed(HookExit::TimedOut);
    check(&[TagOutcome::Updated, TagOutcome::NotDue, TagOutcome::BackingOff], &[HookOutcome::Succeeded], Exit::Success);
    check(&[TagOutcome::Updated], &[sample::running()], Exit::HookFailed);
    check(&[], &[HookOutcome::Pending], Exit::HookFailed);
    check(&[failed(FailureKind::Network)], &[], Exit::Partial);
    check(&[TagOutcome::Deferred(Deferral::Budget)], &[], Exit::Partial);
    check(&[TagOutcome::Deferred(Deferral::Proposal)], &[], Exit::Success);
    check(&[TagOutcome::Updated], std::slice::from_ref(&hook), Exit::HookFailed);
    check(&[failed(FailureKind::Tls)], &[hook], Exit::Partial);
    check(&[failed(FailureKind::Refused)], &[], Exit::Refused);
    check(&[], &[HookOutcome::Refused("x".to_owned())], Exit::Refused);
}

#[test]
fn the_summary_counts_each_tag_once() {
    let mut report = sample::report();
    let row = report.rows[0].clone();
    let held =
        sample::hold_reasons().map(|kept| TagOutcome::Held(HeldUpdate { digest: sample::digest(9), reason: kept }));
    let deferred = [Deferral::Budget, Deferral::Proposal].map(TagOutcome::Deferred);
    let other = [TagOutcome::NotDue, TagOutcome::NotSelected, TagOutcome::BackingOff, TagOutcome::Refreshed];
    let other = other.into_iter().chain(deferred);
    report.rows = held.into_iter().chain(other).map(|outcome| TagRow { outcome, ..row.clone() }).collect();
    report.end = PassEnd::Proposed;
    assert_eq!(
        text::summary(&report),
        "2 deferred, 1 refreshed, 3 held, 1 soaking, 1 ignored, 1 rejected, 1 reverted, 3 skipped; main is unchanged \
         until proposals are merged"
    );
}

#[test]
fn s04_every_format_shows_a_tag_that_the_budget_did_not_suffice_for() {
    let mut report = sample::report();
    report.rows[3].outcome = TagOutcome::Deferred(Deferral::Budget);
    let output = ReconcileOutput(report);
    for format in OutputFormat::value_variants() {
        let shown = format.render(&output);
        let reason = match format {
            OutputFormat::Text | OutputFormat::Junit => "budget spent",
            OutputFormat::Json => "\"deferred\": \"budget\"",
            OutputFormat::Markdown => "| `python:3.11` | deferred | budget spent |",
            _ => "was not resolved: the budget of the pass was spent",
        };
        assert!(shown.contains(reason), "{format:?}: {shown}");
    }
}

#[test]
fn every_format_contains_the_output_of_a_failed_hook() {
    let mut report = sample::report();
    report.hooks[1].output = format!("{}\n````\n::error::x ##[y\nno such <room>\n", "x".repeat(30_000));
    let output = ReconcileOutput(report);
    for format in OutputFormat::value_variants() {
        let shown = format.render(&output);
        let reason = if *format == OutputFormat::Junit { "no such &lt;room&gt;" } else { "no such <room>" };
        assert!(shown.contains(reason), "{format:?}: {shown}");
        assert!(!shown.lines().any(|line| line.trim_start().starts_with("::error::x")), "{format:?}: {shown}");
        assert!(!shown.contains("##["), "{format:?}: {shown}");
    }
}

#[test]
fn a_format_is_named_in_its_own_file_and_in_one_other() {
    let mut sources = Vec::new();
    collect(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    for format in OutputFormat::value_variants() {
        let (variant, module) = (format!("{format:?}"), format!("{format:?}").to_lowercase());
        let own = format!("report/{module}.rs");
        let paths = [format!("OutputFormat::{variant}"), format!("report::{module}"), format!("{module}::render(&")];
        // Text, JSON and Markdown are rendered by the results themselves.
        let is_derived = !["text", "json", "markdown"].contains(&module.as_str());
        let names = |text: &str| {
            text.contains(&paths[0]) || is_derived && paths[1..].iter().any(|path| text.contains(path.as_str()))
        };
        let naming: Vec<&str> = sources
            .iter()
            .filter(|(path, text)| path.ends_with(&own) || path.ends_with("src/report.rs") || names(text))
            .map(|(path, _)| path.as_str())
            .collect();
        assert!(naming.len() <= 2, "{variant} is named in {naming:?}");
    }
}

/// Reads all sources except tests.
fn collect(directory: &Path, found: &mut Vec<(String, String)>) {
    for path in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.to_str().unwrap().to_owned();
        if path.is_dir() {
            collect(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((name, text.split("#[cfg(test)]\nmod tests {").next().unwrap().to_owned()));
        }
    }
}
