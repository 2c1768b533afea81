//! The result of a check, ready to be rendered.

use std::fmt::Write as _;

use crate::cli::support::pass_runner::text_of;
use crate::cli::support::source_map::SourceMap;
use crate::cli::{CommandContext, Exit};
use crate::git::checkout::IgnoredFile;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::report::finding::{Finding, FindingLocation, Rule, RunResults, Severity, Subject, pass};
use crate::report::pass::count;
use crate::report::v1;
use crate::report::v1::check::{CheckSchema, CheckV1, FindingV1, IgnoredFileV1};
use crate::report::v1::report::ReportV1;
use crate::report::v1::words::FindingKindV1;
use crate::report::{Render, Report, markdown};
use crate::text::escape;

use super::drift::{CheckFinding, LockDrift};
use super::files::unmatched_pattern;
use super::images::{self, CheckedImages};

/// Result of a check.
pub(super) struct CheckResult<'a> {
    pub(super) context: &'a CommandContext,
    pub(super) root: &'a Root,
    /// Tags that were checked.
    pub(super) only: &'a TagGlobs,
    pub(super) sources: SourceMap,
    pub(super) exit: Exit,
    pub(super) drift: LockDrift,
    /// With `--base`, pins that could not be verified.
    pub(super) unverified: Vec<CheckFinding>,
    /// The files that Git ignores.
    pub(super) ignored: Vec<IgnoredFile>,
    /// With `--all-images`, the images with faults.
    pub(super) images: Option<CheckedImages>,
    /// With `--upstream`, the planned pass.
    pub(super) upstream: Option<Report>,
    /// Names of hooks and their patterns that match no tag.
    pub(super) unmatched: Vec<(String, String)>,
}

impl CheckResult<'_> {
    /// Summarizes the check in one line.
    fn summary(&self, problems: usize) -> String {
        let pins = count(self.root.lock.pins.len(), "pin");
        let streams = count(self.root.definitions.streams.len(), "stream");
        let verdict = match (self.exit, self.root.settings.targets.is_empty()) {
            (Exit::Success, true) => "lock matches the definitions".to_owned(),
            (Exit::Success, false) => "lock and targets match the definitions".to_owned(),
            _ => format!("{} found", count(problems, "problem")),
        };
        format!("{pins} in {streams}: {verdict}")
    }
}

