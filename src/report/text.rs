//! Renders a pass for humans: changes, failures with their reasons, and a summary line.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use anstyle::{AnsiColor, Color};

use super::pass::{HookOutcome, HookRow, PassEnd, ProposalOutcome, ProposalRow, Report, count};
use super::tag::{TagOutcome, TagRow};
use super::v1::words::{KindV1, OutcomeV1, word};
use crate::image_diff::summary::lines;
use crate::image_diff::{Explanation, arrow};
use crate::model::image::TagId;
use crate::model::lock;
use crate::model::lock::diff::PinSide;
use crate::model::settings::adoption_rules::HeldUpdate;
use crate::text::diagnostics::RenderStyle;
use crate::text::escape;

/// Maximum characters of a failure message: it may name an image, its required signers and its actual signers.
const FAILURE_MAX: usize = 1_000;

/// Maximum number of lines listed per file.
const FILE_LINES_MAX: usize = 10;

/// Outcomes in the order of summaries.
const SUMMARY_ORDER: [OutcomeV1; 15] = [
    OutcomeV1::Updated,
    OutcomeV1::Proposed,
    OutcomeV1::Deferred,
    OutcomeV1::Refreshed,
    OutcomeV1::Added,
    OutcomeV1::Removed,
    OutcomeV1::Unchanged,
    OutcomeV1::Held,
    OutcomeV1::Soaking,
    OutcomeV1::Ignored,
    OutcomeV1::Rejected,
    OutcomeV1::Reverted,
    OutcomeV1::Skipped,
    OutcomeV1::Refused,
    OutcomeV1::Failed,
];

/// Detail of the listed tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFilter {
    /// Changes and failures, with warnings about changed images.
    Changes,
    /// Changes and failures, with all differences between images.
    Explanations,
    /// All tags, with all differences between images.
    Everything,
}

/// Renders `report` as lines of text.
pub fn render(report: &Report, show: RowFilter, style: RenderStyle) -> String {
    let is_quiet =
        |row: &&TagRow| matches!(row.outcome, TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotSelected);
    let rows: Vec<&TagRow> = report.rows.iter().filter(|row| show == RowFilter::Everything || !is_quiet(row)).collect();
    let word = rows.iter().map(|row| row.outcome.word().len()).max().unwrap_or(0);
    let tag = rows.iter().map(|row| row.tag.to_string().len()).max().unwrap_or(0);
    let mut out = TextPage { text: String::new(), style, widths: [word, tag] };
    let origins = origins(report);
    for row in rows {
        out.row(row);
        if let Some(explanation) = &row.explanation {
            let origin = row.follow.as_ref().and_then(|_| origins.get(&Arc::as_ptr(explanation)).copied());
            out.explanation(explanation, origin, show);
        }
    }
    out.details(report);
    if let Some(message) = report.message.as_deref().filter(|_| show == RowFilter::Everything) {
        out.put(format_args!("message:\n"));
        for line in escape::lines(message).lines() {
            out.put(format_args!("{}\n", format!("    {line}").trim_end()));
        }
    }
    for note in &report.notes {
        out.put(format_args!("note: {}\n", escape::terminal(note)));
    }
    for error in &report.errors {
        out.put(format_args!("error: {}\n", escape::truncate(&error.message, FAILURE_MAX)));
        if let Some(help) = &error.help {
            out.put(format_args!("help: {}\n", escape::truncate(help, FAILURE_MAX)));
        }
    }
    out.put(format_args!("{}\n", summary(report)));
    out.text
}

/// Maps each explanation, by address, to the first tag with it that follows no other.
fn origins(report: &Report) -> HashMap<*const Explanation, &TagId> {
    // Later entries replace earlier ones.
    let rows = report.rows.iter().rev().filter(|row| row.follow.is_none());
    rows.filter_map(|row| Some((Arc::as_ptr(row.explanation.as_ref()?), &row.tag))).collect()
}

/// Summarizes a pass, as in `2 updated, 97 unchanged; landed as 0f1c2d3ee on main`. Each tag is counted exactly once.
pub(super) fn summary(report: &Report) -> String {
    let outcomes: Vec<OutcomeV1> = report.rows.iter().map(|row| OutcomeV1::from(&row.outcome)).collect();
    let counted = |outcome: OutcomeV1| match outcomes.iter().filter(|one| **one == outcome).count() {
        0 => None,
        count => Some(format!("{count} {}", word(outcome))),
    };
    let counts: Vec<String> = SUMMARY_ORDER.into_iter().filter_map(counted).collect();
    let counts = if counts.is_empty() { "no tags".to_owned() } else { counts.join(", ") };
    let branch = report.branch.as_deref().map_or("the branch".to_owned(), escape::terminal);
    let end = match &report.end {
        PassEnd::Planned => "nothing was written".to_owned(),
        PassEnd::Written => written(report),
        PassEnd::Landed(commit) => format!("landed as {} on {branch}", commit.short()),
        PassEnd::Proposed => format!("{branch} is unchanged until proposals are merged"),
        PassEnd::Unchanged => "nothing to write".to_owned(),
    };
    format!("{counts}; {end}")
}

