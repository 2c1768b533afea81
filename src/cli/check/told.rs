//! What a check found, in the words that are its own.

use std::fmt::Write as _;

use crate::cli::pass::PassResult;
use crate::cli::site::SourceMap;
use crate::model::root::Root;
use crate::model::settings::globs::TagGlobs;
use crate::report::exit::Exit;
use crate::report::finding::{self, FindingLocation, Rule, RunResults, Severity, Subject, pass};
use crate::report::v1::check::{CheckSchema, CheckV1, FindingV1, ImageV1};
use crate::report::v1::report::ReportV1;
use crate::report::v1::words::FindingKindV1;
use crate::report::{Render, Report, markdown};
use crate::text::escape;

use super::images::{self, UncoveredImage};
use super::{CommandContext, Finding, UpstreamDrift};

/// What a check found.
pub(super) struct CheckResult<'a> {
    pub(super) context: &'a CommandContext,
    pub(super) root: &'a Root,
    /// The tags that were meant.
    pub(super) only: &'a TagGlobs,
    pub(super) site: SourceMap,
    pub(super) exit: Exit,
    pub(super) drift: UpstreamDrift,
    /// What was edited by hand.
    pub(super) by_hand: Vec<Finding>,
    /// With `--all-images`, what was found of them.
    pub(super) images: Option<Vec<UncoveredImage>>,
    /// With `--upstream`, what a pass would do.
    pub(super) upstream: Option<Report>,
    /// Hooks and their patterns that mean no tag.
    pub(super) idle: Vec<(String, String)>,
}

impl CheckResult<'_> {
    /// What the check is of, and how it ended where all is well.
    fn summary(&self, is_well: bool) -> String {
        let pins = count(self.root.lock.pins.len(), "pin");
        let streams = count(self.root.definitions.streams.len(), "stream");
        let what = match (is_well, self.root.settings.targets.is_empty()) {
            (false, _) => "not all is as it should be",
            (true, true) => "lock and definitions agree",
            (true, false) => "lock, definitions and targets agree",
        };
        format!("{pins} of {streams}: {what}")
    }

    fn upstream<'r>(&'r self, report: &'r Report) -> PassResult<'r> {
        PassResult {
            context: self.context,
            command: "check",
            report,
            exit: self.exit,
            drift: Exit::Drift,
            site: &self.site,
        }
    }
}

impl Render for CheckResult<'_> {
    fn text(&self) -> String {
        let mut out = String::new();
        put(&mut out, &self.drift.findings);
        if let Some(diff) = &self.drift.diff {
            // What a lock holds may have been written by anybody. Writing to a `String` does not fail.
            let _ = write!(out, "\n{}", escape::lines(diff));
        }
        if let Some(mend) = self.drift.mend {
            let _ = writeln!(out, "\nto mend it: {mend}");
        }
        put(&mut out, &self.by_hand);
        out.push_str(&images::text(self.images.as_deref().unwrap_or_default()));
        if let Some(report) = &self.upstream {
            out.push_str(&self.upstream(report).text());
        }
        if self.exit == Exit::Success {
            let _ = writeln!(out, "{}", self.summary(true));
        }
        out
    }

    fn json(&self) -> String {
        let found = CheckV1 {
            schema: CheckSchema::V1,
            exit: self.exit.code(),
            pins: self.root.lock.pins.len(),
            streams: self.root.definitions.streams.len(),
            findings: self.drift.findings.iter().chain(&self.by_hand).map(FindingV1::from).collect(),
            diff: self.drift.diff.clone(),
            fix: self.drift.mend.map(str::to_owned),
            images: self.images.as_ref().map(|images| images.iter().map(ImageV1::from).collect()),
            upstream: self.upstream.as_ref().map(|report| ReportV1::new(report, self.exit)),
        };
        found.to_json()
    }

    fn markdown(&self) -> String {
        markdown::findings(&self.results(), self.drift.diff.as_deref())
    }

    fn results(&self) -> RunResults {
        let mut results = RunResults::new("check", self.site.root(), self.exit);
        for id in self.root.definitions.tags.keys().filter(|id| self.only.matches(id)) {
            results.record_checked(Subject::tag(id), None);
        }
        let mend = self.drift.mend.map(|mend| format!("run `{mend}`"));
        for found in &self.drift.findings {
            let (rule, subject, place) = match &found.place {
                Some((path, line)) => {
                    (Rule::Target, Subject::new(path, &found.tag.to_string()), FindingLocation::line(&**path, *line))
                }
                None if self.root.definitions.tags.contains_key(&found.tag) => {
                    (Rule::Lock, Subject::tag(&found.tag), self.site.defined(&found.tag))
                }
                None => (Rule::Lock, Subject::tag(&found.tag), self.site.pin(&found.tag)),
            };
            // Where it is stands beside it.
            let message = found.message.split_once(": ").filter(|_| rule == Rule::Target);
            let message = message.map_or(found.message.as_str(), |(_, message)| message);
            let finding = finding::Finding::new(rule, Severity::Error, subject, message);
            results.add(finding.help(found.help.as_deref().or(mend.as_deref())).at(place));
        }
        for found in &self.by_hand {
            let rule = if found.kind == FindingKindV1::HandEdited { Rule::HandEdited } else { Rule::Unverified };
            let finding = finding::Finding::new(rule, Severity::Error, Subject::tag(&found.tag), &found.message);
            results.add(finding.help(found.help.as_deref()).at(self.site.digest(&found.tag)));
        }
        self.images.iter().flatten().for_each(|image| results.add(image.finding()));
        if let Some(report) = &self.upstream {
            pass::add_report(&mut results, report, Exit::Drift, &|id| self.site.defined(id));
        }
        for (hook, pattern) in &self.idle {
            let message = format!("`on` of the hook `{hook}` means no tag: `{pattern}`");
            let finding = finding::Finding::new(Rule::Hook, Severity::Warning, Subject::new("hooks", hook), &message);
            results
                .add(finding.distinguished_by(pattern).at(FindingLocation::whole(crate::model::settings::FILE_NAME)));
        }
        results.summary = self.summary(self.exit == Exit::Success);
        results
    }
}

fn put(out: &mut String, findings: &[Finding]) {
    for finding in findings {
        let _ = writeln!(out, "{}", escape::lines(&finding.message));
        if let Some(help) = &finding.help {
            let _ = writeln!(out, "  {}", escape::lines(help));
        }
    }
}

fn count(number: usize, of: &str) -> String {
    if number == 1 { format!("1 {of}") } else { format!("{number} {of}s") }
}

impl From<&Finding> for FindingV1 {
    fn from(finding: &Finding) -> Self {
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