impl Render for CheckResult<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        put(&mut out, &self.drift.findings);
        if let Some(diff) = &self.drift.diff {
            // The lock may contain untrusted text. Writing to a `String` cannot fail.
            let _ = write!(out, "\n{}", escape::lines(diff));
        }
        if let Some(remedy) = self.drift.remedy {
            let has_targets = self.drift.findings.iter().any(|finding| finding.place.is_some());
            let _ = writeln!(out, "\nhelp: {}", help(remedy, has_targets));
        }
        put(&mut out, &self.unverified);
        for file in &self.ignored {
            let _ =
                writeln!(out, "{}\n  help: {}", escape::terminal(&file.to_string()), escape::terminal(&file.help()));
        }
        out.push_str(&images::text(self.images.as_ref().map(|found| &found.images[..]).unwrap_or_default()));
        if let Some(report) = &self.upstream {
            out.push_str(&text_of(self.context, report));
        }
        if self.exit == Exit::Success {
            let _ = writeln!(out, "{}", self.summary(0));
        }
        out
    }

    fn json(&self) -> String {
        v1::encode(&CheckV1 {
            schema: CheckSchema::V1,
            exit: self.exit.code(),
            pins: self.root.lock.pins.len(),
            streams: self.root.definitions.streams.len(),
            findings: self.drift.findings.iter().chain(&self.unverified).map(FindingV1::from).collect(),
            diff: self.drift.diff.clone(),
            fix: self.drift.remedy.map(str::to_owned),
            ignored: Some(self.ignored.iter().map(IgnoredFileV1::from).collect())
                .filter(|files: &Vec<_>| !files.is_empty()),
            images: self.images.as_ref().map(|found| found.images.clone()),
            unread: self.images.as_ref().map(|found| found.unread.clone()).filter(|unread| !unread.is_empty()),
            upstream: self.upstream.as_ref().map(|report| ReportV1::new(report, self.exit)),
        })
    }

    fn markdown(&self) -> String {
        markdown::findings(&self.results(), self.drift.diff.as_deref())
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new("check", self.sources.root(), self.exit);
        for id in self.root.definitions.tags.keys().filter(|id| self.only.matches(id)) {
            results.record_checked(Subject::tag(id), None);
        }
        for found in &self.drift.findings {
            let remedy = self.drift.remedy.map(|remedy| help(remedy, found.place.is_some()));
            let (rule, subject, place) = match &found.place {
                Some((path, line)) => {
                    (Rule::Target, Subject::new(path, &found.tag.to_string()), FindingLocation::line(&**path, *line))
                }
                None if self.root.definitions.tags.contains_key(&found.tag) => {
                    (Rule::Lock, Subject::tag(&found.tag), self.sources.defined(&found.tag))
                }
                None => (Rule::Lock, Subject::tag(&found.tag), self.sources.pin(&found.tag)),
            };
            // The location has a field of its own.
            let message = found.message.split_once(": ").filter(|_| rule == Rule::Target);
            let message = message.map_or(found.message.as_str(), |(_, message)| message);
            let finding = Finding::new(rule, Severity::Error, subject, message);
            results.add(finding.help(found.help.as_deref().or(remedy.as_deref())).at(place));
        }
        for found in &self.unverified {
            let rule = if found.kind == FindingKindV1::HandEdited { Rule::HandEdited } else { Rule::Unverified };
            let finding = Finding::new(rule, Severity::Error, Subject::tag(&found.tag), &found.message);
            results.add(finding.help(found.help.as_deref()).at(self.sources.digest(&found.tag)));
        }
        for file in &self.ignored {
            let subject = Subject::new(&file.path, "git");
            let finding = Finding::new(Rule::Ignored, Severity::Error, subject, &file.to_string());
            results.add(finding.help(Some(&file.help())).at(FindingLocation::whole(&file.path)));
        }
        self.images.iter().flat_map(|found| &found.images).for_each(|image| results.add(images::finding(image)));
        if let Some(report) = &self.upstream {
            pass::add_report(&mut results, report, Exit::Drift, &|id| self.sources.defined(id));
        }
        for (hook, pattern) in &self.unmatched {
            let message = unmatched_pattern(hook, pattern);
            let finding = Finding::new(Rule::Hook, Severity::Warning, Subject::new("hooks", hook), &message);
            results
                .add(finding.distinguished_by(pattern).at(FindingLocation::whole(crate::model::settings::FILE_NAME)));
        }
        let errors = results.findings.iter().filter(|finding| finding.level == Severity::Error).count();
        results.summary = self.summary(errors);
        results
    }
}

fn put(out: &mut String, findings: &[CheckFinding]) {
    for finding in findings {
        let _ = writeln!(out, "{}", escape::lines(&finding.message));
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  help: {}", escape::lines(help));
        }
    }
}

/// Formats the hint to run a command that rewrites the lock, and maybe files with targets.
fn help(command: &str, has_targets: bool) -> String {
    let files = if has_targets { "the changed files" } else { "pinstream.lock" };
    format!("run `{command}`, then commit {files}")
}

impl From<&IgnoredFile> for IgnoredFileV1 {
    fn from(file: &IgnoredFile) -> Self {
        Self { file: file.path.clone(), message: file.to_string(), help: file.help() }
    }
}

impl From<&CheckFinding> for FindingV1 {
    fn from(finding: &CheckFinding) -> Self {
        Self {
            stream: finding.tag.stream.to_string(),
            tag: finding.tag.tag.to_string(),
            kind: finding.kind,
            message: finding.message.clone(),
            file: finding.place.as_ref().map(|(file, _)| file.clone()),
            line: finding.place.as_ref().map(|(_, line)| *line),
            help: finding.help.clone(),
        }
    }
}