/// Names the files written to a work tree.
fn written(report: &Report) -> String {
    let files = count(report.files.len(), "file");
    let lock = lock::FILE_NAME;
    match (report.changes_lock(), report.files.len()) {
        (_, 0) => format!("`{lock}` was written"),
        (true, _) => format!("`{lock}` and {files} were written"),
        (false, 1) => format!("{files} was written"),
        (false, _) => format!("{files} were written"),
    }
}

struct TextPage {
    text: String,
    style: RenderStyle,
    /// Widths of the columns with outcomes and tags.
    widths: [usize; 2],
}

impl TextPage {
    fn row(&mut self, row: &TagRow) {
        let [word_width, tag_width] = self.widths;
        let word = row.outcome.word();
        let colour = match row.outcome {
            TagOutcome::Updated | TagOutcome::Proposed | TagOutcome::Refreshed => Some(AnsiColor::Yellow),
            TagOutcome::Added => Some(AnsiColor::Green),
            TagOutcome::Removed => Some(AnsiColor::Magenta),
            TagOutcome::Failed(_) | TagOutcome::Deferred(_) => Some(AnsiColor::Red),
            TagOutcome::Held(_) => Some(AnsiColor::Cyan),
            TagOutcome::BackingOff => Some(AnsiColor::Yellow),
            TagOutcome::Unchanged | TagOutcome::NotDue | TagOutcome::NotSelected => None,
        };
        let tag = row.tag.to_string();
        self.coloured(&word, colour);
        self.put(format_args!("{:1$}  {tag:2$}", "", word_width - word.len(), tag_width));
        if let TagOutcome::Failed(error) = &row.outcome {
            let kind = Some(self::word(KindV1::from(error.kind))).filter(|kind| *kind != word);
            let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
            let note = row.failing_suffix();
            self.put(format_args!("  {kind}{}{note}\n", escape::truncate(&error.message, FAILURE_MAX)));
            if let Some(help) = &error.help {
                self.put(format_args!("{:1$}help: {2}\n", "", word_width + tag_width + 4, escape::terminal(help)));
            }
            return;
        }
        if let (TagOutcome::BackingOff, Some(note)) = (&row.outcome, row.skip_note()) {
            self.put(format_args!("  {note}\n"));
            return;
        }
        let (old, new) = (row.old.as_ref(), row.new.as_ref());
        let digest = |side: &PinSide| side.digest.short().to_owned();
        let version = |side: &PinSide| side.version.as_deref().map(escape::terminal);
        let digests = arrow(old.map(digest), new.map(digest));
        let versions = arrow(old.and_then(version), new.and_then(version));
        self.put(format_args!("  {digests:27}  {versions}"));
        if let TagOutcome::Held(HeldUpdate { digest, reason: kept }) = &row.outcome {
            self.put(format_args!("  available: {}; {}", digest.short(), escape::terminal(&kept.to_string())));
        }
        if let Some(reason) = row.outcome.skip_reason() {
            self.put(format_args!("  {reason}"));
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }

    /// Lists differences between images, or refers to the followed tag with the same change.
    fn explanation(&mut self, explanation: &Explanation, origin: Option<&TagId>, show: RowFilter) {
        let indent = self.widths[0] + 2;
        if let Some(origin) = origin {
            if show != RowFilter::Changes {
                self.put(format_args!("{:indent$}same change as {origin}\n", ""));
            }
            return;
        }
        let is_warning = |line: &String| line.starts_with('!');
        for line in lines(explanation).iter().filter(|line| show != RowFilter::Changes || is_warning(line)) {
            self.put(format_args!("{:indent$}", ""));
            self.coloured(line, is_warning(line).then_some(AnsiColor::Red));
            self.text.push('\n');
        }
    }

    /// Lists remotes, files, proposals and hooks.
    fn details(&mut self, report: &Report) {
        for remote in &report.remotes {
            let url = escape::terminal(&remote.url);
            self.put(format_args!("read remote {} at {} ({url})\n", remote.name, remote.commit.short()));
        }
        for file in &report.files {
            let verb = if report.end == PassEnd::Planned { "would write" } else { "wrote" };
            let path = escape::terminal(&file.path);
            self.put(format_args!("{verb} {path}, {}\n", file.line_list(FILE_LINES_MAX)));
        }
        report.proposals.iter().for_each(|proposal| self.proposal(proposal));
        report.hooks.iter().for_each(|hook| self.hook(hook));
    }

    fn proposal(&mut self, proposal: &ProposalRow) {
        let colour = match &proposal.outcome {
            ProposalOutcome::Created | ProposalOutcome::Refreshed => Some(AnsiColor::Yellow),
            ProposalOutcome::Skipped(_) | ProposalOutcome::Failed(_) => Some(AnsiColor::Red),
            ProposalOutcome::Unchanged | ProposalOutcome::Closed => None,
        };
        self.put(format_args!("proposal {} ", proposal.branch));
        self.coloured(&proposal.outcome.word(), colour);
        if let Some(url) = &proposal.url {
            self.put(format_args!("  {}", escape::terminal(url)));
        }
        if let Some(reason) = proposal.outcome.reason() {
            self.put(format_args!(": {}", escape::terminal(reason)));
        }
        self.text.push('\n');
    }

    fn hook(&mut self, hook: &HookRow) {
        let colour = match &hook.outcome {
            HookOutcome::Succeeded => AnsiColor::Green,
            HookOutcome::Failed(_) | HookOutcome::Refused(_) => AnsiColor::Red,
            HookOutcome::Running { .. } | HookOutcome::Pending => AnsiColor::Yellow,
        };
        self.coloured("hook", Some(colour));
        let summary = escape::truncate(&hook.summary(), FAILURE_MAX);
        self.put(format_args!(" {} {summary}\n", escape::terminal(&hook.name)));
        // The output is already bounded.
        for line in escape::lines(&hook.output).lines() {
            self.put(format_args!("    {line}\n"));
        }
    }

    fn coloured(&mut self, text: &str, colour: Option<AnsiColor>) {
        match colour.filter(|_| self.style == RenderStyle::Colour) {
            Some(colour) => {
                let style = anstyle::Style::new().fg_color(Some(Color::Ansi(colour)));
                self.put(format_args!("{style}{text}{style:#}"));
            }
            None => self.text.push_str(text),
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a `String` does not fail.
        let _ = self.text.write_fmt(text);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::*;
    use crate::git::CommitId;
    use crate::registry::{FailureKind, ResolveError};
    use crate::report::tests::sample;

    #[test]
    fn the_summary_lists_every_outcome_once() {
        let schema = schemars::schema_for!(OutcomeV1);
        let words = schema.as_value()["oneOf"].as_array().unwrap().iter().map(|one| one["const"].as_str().unwrap());
        let mut words: Vec<String> = words.map(str::to_owned).collect();
        let mut listed: Vec<String> = SUMMARY_ORDER.into_iter().map(word).collect();
        words.sort();
        listed.sort();
        assert_eq!(listed, words);
    }

    #[test]
    fn a_report_lists_changes_and_failures() {
        insta::assert_snapshot!(render(&sample::report(), RowFilter::Changes, RenderStyle::Plain), @r"
        failed   alpine:3                   not-found: `docker.io/library/alpine:3` does not exist
        failed   node:22                    tls: TLS handshake with `quay.io` failed
                                            help: set `ca`
        removed  python:3.10                040404040404                 3.10.9
        updated  python:3.12                010101010101 → 020202020202  3.12.4 → 3.12.5\u{1b}[2J
        added    python:3.13-slim-bookworm  060606060606                 3.13.0
        skipped  python:dead                backing off: failing since 2026-11-24T11:00:00Z (not-found, 3 attempts); next attempt 2026-11-24T12:06:00Z
        updated  python:latest              010101010101 → 020202020202
        read remote platform at 012345678 (https://git.example/platform/images)
        wrote deploy/web.yaml, lines 4, 12
        hook rollout succeeded for 2 changes
            rolling out
            \u{3a}:error::web
        hook chat failed for 2 changes and stays pending: exit code 7
            ```
            \u{3a}:error::x
            no such <room>
        hook slow is unconfirmed for 2 changes: claimed by another pass until 2026-11-24T12:02:00Z; if that pass does not renew its claim, a later pass runs the hook
        note: the remote rejects the state ref; state is stored locally
        2 updated, 1 added, 1 removed, 1 unchanged, 2 skipped, 2 failed; landed as 0f1c2d3e4 on main
        ");
    }

    #[test]
    fn all_tags_are_listed_on_request() {
        let mut report = Report { hooks: Vec::new(), notes: Vec::new(), end: PassEnd::Planned, ..sample::report() };
        report.remotes.clear();
        insta::assert_snapshot!(render(&report, RowFilter::Everything, RenderStyle::Plain), @r"
        failed     alpine:3                   not-found: `docker.io/library/alpine:3` does not exist
        failed     node:22                    tls: TLS handshake with `quay.io` failed
                                              help: set `ca`
        removed    python:3.10                040404040404                 3.10.9
        unchanged  python:3.11                030303030303                 3.11.1
        updated    python:3.12                010101010101 → 020202020202  3.12.4 → 3.12.5\u{1b}[2J
        added      python:3.13-slim-bookworm  060606060606                 3.13.0
        skipped    python:3.9                 070707070707                   not due
        skipped    python:dead                backing off: failing since 2026-11-24T11:00:00Z (not-found, 3 attempts); next attempt 2026-11-24T12:06:00Z
        updated    python:latest              010101010101 → 020202020202
        would write deploy/web.yaml, lines 4, 12
        2 updated, 1 added, 1 removed, 1 unchanged, 2 skipped, 2 failed; nothing was written
        ");
    }

    #[test]
    fn the_commit_message_is_shown_with_all_tags() {
        let message = Some("pin\n\n## a\n::error::x\n".to_owned());
        let mut report = Report { message, end: PassEnd::Planned, ..sample::report() };
        report.rows.truncate(0);
        let shown = |show| render(&report, show, RenderStyle::Plain);
        assert!(!shown(RowFilter::Explanations).contains("message:"));
        insta::assert_snapshot!(shown(RowFilter::Everything).split_once("message:").unwrap().1, @r"

            pin

            #\u{23} a
            \u{3a}:error::x
        note: the remote rejects the state ref; state is stored locally
        no tags; nothing was written
        ");
    }

    #[test]
    fn coloured_and_plain_text_are_the_same() {
        let plain = render(&sample::report(), RowFilter::Everything, RenderStyle::Plain);
        let coloured = render(&sample::report(), RowFilter::Everything, RenderStyle::Colour);
        assert_ne!(plain, coloured);
        assert_eq!(anstream::adapter::strip_str(&coloured).to_string(), plain);
    }

    #[test]
    fn the_summary_ends_with_the_end_of_the_pass() {
        let end = |end: PassEnd, rows: usize| {
            let mut report = Report { end, files: Vec::new(), ..sample::report() };
            report.rows.truncate(rows);
            summary(&report)
        };
        let with_files = |rows: usize, files: usize| {
            let mut report = Report { end: PassEnd::Written, ..sample::report() };
            report.rows.truncate(rows);
            report.files = vec![report.files[0].clone(); files];
            written(&report)
        };
        assert_eq!(with_files(0, 1), "1 file was written");
        assert_eq!(with_files(0, 2), "2 files were written");
        assert_eq!(with_files(6, 1), "`pinstream.lock` and 1 file were written");
        assert_eq!(end(PassEnd::Unchanged, 0), "no tags; nothing to write");
        assert_eq!(end(PassEnd::Written, 1), "1 failed; `pinstream.lock` was written");
        assert_eq!(
            end(PassEnd::Landed(CommitId("0123456789ab".to_owned())), 0),
            "no tags; landed as 012345678 on main"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t9_no_foreign_text_acts_in_a_report(foreign in any::<String>(), start in "[ \n\r\t\u{1b}\u{202e}:#]{0,8}") {
            let foreign = format!("{start}{foreign}");
            let mut report = sample::report();
            for side in report.rows.iter_mut().flat_map(|row| row.old.iter_mut().chain(&mut row.new)) {
                side.version = Some(foreign.clone());
            }
            let error = ResolveError::new(FailureKind::Network, &foreign).help(&foreign);
            report.rows[0].outcome = TagOutcome::Failed(error);
            for hook in &mut report.hooks {
                (hook.name, hook.output) = (foreign.clone(), foreign.clone());
            }
            report.notes = vec![foreign.clone()];
            report.message = Some(foreign.clone());
            report.branch = Some(foreign);
            let shown = render(&report, RowFilter::Everything, RenderStyle::Plain);
            assert!(!shown.chars().any(|c| c != '\n' && escape::is_deceptive(c)), "{shown:?}");
            assert!(!shown.lines().any(|line| line.trim_start().starts_with("::")), "{shown:?}");
            assert!(!shown.contains("##"), "{shown:?}");
        }
    }
}
